"""One batch changes log, tiles and read models together, as a fold of the bytes gives them; what is erased is gone."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from ledger.core.errors import RuleRefused, Unavailable
from ledger.core.events import Authority
from ledger.core.events import case as acts
from ledger.core.events.case import CaseLinked
from ledger.core.events.item import ItemDisposalProposed, ItemDisposed, ItemMoved, ItemPart, ItemSealed, ItemSplit
from ledger.core.events.record import ErasureProposed, ImportRecorded, RecordLate
from ledger.core.messages import Message, Term
from ledger.core.visibility import Reader
from ledger.i18n import translate
from ledger.store import cases, log
from ledger.store.append import clear_away
from ledger.store.database import Connection
from ledger.store.tables import CASE_AGENCIES, CASES, CLOCKS, ENTRIES, FEED, HANDOVERS, ITEMS, SECTIONS, STREAMS
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Writer, clerk, instant, section, supervisor
from tests.testkit.casework import Case, pieces, second_of
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.unit.audit.stand import findings_of
from tests.unit.recording.stand import OPENED
from tests.unit.store.plans import noted, plan
from tests.unit.store.test_clocks import require_told

AGENCIES = (POLICE, PROCURATORATE, COURT)
OFFICERS = tuple(officer for agency in AGENCIES for officer in (clerk(agency), supervisor(agency)))
DIGEST = "sha256:" + "11" * 32
GROUND = Authority("statute", "Personal Information Protection Law 47")


def rows_of(connection: Connection, table: Table) -> list[dict[str, Any]]:
    rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def try_something(case: Case, chance: random.Random, name: str) -> None:
    """Somebody tries something at random; what is impossible leaves no trace."""
    some = chance.choice
    item_id, agency = some(sorted(case.state.items)), clerk(some(sorted(case.state.agencies)))
    holder, purpose = (
        clerk(case.state.items[item_id].holder),
        some(["prosecution_review", "public_prosecution", "loan"]),
    )
    parts = (ItemPart(name, pieces(1)), ItemPart(f"{name}-b", pieces(3)))
    tries: list[Callable[[], object]] = [
        *[lambda: case.offer(item_id, to=some(AGENCIES), purpose=purpose, by=holder)] * 2,
        *[case.accept, case.accept, case.refuse, case.recall, lambda: case.give_back(item_id)],
        lambda: case.register(name, by=agency, quantity=4),
        lambda: case.act(ItemSplit(item_id=item_id, parts=parts), holder),
        lambda: case.act(ItemSealed(item_id=item_id, seal_number=name), holder),
        lambda: case.act(ItemMoved(item_id=item_id, storage_location="room 4"), holder),
        lambda: case.act(ItemDisposalProposed(item_ids=(item_id,), disposal="destroyed", ground="rotten"), holder),
        lambda: case.act(ItemDisposed(case.last.ref, "2026-03-02T02:00:00Z"), supervisor(agency.agency)),
        lambda: case.act(acts.CaseNumbered(case_number=name), agency),
        lambda: case.act(ImportRecorded(source_system="cases", source_key=name, file_digest=DIGEST, row=1), agency),
        lambda: case.act(acts.CaseLinked("another-case", "related"), sections={"narrative": section()}),
    ]
    with suppress(RuleRefused, IndexError):
        some(tries)()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.extended)])
def test_read_models_are_what_the_last_states_come_to(ledger: Ledger, seed: int) -> None:
    """After a random history of several cases, in batches of any size, an audit that folds them finds no other row."""
    chance = random.Random(seed)
    cases = [Case(f"case-{n}", step=1).open().register(f"item-{n}", quantity=4) for n in range(4)]
    for number in range(160):
        try_something(chance.choice(cases), chance, f"thing-{number}")
    waiting = [case.events[:] for case in cases]
    while left := [events for events in waiting if events]:
        ledger.post_all([left[0].pop(0), *(events.pop(0) for events in left[1:] if chance.random() < 0.5)])
        waiting.append(waiting.pop(0))
    assert sum(len(case.events) for case in cases) > 40
    assert len({item.holder for case in cases for item in case.state.items.values()}) > 1
    require_told(ledger, *cases)
    assert findings_of(ledger) == ()


def test_rows_say_what_the_state_says(ledger: Ledger) -> None:
    """Each column of each read model of a case, which another case came out of."""
    first = Case("case-1").open().name("suspect").register("phone", seal_number="S-1")
    first.act(acts.CaseSplit(new_case_id="case-2", ground="another suspect", item_ids=("phone",)))
    ledger.post_all(first.events)
    second = Case("case-2").open(source=first.state, split_from=first.last.ref)
    index = ledger.post_all(second.offer("phone", to=PROCURATORATE).events)[-1].index
    opened_at, offered_at = (event.payload.occurred_at for event in second.events)
    opened = (
        "case-2",
        "2026-0417",
        "theft",
        "criminal",
        POLICE,
        opened_at,
        POLICE,
        "investigation",
        False,
        None,
        index,
    )
    offer = ("case-2", "handover-1", POLICE, PROCURATORATE, "prosecution_review", "offered", offered_at)
    phone = (
        "phone",
        "case-2",
        "exhibit",
        "the phone",
        "1",
        "piece",
        POLICE,
        POLICE,
        "held",
        "S-1",
        None,
        None,
        None,
        None,
        index,
    )
    expected = {
        CASES: opened,
        CASE_AGENCIES: ("case-2", POLICE, "2026-0417"),
        HANDOVERS: (*offer, None, None, None, 1, index),  # neither answered nor expiring nor due
        ITEMS: phone,
    }
    with ledger.database.read() as connection:
        for table, row in expected.items():
            assert [tuple(row) for row in connection.execute(select(table).where(table.c.case_id == "case-2"))] == [row]
        (left,) = [row["status"] for row in rows_of(connection, ITEMS) if row["case_id"] == "case-1"]
        shown = cases.case_of_item(connection, "phone", Reader(POLICE, frozenset(), instant(ledger.clock.seconds)))
    assert (left, shown) == ("left", "case-2")


def test_a_row_that_the_log_has_not_stops_the_writer_for_good(sqlite: Ledger) -> None:
    """An entry put in at the end by hand is in the way of the next one: nothing is recorded, and why is told."""
    with sqlite.database.write() as connection:
        size = log.tree(connection).size
        stray = rows_of(connection, ENTRIES)[-1] | {"log_index": size, "event_id": "stray", "sequence": 99}
        stray["event_type"] = "access.sealed"
        connection.execute(ENTRIES.insert().values(**stray))
    for case_id in ("case-1", "case-2"):
        with pytest.raises(Unavailable, match="has a row that the log lacks") as refused:
            sqlite.post(Case(case_id).open().last)
        assert refused.value.code == "integrity_broken"
    assert sqlite.sequencer.failure is not None


def test_an_erasure_empties_the_section_and_nothing_else(ledger: Ledger) -> None:
    """One label of one event is gone; the other sections, the payload that commits to it and the entry stay."""
    parts = {"narrative": section("narrative"), "description": section("description")}
    case = Case().act(OPENED, clerk(POLICE), sections=parts)
    case.act(acts.CaseLinked("case-9", "related"), sections={"narrative": section("other")})
    index = ledger.post_all(case.events)[0].index
    case.erase(case.events[0].ref, "narrative", supervisor(POLICE), authority=GROUND)
    ledger.post(case.events[-2])
    with ledger.database.read() as connection:
        entries, sections = (rows_of(connection, table) for table in (ENTRIES, SECTIONS))
    erased_at = ledger.post(case.last).index
    with ledger.database.read() as connection:
        assert [row for row in rows_of(connection, ENTRIES) if row["log_index"] != erased_at] == entries
        erased = {"log_index": index, "label": "narrative", "data": None}
        assert rows_of(connection, SECTIONS) == [
            erased if (row["log_index"], row["label"]) == (index, "narrative") else row for row in sections
        ]


def test_an_agency_erases_in_its_own_stream(sqlite: Ledger) -> None:
    """A section of an agency's own stream is erased by that agency's supervisor, there."""
    writer = Writer("agency", POLICE)
    late = RecordLate(happened_at="2026-03-01T00:00:00Z", ground="the network was down")
    sqlite.post(writer.write(late, clerk(POLICE), sections={"narrative": section()}))
    proposal = ErasureProposed(writer.last.ref, "narrative", "on request")
    sqlite.post(writer.write(proposal, clerk(POLICE)))
    sqlite.post(writer.write(second_of(writer.last, proposal), supervisor(POLICE), authority=GROUND))
    with sqlite.database.read() as connection:
        assert [row["data"] for row in rows_of(connection, SECTIONS)] == [None]


def test_no_look_at_a_submission_goes_through_a_whole_table(sqlite: Ledger) -> None:
    """What is asked of tables that grow with the log is found by an index, whatever is recorded."""
    case = Case().open().name("li").register("phone", "cash", kind="property", quantity=2, fungible=True)
    case.offer("phone", to=PROCURATORATE).accept()
    with noted(sqlite.database.log) as statements:
        sqlite.post_all(case.events)
    with sqlite.database.read() as connection:
        steps = plan(connection, {text: values for text, values in statements.items() if text.startswith("SELECT")})
    assert any("SEARCH streams USING" in step for step in steps)
    grow = (ENTRIES, STREAMS, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS, FEED)
    assert [step for step in steps if step.startswith(tuple(f"SCAN {table.name}" for table in grow))] == []


# -- what is erased is gone --------------------------------------------------------------------------------------------


AUTHORITY = Authority("court_order", "12/2026")
SECRETS = ("the-secret-begins", "the-secret-ends")
SIZES = (20, 1_000, 60_000)  # characters: within a page, most of one, and many


def files_with(folder: Path, word: str) -> list[str]:
    """The files that hold the word, of all that lie beside the database."""
    return sorted(file.name for file in folder.iterdir() if word.encode() in file.read_bytes())


def confidential(size: int) -> Case:
    """A case that says something about itself, in sections that others surround."""
    case = Case().open()
    for number in range(4):
        text = f"neighbour-{number} " + "n" * min(size, 3_900)
        case.act(CaseLinked(f"case-{number + 2}", "related"), sections={"narrative": section(text=text)})
    fields = {f"part_{number:02}": "s" * min(size, 3_900) for number in range(1 + size // 3_900)}
    longer = section(**fields | {"part_00": "the-secret-begins", "part_99": "the-secret-ends"})
    return case.act(CaseLinked("case-9", "related"), sections={"narrative": longer})


def erase(sqlite: Ledger, case: Case) -> None:
    case.erase(case.events[5].ref, "narrative", supervisor(POLICE), authority=AUTHORITY)
    sqlite.post_all(case.events[-2:])


@pytest.mark.parametrize("size", SIZES)
def test_erased_bytes_are_nowhere(sqlite: Ledger, tmp_path: Path, size: int) -> None:
    """Neither beginning nor end of the text is in a file of the database; what stands beside it stays."""
    case = confidential(size)
    sqlite.post_all(case.events)
    assert [files_with(tmp_path, word) != [] for word in SECRETS] == [True, True]
    erase(sqlite, case)
    assert clear_away(sqlite.database)
    assert [files_with(tmp_path, word) for word in SECRETS] == [[], []]
    assert files_with(tmp_path, "neighbour-3") != []
    with sqlite.database.read() as connection:
        entry = log.entry_by_event_id(connection, case.events[5].envelope.event_id)
        assert log.sections(connection, entry.log_index) == {"narrative": None}


def test_bytes_that_reached_the_file_before_are_overwritten(sqlite: Ledger, tmp_path: Path) -> None:
    """The section was in the database's file already, and in no write-ahead log any more."""
    case = confidential(1_000)
    sqlite.post_all(case.events)
    assert sqlite.database.empty_write_ahead_log()
    assert files_with(tmp_path, SECRETS[0]) == ["ledger.db"]
    erase(sqlite, case)
    assert clear_away(sqlite.database)
    assert files_with(tmp_path, SECRETS[0]) == []


def test_a_reader_in_the_way_is_waited_for(sqlite: Ledger, tmp_path: Path) -> None:
    """It reads on undisturbed, events come in meanwhile, and once it is through the bytes go, in whatever process."""
    case = confidential(1_000)
    sqlite.post_all(case.events)
    with sqlite.database.read() as reader:
        log.tree(reader)
        erase(sqlite, case)
        assert not clear_away(sqlite.database)
        sqlite.post(case.register("phone").last)
    with open_ledger(sqlite_url(tmp_path)) as second_ledger:
        assert clear_away(second_ledger.database)
    assert files_with(tmp_path, SECRETS[0]) == []


def test_nothing_is_done_where_nothing_was_erased(sqlite: Ledger, tmp_path: Path) -> None:
    """The write-ahead log is left to SQLite."""
    sqlite.post_all(confidential(20).events)
    size = (tmp_path / "ledger.db-wal").stat().st_size
    assert clear_away(sqlite.database)
    assert (tmp_path / "ledger.db-wal").stat().st_size == size > 0


@pytest.mark.parametrize(
    ("detail", "chinese"),
    [
        (
            Message("{reason_code} is no reason to refuse receipt", reason_code=Term("event_type", "case.closed")),
            "结案",
        ),
        ("a word", "a word"),
    ],
)
def test_the_detail_of_a_flag_is_read_in_any_language(detail: str, chinese: str) -> None:
    """As the message that it was, with its slots; and what nobody stored so is shown as it is."""
    stored = log.flag_of("late", "CPL 1", log.packed_detail(detail)).detail
    assert stored == detail
    assert chinese in translate(stored, "zh-CN")
    for broken in ("{", '{"id": "a {b}"}', "12"):
        assert log.flag_of("late", "CPL 1", broken).detail == broken
