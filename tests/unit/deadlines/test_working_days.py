"""Working days, held against a second package, and periods in words."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import chinese_calendar
import pytest
from chinese_calendar import constants
from holidays import country_holidays
from msgspec import structs

from ledger.core.errors import UnknownYear
from ledger.core.procedure.deadlines import (
    Counting,
    Exclusion,
    Manner,
    Period,
    PeriodEnd,
    WorkCalendar,
    earliest_end,
    parse_periods,
)
from ledger.core.procedure.package import read_package
from ledger.deadlines.working_days import arranged_days_off, period_in_words
from ledger.i18n import LANGUAGES, Labels
from ledger.procedures import shipped_package, shipped_rulebook

# A Saturday that the arrangement of 2006 had worked; chinesecalendar has of 2005 what that of 2005 said.
ONLY_HERE = {date(2005, 12, 31)}
BOTH_KNOW = range(min(constants.holidays).year, max(constants.holidays).year + 1)


def test_hours_over_a_change_of_the_clocks_are_said_with_their_offsets() -> None:
    """24 hours are 23 by the clocks then; an hour that they show twice says which of the two it is."""
    zone = read_package(shipped_package("ew-criminal")).zone
    offsets = []
    for start in ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T12:00:00Z"):
        since = datetime.fromisoformat(start)
        counting = Counting(since, parse_periods("24 h"), manner=Manner(start_counts=True))
        period, _ = earliest_end(counting, zone, None, in_custody=False)
        offsets.append(" ".join(period_in_words(period, Labels("en"), zone)).count("+0"))
    assert offsets == [2, 3, 3, 0]


@pytest.mark.parametrize("year", BOTH_KNOW)
def test_two_packages_agree_on_every_day(year: int) -> None:
    """Each day that is sure is off in the shipped table if and only if it is off by chinesecalendar."""
    unsure = shipped_rulebook().days_off[str(year)].unsure_from
    end = date(year + 1, 1, 1) if unsure is None else date.fromisoformat(unsure)
    days = [date(year, 1, 1) + timedelta(days=n) for n in range((end - date(year, 1, 1)).days)]
    assert [day for day in days if CALENDAR.is_day_off(day) != chinese_calendar.is_holiday(day)] == [
        day for day in ONLY_HERE if day.year == year
    ]


@pytest.mark.parametrize("year", [1990, 2090])
def test_a_year_that_is_only_guessed_is_refused(year: int) -> None:
    """The package has holidays for a year that nobody arranged; the table does not pretend to know it."""
    assert arranged_days_off("CN", [2026, year]) == {"2026": shipped_rulebook().days_off["2026"]}
    with pytest.raises(UnknownYear, match=f"days off of {year}"):
        CALENDAR.is_day_off(date(year, 5, 1))


def test_the_shipped_table_is_what_the_package_says() -> None:
    """`tally procedure calendar CN 2001-2026` made it; another country has its days, arranged or not."""
    table = shipped_rulebook().days_off
    assert arranged_days_off("CN", range(2001, 2027)) == table
    assert "2090-12-25" in arranged_days_off("GB", [2090])["2090"].holidays


def test_a_land_whose_weekend_is_another_has_its_days() -> None:
    """In Israel Friday is a day off, and Sunday a working day unless it is a holiday; in England all is as it was."""
    israel = calendar_of("IL", 2026)
    off = {day for number in range(365) if israel.is_day_off(day := date(2026, 1, 1) + timedelta(days=number))}
    assert {date(2026, 10, 2), date(2026, 9, 13)} <= off  # a Friday; a Sunday of Rosh Hashanah
    assert date(2026, 10, 4) not in off  # a Sunday
    assert len([day for day in off if day.weekday() in (4, 5)]) == 104
    assert arranged_days_off("GB-ENG", [2026])["2026"].make_up_days == ()


@pytest.mark.parametrize(("country", "year"), [("EG", 2028), ("AE", 2027), ("NP", 2028)])
def test_a_day_that_is_estimated_makes_the_rest_unsure(country: str, year: int) -> None:
    """The moon may be seen two days sooner: from then on a last day is not sure."""
    days = arranged_days_off(country, [year])[str(year)]
    in_english = country_holidays(country, years=year, language="en_US").items()
    feast = next(day for day, name in in_english if "Eid al-Fitr" in name)
    assert days.unsure_from is not None
    assert days.unsure_from <= (feast - timedelta(days=2)).isoformat()
    with pytest.raises(UnknownYear):
        calendar_of(country, year).is_day_off(feast)


def calendar_of(country: str, year: int) -> WorkCalendar:
    """Return the calendar of a package with the days off of one year; those that are estimated are not sure."""
    return structs.replace(shipped_rulebook(), days_off=arranged_days_off(country, [year])).calendar


BEIJING = timezone(timedelta(hours=8))
CALENDAR, ZONE = shipped_rulebook().calendar, shipped_rulebook().zone


def counted(text: str, *, month: int, day: int, stopped: int = 0, in_custody: bool = False) -> PeriodEnd:
    """Return a period from 9:40 of a day of 2026, which is suspended for some days from the day after."""
    start = datetime(2026, month, day, 9, 40, tzinfo=BEIJING)
    stop = Exclusion(start + timedelta(days=1), start + timedelta(days=1 + stopped), "suspension")
    counting = Counting(start, parse_periods(text), excluded=(stop,) if stopped else ())
    return earliest_end(counting, ZONE, CALENDAR, in_custody=in_custody)[0]


def test_days_in_words() -> None:
    """Every step is a sentence with its days, a run of days off from first to last, and the end has its UTC too."""
    period = counted("1 m 15 d", month=8, day=10, stopped=7)
    assert period_in_words(period, Labels("en"), ZONE) == (
        "The starting day, 2026-08-10, does not count.",
        "1 month: from 2026-08-11 to 2026-09-10.",
        "15 days: from 2026-09-11 to 2026-09-25.",
        "Not counted: suspension, 2026-08-11 to 2026-08-18, days left out: 7; the last day is then 2026-10-02.",
        "Days off: 2026-10-02 to 2026-10-07. The last day moves to the first working day, 2026-10-08.",
        "In time until 2026-10-08 24:00, Beijing time.",
    )
    assert period_in_words(period, Labels("zh-CN"), ZONE) == (
        "期间开始之日2026年8月10日不计算在内。",
        "1个月：自2026年8月11日起至2026年9月10日止。",
        "15日：自2026年9月11日起至2026年9月25日止。",
        "中止审理（2026年8月11日至2026年8月18日）不计入期间，扣除7日，届满日为2026年10月2日。",
        "2026年10月2日至2026年10月7日为节假日，以节假日后的第一日2026年10月8日为期满日期。",
        "北京时间2026年10月8日24时期满。",
    )


def test_hours_in_words() -> None:
    """Hours are told in Beijing's time."""
    period = counted("24 h", month=12, day=30, stopped=1)
    assert period_in_words(period, Labels("en"), ZONE) == (
        "The starting hour, 2026-12-30 09:00 to 2026-12-30 10:00, does not count.",
        "24 hours: from 2026-12-30 10:00 to 2026-12-31 10:00.",
        "Not counted: suspension, 2026-12-31 09:40 to 2027-01-01 09:40, hours left out: 24; "
        "the end is then 2027-01-01 10:00.",
        "In time until 2027-01-01 10:00, Beijing time.",
    )
    assert period_in_words(period, Labels("zh-CN"), ZONE) == (
        "期间开始之时（2026年12月30日09:00至2026年12月30日10:00）不计算在内。",
        "24小时：自2026年12月30日10:00起至2026年12月31日10:00止。",
        "中止审理（2026年12月31日09:40至2027年1月1日09:40）不计入期间，扣除24小时，至2027年1月1日10:00止。",
        "北京时间2027年1月1日10:00期满。",
    )


def test_custody_in_words() -> None:
    """That nobody is held longer for a holiday is told; Sunday 8 March is not told as a run from itself to itself."""
    period = counted("3 d", month=9, day=28, in_custody=True)
    assert (
        period_in_words(period, Labels("en"), ZONE)[-2] == "In custody: the last day stays 2026-10-01, day off or not."
    )
    assert period_in_words(period, Labels("zh-CN"), ZONE)[-2] == "在押期间，至2026年10月1日期满为止，不因节假日延长。"
    period = counted("3 d", month=3, day=5)
    assert "Days off: 2026-03-08. " in period_in_words(period, Labels("en"), ZONE)[-2]
    assert period_in_words(period, Labels("zh-CN"), ZONE)[-2].startswith("2026年3月8日为节假日")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("unit", ["hour", "day", "working_day", "month", "year"])
@pytest.mark.parametrize("amount", [1, 2])
def test_every_length_is_said(language: str, unit: str, amount: int) -> None:
    """A period of any unit, one or more of it, is said with its number."""
    start = datetime(2026, 3, 5, tzinfo=BEIJING)
    period, _ = earliest_end(Counting(start, (Period(amount, unit),)), ZONE, CALENDAR, in_custody=True)
    sentence = period_in_words(period, Labels(language), ZONE)[1]
    assert sentence.startswith(str(amount))
    assert "_" not in sentence
    assert "{" not in sentence
