"""Ends of clocks by rows of any procedure: what is counted, what a paper may set, and what the end means."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody.due_dates import Deadline, deadlines, due_at, end_of_clock
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import case, item
from ledger.core.procedure.clock_periods import latest_lawful_day
from ledger.core.procedure.deadlines import DayBeyondLaw, DayDecided, EndNotKnown, PeriodAdded, StartDayLeftOut
from ledger.core.procedure.rulebook import ClockRule, DaysOff
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import instant
from tests.testkit.casework import Case

MONDAY = "2026-03-02T02:00:00Z"  # ten in the morning
LABEL = {"en": "a term", "zh": "期限"}
HOUR = 3600
USUAL = {
    "name": "term",
    "article": "law 1",
    "valid_from": "2000-01-01",
    "label": LABEL,
    "per": "person",
    "starts": ["measure.bail"],
    "stops": ["measure_ended.bail"],
}


def case_with(
    start: str = MONDAY, *, extensions: tuple[dict[str, Any], ...] = (), years: Any = None, **row: Any
) -> Case:
    """A case whose only clock is of a row, with Li named; ``years`` are the days off, if not those that ship."""
    listed = [
        {"name": name, "article": "law 2", "label": LABEL} | more for name, more in zip("abc", extensions, strict=False)
    ]
    clock = convert(USUAL | {"extensions": listed} | row, ClockRule)
    book = replace(shipped_rulebook(), clocks=(clock,))
    return (
        Case(book=book if years is None else replace(book, days_off=years), start=unix_seconds(start)).open().name("li")
    )


def on_bail(start: str = MONDAY, until: str | None = None, **row: Any) -> Case:
    """Li is on bail since then, which is what the row's clock starts with."""
    return case_with(start, **row).impose("li", "bail", started_at=start, until=until)


def due(of: Case, as_of: str = "2026-03-02T12:00:00Z") -> Deadline:
    """The clock at a moment."""
    (deadline,) = deadlines(of.state, of.book, datetime.fromisoformat(as_of))
    return deadline


def last_day(of: Case) -> str:
    return str(due(of, "2030-01-01T00:00:00Z").last_day)


def extended(of: Case, name: str = "a", **fields: Any) -> Case:
    return of.extend("term", name, **fields)


# -- counting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, "2026-05-11"),  # 9 May is a worked Saturday, the 10th a Sunday
        ({"days_off": "never"}, "2026-05-10"),
        ({"days_off": "earlier"}, "2026-05-09"),
        ({"bases": [{"period": "3 wd"}]}, "2026-03-13"),
        ({"start_counts": True}, "2026-05-09"),
    ],
)
def test_a_row_says_how_its_periods_are_counted(row: dict[str, Any], expected: str) -> None:
    """Two months from 10 March, or three working days."""
    assert last_day(on_bail("2026-03-10T02:00:00Z", **({"bases": [{"period": "2 m"}]} | row))) == expected


@pytest.mark.parametrize(("days_off", "expected"), [("later_at_liberty", "2026-03-07"), ("later", "2026-03-09")])
def test_who_has_a_right_has_it_in_custody_too(days_off: str, expected: str) -> None:
    """The row says whether an end that is a day off moves for whoever is locked up: 7 March is a Saturday."""
    row = {"starts": ["measure.detention"], "stops": ["measure_ended.detention"], "bases": [{"period": "5 d"}]}
    held = case_with(**row, days_off=days_off).impose("li", "detention", started_at="2026-03-02T02:00:00Z")
    assert last_day(held) == expected


@pytest.mark.parametrize(
    ("started_at", "ended_at", "expected"),
    [
        ("2026-03-07T15:59:59Z", None, "2026-03-07"),
        ("2026-03-07T16:00:00Z", None, "2026-03-09"),
        (MONDAY, "2026-03-07T16:00:00Z", "2026-03-07"),
        (MONDAY, "2026-03-07T15:59:59Z", "2026-03-09"),
    ],
    ids=["just before", "just after", "until it is over", "not until it is over"],
)
def test_custody_counts_as_the_last_day_ends(started_at: str, ended_at: str | None, expected: str) -> None:
    """Saturday, 7 March, is the last day of whoever is locked up in its last second, and of nobody else."""
    written = on_bail(bases=[{"period": "5 d"}], days_off="later_at_liberty")
    written.impose("li", "detention", started_at=started_at)
    if ended_at is not None:
        written.say(case.MeasureLifted, measure_id="detention-li", ended_at=ended_at)
    assert last_day(written) == expected


def test_hours_run_from_the_minute_where_the_row_says_so() -> None:
    """Twelve hours, or twenty-four in all: the longer of the two holds."""
    row = {"bases": [{"period": "12 h"}], "start_counts": True}
    opened = on_bail("2026-03-02T00:40:00Z", **row, extensions=({"to": "24 h"},))
    assert due_at(opened.state, opened.clock("term"), opened.book) == datetime.fromisoformat("2026-03-02T12:40:00Z")
    extended(opened)
    assert due_at(opened.state, opened.clock("term"), opened.book) == datetime.fromisoformat("2026-03-03T00:40:00Z")


@pytest.mark.parametrize(
    ("counts", "expected"), [("together", "2026-03-30"), ("from_end", "2026-03-28"), ("from_paper", "2026-03-02")]
)
def test_an_extension_counts_with_the_rest_or_by_itself(counts: str, expected: str) -> None:
    """Two months from 30 December end on 28 February; a month more from the start, from there, or from 2 February."""
    row = {"bases": [{"period": "2 m"}], "days_off": "never", "extensions": ({"adds": "1 m", "counts": counts},)}
    opened = on_bail("2025-12-30T02:00:00Z", **row)
    opened.now = unix_seconds("2026-02-02T02:00:00Z")
    assert last_day(extended(opened)) == expected


def test_what_counts_from_its_paper_leaves_nothing_of_what_came_before() -> None:
    """An added day is lost with it, one that comes after it is not; a total still holds from the first start."""
    row = {"bases": [{"period": "36 h"}], "most": "96 h", "start_counts": True}
    more = ({"adds": "24 h"}, {"adds": "36 h", "counts": "from_paper"}, {"adds": "24 h", "times": 0})
    opened = extended(extended(on_bail(**row, extensions=more)), "b")
    paper = unix_seconds(opened.clock("term").extensions[-1].at)
    most = unix_seconds(MONDAY) + 96 * HOUR
    for hours in (36, 60, 84, 108):
        ends = due_at(opened.state, opened.clock("term"), opened.book)
        assert ends is not None
        assert ends.timestamp() == min(most, paper + hours * HOUR)
        extended(opened, "c")


def test_a_renewed_clock_may_have_another_time() -> None:
    """Two years for the first, one for what is renewed in time, counted on from the former last day."""
    opened = case_with(
        per="item",
        starts=["frozen"],
        renewals=["freeze_renewed"],
        stops=["disposed"],
        bases=[{"period": "1 y", "if": {"fact": ["freeze_renewed"]}}, {"period": "2 y"}],
        days_off="never",
    ).register("house", kind="property")
    opened.say(item.ItemFrozen, item_id="house", frozen_until="2030-12-31")
    assert str(due(opened).last_day) == "2028-03-02"
    opened.say(item.ItemFreezeRenewed, item_id="house", frozen_until="2030-12-31")
    assert str(deadlines(opened.state, opened.book, datetime.fromisoformat("2027-01-01T00:00:00Z"))[-1].last_day) == (
        "2029-03-02"
    )


# -- what a paper may set ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "flagged"),
    [("2026-03-28", False), ("2026-03-30", False), ("2026-03-31", False), ("2026-04-01", True), ("2026-03-10", False)],
)
def test_a_paper_is_lawful_however_its_authority_counts(until: str, flagged: bool) -> None:
    """From 28 February a month is until the 28th, until the 30th from the start, until the 31st from month's end."""
    row = {"bases": [{"period": "2 m"}], "days_off": "never", "extensions": ({"adds": "1 m", "counts": "from_end"},)}
    opened = extended(on_bail("2025-12-30T02:00:00Z", **row), until=until)
    assert ("term_beyond_law" in opened.flag_names()) == flagged
    deadline = due(opened)
    assert str(deadline.last_day) == ("2026-03-28" if flagged else until)
    assert deadline.beyond_law == flagged
    assert isinstance(deadline.steps[-1], DayBeyondLaw if flagged else DayDecided)


@pytest.mark.parametrize(("until", "flagged"), [("2026-05-21", False), ("2026-05-22", True)])
def test_a_paper_may_count_on_from_the_day_to_which_an_end_moved(until: str, flagged: bool) -> None:
    """A month ends on 2 May and moves to the 6th: fifteen days more are until the 21st, a Thursday."""
    row = {"bases": [{"period": "1 m"}], "extensions": ({"adds": "15 d"},)}
    opened = extended(on_bail("2026-04-02T02:00:00Z", **row), until=until)
    assert ("term_beyond_law" in opened.flag_names()) == flagged


@pytest.mark.parametrize(
    ("days_off", "measure", "flagged"),
    [
        ("later", "bail", False),
        ("later", "detention", False),
        ("later_at_liberty", "bail", False),
        ("later_at_liberty", "detention", True),
        ("never", "bail", True),
    ],
)
def test_a_paper_may_set_the_day_to_which_the_end_moves(days_off: str, measure: str, flagged: bool) -> None:
    """A month ends on 2 May, a day off, and moves to the 6th where the row moves it; the page and the flag agree."""
    start = "2026-04-02T02:00:00Z"
    row = {"starts": [f"measure.{measure}"], "stops": [f"measure_ended.{measure}"], "bases": [{"period": "1 m"}]}
    opened = case_with(start, **row, days_off=days_off)
    opened.impose("li", measure, started_at=start, until="2026-05-06")
    assert ("term_beyond_law" in opened.flag_names()) == flagged
    deadline = due(opened, start)
    assert (str(deadline.last_day), deadline.beyond_law) == ("2026-05-02" if flagged else "2026-05-06", flagged)


def test_rests_are_in_every_lawful_count() -> None:
    """Four days that did not count are four days more for the paper too."""
    row = {"bases": [{"period": "1 m"}], "days_off": "never"}
    opened = on_bail(**row)
    clock = opened.clock("term")
    assert str(latest_lawful_day(clock, opened.book, moves=False)) == "2026-04-02"
    opened.say(
        case.DeadlineSuspended,
        deadline_id=clock.deadline_id,
        suspended_at="2026-03-03T02:00:00Z",
        excluded_for="suspension",
    )
    opened.say(case.DeadlineResumed, deadline_id=clock.deadline_id, resumed_at="2026-03-07T02:00:00Z")
    assert str(latest_lawful_day(opened.clock("term"), opened.book, moves=False)) == "2026-04-06"


@pytest.mark.parametrize(
    ("years", "until", "flagged"), [(None, "2026-03-05", False), (None, "2026-03-06", True), ({}, "2026-03-09", False)]
)
def test_a_paper_of_working_days_is_held_against_working_days(years: Any, until: str, flagged: bool) -> None:
    """Where the days off are not known nothing is flagged."""
    opened = on_bail(until=until, bases=[{"period": "3 wd"}], years=years)
    assert ("term_beyond_law" in opened.flag_names()) == flagged


@pytest.mark.parametrize(("until", "flagged"), [("2026-09-01", True), ("2026-09-02", False), ("2027-03-03", True)])
def test_a_paper_sets_a_time_between_the_least_and_the_most(until: str, flagged: bool) -> None:
    """A probation of six months to a year, whose day only the paper says."""
    opened = on_bail(until=until, bases=[{"period": "12 m"}], least="6 m", days_off="never")
    assert ("term_beyond_law" in opened.flag_names()) == flagged


def test_hours_have_no_lawful_day() -> None:
    """A paper is not held against a day where the law gives hours, nor where it gives nothing."""
    assert latest_lawful_day(on_bail(bases=[{"period": "24 h"}]).clock("term"), Case().book, moves=True) is None


def test_extensions_have_an_order_a_number_and_a_last_moment() -> None:
    """One that needs another is flagged before it, and so is what is decided after the end; any number may be any."""
    more = ({"adds": "1 m", "times": 0}, {"adds": "1 m", "requires": "a"})
    opened = extended(on_bail(bases=[{"period": "1 m"}], days_off="never", extensions=more), "b")
    assert opened.flag_names() == ["extension_without_basis"]
    assert "comes only after" in str(opened.flags[0].detail)
    for _ in range(3):
        assert extended(opened).flag_names() == []
    end = due(opened).due_at
    assert end is not None
    opened.now = int(end.timestamp()) - 1
    assert extended(opened).flag_names() == []
    end = due(opened).due_at
    assert end is not None
    opened.now = int(end.timestamp())
    assert extended(opened).flag_names() == ["extension_without_basis"]
    assert "had ended at" in str(opened.flags[0].detail)


def test_an_extension_may_be_decided_in_the_last_days_alone() -> None:
    """Ten days end on 12 March: what is decided before the 7th is flagged, and what has no day is held against none."""
    row = {"bases": [{"period": "10 d"}], "days_off": "never", "extensions": ({"adds": "10 d", "within_last": "5 d"},)}
    for now, flags in (("2026-03-06T15:59:59Z", ["extension_without_basis"]), ("2026-03-06T16:00:00Z", [])):
        opened = on_bail(**row)
        opened.now = unix_seconds(now)
        assert extended(opened).flag_names() == flags
    assert extended(on_bail(**row | {"bases": [], "until": "2026-03-31T00:00:00Z"})).flag_names() == []


def test_a_time_is_counted_anew_as_often_as_its_row_says() -> None:
    """Once, and the second time is flagged; without a number it never is."""
    for resets, flags in ((1, [[], ["extension_without_basis"]]), (None, [[], []])):
        opened = on_bail(bases=[{"period": "10 d"}], resets=resets)
        for expected in flags:
            anew = {"deadline_id": opened.clock("term").deadline_id, "reset_at": instant(opened.now)}
            assert opened.say(case.DeadlineReset, **anew).flag_names() == expected


@pytest.mark.parametrize(
    ("exclusions", "flagged"), [(None, False), (["travel"], False), (["file_reading"], True), ([], True)]
)
def test_a_time_rests_on_the_grounds_of_its_row(exclusions: list[str] | None, flagged: bool) -> None:
    """Another ground is flagged; a time that names none at all never rests."""
    opened = on_bail(bases=[{"period": "10 d"}], exclusions=exclusions)
    rests = {"suspended_at": instant(opened.now), "excluded_for": "travel"}
    opened.say(case.DeadlineSuspended, deadline_id=opened.clock("term").deadline_id, **rests)
    assert opened.flag_names() == (["extension_without_basis"] if flagged else [])


# -- what the end means ------------------------------------------------------------------------------------------------


def test_what_is_due_promptly_is_never_overdue() -> None:
    """It has no last day; it runs until it is done."""
    opened = on_bail(prompt=True)
    deadline = due(opened, "2029-01-01T00:00:00Z")
    assert (deadline.status, deadline.due_at, deadline.last_day, deadline.days_left) == ("running", None, None, None)
    opened.change("bail", "detention", "li")
    assert due(opened, "2029-01-01T00:00:00Z").status == "met"
    assert end_of_clock(opened.state, opened.clock("term"), opened.book).counted is None


def test_an_end_may_be_no_lateness() -> None:
    """When the term has passed it has ended, whatever is done later; before that it runs, and may be met."""
    opened = on_bail(bases=[{"period": "10 d"}], at_end=LABEL)
    assert due(opened, "2026-03-12T15:59:59Z").status == "running"
    assert due(opened, "2026-03-12T16:00:00Z").status == "ended"
    late = on_bail(bases=[{"period": "10 d"}], at_end=LABEL)
    late.now += 30 * 86400
    assert due(late.change("bail", "detention", "li"), "2026-05-01T00:00:00Z").status == "ended"
    assert due(opened.change("bail", "detention", "li"), "2026-05-01T00:00:00Z").status == "met"


def test_a_clock_that_was_only_replaced_was_not_met() -> None:
    """It ended when the next one of its name began; before that it ran. One that was late by then is missed."""
    for days, status in ((2, "ended"), (30, "missed")):
        opened = on_bail(bases=[{"period": "10 d"}])
        opened.now += days * 86400
        opened.impose("li", "bail", measure_id="bail-2", started_at=instant(opened.now))
        as_of = datetime.fromisoformat("2026-12-31T00:00:00Z")
        first, second = deadlines(opened.state, opened.book, as_of)
        assert (first.status, first.replaced, second.replaced) == (status, True, False)
        assert (
            deadlines(opened.state, opened.book, datetime.fromisoformat("2026-03-02T12:00:00Z"))[0].status == "running"
        )


ONLY_2026 = {"2026": DaysOff((), (), "2026-12-26")}


def test_in_a_time_whose_days_off_are_not_known_the_end_is_not_before_a_day() -> None:
    """The day as it falls is told, with the reason; once it has passed nobody knows whether it is late."""
    opened = on_bail("2026-11-30T02:00:00Z", bases=[{"period": "1 m"}], years=ONLY_2026)
    deadline = due(opened, "2026-12-01T00:00:00Z")
    assert (deadline.status, str(deadline.last_day), deadline.days_left) == ("running", "2026-12-30", 29)
    assert deadline.steps[-1] == EndNotKnown(date(2026, 12, 30))
    assert deadline.unknown is not None
    assert due(opened, "2027-01-01T00:00:00Z").status == "uncountable"
    opened.now = unix_seconds("2026-12-02T00:00:00Z")
    assert due(opened.change("bail", "detention", "li"), "2027-01-01T00:00:00Z").status == "met"


def test_a_day_before_days_that_are_not_known_cannot_be_counted() -> None:
    """To an earlier working day it could move as far as it likes."""
    opened = on_bail("2026-11-30T02:00:00Z", bases=[{"period": "1 m"}], days_off="earlier", years=ONLY_2026)
    deadline = due(opened, "2026-12-01T00:00:00Z")
    assert (deadline.status, deadline.last_day, deadline.due_at) == ("uncountable", None, None)
    assert deadline.counted is None


def test_a_paper_sets_no_end_later_than_a_day_that_is_not_known() -> None:
    """Its own day may be beyond the law or not: the end is not before the earliest lawful one."""
    opened = on_bail(until="2027-03-03", bases=[{"period": "12 m"}], years=ONLY_2026)
    deadline = due(opened)
    assert (str(deadline.last_day), deadline.beyond_law, deadline.unknown is None) == ("2027-03-02", True, False)
    opened = on_bail(until="2027-03-02", bases=[{"period": "12 m"}], years=ONLY_2026)
    assert (str(due(opened).last_day), due(opened).unknown) == ("2027-03-02", None)
    opened = on_bail("2026-11-30T02:00:00Z", until="2026-12-10", bases=[{"period": "1 m"}], years=ONLY_2026)
    assert [type(step) for step in due(opened, "2026-12-01T00:00:00Z").steps] == [
        StartDayLeftOut,
        PeriodAdded,
        DayDecided,
    ]
