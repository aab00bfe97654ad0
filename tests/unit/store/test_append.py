"""One batch changes log, tiles and read models together; the read models are what a fold of the stored bytes gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, select
from sqlalchemy.event import listen, remove

from ledger.core.custody import Act, CaseState, fold
from ledger.core.errors import RuleRefused, Unavailable
from ledger.core.events import Authority, decode_payload
from ledger.core.events import case as acts
from ledger.core.events.item import ItemDisposalProposed, ItemDisposed, ItemMoved, ItemPart, ItemSealed, ItemSplit
from ledger.core.events.record import RecordLate, SectionErased
from ledger.core.events.terms import EventRef
from ledger.core.visibility import Reader
from ledger.procedures import shipped_rulebook
from ledger.store import cases, log
from ledger.store.database import Connection
from ledger.store.tables import CASE_AGENCIES, CASES, CLOCKS, ENTRIES, FEED, HANDOVERS, ITEMS, SECTIONS, STREAMS
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, Writer, clerk, instant, section, supervisor
from tests.testkit.casework import Case, pieces
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url

AGENCIES = (POLICE, PROCURATORATE, COURT)
OFFICERS = tuple(officer for agency in AGENCIES for officer in (clerk(agency), supervisor(agency)))
OPENED = acts.CaseOpened(case_number="1", case_type="theft", business_line="criminal", stage="investigation")
GROUND = Authority("statute", "Personal Information Protection Law 47")
READ_MODELS = (CASES, CASE_AGENCIES, HANDOVERS, ITEMS)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A founded ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*OFFICERS)


# -- an independent projection -----------------------------------------------------------------------------------------


def rows_of(connection: Connection, table: Table) -> list[dict[str, Any]]:
    rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def projected(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """The read models made anew from the stored payloads alone: every case folded to its end, then told in rows."""
    states: dict[str, CaseState] = {}
    by_digest: dict[str, CaseState] = {}
    touched: dict[tuple[str, ...], int] = {}
    for entry in log.entries(connection, 0, log.count_entries(connection)):
        if entry.stream_kind != "case":
            continue
        payload = decode_payload(entry.payload)
        cites = getattr(payload.body, "split_from", None) or getattr(payload.body, "cites", None)
        source = by_digest.get(cites.payload_digest) if cites else None
        before = states.get(entry.stream_id)
        after = fold(before, Act(payload, entry.payload_digest, entry.signed_at, shipped_rulebook(), source)).state
        states[entry.stream_id] = by_digest[entry.payload_digest] = after
        touched["case", entry.stream_id] = entry.log_index
        for kind in ("items", "handovers"):
            old, new = getattr(before, kind, {}), getattr(after, kind)
            for key in new:
                if old.get(key) != new[key]:
                    touched[kind, entry.stream_id, key] = entry.log_index
    return {
        "cases": [case_row(state, touched["case", case_id]) for case_id, state in states.items()],
        "case_agencies": [
            {"case_id": case_id, "agency": agency, "case_number": state.numbers.get(agency)}
            for case_id, state in states.items()
            for agency in state.agencies | state.numbers.keys()
        ],
        "handovers": [
            handover_row(case_id, handover, touched["handovers", case_id, handover.handover_id])
            for case_id, state in states.items()
            for handover in state.handovers.values()
        ],
        "items": [
            item_row(case_id, item, touched["items", case_id, item.item_id])
            for case_id, state in states.items()
            for item in state.items.values()
        ],
    }


def case_row(state: CaseState, index: int) -> dict[str, Any]:
    same = ("case_id", "case_type", "business_line", "opened_by", "opened_at", "responsible", "stage", "closed")
    number = state.numbers[state.opened_by]
    return {name: getattr(state, name) for name in same} | {"case_number": number, "updated_index": index}


def handover_row(case_id: str, handover: Any, index: int) -> dict[str, Any]:
    names = ("handover_id", "from_agency", "to_agency", "purpose", "status", "offered_at", "answered_at", "expires_at")
    row = {name: getattr(handover, name) for name in (*names, "due_at")}
    return row | {"case_id": case_id, "items": len(handover.items), "updated_index": index}


def item_row(case_id: str, item: Any, index: int) -> dict[str, Any]:
    names = ("item_id", "kind", "description", "holder", "responsible", "status", "seal_number")
    quantity = {"quantity": item.quantity.value, "unit": item.quantity.unit}
    return {name: getattr(item, name) for name in names} | quantity | {"case_id": case_id, "updated_index": index}


def require_projection(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        expected = projected(connection)
        for table in READ_MODELS:
            ordered = sorted(
                ({column.name: row[column.name] for column in table.columns} for row in expected[table.name]),
                key=lambda row: [str(value) for value in row.values()],
            )
            assert rows_of(connection, table) == ordered


# -- random histories --------------------------------------------------------------------------------------------------


class RandomCase:
    """A case in which somebody tries something at random; what is impossible leaves no trace."""

    def __init__(self, case_id: str, chance: random.Random) -> None:
        self.case = Case(case_id, step=1).open()
        self._chance = chance
        self._minted = 0

    def try_something(self) -> None:
        moves = (self._offer, self._offer, self._answer, self._answer, self._give_back)
        things = (self._register, self._split, self._seal, self._move, self._dispose)
        act = self._chance.choice((*moves, *things, self._number, self._link))
        try:
            act()
        except (RuleRefused, IndexError):
            self._minted += 1

    def _name(self) -> str:
        self._minted += 1
        return f"{self.case.stream.id}-{self._minted}"

    def _some(self, names: Any) -> Any:
        return self._chance.choice(sorted(names))

    def _holder_of(self, item_id: str) -> Officer:
        return clerk(self.case.state.items[item_id].holder)

    def _register(self) -> None:
        self.case.register(self._name(), by=clerk(self._some(self.case.state.agencies)), quantity=4)

    def _offer(self) -> None:
        item_id = self._some(self.case.state.items)
        purpose = self._chance.choice(["prosecution_review", "public_prosecution", "loan"])
        self.case.offer(item_id, to=self._some(AGENCIES), purpose=purpose, by=self._holder_of(item_id))

    def _answer(self) -> None:
        answer = self._chance.choice([self.case.accept, self.case.accept, self.case.refuse, self.case.recall])
        answer()

    def _give_back(self) -> None:
        self.case.give_back(self._some(self.case.state.items))

    def _split(self) -> None:
        item_id = self._some(self.case.state.items)
        parts = (ItemPart(self._name(), pieces(1)), ItemPart(self._name(), pieces(3)))
        self.case.act(ItemSplit(item_id=item_id, parts=parts), self._holder_of(item_id))

    def _seal(self) -> None:
        item_id = self._some(self.case.state.items)
        self.case.act(ItemSealed(item_id=item_id, seal_number=self._name()), self._holder_of(item_id))

    def _move(self) -> None:
        item_id = self._some(self.case.state.items)
        self.case.act(ItemMoved(item_id=item_id, storage_location="room 4"), self._holder_of(item_id))

    def _number(self) -> None:
        self.case.act(acts.CaseNumbered(case_number=self._name()), clerk(self._some(self.case.state.agencies)))

    def _dispose(self) -> None:
        item_id = self._some(self.case.state.items)
        holder = self._holder_of(item_id)
        proposal = ItemDisposalProposed(item_ids=(item_id,), disposal="destroyed", ground="rotten")
        self.case.act(proposal, holder)
        self.case.act(ItemDisposed(self.case.last.ref, "2026-03-02T02:00:00Z"), supervisor(holder.agency))

    def _link(self) -> None:
        self.case.act(acts.CaseLinked("another-case", "related"), sections={"narrative": section()})


@pytest.mark.parametrize("seed", range(3))
def test_read_models_are_what_a_fold_of_the_stored_bytes_gives(ledger: Ledger, seed: int) -> None:
    """After a random history of several cases, in batches of any size, each row is the projection of its case."""
    chance = random.Random(seed)
    cases = [RandomCase(f"case-{number}", chance) for number in range(4)]
    for _ in range(240):
        chance.choice(cases).try_something()
    waiting = {subject.case.stream.id: list(subject.case.events) for subject in cases}
    while any(waiting.values()):
        batch = []
        for _ in range(chance.randint(1, 12)):
            events = waiting[chance.choice(sorted(key for key, left in waiting.items() if left))]
            batch.append(events.pop(0))
            if not any(waiting.values()):
                break
        ledger.post_all(batch)
    assert sum(len(subject.case.events) for subject in cases) > 60
    require_projection(ledger)
    holders = {item.holder for subject in cases for item in subject.case.state.items.values()}
    assert len(holders) > 1


def test_read_models_follow_a_split_and_a_join(each_database_url: str) -> None:
    """What leaves one case for another is shown in the one that took it over, with its own history in both."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        first = Case("case-1").open().name("suspect").register("phone", "knife")
        first.act(acts.CaseSplit(new_case_id="case-2", ground="another suspect", item_ids=("phone",)))
        cited = EventRef(first.last.envelope.event_id, first.last.digest)
        ledger.post_all(first.events)
        second = Case("case-2").open(source=first.state, split_from=cited)
        ledger.post_all(second.events)
        ledger.post_all(second.offer("phone", to=PROCURATORATE).accept().events[1:])
        require_projection(ledger)
        with ledger.database.read() as connection:
            items = {(row["case_id"], row["item_id"]): row for row in rows_of(connection, ITEMS)}
            shown = cases.case_of_item(connection, "phone", Reader(POLICE, frozenset(), instant(ledger.clock.seconds)))
        assert (items["case-2", "phone"]["holder"], items["case-1", "phone"]["status"]) == (PROCURATORATE, "left")
        assert (set(items), shown) == ({("case-1", "phone"), ("case-1", "knife"), ("case-2", "phone")}, "case-2")


def test_a_read_model_that_was_not_written_is_noticed(ledger: Ledger) -> None:
    """The comparison above can fail: one changed row is a difference."""
    ledger.post_all(Case().open().register("phone").events)
    require_projection(ledger)
    with ledger.database.write() as connection:
        connection.execute(ITEMS.update().values(holder=COURT))
    with pytest.raises(AssertionError):
        require_projection(ledger)


def test_a_row_that_the_log_has_not_stops_the_writer_for_good(ledger: Ledger) -> None:
    """An entry put in at the end by hand is in the way of the next one: nothing is recorded, and why is told."""
    with ledger.database.write() as connection:
        size = log.tree(connection).size
        stray = rows_of(connection, ENTRIES)[-1] | {"log_index": size, "event_id": "stray", "sequence": 99}
        stray["event_type"] = "access.sealed"
        connection.execute(ENTRIES.insert().values(**stray))
    for case_id in ("case-1", "case-2"):
        with pytest.raises(Unavailable, match="has a row that the log has not") as refused:
            ledger.post(Case(case_id).open().last)
        assert refused.value.code == "integrity_broken"
    assert ledger.sequencer.failure is not None


# -- streams, columns, sections ----------------------------------------------------------------------------------------


def test_streams_stand_where_their_last_entry_is(ledger: Ledger) -> None:
    """Each stream's head is its last entry, in the same batch or the next."""
    first, second = Case("case-1").open().register("a", "b"), Case("case-2").open()
    ledger.post_all([*first.events, *second.events])
    ledger.post_all(second.register("c").events[1:])
    with ledger.database.read() as connection:
        heads = {(row["kind"], row["id"]): (row["sequence"], row["head"]) for row in rows_of(connection, STREAMS)}
    assert heads["case", "case-1"] == (2, first.last.digest)
    assert heads["case", "case-2"] == (1, second.last.digest)
    assert heads["system", "ledger"][0] == ledger.system_writer.last.payload.sequence


def test_columns_of_an_entry_say_what_its_bytes_say(ledger: Ledger) -> None:
    """What is stored of an event are its bytes; every other column is theirs."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    with ledger.database.read() as connection:
        rows = [row for row in rows_of(connection, ENTRIES) if row["stream_kind"] == "case"]
    rows.sort(key=lambda row: row["log_index"])
    for row, event in zip(rows, case.events, strict=True):
        envelope = event.envelope
        assert (row["envelope"], row["payload"]) == (event.entry, event.payload_bytes)
        assert (row["event_id"], row["event_type"]) == (envelope.event_id, envelope.event_type)
        assert (row["stream_id"], row["sequence"], row["agency"]) == ("case-1", envelope.sequence, POLICE)
        assert (row["key_id"], row["payload_digest"]) == (envelope.key_id, envelope.payload_digest)
        assert (row["signed_at"], row["recorded_at"]) == (envelope.signed_at, ledger.clock.ms)


def test_an_erasure_empties_the_section_and_nothing_else(each_database_url: str) -> None:
    """One label of one event is gone; the other sections, the payload that commits to it and the entry stay."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        parts = {"narrative": section("narrative"), "description": section("description")}
        case = Case().act(OPENED, clerk(POLICE), sections=parts)
        case.act(acts.CaseLinked("case-9", "related"), sections={"narrative": section("other")})
        ledger.post_all(case.events)
        with ledger.database.read() as connection:
            before = {table.name: rows_of(connection, table) for table in (ENTRIES, SECTIONS)}
        erasure = SectionErased(case.events[0].ref, "narrative", "on request")
        case.act(erasure, supervisor(POLICE), authority=GROUND)
        erased_at = ledger.post(case.last).index
        with ledger.database.read() as connection:
            after = {table.name: rows_of(connection, table) for table in (ENTRIES, SECTIONS)}
        target = next(
            row["log_index"] for row in before["entries"] if row["event_id"] == case.events[0].envelope.event_id
        )
        gone = [row for row in before["sections"] if row not in after["sections"]]
        assert [(row["log_index"], row["label"]) for row in gone] == [(target, "narrative")]
        assert {"log_index": target, "label": "narrative", "data": None} in after["sections"]
        assert len(after["sections"]) == len(before["sections"])
        assert [row for row in after["entries"] if row["log_index"] != erased_at] == before["entries"]


def test_an_agency_erases_in_its_own_stream(ledger: Ledger) -> None:
    """A section of an agency's own stream is erased by that agency's supervisor, there."""
    writer = Writer("agency", POLICE)
    late = RecordLate(happened_at="2026-03-01T00:00:00Z", ground="the network was down")
    ledger.post(writer.write(late, clerk(POLICE), sections={"narrative": section()}))
    erasure = SectionErased(writer.last.ref, "narrative", "on request")
    ledger.post(writer.write(erasure, supervisor(POLICE), authority=GROUND))
    with ledger.database.read() as connection:
        assert [row["data"] for row in rows_of(connection, SECTIONS)] == [None]


def test_no_look_at_a_submission_goes_through_a_whole_table(ledger: Ledger) -> None:
    """What is asked of tables that grow with the log is found by an index, whatever is recorded."""
    asked: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            asked[statement] = parameters

    case = Case().open().name("li").register("phone", "cash", kind="property", quantity=2, fungible=True)
    case.offer("phone", to=PROCURATORATE).accept()
    listen(Engine, "before_cursor_execute", note)
    try:
        ledger.post_all(case.events)
    finally:
        remove(Engine, "before_cursor_execute", note)
    grow = [table.name for table in (ENTRIES, STREAMS, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS, FEED)]
    with ledger.database.read() as connection:
        plans = {
            statement: [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked.items()
        }
    assert any("SEARCH streams USING" in step for plan in plans.values() for step in plan)
    whole = tuple(f"SCAN {name}" for name in grow)
    assert [step for plan in plans.values() for step in plan if step.startswith(whole)] == []
