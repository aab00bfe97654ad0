"""Counting of legal time: by a table worked out by hand, and against a reference that walks day by day."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count as naturals
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import TallystickError, UnknownYear
from ledger.core.procedure import deadlines
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import refused_at

ZONE = shipped_rulebook().zone

BEIJING = ZoneInfo("Asia/Shanghai")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CASES = tomllib.loads(Path(__file__).with_name("counting_cases.toml").read_text())
KNOWN = shipped_rulebook().calendar
NO_HOLIDAYS = deadlines.WorkCalendar(frozenset(range(1990, 2060)), frozenset(), frozenset())


def beijing(*parts: int) -> datetime:
    """A time of Beijing, by the time zone database."""
    return datetime(*parts, tzinfo=BEIJING)


def instants(first: str, last: str) -> st.SearchStrategy[datetime]:
    """Any instant from a day to a day of UTC."""
    return st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last), timezones=st.just(UTC))


def lengths(texts: list[str]) -> list[deadlines.Period]:
    """What texts of the table say, as one period."""
    return [period for text in texts for period in deadlines.parse_periods(text)]


def end_of(
    start: datetime,
    periods: Iterable[deadlines.Period],
    calendar: deadlines.WorkCalendar | None = KNOWN,
    *,
    in_custody: bool = False,
    **more: Any,
) -> deadlines.PeriodEnd:
    """The end of periods. Raises UnknownYear if a day off is unknown that matters."""
    counting = deadlines.Counting(start, tuple(periods), **more)
    end, unknown = deadlines.earliest_end(counting, ZONE, calendar, in_custody=in_custody)
    if unknown is not None:
        raise unknown
    return end


def counted(case: dict[str, Any]) -> deadlines.PeriodEnd:
    """What the code makes of a case of the table."""
    excluded = case.get("excluded", [])
    return end_of(
        case["start"].replace(tzinfo=BEIJING),
        lengths(case["periods"]),
        in_custody=case.get("in_custody", False),
        then=tuple(tuple(lengths(texts)) for texts in case.get("then", [])),
        excluded=tuple(
            deadlines.Exclusion(since.replace(tzinfo=BEIJING), until.replace(tzinfo=BEIJING), ground)
            for since, until, ground in excluded
        ),
        manner=deadlines.Manner(
            case.get("month_end", "same_day"),
            case.get("days_off", "later_at_liberty"),
            case.get("start_counts", False),
        ),
    )


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_period_ends_when_it_was_worked_out_to_end(case: dict[str, Any]) -> None:
    """Each case of the table ends on its day or at its hour, or is refused with its code."""
    if "refused" in case:
        with pytest.raises(TallystickError) as refused:
            counted(case)
        assert refused.value.code == case["refused"]
        return
    due = case.get("due") or datetime.combine(case["last_day"] + DAY, datetime.min.time())
    end = counted(case)
    assert (end.last_day, end.due_at) == (case.get("last_day"), due.replace(tzinfo=BEIJING))
    assert end.due_at.tzinfo is UTC


# -- periods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("24 h", (deadlines.Period(24, "hour"),)),
        ("3 d", (deadlines.Period(3, "day"),)),
        ("999 d", (deadlines.Period(999, "day"),)),
        ("1 m", (deadlines.Period(1, "month"),)),
        ("1 m 15 d", (deadlines.Period(1, "month"), deadlines.Period(15, "day"))),
        ("1 y", (deadlines.Period(1, "year"),)),
    ],
)
def test_texts_of_the_data_are_read(text: str, periods: tuple[deadlines.Period, ...]) -> None:
    """Of several units each is a period of its own."""
    assert deadlines.parse_periods(text) == periods


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "d",
        "3d",
        "3  d",
        "3 D",
        "0 d",
        "-1 d",
        "1.5 d",
        "0.5 y",
        "1.5 m",
        "1 m15 d",
        "1 m ",
        "1000 d",
        "٣ d",
        "3 d\n",
        "1.5 m ",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """What is no period is refused by its field, with examples of what is."""
    with refused_at("period", match="expected 1 to 999"):
        deadlines.parse_periods(text)


@pytest.mark.parametrize("texts", [[], ["24 h", "1 d"], ["1 m", "24 h"], ["1 wd", "24 h"], ["3 d", "3 wd"]])
def test_hours_and_days_are_not_mixed(texts: list[str]) -> None:
    """No period, or hours or working days beside other units, have no end that the law would tell."""
    periods = lengths(texts)
    with refused_at("periods", match="hours or working days only"):
        end_of(beijing(2026, 3, 10), periods, in_custody=True)


# -- days and calendars ------------------------------------------------------------------------------------------------


@given(instants("1992-01-01", "2037-12-31"))
def test_beijing_time_is_eight_hours_ahead_of_utc(instant: datetime) -> None:
    """The fixed offset is what the time zone database says, without summer time."""
    assert ZONE.local(instant).utcoffset() == instant.astimezone(BEIJING).utcoffset()
    assert ZONE.day_of(instant) == instant.astimezone(BEIJING).date()


def test_a_day_ends_at_midnight_in_beijing() -> None:
    """24:00 is the first instant of the next day, 16:00 in UTC; the instant before still is of the day."""
    end = ZONE.end_of(date(2026, 3, 10))
    assert end == datetime(2026, 3, 10, 16, tzinfo=UTC)
    assert ZONE.day_of(end) == date(2026, 3, 11)
    assert ZONE.day_of(end - timedelta(microseconds=1)) == date(2026, 3, 10)
    assert ZONE.day_that_ends(end) == date(2026, 3, 10)
    assert ZONE.day_that_ends(end - timedelta(seconds=1)) is None


def test_a_year_that_is_not_known_is_an_error() -> None:
    """The year, and what to do, are told; also where only the roll leads into it: 31 December 2022 was a Saturday."""
    only_2022 = deadlines.WorkCalendar(frozenset({2022}), frozenset(), frozenset())
    counting = deadlines.Counting(beijing(2022, 12, 30), deadlines.parse_periods("1 d"))
    _, unknown = deadlines.earliest_end(counting, ZONE, only_2022, in_custody=False)
    assert isinstance(unknown, UnknownYear)
    assert "days off of 2023 are not all known" in unknown.message
    assert unknown.code == "unknown_year"
    assert "version of the procedure" in (unknown.hint or "")


# -- against a reference that walks ------------------------------------------------------------------------------------


def walk_months(start: date, months: int, month_end: deadlines.MonthEnd) -> date:
    """The last day of ``months``, by walking: of the month that is so many on, the latest day not above the start's."""
    number = start.year * 12 + start.month + months
    goal, day = [], start
    while day.year * 12 + day.month <= number:
        if day.year * 12 + day.month == number:
            goal.append(day)
        day += DAY
    starts_on_last = (start + DAY).month != start.month
    reach = 31 if month_end == "last_day" and starts_on_last else start.day
    return [day for day in goal if day.day <= reach][-1]


def walk(start: int, base: int, spans: Sequence[tuple[int, int]]) -> int:
    """The last of ``base`` days (or hours) after ``start`` when those of the spans are passed over, one by one."""
    left_out = {n for since, until in spans for n in range(since + 1, until + 1)}
    day = start
    while base:
        day += 1
        base -= day not in left_out
    while day + 1 in left_out:
        day += 1
    return day


def walk_days(
    start: date,
    periods: Sequence[deadlines.Period],
    spans: Sequence[tuple[date, date]],
    calendar: deadlines.WorkCalendar,
    end: deadlines.MonthEnd,
) -> Iterator[date]:
    """The last day as it falls, the next working day from it on, and the one before."""
    months = sum({"month": 1, "year": 12}.get(period.unit, 0) * period.amount for period in periods)
    last = walk_months(start, months, end) if months else start
    for period in periods:
        for _ in range({"day": 1}.get(period.unit, 0) * period.amount):
            last += DAY
    ordinals = [(since.toordinal(), until.toordinal()) for since, until in spans]
    last = date.fromordinal(walk(start.toordinal(), (last - start).days, ordinals))
    yield last
    for step in (DAY, -DAY):
        yield next(day for n in naturals() if not calendar.is_day_off(day := last + n * step))


INSTANTS = instants("2015-01-01", "2030-12-31")
MONTH_ENDS: st.SearchStrategy[deadlines.MonthEnd] = st.sampled_from(["same_day", "last_day"])
LENGTHS = st.sampled_from(
    [
        deadlines.Period(n, unit)
        for unit in ("day", "month", "year")
        for n in ((1, 2, 3, 7, 30) if unit != "year" else (1,))
    ]
)


@st.composite
def exclusions(draw: st.DrawFn, start: datetime, reach: timedelta) -> list[deadlines.Exclusion]:
    """Up to four times about a start, in any order."""
    within = st.timedeltas(-reach / 4, reach)
    pairs = draw(st.lists(st.tuples(within, st.timedeltas(timedelta(0), reach / 3)), max_size=4))
    return [deadlines.Exclusion(start + at, start + at + length, "suspension") for at, length in pairs]


@st.composite
def calendars(draw: st.DrawFn, about: date) -> deadlines.WorkCalendar:
    """Weekends, some of them worked, and holidays in the two years after a day."""
    days = st.integers(0, 730).map(lambda n: about + n * DAY)
    worked = draw(st.frozensets(days.filter(lambda day: day.weekday() >= 5), max_size=8))
    holidays = draw(st.frozensets(days, max_size=30)) - worked
    return deadlines.WorkCalendar(NO_HOLIDAYS.years, holidays, worked)


@given(st.data(), INSTANTS, st.lists(LENGTHS, min_size=1, max_size=4), MONTH_ENDS)
def test_days_are_those_of_a_walk_day_by_day(
    data: st.DataObject, start: datetime, periods: list[deadlines.Period], month_end: deadlines.MonthEnd
) -> None:
    """Whatever is added, left out or moved: the end is the one that walking finds, in each way that days off matter."""
    excluded = data.draw(exclusions(start, timedelta(days=120)))
    calendar = data.draw(calendars(ZONE.day_of(start)))
    spans = [(ZONE.day_of(e.since), ZONE.day_of(e.until)) for e in excluded]
    fallen, later, earlier = walk_days(ZONE.day_of(start), periods, spans, calendar, month_end)
    expected: dict[tuple[deadlines.MovesFromDayOff, bool], date] = {
        ("later_at_liberty", True): fallen,
        ("later_at_liberty", False): later,
        ("later", True): later,
        ("earlier", True): earlier,
        ("never", False): fallen,
    }
    for (days_off, in_custody), last_day in expected.items():
        manner = deadlines.Manner(month_end, days_off)
        end = end_of(start, periods, calendar, excluded=tuple(excluded), in_custody=in_custody, manner=manner)
        assert (end.last_day, end.due_at) == (last_day, ZONE.end_of(last_day))


@given(st.data(), INSTANTS, st.lists(st.integers(1, 12), min_size=1, max_size=3), st.booleans())
def test_working_days_are_those_of_a_walk_day_by_day(
    data: st.DataObject, start: datetime, numbers: list[int], start_counts: bool
) -> None:
    """Days off and days left out are passed over, whatever comes first."""
    excluded = data.draw(exclusions(start, timedelta(days=40)))
    calendar = data.draw(calendars(ZONE.day_of(start)))
    left_out = {
        ZONE.day_of(e.since) + n * DAY
        for e in excluded
        for n in range(1, (ZONE.day_of(e.until) - ZONE.day_of(e.since)).days + 1)
    }
    days = (ZONE.day_of(start) + n * DAY for n in naturals(0 if start_counts else 1))
    worked = (day for day in days if not calendar.is_day_off(day) and day not in left_out)
    end = end_of(
        start,
        [deadlines.Period(number, "working_day") for number in numbers],
        calendar,
        excluded=tuple(excluded),
        manner=deadlines.Manner(start_counts=start_counts),
    )
    assert end.last_day == next(islice(worked, sum(numbers) - 1, None))


def test_without_a_calendar_the_end_is_the_earliest() -> None:
    """Every day is a working day then; the last step says that the end is not before that day."""
    for text, last in (("3 wd", date(2027, 1, 2)), ("1 m", date(2027, 1, 30))):
        end = end_of(beijing(2026, 12, 30, 10), deadlines.parse_periods(text), None)
        assert (end.last_day, end.steps[-1]) == (last, deadlines.EndNotKnown(last))
