"""Periods: the lengths of statutory time limits, in the units that the law counts them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from ledger.core.errors import MalformedInput
from ledger.core.legal_day import DAY

TEXTS_KEPT = 1024  # the rules have some dozens

Unit = Literal["hour", "day", "half_month", "month", "year"]
# Where a period of months ends that starts on the last day of a month. `same_day`: on the same day of the month that it
# ends in, 30 April + 1 m = 30 May. `last_day`: on the last day of that month, 31 May (SPC interpretation 202, courts).
MonthEnd = Literal["same_day", "last_day"]

HALF_MONTH = 15 * DAY  # always, SPC interpretation 202

_TEXT = re.compile(r"(?P<whole>[0-9]{1,3})(?P<half>\.5)? (?P<unit>[hdmy])")
_UNITS: dict[str, Unit] = {"h": "hour", "d": "day", "m": "month", "y": "year"}


class Period(Struct, frozen=True):
    """So many of one unit. Requires 1 <= amount <= 999."""

    amount: int
    unit: Unit


@lru_cache(maxsize=TEXTS_KEPT)
def parse_periods(text: str, *, field: str = "period") -> tuple[Period, ...]:
    """What a text of the data comes to: ``24 h``, ``3 d``, ``1 m``, ``1 y``; ``1.5 m`` is a month and half a month.

    Raises MalformedInput.
    """
    found = _TEXT.fullmatch(text)
    whole = int(found["whole"]) if found else 0
    if found is None or (found["half"] and found["unit"] != "m") or not (whole or found["half"]):
        raise MalformedInput(
            f"{text!r} is no period: expected 1 to 999 of h, d, m or y, half months too, as in '24 h' or '1.5 m'",
            field=field,
        )
    periods = (Period(whole, _UNITS[found["unit"]]),) if whole else ()
    return (*periods, Period(1, "half_month")) if found["half"] else periods


def last_day_of(start: date, periods: Sequence[Period], month_end: MonthEnd = "same_day") -> date:
    """The last day of ``periods`` as one period that runs from ``start``, which does not count.

    Months come first, all at once, then days, in whatever order they were given: an end of month on the way shortens
    nothing, 31 January + 1 m + 1 m = 31 March. No period is of hours.
    """
    months = sum(_MONTHS.get(period.unit, 0) * period.amount for period in periods)
    days = sum((_DAYS.get(period.unit, _NO_DAYS) * period.amount for period in periods), _NO_DAYS)
    return _months_on(start, months, month_end) + days


_MONTHS: dict[Unit, int] = {"month": 1, "year": 12}
_NO_DAYS = timedelta(0)
_DAYS: dict[Unit, timedelta] = {"day": DAY, "half_month": HALF_MONTH}


def _months_on(start: date, months: int, month_end: MonthEnd) -> date:
    """The same day ``months`` later, or the last day of a month that has no such day."""
    years, month = divmod(start.month - 1 + months, 12)
    last = _last_of_month(start.year + years, month + 1)
    if month_end == "last_day" and start == _last_of_month(start.year, start.month):
        return last
    return last.replace(day=min(start.day, last.day))


def _last_of_month(year: int, month: int) -> date:
    # calendar.monthrange would do; importing it takes a millisecond, which a proof check need not wait for
    following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    return following - DAY
