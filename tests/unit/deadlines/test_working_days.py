"""Work calendars: what is known of the days off, held against a second package."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import pytest
from chinese_calendar import constants

from ledger.core.errors import UnknownYear
from ledger.deadlines.working_days import work_calendar

# A Saturday that the arrangement of 2006 had worked; chinesecalendar has of 2005 what that of 2005 said.
ONLY_HERE = {date(2005, 12, 31)}
BOTH_KNOW = range(min(constants.holidays).year, max(constants.holidays).year + 1)


@pytest.mark.parametrize("year", BOTH_KNOW)
def test_two_packages_agree_on_every_day(year: int) -> None:
    """Each day of a year is off here if and only if it is off by chinesecalendar."""
    calendar = work_calendar([year])
    days = [date(year, 1, 1) + timedelta(days=n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    assert [day for day in days if calendar.is_day_off(day) != chinese_calendar.is_holiday(day)] == [
        day for day in ONLY_HERE if day.year == year
    ]


def test_years_of_running_cases_are_known() -> None:
    """The clocks that are tested with these years have them."""
    assert work_calendar(range(2018, 2027)).years >= set(range(2018, 2027))


@pytest.mark.parametrize("year", [1990, 2090])
def test_a_year_that_is_only_guessed_is_refused(year: int) -> None:
    """The package has holidays for a year that nobody arranged; the calendar does not pretend to know it."""
    calendar = work_calendar([2026, year])
    assert calendar.years == {2026}
    assert {day.year for day in calendar.holidays | calendar.make_up_days} == {2026}
    with pytest.raises(UnknownYear, match=f"public holidays of {year}"):
        calendar.is_day_off(date(year, 5, 1))


def test_no_years_are_nothing_known() -> None:
    """A calendar of no years is empty."""
    assert work_calendar([]).years == frozenset()
