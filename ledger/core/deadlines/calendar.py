"""Which days are days off, as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from ledger.core.errors import UnknownYear
from ledger.core.legal_day import DAY

SATURDAY = 5  # of date.weekday()


class WorkCalendar(Struct, frozen=True):
    """The days off of ``years``: weekends and ``holidays``, but not ``make_up_days``, weekend days that are worked.

    Both are Asia/Shanghai days of ``years``; a holiday may fall on a weekend.
    """

    years: frozenset[int]
    holidays: frozenset[date]
    make_up_days: frozenset[date]

    def is_day_off(self, day: date) -> bool:
        """Whether nobody works on ``day``. Raises UnknownYear."""
        if day.year not in self.years:
            raise UnknownYear(
                f"the public holidays of {day.year} are not known, so whether {day} is a day off is not",
                hint="Update the package holidays once the State Council has published the holidays of that year.",
            )
        return day not in self.make_up_days and (day in self.holidays or day.weekday() >= SATURDAY)

    def days_off_from(self, day: date) -> Iterator[date]:
        """The days off without a gap from ``day`` on; none where ``day`` is worked. Raises UnknownYear."""
        while self.is_day_off(day):
            yield day
            day += DAY
