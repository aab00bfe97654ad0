"""The list of clocks says what the cases' states say, whatever happens, and orders deadlines and open offers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select

from ledger.core.custody.due_dates import Status, deadlines
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.events import case as acts
from ledger.core.events.item import ItemFrozen
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.visibility import Reader
from ledger.deadlines import upkeep
from ledger.deadlines.upkeep import recount
from ledger.procedures import shipped_rulebook
from ledger.store import cases, clock_lines, clocks
from ledger.store.clock_lines import ClockLine
from ledger.store.clocks import DeadlineFilter, OfferPosition, offer_position, open_offers, parse_offer_position
from ledger.store.database import Connection
from ledger.store.tables import CLOCKS, ENTRIES, LETTERS, NO_CASE
from tests.testkit.builders import COURT, DEPOT, DETENTION, LAB, POLICE, PROCURATORATE, START, clerk, instant, refused
from tests.testkit.casework import Case, detained, person_id
from tests.testkit.ledgers import Ledger
from tests.unit.audit.stand import findings_of
from tests.unit.core.test_custody_changes import request, serve
from tests.unit.store.plans import noted, plan

ZONE = shipped_rulebook().zone

OFFICERS = tuple(clerk(agency) for agency in (POLICE, PROCURATORATE, COURT, DEPOT, DETENTION, LAB))
DAY = 86400


def stored(ledger: Ledger) -> dict[tuple[str, str], dict[str, Any]]:
    with ledger.database.read() as connection:
        rows = connection.execute(select(CLOCKS)).mappings()
        return {(row["case_id"], row["deadline_id"]): dict(row) for row in rows}


def require_told(ledger: Ledger, *cases: Case) -> None:
    """The rows are those of the states; what is in no state is void."""
    book = shipped_rulebook()
    expected = {
        (of.state.case_id, key): clock_lines.line_of(of.state, own_clock, book)
        for of in cases
        for key, own_clock in of.state.clocks.items()
    }
    for key, row in stored(ledger).items():
        line = ClockLine(**{name: row[name] for name in ClockLine.__struct_fields__})
        if key in expected:
            assert line == expected.pop(key)
        else:
            assert (line.status, line.due_at) == ("void", None)
    assert expected == {}


def long_story() -> Case:
    """Detention, arrest, custody of another organ, bail, a return and a freeze: most of what moves a clock."""
    case = detained("li", "wang").register("account", kind="property")
    case.say(acts.CaseAssigned, None, department="squad 2", handler="officer-9")
    case.extend("arrest_request", "special_circumstances")
    case.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li", "wang"), by=clerk(POLICE))
    case.accept()
    case.change("detention", "arrest", "li")
    case.change("detention", "bail", "wang")
    case.decide("arrest_approved", by=clerk(PROCURATORATE))
    case.offer("account", to=PROCURATORATE, persons=("li", "wang")).accept()
    request(case, handover_id="handover-2")
    serve(case)
    case.say(acts.CaseAssigned, clerk(PROCURATORATE), department="first", handler="prosecutor-3")
    lifted = {"measure_id": "arrest-li", "ended_at": instant(case.now), "ground": "health"}
    case.say(acts.MeasureLifted, clerk(PROCURATORATE), **lifted)
    case.give_back("account", persons=("li", "wang")).refuse()
    return case


@pytest.mark.parametrize("batch", [1, 100])
def test_lines_are_what_the_state_says(sqlite: Ledger, batch: int) -> None:
    """However many events of the case a batch has: agency, handler, end and status follow the fold."""
    case = long_story()
    for start in range(0, len(case.events), batch):
        sqlite.post_all(case.events[start : start + batch])
    require_told(sqlite, case)
    rows = stored(sqlite).values()
    assert {row["status"] for row in rows} == {"running", "ended", "void"}
    limits = {(row["agency"], row["handler"]) for row in rows if row["clock"] == "bail_limit"}
    assert limits == {(PROCURATORATE, "prosecutor-3")}
    assert findings_of(sqlite) == ()


def test_the_clock_of_who_is_split_off_runs_on_until_another_case_takes_him_over(ledger: Ledger) -> None:
    """Under the case that was split, whoever answers for it by now, with its warnings, and by a new calendar too; then
    in the new case, from the same beginning, and no more in the other."""
    old = detained("li", "wang").say(acts.CaseAssigned, None, department="squad 2", handler="officer-9")
    ledger.post_all(old.events)
    wang = f"arrest_request/{person_id('wang')}"
    (key,) = [each for each in stored(ledger) if each[1].startswith(wang)]
    running = stored(ledger)[key]
    split = old.say(acts.CaseSplit, new_case_id="case-2", person_ids=(person_id("wang"),))
    after_split = old.state
    ledger.post_all([split.last])
    old.offer(to=PROCURATORATE, persons=("li",)).accept()
    old.say(acts.CaseAssigned, None, department="first", handler="prosecutor-3")
    ledger.post_all(old.events[-3:])
    assert stored(ledger)[key] == running
    assert findings_of(ledger) == ()
    overdue = datetime.fromisoformat(running["due_at"])
    assert key[1] in [line.deadline_id for line in listed(ledger, "overdue", overdue + timedelta(hours=1))]
    upkeep.warn(ledger.database, int(overdue.timestamp() * 1000), ZONE)
    with ledger.database.read() as connection:
        warned = clocks.warnings_to(connection, reader_at(POLICE, overdue), handler="officer-9", after=0, limit=100)
    assert (*key, 0) in [(warning.case_id, warning.deadline_id, warning.days) for warning in warned]

    _judge_by(ledger, replace(shipped_rulebook(), days_off={}, digest="blake3:of no years"))
    assert recount(ledger.database, ledger.validator)
    assert (stored(ledger)[key]["status"], stored(ledger)[key]["due_at"]) == ("running", running["due_at"])
    _judge_by(ledger, shipped_rulebook())
    assert recount(ledger.database, ledger.validator)

    new = Case("case-2", start=old.now).open(source=after_split, split_from=split.events[-4].ref)
    ledger.post_all(new.events)
    require_told(ledger, old, new)
    moved = stored(ledger)["case-2", f"{wang}/0"]
    assert stored(ledger)[key]["status"] == "void"
    assert {name: moved[name] for name in ("started_at", "due_at", "status", "agency")} == {
        name: running[name] for name in ("started_at", "due_at", "status", "agency")
    }
    lines = listed(ledger, "overdue", overdue + timedelta(hours=1))
    assert [line.case_id for line in lines if line.deadline_id.startswith(wang)] == ["case-2"]
    assert findings_of(ledger) == ()
    before = stored(ledger)
    _judge_by(ledger, replace(shipped_rulebook(), days_off={}, digest="blake3:of no years"))
    assert recount(ledger.database, ledger.validator)
    _judge_by(ledger, shipped_rulebook())
    assert recount(ledger.database, ledger.validator)
    assert stored(ledger) == before


def listed(ledger: Ledger, status: Status, at: datetime) -> list[ClockLine]:
    """Return the deadlines of all agencies with this status at a moment, as the police see them."""
    wanted = DeadlineFilter(as_of=spelled(at), status=status, zone=ZONE)
    with ledger.database.read() as connection:
        return clocks.list_deadlines(connection, reader_at(POLICE, at), wanted, limit=100)


def reader_at(agency: str, at: datetime) -> Reader:
    return Reader(agency, frozenset(), spelled(at))


def test_the_clock_of_a_thing_that_is_split_off_runs_on_too(ledger: Ledger) -> None:
    """A freeze lapses on the same day, in one case at a time, also if the case that joins it was open before."""
    old, new = Case().open().register("account", kind="property"), Case("case-2").open()
    old.say(ItemFrozen, item_id="account")
    ledger.post_all([*old.events, *new.events])
    (key,) = [each for each, row in stored(ledger).items() if row["clock"] == "freeze"]
    old.say(acts.CaseSplit, new_case_id="case-2", item_ids=("account",))
    ledger.post_all([old.last])
    assert stored(ledger)[key]["status"] == "running"
    assert findings_of(ledger) == ()
    new.say(acts.CaseJoined, other_case_id="case-1", cites=old.last.ref, source=old.state)
    ledger.post_all([new.last])
    assert stored(ledger)[key]["status"] == "void"
    require_told(ledger, old, new)
    assert findings_of(ledger) == ()


# -- counted by another calendar ---------------------------------------------------------------------------------------


def _judge_by(ledger: Ledger, book: Rulebook) -> None:
    validator = ledger.validator
    validator.procedures = validator.states.procedures = lambda: Procedures.of(book)


def test_a_new_calendar_counts_anew_what_is_there(ledger: Ledger) -> None:
    """What an older version did not know the end of gets it, once; the audit agrees with the list again."""
    _judge_by(ledger, replace(shipped_rulebook(), days_off={}, digest="blake3:of no years"))
    opened = Case().open().name("zhao")
    opened.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("zhao",)).accept()
    opened.impose("zhao", "bail")
    ledger.post_all(opened.events)
    assert ends(ledger) == {"arrest_decision": (DECIDE_BY, "not_before"), "bail_limit": (BAIL_UNTIL, "late")}
    _judge_by(ledger, shipped_rulebook())
    assert [recount(ledger.database, ledger.validator) for _ in range(2)] == [True, False]
    assert ends(ledger) == {"arrest_decision": (DECIDE_BY, "late"), "bail_limit": (BAIL_UNTIL, "late")}
    assert findings_of(ledger) == ()


DECIDE_BY, BAIL_UNTIL = "2026-03-17T16:00:00Z", "2027-03-02T16:00:00Z"


def ends(ledger: Ledger) -> dict[str, tuple[str | None, str]]:
    """Of the clocks that run."""
    return {
        row["clock"]: (row["due_at"], row["at_end"]) for row in stored(ledger).values() if row["status"] == "running"
    }


def test_cases_go_on_while_clocks_are_counted_anew(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's lock is free between portions: what is submitted then is recorded at once, and counted too."""
    _judge_by(ledger, replace(shipped_rulebook(), days_off={}, digest="blake3:of no years"))
    cases = [detained_in(f"case-{number}") for number in range(1, 5)]
    ledger.post_all([event for case in cases for event in case.events])
    _judge_by(ledger, shipped_rulebook())
    waiting = [*cases]

    def submit(_seconds: float) -> None:
        case = waiting.pop()
        case.impose("li", "bail")
        ledger.post_all([case.last])

    monkeypatch.setattr(upkeep, "ENTRIES_AT_ONCE", 3)
    monkeypatch.setattr(upkeep, "sleep", submit)
    assert [recount(ledger.database, ledger.validator) for _ in range(2)] == [True, False]
    assert len(waiting) < 3, "there were pauses"
    require_told(ledger, *cases)
    assert findings_of(ledger) == ()


def test_a_case_that_cannot_be_read_does_not_keep_the_others_from_it(sqlite: Ledger) -> None:
    """What is wrong with one case is left to the audit; the clocks of the others are counted."""
    sqlite.post_all([*detained("li").events, *detained_in("case-2").events])
    with sqlite.database.write() as connection:
        connection.execute(ENTRIES.update().where(ENTRIES.c.stream_id == "case-1").values(payload=b"{}"))
    assert recount(sqlite.database, sqlite.validator)
    assert {case_id for case_id, _ in stored(sqlite)} == {"case-2"}


# -- questions ---------------------------------------------------------------------------------------------------------


def found(ledger: Ledger, by: str = POLICE, supervised: frozenset[str] = frozenset(), **wanted: Any) -> list[ClockLine]:
    reader = Reader(by, supervised, instant(ledger.clock.seconds))
    asked = DeadlineFilter(**({"as_of": instant(ledger.clock.seconds)} | wanted))
    with ledger.database.read() as connection:
        return clocks.list_deadlines(connection, reader, asked, limit=100)


def names(lines: list[ClockLine]) -> list[str]:
    return [line.clock for line in lines]


def test_statuses_are_those_of_the_states(ledger: Ledger) -> None:
    """At every moment the list sorts the clocks into the statuses that the states give them."""
    case = long_story()
    ledger.post_all(case.events)
    book = shipped_rulebook()
    for days in (0, 1, 3, 8, 40, 400):
        as_of = instant(START + days * DAY)
        expected = deadlines(case.state, book, datetime.fromisoformat(as_of))
        for status in ("running", "overdue", "suspended", "met", "missed", "ended", "uncountable"):
            ours = {line.deadline_id for line in found(ledger, as_of=as_of, status=status)}
            assert ours == {own_line.deadline_id for own_line in expected if own_line.status == status}, (status, as_of)


def test_days_are_legal_days(ledger: Ledger) -> None:
    """Within three days is what ends on the third day from today in Shanghai, at its midnight, or earlier."""
    ledger.post_all(detained("li").events)
    start = datetime.fromisoformat(instant(START))
    (request_,) = [line for line in found(ledger) if line.clock == "arrest_request"]
    assert request_.due_at is not None
    assert ZONE.end_of(ZONE.day_of(start) + 3 * (ZONE.day_of(start).resolution)) == datetime.fromisoformat(
        request_.due_at
    )
    assert "arrest_request" in names(found(ledger, within_days=3))
    assert "arrest_request" not in names(found(ledger, within_days=2))
    late = instant(START + 10 * DAY)
    assert "arrest_request" in names(found(ledger, within_days=0, as_of=late))


def test_who_sees_no_case_sees_no_clock(ledger: Ledger) -> None:
    """Parties and whoever supervises one of them see the clocks of the case, strangers do not."""
    ledger.post_all(detained("li").events)
    everything = names(found(ledger))
    assert "arrest_request" in everything
    assert names(found(ledger, COURT)) == []
    assert names(found(ledger, COURT, supervised=frozenset((POLICE,)))) == everything


def test_pages_go_on_where_the_last_one_ended(ledger: Ledger) -> None:
    """One at a time, in the order of the ends, none twice and none left out; what has no end comes last."""
    first = detained("li").impose("li", "bail")
    second = detained_in("case-2")
    ledger.post_all([*first.events, *second.events])
    whole = found(ledger)
    ends = [line.due_at or "9999" for line in whole]
    assert ends == sorted(ends)
    assert whole[-1].clock == "bail_limit"
    reader = Reader(POLICE, frozenset(), instant(ledger.clock.seconds))
    asked, after, pages = DeadlineFilter(as_of=instant(ledger.clock.seconds)), None, []
    with ledger.database.read() as connection:
        while page := clocks.list_deadlines(connection, reader, asked, limit=1, after=after):
            pages += page
            after = clocks.parse_deadline_position(str(clocks.deadline_position(page[-1])))
    assert pages == whole


def test_the_nearest_of_many_cases_is_the_first_of_each(ledger: Ledger) -> None:
    """In one query the same as case by case; a case that is not asked for, or whose clocks have ended, is not there."""
    ledger.post_all([*long_story().events, *detained_in("case-2").events, *detained_in("case-3").events])
    ledger.post_all(Case("case-4").open().events)
    with ledger.database.read() as connection:
        nearest = clocks.nearest_of(connection, ["case-1", "case-2", "case-4"], instant(ledger.clock.seconds))
    assert nearest == {case_id: found(ledger, case_id=case_id)[0] for case_id in ("case-1", "case-2")}


def detained_in(case_id: str) -> Case:
    return Case(case_id).open().name("li").impose("li", "detention")


@pytest.mark.parametrize(
    ("parse", "place"),
    [(clocks.parse_deadline_position, "case-1"), (parse_offer_position, "3")],
    ids=["clock", "offer"],
)
def test_a_place_that_is_none_is_refused(parse: Callable[[str], object], place: str) -> None:
    """Only what a page gave leads to the next one."""
    with refused("malformed_input", field="after", error=MalformedInput):
        parse(place)


def test_clocks_of_the_case_are_found_by_agency_handler_and_case(ledger: Ledger) -> None:
    """Each filter leaves what it names."""
    case = long_story()
    ledger.post_all(case.events)
    assert case.clock("bail_limit").is_running
    mine = found(ledger, handler="prosecutor-3")
    assert {line.agency for line in mine} == {PROCURATORATE}
    assert found(ledger, agency=PROCURATORATE) == mine
    assert found(ledger, case_id="case-9") == []


def rows_of_every_kind(choose: Random) -> list[dict[str, Any]]:
    """Make lines of two hundred clocks: open, stopped and void, due, overdue and without an end, of three cases and of
    none, and some stopped or begun later than now."""
    moments = [instant(START + day * DAY) for day in range(-4, 9)]
    for_lab = {"case_id": "case-3", "subject": LAB, "agency": LAB}
    lines = []
    for number in range(200):
        status = choose.choice(("running", "running", "running", "ended", "suspended", "void"))
        stopped = {"stopped_at": choose.choice(moments)} if status == "ended" else {}
        due = {} if status in ("suspended", "void") or choose.random() < 0.2 else {"due_at": choose.choice(moments)}
        line: dict[str, Any] = {
            "case_id": choose.choice(("case-1", "case-2", "case-3", NO_CASE)),
            "deadline_id": f"clock/{choose.randrange(10)}/{number}",
            "clock": "bail_limit",
            "subject": "case",
            "agency": choose.choice((POLICE, COURT)),
            "handler": choose.choice((None, "officer-9")),
            "started_at": choose.choice(moments[:6]),
            "at_end": choose.choice(("late", "late", "ended", "not_before", "promptly")),
            "status": status,
        }
        lines.append({"stopped_at": None, "due_at": None, "updated_index": 1} | line | stopped | due)
    of_letter = {"deadline_id": "of a letter", "status": "running", "stopped_at": None}
    return [*lines, {**lines[0], **for_lab, **of_letter}]


def is_wanted(row: dict[str, Any], now: str, wanted: dict[str, Any]) -> bool:
    """Whether a line is in the list by these filters, told without a database."""
    due, is_open = row["due_at"], row["stopped_at"] is None or row["stopped_at"] > now
    is_late = due is not None and due <= now
    prompt = row["at_end"] == "promptly" and row["status"] != "suspended"
    of_status = {
        None: row["at_end"] != "ended" or not is_late,
        "running": (due is not None and due > now) or prompt,
        "overdue": is_late and row["at_end"] == "late",
    }
    if not is_open or row["status"] == "void" or row["started_at"] > now or not of_status[wanted.get("status")]:
        return False
    if "within_days" in wanted and (due is None or due > instant(START + wanted["within_days"] * DAY + 15 * 3600)):
        return False
    return all(row[name] == wanted[name] for name in ("agency", "handler") if name in wanted)


WALKS = {  # cases of a reader who is given the walk, and clocks that it looks at: at first, and at most
    "walked": (0, 1, 10_000),
    "given up": (0, 2, 8),
    "put in order": (2000, 100, 10_000),
}


@pytest.mark.parametrize("walk", WALKS)
def test_a_page_is_the_same_however_it_is_found(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, walk: str) -> None:
    """By a walk through what is open, by one that is given up, and from all cases of the reader: the lines that a loop
    over all rows and the rule of visibility leave, in order, whatever filter, reader and size of the page."""
    for name, value in zip(("FEW_CASES", "FIRST_TESTED", "MOST_TESTED"), WALKS[walk], strict=True):
        monkeypatch.setattr(clocks, name, value)
    both = detained_in("case-2").register("phone").offer("phone", to=COURT)
    ledger.post_all([event for case in (detained("li"), both, detained_in("case-3")) for event in case.events])
    rows, now = rows_of_every_kind(Random(7)), instant(START)
    with ledger.database.write() as connection:
        connection.execute(delete(CLOCKS))
        connection.execute(CLOCKS.insert(), rows)
        letter = {"case_id": "case-3", "letter_id": "letter-1", "kind": "request", "to_agency": LAB, "updated_index": 1}
        connection.execute(LETTERS.insert(), letter)
    filters: list[dict[str, Any]] = [
        {
            name: value
            for name, value in zip(("status", "agency", "handler", "within_days"), values, strict=True)
            if value
        }
        for values in product((None, "running", "overdue"), (None, COURT), (None, "officer-9"), (None, 2))
    ]
    readers = [Reader(POLICE, frozenset(), now), Reader(COURT, frozenset(), now), Reader(LAB, frozenset(), now)]
    readers.append(Reader(PROCURATORATE, frozenset((POLICE, COURT)), now))
    asked = [*product(readers, [{}]), *Random(walk).sample([*product(readers, filters)], 18)]
    found_any = 0
    with ledger.database.read() as connection:
        for number, (reader, wanted) in enumerate(asked):
            limit = 500 if number % 3 else 17  # one page, or several
            sees = {id_ for id_ in ("case-1", "case-2", "case-3") if cases.sight(connection, id_, reader) is not None}
            own = [row for row in rows if row["case_id"] in sees or row["subject"] == reader.agency]
            expected = [row for row in own if is_wanted(row, now, wanted)]
            expected.sort(key=lambda row: (row["due_at"] or "9999", row["case_id"], row["deadline_id"]))
            listed = every_page(connection, reader, DeadlineFilter(now, **wanted, zone=ZONE), limit)
            assert listed == [(row["case_id"], row["deadline_id"]) for row in expected], (reader, wanted, limit)
            found_any += len(listed)
    assert found_any > 200


def every_page(connection: Connection, reader: Reader, wanted: DeadlineFilter, limit: int) -> list[tuple[str, str]]:
    lines: list[ClockLine] = []
    page = clocks.list_deadlines(connection, reader, wanted, limit=limit)
    while page:
        lines += page
        page = clocks.list_deadlines(connection, reader, wanted, limit=limit, after=clocks.deadline_position(page[-1]))
    return [(line.case_id, line.deadline_id) for line in lines]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "open"),
        ({"status": "overdue"}, "open"),
        ({"agency": COURT}, "open_agency"),
        ({"handler": "o"}, "open_handler"),
    ],
    ids=["all", "overdue", "agency", "handler"],
)
def test_a_page_is_found_by_an_index_in_its_order(
    sqlite: Ledger, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], index: str
) -> None:
    """However many clocks there are: each run of the index is read as far as the page reaches, and nothing is put in
    order but the portions; who sees few cases has their clocks found by the case."""
    monkeypatch.setattr(clocks, "FEW_CASES", 0)
    sqlite.post_all(detained("li").events)
    asked = DeadlineFilter(NOW, **wanted)
    position = clocks.DeadlinePosition(NOW, "case-0", "x")
    with sqlite.database.read() as connection:
        for reader, after in product(
            (Reader(POLICE, frozenset(), NOW), Reader(COURT, frozenset((POLICE,)), NOW)), (None, position)
        ):
            with noted(connection) as statements:
                clocks.list_deadlines(connection, reader, asked, limit=5, after=after)
            steps = plan(connection, statements)
            assert [
                step for step in steps if re.match("SCAN (clocks|cases|case_agencies|handovers|letters)", step)
            ] == []
            runs = [
                step
                for step in steps
                if f"USING INDEX ix_clocks_{index} " in step or f"USING COVERING INDEX ix_clocks_{index} " in step
            ]
            assert len(runs) == (1 if wanted.get("status") else 8)
            # One for what stopped later, and one for the portions together.
            assert len([step for step in steps if step == "USE TEMP B-TREE FOR ORDER BY"]) <= 3
        monkeypatch.setattr(clocks, "FEW_CASES", 2000)
        with noted(connection) as statements:
            clocks.list_deadlines(connection, Reader(POLICE, frozenset(), NOW), asked, limit=5)
        steps = [step for step in plan(connection, statements) if re.match("(SCAN|SEARCH) clocks", step)]
    assert steps
    assert all("(case_id=?" in step for step in steps)


HOUR = 3600
NOW = instant(START + HOUR)


def made_offer(number: int, to: str = PROCURATORATE, **fields: str) -> Case:
    case = Case(f"case-{number}").open().register(f"item-{number}")
    purpose = {"purpose": "forensic_examination"} if to == LAB else {}
    return case.offer(f"item-{number}", to=to, **purpose, **fields)  # type: ignore[arg-type]


def pages_of(ledger: Ledger, agency: str = PROCURATORATE, box: str = "inbox", limit: int = 2) -> list[list[str]]:
    """The ids of the cases, page by page."""
    pages: list[list[str]] = []
    after: OfferPosition | None = None
    with ledger.database.read() as connection:
        while True:
            rows = open_offers(connection, agency, box, as_of=NOW, limit=limit, after=after)  # type: ignore[arg-type]
            if not rows:
                return pages
            pages.append([row["case_id"] for row in rows])
            after = parse_offer_position(str(offer_position(rows[-1])))


def test_what_ends_first_comes_first_on_the_first_page(ledger: Ledger) -> None:
    """Not what was offered last; what is answered is not in the box, and what has no end comes last."""
    ends = {1: 9, 2: 7, 3: 8, 4: 5, 5: 6}
    cases = [made_offer(number, expires_at=instant(START + hours * HOUR)) for number, hours in ends.items()]
    answered = made_offer(6, expires_at=instant(START + 2 * HOUR)).accept()
    elsewhere = made_offer(7, to=LAB, expires_at=instant(START + 2 * HOUR))
    ledger.post_all([event for case in (*cases, answered, elsewhere, made_offer(8)) for event in case.events])
    assert pages_of(ledger) == [["case-4", "case-5"], ["case-2", "case-3"], ["case-1", "case-8"]]
    assert pages_of(ledger, LAB) == [["case-7"]]
    assert pages_of(ledger, POLICE, "outbox")[0] == ["case-7", "case-4"]
