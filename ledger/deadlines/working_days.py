"""The days off of mainland China, from the package holidays."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ledger.core.procedure.deadlines import WorkCalendar

YEARS = range(2001, 2036)  # of those to come the package knows one or two; what it does not know is left out


def shipped_calendar() -> WorkCalendar:
    """All that the package knows which comes with this version."""
    return work_calendar(YEARS)


def work_calendar(years: Iterable[int]) -> WorkCalendar:
    """What is known of ``years``.

    The package guesses a year that the State Council has not arranged yet, and says nothing of it. Every arrangement
    since 2001 has weekend days that are worked: a year without any is left out, and so is unknown to the calendar. Not
    told by that: whether the next arrangement will have a last weekend of December worked, as that of 2019 did.
    """
    return _work_calendar(frozenset(years))


@cache
def _work_calendar(years: frozenset[int]) -> WorkCalendar:
    import holidays  # noqa: PLC0415 - a fifth of a second, which only those wait for who count

    found = holidays.country_holidays("CN", years=years)
    make_up_days = frozenset(day for day in found.weekend_workdays if day.year in years)
    arranged = frozenset(day.year for day in make_up_days)
    return WorkCalendar(arranged, frozenset(day for day in found if day.year in arranged), make_up_days)
