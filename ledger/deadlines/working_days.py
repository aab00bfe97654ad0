"""The days off of mainland China, from the package holidays."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ledger.core.procedure.deadlines import WorkCalendar

YEARS = range(2001, 2036)  # of future years the package knows one or two; the others are left out


def shipped_calendar() -> WorkCalendar:
    """Return the calendar of all years that the installed package knows."""
    return work_calendar(YEARS)


def work_calendar(years: Iterable[int]) -> WorkCalendar:
    """Return the calendar of those of the ``years`` that are known.

    The package guesses a year that the State Council has not arranged yet, without saying so. Every arrangement since
    2001 has weekend days that are worked: a year without any is left out, and so is unknown to the calendar. This does
    not show whether the next year's arrangement makes a last weekend of December a working day, as that of 2019 did.
    """
    return _work_calendar(frozenset(years))


@cache
def _work_calendar(years: frozenset[int]) -> WorkCalendar:
    import holidays  # noqa: PLC0415 - a fifth of a second, which only those wait for who count

    days_off = holidays.country_holidays("CN", years=years)
    make_up_days = frozenset(day for day in days_off.weekend_workdays if day.year in years)
    arranged = frozenset(day.year for day in make_up_days)
    return WorkCalendar(arranged, frozenset(day for day in days_off if day.year in arranged), make_up_days)
