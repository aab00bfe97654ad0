"""Imports against a ledger in this process, which is busy, forgets to answer, or is written by others meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import stamina

from ledger.config.keys import LocalSigner
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.events import Body, Stream
from ledger.core.events.case import CaseStageEntered, PersonNamed
from ledger.core.events.item import ItemRegistered
from ledger.core.events.terms import Quantity
from ledger.interchange.imports import importing
from ledger.interchange.imports.case_events import CaseEvent, ImportSigner, Replaced
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import ATTEMPTS, ROUNDS, EarlierImport, Importer, LookedUpRow, RowResult
from ledger.interchange.imports.mapping import parse_mapping
from ledger.interchange.imports.plan import Plan, PlannedEvent, Planner
from ledger.interchange.imports.source_file import SourceFile, layout_of
from ledger.procedures import books_that_ship
from ledger.recording.event_signing import Actor, StreamPosition
from ledger.store import imports, log
from tests.testkit.builders import LOG_ID, POLICE, clerk
from tests.testkit.ledgers import Clock, Ledger, open_ledger, sqlite_url
from tests.unit.interchange.files import csv_file
from tests.unit.interchange.planning import COLUMNS, FULL, MAPPING

BOOKS = books_that_ship()
KEY = IdentityKey(POLICE, b"\x01" * 32)
EVENTS = 4  # of a full row
ROWS = (FULL, *(FULL.replace("A-1", f"A-{number}") for number in range(2, 6)))


class Local:
    """A ``ledger.interchange.imports.importing.ImportLedger`` over the parts themselves."""

    def __init__(self, ledger: Ledger):
        self.ledger = ledger

    def look_up(self, source_system: str, plans: Sequence[Plan]) -> Sequence[LookedUpRow]:
        with self.ledger.database.read() as connection:
            earlier = imports.of_keys(connection, POLICE, source_system, [plan.source_key for plan in plans])
            heads = imports.own_heads(connection, POLICE, [plan.case_id for plan in plans])
        rows = []
        for plan in plans:
            own = [EarlierImport(of.case_id, of.row_digest) for of in earlier if of.source_key == plan.source_key]
            head = heads.get(plan.case_id)
            place = (head.sequence + 1, head.head) if head else (None, None)
            rows.append(LookedUpRow(plan.source_key, plan.case_id, *place, tuple(own)))
        return rows

    def events(self, case_id: str) -> Sequence[CaseEvent]:
        with self.ledger.database.read() as connection:
            entries = log.stream(connection, "case", case_id)
        return [CaseEvent(log.event_of(entry), None) for entry in entries]

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        return [self._submitted(submission) for submission in submissions]

    def _submitted(self, submission: bytes) -> TallystickError | None:
        try:
            self.ledger.post(submission)
        except TallystickError as error:
            return error
        return None


class Faulty(Local):
    """Answers each line of the first requests with Unavailable, after it was recorded or instead."""

    def __init__(self, ledger: Ledger, *, times: int, recorded: Callable[[int], bool]):
        super().__init__(ledger)
        self._times = times
        self._recorded = recorded

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        self._times -= 1
        if self._times < 0:
            return super().submit(submissions)
        for place, submission in enumerate(submissions):
            if self._recorded(place):
                self._submitted(submission)
        return [Unavailable("busy", code="service_busy")] * len(submissions)


class Rival(Local):
    """Somebody else writes in each case, each of ``times`` times that its events were looked at."""

    def __init__(self, ledger: Ledger, pen: ImportSigner, *, times: int):
        super().__init__(ledger)
        self._pen = pen
        self._times = times

    def events(self, case_id: str) -> Sequence[CaseEvent]:
        events = super().events(case_id)
        if self._times:
            self._times -= 1
            place = StreamPosition(Stream(kind="case", id=case_id), len(events), events[-1].event.leaf_hash)
            chain = self._pen.sign([PlannedEvent(CaseStageEntered(stage="arrest_review"))], place)
            assert self._submitted(chain.events[0].submission) is None
        return events


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Yield a ledger that knows the police's clerk; its clock is that of this machine, as the clerk's is."""
    with open_ledger(sqlite_url(tmp_path), clock=Clock(int(time.time() * 1000))) as opened:
        yield opened.found(clerk(POLICE), clerk(POLICE, 2))


def pen(number: int = 1) -> ImportSigner:
    officer = clerk(POLICE, number)
    actor = Actor(officer.agency, officer.officer_id, LocalSigner.from_private_key(officer.key.secret))
    return ImportSigner(actor, LOG_ID, books_that_ship())


@contextmanager
def importing_from(folder: Path, to: Local, *rows: str, may_add: bool = False) -> Iterator[tuple[Importer, SourceFile]]:
    """Open a file of these rows; nobody waits between two attempts."""
    planner = Planner(parse_mapping(MAPPING.encode(), "m.toml", BOOKS), KEY, BOOKS)
    file = csv_file(folder, "\n".join([COLUMNS, *rows]) + "\n")
    with SourceFile(file, layout_of(file, planner.mapping)) as source:
        survey = source.survey(planner.mapping.columns(), planner.fingerprint, lambda _: None)
        with stamina.set_testing(True, attempts=ATTEMPTS):
            yield Importer(planner, to, pen(), survey, may_add=may_add), source


def run(folder: Path, to: Local, *rows: str, may_add: bool = False) -> list[RowResult]:
    with importing_from(folder, to, *rows, may_add=may_add) as (importer, source):
        return list(importer.run(source))


def types(ledger: Ledger, case_id: str | None) -> list[str]:
    assert case_id is not None
    with ledger.database.read() as connection:
        return [entry.event_type for entry in log.stream(connection, "case", case_id)]


def test_results_come_in_the_order_of_the_rows(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where parts are imported side by side, and refused ones stand between."""
    monkeypatch.setattr(importing, "ROWS", 10)
    rows = [f"K-{number},{'' if number % 7 == 0 else 'theft'},,,,,,,,," for number in range(45)]
    results = run(tmp_path, Local(ledger), *rows)
    assert [result.row for result in results] == list(range(2, 47))
    assert [result.became == "refused" for result in results] == [number % 7 == 0 for number in range(45)]


@pytest.mark.parametrize(
    "recorded",
    [lambda _: True, lambda _: False, lambda place: place % 2 == 0, lambda place: place < 7],
    ids=["all recorded", "none recorded", "every other", "the first ones"],
)
def test_an_unknown_outcome_is_resolved_by_sending_again(
    tmp_path: Path, ledger: Ledger, recorded: Callable[[int], bool]
) -> None:
    """Whatever was recorded before the answer was lost: every case has its events once."""
    results = run(tmp_path, Faulty(ledger, times=3, recorded=recorded), *ROWS)
    assert {result.became for result in results} <= {"imported", "completed"}
    for result in results:
        assert len(types(ledger, result.case_id)) == EVENTS


def test_a_ledger_that_stays_busy_ends_the_import(tmp_path: Path, ledger: Ledger) -> None:
    """What is in stays in, and is told as begun; the next run goes on from there."""
    with pytest.raises(Unavailable):
        run(tmp_path, Faulty(ledger, times=100, recorded=lambda place: place < 3), *ROWS)
    with importing_from(tmp_path, Local(ledger), *ROWS) as (importer, source):
        assert [row.state for row in importer.states(source)] == ["begun", *["absent"] * 4]
    results = run(tmp_path, Local(ledger), *ROWS)
    assert [result.became for result in results] == ["completed", *["imported"] * 4]


def test_where_others_write_the_row_is_looked_at_again(tmp_path: Path, ledger: Ledger) -> None:
    """A correction that came late is signed anew on what stands then, once."""
    run(tmp_path, Local(ledger), FULL)
    (result,) = run(tmp_path, Rival(ledger, pen(), times=ROUNDS - 1), FULL.replace("theft", "fraud"))
    assert result.became == "corrected"
    assert types(ledger, result.case_id)[EVENTS:] == [
        *["case.stage_entered"] * (ROUNDS - 1),
        "record.corrected",
        "import.recorded",
    ]


def test_a_case_that_never_rests_is_given_up(tmp_path: Path, ledger: Ledger) -> None:
    """The row is refused with its reason, the others go in."""
    run(tmp_path, Local(ledger), FULL)
    rival = Rival(ledger, pen(), times=ROUNDS)
    results = run(tmp_path, rival, FULL.replace("theft", "fraud"), *ROWS[1:])
    assert [result.became for result in results] == ["refused", *["imported"] * 4]
    assert "others wrote" in str(results[0].fault)


def test_what_the_ledger_refuses_is_told_at_its_column(tmp_path: Path, ledger: Ledger) -> None:
    """A thing that stands in another case already is refused by the ledger alone."""
    run(tmp_path, Local(ledger), FULL)
    with ledger.database.read() as connection:
        case_id = imports.listed(connection, POLICE, imports.Page())[0].case_id

    class Elsewhere(Local):
        """Shows the case without its item, as if it had never been registered."""

        def events(self, case_id: str) -> Sequence[CaseEvent]:
            return [event for event in super().events(case_id) if event.event.event_type != "item.registered"]

    (result,) = run(tmp_path, Elsewhere(ledger), FULL.replace("a phone", "phones"))
    assert result.case_id == case_id
    assert result.became == "refused"
    assert result.fault is not None
    assert result.fault.code == "duplicate_id"


def test_a_person_beside_another_who_is_no_longer_named_is_added_only_when_asked_for(
    tmp_path: Path, ledger: Ledger
) -> None:
    """A number that is put right is that of another person here: the row is listed and refused, nothing of it sent."""
    run(tmp_path, Local(ledger), *ROWS[:2])
    righted = [FULL.replace("3101", "3102"), ROWS[1].replace("theft", "fraud")]
    with importing_from(tmp_path, Local(ledger), *righted) as (importer, source):
        first, second = importer.states(source)
    assert (first.state, first.replaced) == ("changed", Replaced(persons=1, items=0, no_longer_named=1))
    assert (second.state, second.replaced) == ("changed", None)
    refused, corrected = run(tmp_path, Local(ledger), *righted)
    assert (refused.became, corrected.became) == ("refused", "corrected")
    assert "no longer named: 1" in str(refused.fault)
    assert len(types(ledger, refused.case_id)) == EVENTS
    added, _ = run(tmp_path, Local(ledger), *righted, may_add=True)
    assert (added.became, types(ledger, added.case_id).count("person.named")) == ("corrected", 2)


def test_what_officers_recorded_by_hand_is_nothing_that_a_row_no_longer_names(tmp_path: Path, ledger: Ledger) -> None:
    """Neither another officer's, nor what has an id that no import gives: a row may add its first thing beside them."""
    (first,) = run(tmp_path, Local(ledger), "A-1,theft,,,,,,,,,")
    assert first.case_id is not None
    by_hand: tuple[tuple[int, Body], ...] = (
        (
            1,
            ItemRegistered(
                item_id="item-5e0c",
                item_kind="exhibit",
                description="a knife",
                quantity=Quantity(value="1", unit="piece"),
            ),
        ),
        (2, PersonNamed(person_id="0c" * 16, role="suspect")),
    )
    for number, body in by_hand:
        last = Local(ledger).events(first.case_id)[-1].event
        place = StreamPosition(Stream(kind="case", id=first.case_id), last.sequence + 1, last.leaf_hash)
        for event in pen(number).sign([PlannedEvent(body)], place).events:
            ledger.post(event.submission)
    with importing_from(tmp_path, Local(ledger), FULL) as (importer, source):
        ((state, replaced),) = [(row.state, row.replaced) for row in importer.states(source)]
    assert (state, replaced) == ("changed", None)
    (corrected,) = run(tmp_path, Local(ledger), FULL)
    assert corrected.became == "corrected", corrected.fault
    (refused,) = run(tmp_path, Local(ledger), FULL.replace("3101", "3102"))
    assert "no longer named: 1" in str(refused.fault)
