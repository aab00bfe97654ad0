"""``ledger.audit``: what was changed behind the service's back is named by the index of its entry, and nothing else is.

The stand is a ledger with cases, sections, flags, an erasure, a split, checkpoints, anchors and reads; each test edits
its database with plain SQL.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from ledger.audit import AuditReport, ChainRecord, audit_case, audit_log, findings, whole
from ledger.audit.commits import check_commits
from ledger.chain.journal import AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.errors import NotFound
from ledger.core.event import Authority, case, handover, record
from ledger.core.event.registry import RegistryChange
from ledger.core.merkle import leaf_hash
from ledger.core.signature import keccak256
from ledger.core.tiles import RightEdge
from ledger.core.trust import Trust
from ledger.record import shipped_rulebook
from ledger.store import audit as rows
from ledger.store import log as stored_log
from ledger.store.access import AccessLog, Read
from ledger.store.append import NewEntry, NewTree, write_batch
from ledger.store.journal import DatabaseJournal
from tests.builders import (
    COURT,
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    Event,
    Writer,
    clerk,
    event_of,
    section,
    supervisor,
)
from tests.bundles import CHAIN, TWO_OF_THREE, trust
from tests.casework import Case, registration
from tests.ledgers import LOG_SIGNER, Clock, Ledger, open_ledger, sqlite_url

OFFICERS = (clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE), clerk(COURT))
FOUNDING = 7  # entries
BOOK = shipped_rulebook()
TRUST: Trust = trust(log_key=LOG_SIGNER.verifying_key)


def theft() -> Case:
    """Sections, an erasure, a flag, a handover that is accepted."""
    made = Case("case-1").open()
    made.act(registration("phone"), sections={"narrative": section(), "description": section("other")})
    made.act(registration("knife"), occurred_at="2026-02-27T01:00:00Z")
    made.offer("phone", "knife", to=PROCURATORATE).accept()
    order = Authority(authorization_type="court order", authorization_identifier="12")
    erasure = record.SectionErased(concerns=made.events[1].ref, label="narrative", ground="court order 12")
    return made.act(erasure, supervisor(POLICE), authority=order)


def fraud() -> tuple[Case, Case]:
    """A case that gives an item up to another one."""
    old = Case("case-2").open().register("ledger-book", "cash-box")
    old.act(case.CaseSplit(new_case_id="case-3", ground="two offences", item_ids=("cash-box",)))
    new = Case("case-3", start=old.now).open(source=old.state, split_from=old.last.ref)
    return old, new.register("till")


class Stand:
    """The ledger, with what it takes to write on in it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.database = ledger.database
        self.theft = theft()

    def fill(self) -> None:
        """Entry 0 to 6 found the ledger, 7 to 12 are case-1, 13 to 16 case-2, 17 and 18 case-3, 19 seals the reads."""
        ledger = self.ledger.found(*OFFICERS)
        ledger.post_all(self.theft.events[:-1])
        ledger.post(self.theft.last)
        self.publish()
        self.anchor()
        old, new = fraud()
        for event in (*old.events, *new.events):  # each in a batch of its own
            ledger.post(event)
        self.publish()
        head = AccessLog(self.database).append(*(self.read(number) for number in range(3)))
        ledger.post(ledger.system_writer.write(record.AccessSealed(count=head.count, head=head.digest), SERVICE))
        AccessLog(self.database).append(self.read(3))

    @property
    def size(self) -> int:
        with self.database.read() as connection:
            return stored_log.tree(connection).size

    def read(self, number: int) -> Read:
        return Read(POLICE, "officer-1", clerk(POLICE).key_id, "case", START * 1000 + number, case_id="case-1")

    def publish(self) -> None:
        self.ledger.clock.forward(10)
        assert self.ledger.publisher.publish(self.database, self.ledger.clock())

    def anchor(self) -> None:
        journal = DatabaseJournal(self.database)
        with self.database.read() as connection:
            tree = stored_log.tree(connection)
        last = journal.last()
        number = last.number + 1 if last else 1
        journal.append(
            ChainWrite(
                number=number,
                purpose=Purpose.ANCHOR,
                chain_id=CHAIN.chain_id,
                sender="0x" + "11" * 20,
                nonce=number,
                raw_transaction=b"raw %d" % number,
                transaction_hash=keccak256(b"raw %d" % number),
                timestamp=START + 4000 + number,
                state=WriteState.CONFIRMED,
                block_number=number + 5,
                block_hash=bytes([number + 100]) * 32,
                anchored=AnchoredHead(tree.size, tree.root, self.ledger.registry.authority.registry_hash),
            )
        )

    def change(self, statement: str, **values: Any) -> None:
        """What somebody does behind the service's back."""
        engine = self.database.access if "access_log" in statement else self.database.log
        with engine.begin() as connection:
            assert connection.execute(text(statement), values).rowcount, "the edit must hit something"

    def value(self, query: str) -> Any:
        with self.database.log.connect() as connection:
            return connection.execute(text(query)).scalar_one()

    def audit(self, **options: Any) -> AuditReport:
        return audit_log(self.database, TRUST, BOOK, **options)


@dataclass
class Template:
    """The files of a filled ledger, and its writers as they were left."""

    folder: Path
    ledger: Ledger


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Made once; each test edits a copy."""
    folder = tmp_path_factory.mktemp("template")
    with open_ledger(sqlite_url(folder)) as ledger:
        Stand(ledger).fill()
    return Template(folder, ledger)


@pytest.fixture
def stand(tmp_path: Path, template: Template) -> Iterator[Stand]:
    """The ledger on SQLite."""
    copytree(template.folder, tmp_path, dirs_exist_ok=True)
    with open_ledger(sqlite_url(tmp_path), clock=Clock(template.ledger.clock.ms)) as ledger:
        ledger.changes, ledger.system_writer = deepcopy((template.ledger.changes, template.ledger.system_writer))
        yield Stand(ledger)


def found(report: AuditReport) -> set[tuple[str, int | None]]:
    return {(finding.step, finding.index) for finding in report.findings}


# -- what holds --------------------------------------------------------------------------------------------------------


def test_sound_ledger(stand: Stand) -> None:
    """Nothing is found where nothing was changed; the report says of each step what it compared."""
    report = stand.audit()
    assert report.findings == ()
    assert report.verdict == "intact"
    assert [step.number for step in report.steps] == list(range(1, 14))
    assert {step.name for step in report.steps if step.result != "checked"} == {"chain"}
    assert (report.scope, report.size, report.development) == ("log", stand.size, True)
    with stand.database.read() as connection:
        assert report.root == stored_log.tree(connection).root.hex()


def test_new_ledger(tmp_path: Path) -> None:
    """An empty log is sound, and nothing of it is anchored."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        report = audit_log(ledger.database, TRUST, BOOK)
    assert (report.findings, report.verdict, report.size) == ((), "not_yet_anchored", 0)


def test_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL, sound and edited."""
    with open_ledger(postgres_url) as ledger:
        stand = Stand(ledger)
        stand.fill()
        assert stand.audit().findings == ()
        stand.change("UPDATE entries SET signed_at = signed_at + 1 WHERE log_index = 9")
        assert found(stand.audit()) == {("entries", 9)}


def test_several_processes(stand: Stand) -> None:
    """Processes that share the work find what one finds."""
    assert stand.audit(processes=2) == stand.audit(processes=1)
    stand.change("DELETE FROM entries WHERE log_index = 10")
    assert stand.audit(processes=2) == stand.audit(processes=1)


def test_progress(stand: Stand) -> None:
    """Progress is told in entries, each counted twice, and ends at the whole."""
    told: list[tuple[int, int]] = []
    stand.audit(progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (2 * stand.size, 2 * stand.size)


# -- edited rows -------------------------------------------------------------------------------------------------------

OTHER = "blake3:" + "7e" * 32
UNREADABLE = {"envelope": "'no bytes'", "agency": "CAST(x'ff' AS TEXT)"}
ENTRY_EDITS: dict[str, str] = {
    "event_id": "'01940000-0000-7000-8000-000000000000'",
    "event_type": "'case.closed'",
    "stream_kind": "'agency'",
    "stream_id": "'case-9'",
    "sequence": "99",
    "agency": "'court-east'",
    "key_id": "'0x0000000000000000000000000000000000000000'",
    "payload_digest": f"'{OTHER}'",
    "signed_at": "signed_at + 1",
    "committed_size": "committed_size + 100",
    "envelope": "x'7b7d'",
    "payload": "x'7b7d'",
}


@pytest.mark.parametrize("column", ENTRY_EDITS)
@pytest.mark.parametrize("index", [0, 3, FOUNDING, FOUNDING + 1, FOUNDING + 4, FOUNDING + 7])
def test_column_edited(stand: Stand, column: str, index: int) -> None:
    """Whatever column of whatever entry is edited, its index is named and no other."""
    stand.change(f"UPDATE entries SET {column} = {ENTRY_EDITS[column]} WHERE log_index = {index}")
    report = stand.audit()
    assert report.verdict == "tampered"
    assert {finding.index for finding in report.findings} == {index}


@pytest.mark.parametrize("column", UNREADABLE)
def test_row_that_cannot_be_read(stand: Stand, column: str) -> None:
    """A value of another type than its column's stops no audit: the row is named."""
    index = FOUNDING + 2
    stand.change(f"UPDATE entries SET {column} = {UNREADABLE[column]} WHERE log_index = {index}")
    report = stand.audit()
    assert ("entries", index) in found(report)
    assert {finding.index for finding in report.findings} == {index}


@pytest.mark.parametrize("column", ["envelope", "payload"])
@pytest.mark.parametrize("index", [2, FOUNDING + 1, FOUNDING + 8])
def test_one_byte_flipped(stand: Stand, column: str, index: int) -> None:
    """A single byte of what was signed, anywhere in it."""
    whole: bytes = stand.value(f"SELECT {column} FROM entries WHERE log_index = {index}")
    for position in range(0, len(whole), 97):
        flipped = whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :]
        stand.change(f"UPDATE entries SET {column} = :value WHERE log_index = {index}", value=flipped)
        assert {finding.index for finding in stand.audit().findings} == {index}, position


@pytest.mark.parametrize(
    ("event_type", "index"), [("registry.key_granted", 19), ("section.erased", 9), ("access.sealed", 8)]
)
def test_entry_that_poses_as_what_others_are_judged_by(stand: Stand, event_type: str, index: int) -> None:
    """A column makes no entry what it is not."""
    stand.change(f"UPDATE entries SET event_type = '{event_type}' WHERE log_index = {index}")
    assert found(stand.audit()) == {("entries", index)}


@pytest.mark.parametrize("index", [FOUNDING + 5, FOUNDING + 12])
def test_entry_that_others_are_judged_by(stand: Stand, index: int) -> None:
    """An erasure or a seal that is edited is a fault by itself, and accuses nobody else."""
    stand.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {index}")
    assert found(stand.audit()) == {("payloads", index)}


@pytest.mark.parametrize("index", range(FOUNDING + 13))
def test_row_deleted(stand: Stand, index: int) -> None:
    """A deleted entry is named, wherever it stood."""
    stand.change(f"DELETE FROM entries WHERE log_index = {index}")
    report = stand.audit()
    entry = [finding for finding in report.findings if finding.step == "entries"]
    assert [(finding.index, finding.what) for finding in entry] == [(index, "the entry is missing")]
    assert {finding.index for finding in report.findings} == {index}


@pytest.mark.parametrize(("one", "other"), [(FOUNDING, FOUNDING + 1), (FOUNDING + 1, FOUNDING + 7), (1, FOUNDING + 2)])
def test_rows_swapped(stand: Stand, one: int, other: int) -> None:
    """Two whole entries that changed places: both are named."""
    for old, new in ((one, -1), (other, one), (-1, other)):
        stand.change(f"UPDATE entries SET log_index = {new} WHERE log_index = {old}")
    named = {finding.index for finding in stand.audit().findings}
    assert {one, other} == named


def test_contents_swapped(stand: Stand) -> None:
    """Two payloads that changed places: both are named."""
    one, other = FOUNDING + 1, FOUNDING + 2
    payloads = [stand.value(f"SELECT payload FROM entries WHERE log_index = {index}") for index in (one, other)]
    for index, payload in ((one, payloads[1]), (other, payloads[0])):
        stand.change(f"UPDATE entries SET payload = :value WHERE log_index = {index}", value=payload)
    assert found(stand.audit()) == {("payloads", one), ("payloads", other)}


def test_tail_cut(stand: Stand) -> None:
    """The last entries gone, and the tree's size with them: the tiles, a checkpoint, the stream still know them."""
    size = stand.size
    stand.change(f"DELETE FROM entries WHERE log_index >= {size - 2}")
    assert {finding.index for finding in stand.audit().findings} == {size - 2, size - 1}
    stand.change(f"UPDATE tree SET size = {size - 2}")
    assert stand.audit().verdict == "tampered"


def test_entry_added(stand: Stand) -> None:
    """An entry beyond the tree."""
    size = stand.size
    columns = (
        "event_type, stream_kind, stream_id, agency, key_id, signed_at, recorded_at, committed_size, envelope, payload"
    )
    stand.change(
        f"INSERT INTO entries (log_index, event_id, sequence, payload_digest, {columns}) "
        f"SELECT {size}, 'new', 77, 'new', {columns} FROM entries WHERE log_index = {FOUNDING}"
    )
    assert ("entries", size) in found(stand.audit())


def test_entry_that_its_officer_signed_again(stand: Stand) -> None:
    """Bytes, columns and signature all fit; only the tree knows that the log had another entry."""
    index, event = FOUNDING + 5, stand.theft.events[5]
    late = stand.theft.draft(event.payload.body, supervisor(POLICE))
    other = Case("case-1")
    other.events, other.now = list(stand.theft.events[:5]), START + 7777
    other.current = None
    made = other.draft(event.payload.body, supervisor(POLICE), authority=event.payload.authority)
    assert late.envelope.sequence == 6
    values: dict[str, Any] = {"envelope": made.entry, "payload": made.payload_bytes, "digest": made.digest}
    values |= {"event_id": made.envelope.event_id, "signed_at": made.envelope.signed_at}
    stand.change(
        "UPDATE entries SET envelope = :envelope, payload = :payload, payload_digest = :digest, event_id = :event_id, "
        f"signed_at = :signed_at WHERE log_index = {index}",
        **values,
    )
    report = stand.audit()
    assert found(report) == {("tree", index)}
    assert "another entry" in report.findings[0].what


# -- sections and flags ------------------------------------------------------------------------------------------------

SECTION = FOUNDING + 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sections SET data = x'7b7d' WHERE label = 'description'",
        "UPDATE sections SET data = NULL WHERE label = 'description'",
        "UPDATE sections SET data = x'7b7d' WHERE label = 'narrative'",
        "DELETE FROM sections WHERE label = 'description'",
        "DELETE FROM sections WHERE label = 'narrative'",
        "UPDATE sections SET label = 'person:1' WHERE label = 'description'",
        "UPDATE flags SET name = 'same_officer_both_sides'",
        "DELETE FROM flags",
    ],
)
def test_section_or_flag_edited(stand: Stand, statement: str) -> None:
    """Sections are what payloads commit to, flags what the rules raise."""
    index = FOUNDING + 2 if "flags" in statement else SECTION
    stand.change(statement)
    assert {finding.index for finding in stand.audit().findings} == {index}


@pytest.mark.parametrize("index", [FOUNDING + 3, 2])
def test_flag_added(stand: Stand, index: int) -> None:
    """A flag that no rule raises, in a case and outside of cases."""
    stand.change(f"INSERT INTO flags (log_index, position, name, article, detail) VALUES ({index}, 0, 'x', 'y', 'z')")
    assert found(stand.audit()) == {("custody", index)}


@pytest.mark.parametrize(
    "table",
    [
        "flags (log_index, position, name, article, detail) VALUES (99, 0, 'x', 'y', 'z')",
        "sections (log_index, label) VALUES (99, 'x')",
    ],
)
def test_row_of_no_entry(stand: Stand, table: str) -> None:
    """A row beside every entry."""
    stand.change(f"INSERT INTO {table}")
    assert found(stand.audit()) == {("payloads", 99)}


# -- read models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("UPDATE cases SET responsible = 'court-east' WHERE case_id = 'case-1'", "models"),
        ("UPDATE cases SET closed = NOT closed WHERE case_id = 'case-3'", "models"),
        ("DELETE FROM cases WHERE case_id = 'case-2'", "models"),
        ("UPDATE case_agencies SET case_number = 'other' WHERE case_id = 'case-1'", "models"),
        ("DELETE FROM case_agencies WHERE case_id = 'case-1' AND agency = 'police-east'", "models"),
        ("UPDATE handovers SET status = 'refused'", "models"),
        ("UPDATE items SET holder = 'court-east' WHERE item_id = 'phone'", "models"),
        ("UPDATE items SET case_id = 'case-2' WHERE item_id = 'cash-box'", "models"),
        ("DELETE FROM items WHERE item_id = 'knife'", "models"),
        ("UPDATE streams SET sequence = 99 WHERE id = 'case-1'", "streams"),
        ("UPDATE streams SET head = 'blake3:00' WHERE id = 'ledger'", "streams"),
        ("DELETE FROM streams WHERE id = 'case-1'", "streams"),
        ("INSERT INTO streams (kind, id, sequence, head) VALUES ('case', 'case-9', 0, 'x')", "streams"),
        ("INSERT INTO streams (kind, id, sequence, head) VALUES ('supervision', 'm', 0, 'x')", "streams"),
        ("INSERT INTO case_agencies (case_id, agency) VALUES ('case-9', 'court-east')", "models"),
        ("INSERT INTO case_agencies (case_id, agency) VALUES ('case-1', 'court-east')", "models"),
        ("UPDATE tree SET registry_changes = 3", "registry"),
    ],
)
def test_read_model_edited(stand: Stand, statement: str, step: str) -> None:
    """What lists show must be what the events come to."""
    stand.change(statement)
    report = stand.audit()
    assert {finding.step for finding in report.findings} == {step}


# -- the tree ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 5, FOUNDING + 3])
def test_tile_edited(stand: Stand, index: int) -> None:
    """A leaf hash in a tile: the entry is sound, the tile is named at its place."""
    tile: bytes = stand.value("SELECT hashes FROM tiles WHERE level = 0")
    stand.change("UPDATE tiles SET hashes = :value", value=tile[: 32 * index] + bytes(32) + tile[32 * index + 32 :])
    report = stand.audit()
    assert found(report) == {("tree", index)}
    assert report.findings[0].what.startswith("tile/0/000")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = substr(hashes, 1, 320)",
        "UPDATE tiles SET hashes = CAST(hashes || x'00' AS BLOB)",
        "INSERT INTO tiles (level, tile_index, hashes) VALUES (1, 0, x'00')",
    ],
)
def test_tiles_of_another_form(stand: Stand, statement: str) -> None:
    """A tile missing, cut, longer, or too many."""
    stand.change(statement)
    assert {finding.step for finding in stand.audit().findings} == {"tree"}


def test_stored_root_edited(stand: Stand) -> None:
    """The root that the next commit would build on."""
    stand.change("UPDATE tree SET root = :value", value=bytes(32))
    assert found(stand.audit()) == {("tree", None)}


def test_last_entries_and_root_edited(stand: Stand) -> None:
    """Above the last checkpoint nothing decides between entry and tile; the index is named all the same."""
    stand.change("UPDATE tree SET root = :value", value=bytes(32))
    stand.change("UPDATE entries SET envelope = x'7b7d' WHERE log_index = 19")
    assert ("tree", 19) in found(stand.audit())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoints SET size = size + 1 WHERE size < 14",
        "UPDATE checkpoints SET note = replace(note, 'ledger.test', 'other.test') WHERE size < 14",
        "UPDATE checkpoints SET published_at = published_at + 100000000 WHERE size < 14",
    ],
)
def test_checkpoint_edited(stand: Stand, statement: str) -> None:
    """A published note is signed, of its size, and after the one before."""
    stand.change(statement)
    assert {finding.step for finding in stand.audit().findings} == {"checkpoints"}


def test_checkpoint_of_another_tree(stand: Stand) -> None:
    """The log signed another root once: a split view, told even where everything else fits."""
    note = stand.ledger.publisher.checkpoint(9, b"\x05" * 32)
    stand.change("INSERT INTO checkpoints (size, note, published_at) VALUES (9, :note, 1)", note=note)
    assert found(stand.audit()) == {("checkpoints", None)}


def test_checkpoint_above_the_log(stand: Stand) -> None:
    """A checkpoint that is larger than the log: the database was rolled back."""
    note = stand.ledger.publisher.checkpoint(99, b"\x05" * 32)
    at = stand.ledger.clock() + 1
    stand.change("INSERT INTO checkpoints (size, note, published_at) VALUES (99, :note, :at)", note=note, at=at)
    report = stand.audit()
    assert report.findings[0].found == "the log is smaller"


def test_cosignature_that_does_not_hold(stand: Stand) -> None:
    """A note under which a known witness is said to have signed what he did not."""
    line = "— witness.example/w1 " + "3xwKNQ" + "A" * 90 + "\n"
    stand.change("UPDATE checkpoints SET note = note || :line WHERE size < 14", line=line)
    report = audit_log(stand.database, trust(TWO_OF_THREE, log_key=LOG_SIGNER.verifying_key), BOOK)
    assert {finding.step for finding in report.findings} <= {"checkpoints"}


# -- anchors and chain -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain_writes SET anchored_root = x'00'",
        "UPDATE chain_writes SET anchored_size = anchored_size - 1",
        "UPDATE chain_writes SET anchored_size = 99",
        "UPDATE chain_writes SET raw_transaction = x'00'",
    ],
)
def test_journal_edited(stand: Stand, statement: str) -> None:
    """The journal's anchors are of the log's roots, its transactions of their hashes."""
    stand.change(statement)
    assert found(stand.audit()) == {("anchors", None)}


class Contracts:
    """A chain as an honest or another node tells it."""

    def __init__(self, records: Sequence[ChainRecord], changes: int, registry_hash: bytes) -> None:
        self._records = records
        self._registry = (changes, registry_hash)

    def records(self) -> Sequence[ChainRecord]:
        return self._records

    def registry(self) -> tuple[int, bytes]:
        return self._registry


def contracts(stand: Stand, **changes: Any) -> Contracts:
    anchored = DatabaseJournal(stand.database).anchors()[0].anchored
    assert anchored is not None
    authority = stand.ledger.changes.authority
    record_1 = ChainRecord(1, changes.get("size", anchored.size), changes.get("root", anchored.root))
    count, rolled = changes.get("changes", authority.changes), changes.get("registry_hash", authority.registry_hash)
    return Contracts([record_1], count, rolled)


def test_chain_that_agrees(stand: Stand) -> None:
    """The contract's records and the registry are the log's; a registry that has moved on is not yet mirrored."""
    assert stand.audit(contracts=contracts(stand)).findings == ()
    assert stand.audit(contracts=contracts(stand, changes=99, registry_hash=bytes(32))).findings == ()


@pytest.mark.parametrize("other", [{"root": b"\x01" * 32}, {"size": 3}, {"size": 99}, {"registry_hash": bytes(32)}])
def test_chain_that_differs(stand: Stand, other: dict[str, Any]) -> None:
    """Another root, another size, a larger tree, another registry."""
    assert found(stand.audit(contracts=contracts(stand, **other))) == {("chain", None)}


def test_changes_that_the_contract_never_made(stand: Stand) -> None:
    """The first change that the log has and the contract has not is named: the founding's changes begin at entry 0."""
    assert found(stand.audit(contracts=contracts(stand, changes=FOUNDING - 2))) == {("chain", FOUNDING - 2)}


# -- the log of reads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_log SET agency = 'court-east' WHERE number = 1",
        "UPDATE access_log SET record = x'7b7d' WHERE number = 1",
        "DELETE FROM access_log WHERE number = 1",
    ],
)
def test_read_edited(stand: Stand, statement: str) -> None:
    """The chain of reads shows what was edited in it."""
    stand.change(statement)
    assert found(stand.audit()) == {("access", None)}


def test_reads_cut_below_their_seal(stand: Stand) -> None:
    """Reads that were sealed cannot be dropped, not even from the end."""
    stand.change("DELETE FROM access_log WHERE number >= 2")
    assert found(stand.audit()) == {("access", stand.size - 1)}


# -- a larger log ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """More entries than two tiles have."""
    folder = tmp_path_factory.mktemp("large")
    with open_ledger(sqlite_url(folder)) as ledger:
        stand = Stand(ledger)
        stand.fill()
        for number in range(5):
            made = Case(f"bulk-{number}", step=1).open()
            for item in range(105):
                made.register(f"item-{number}-{item}")
            ledger.post_all(made.events)
        stand.publish()
    return Template(folder, ledger)


@pytest.fixture
def large(tmp_path: Path, large_template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A copy, checked in ranges of one tile."""
    monkeypatch.setattr(whole, "RANGE", 256)
    copytree(large_template.folder, tmp_path, dirs_exist_ok=True)
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        yield Stand(ledger)


def test_sound_large_log(large: Stand) -> None:
    """Several ranges, several tiles, an upper tile."""
    assert (large.size, large.audit().findings) == (550, ())


@pytest.mark.parametrize("index", [0, 255, 256, 400, 549])
def test_large_log_edited(large: Stand, index: int) -> None:
    """The index of a fault is the log's, not the range's."""
    large.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {index}")
    assert {finding.index for finding in large.audit().findings} == {index}


@pytest.mark.parametrize(("start", "end"), [(255, 257), (256, 550), (100, 300)])
def test_many_rows_deleted(large: Stand, start: int, end: int) -> None:
    """Each missing entry is named, also where whole ranges are."""
    large.change(f"DELETE FROM entries WHERE log_index >= {start} AND log_index < {end}")
    assert {finding.index for finding in large.audit().findings} == set(range(start, end))


def test_upper_tile_edited(large: Stand) -> None:
    """A hash above the leaves is named by the first entry below it."""
    tile: bytes = large.value("SELECT hashes FROM tiles WHERE level = 1")
    large.change("UPDATE tiles SET hashes = :value WHERE level = 1", value=tile[:32] + bytes(32))
    report = large.audit()
    assert found(report) == {("tree", 256)}
    assert report.findings[0].what == "tile/1/000.p/2: hash of tile/0/001"


def test_findings_are_counted_above_a_limit(large: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit of a ruined log stays small: findings above the limit are counted."""
    monkeypatch.setattr(findings, "MAX_FINDINGS", 10)
    large.change("UPDATE entries SET signed_at = 0")
    report = large.audit()
    assert (len(report.findings), report.left_out) == (10, 540)


@pytest.mark.parametrize("each", [1, 2, 100, 1000])
def test_parts_cover_all_streams_once(large: Stand, each: int) -> None:
    """However the streams are cut into parts, each entry is in one of them."""
    with large.database.read() as connection:
        bounds = [None, *rows.stream_bounds(connection, "case", each), None]
        parts = [
            entry.log_index
            for first, last in pairwise(bounds)
            for entry in rows.by_stream(connection, "case", first, last, size=large.size)
        ]
    cases = large.value("SELECT count(*) FROM entries WHERE stream_kind = 'case'")
    assert (len(parts), len(set(parts))) == (cases, cases)


# -- what nobody signed ------------------------------------------------------------------------------------------------


def batches(*made: tuple[int, int]) -> array[int]:
    """Commits of batches, each of so many entries at such a time."""
    commits, size = array("q"), 0
    for count, at in made:
        size += count
        commits.extend((size, at) * count)
    return commits


@pytest.mark.parametrize(
    ("position", "value", "index"),
    [
        (2, 9, 1),
        (2, 2, 1),
        (4, 3, 2),
        (3, 99, 1),
        (5, 1, 2),
        (6, 5, 3),
        (8, 99, 4),
        (9, 5, 4),
        (9, 999, 4),
        (11, 5, 5),
        (6, 2, 3),
    ],
)
def test_commits_edited(position: int, value: int, index: int) -> None:
    """The size or time of an entry's commit that does not fit its batch, or the order of batches."""
    commits = batches((4, 10), (1, 20), (3, 30))
    assert list(check_commits(commits, 8)) == []
    commits[position] = value
    assert [finding.index for finding in check_commits(commits, 8)] == [index]


def test_commits_of_missing_entries() -> None:
    """Entries that are missing say nothing of their batch."""
    commits = batches((4, 10), (1, 20), (3, 30))
    for position in (0, 1, 8, 9, 14, 15):
        commits[position] = 0
    assert list(check_commits(commits, 8)) == []


def test_times_out_of_order(stand: Stand) -> None:
    """A commit before the one that it follows."""
    stand.change("UPDATE entries SET recorded_at = 1 WHERE log_index = 14")
    assert found(stand.audit()) == {("entries", 14)}


# -- what only the rules show ------------------------------------------------------------------------------------------


def force(ledger: Ledger, *events: Event) -> int:
    """Sequences events that nobody judged, as a dishonest operator can; gives the index of the first."""
    database = ledger.database
    with database.write() as connection:
        tree = stored_log.tree(connection)
        grown = RightEdge.read(tree.size, stored_log.tile_reader(connection)).append(
            [leaf_hash(e.entry) for e in events]
        )
        entries = [
            NewEntry(index, event.envelope, event.payload, event.entry, event.payload_bytes, {}, (), None, None)
            for index, event in enumerate(events, tree.size)
        ]
        changes = sum(isinstance(event.payload.body, RegistryChange) for event in events)
        new = NewTree(grown.size, grown.root, tree.registry_changes + changes, ledger.clock())
        write_batch(connection, database, entries, grown.tiles, new)
        return tree.size


def test_mirror_that_does_not_follow(stand: Stand) -> None:
    """A change of the registry that is signed and sequenced, but does not follow from the one before."""
    body = replace(stand.ledger.changes.revoke(clerk(COURT)).bodies[-1], registry_hash="0x" + "00" * 32)
    index = force(stand.ledger, stand.ledger.system_writer.write(body, SERVICE))
    report = stand.audit()
    assert found(report) == {("registry", index)}
    assert report.steps[4].result == "not_checked"


def test_act_that_was_impossible(stand: Stand) -> None:
    """An event that the rules make impossible is named, and what stands on it is not judged."""
    writer = Writer("case", "case-8")
    writer.write(stand.theft.events[0].payload.body, clerk(POLICE))
    writer.write(handover.HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    writer.write(registration("gold"), clerk(POLICE))
    index = force(stand.ledger, *writer.events)
    assert found(stand.audit()) == {("custody", index + 1)}


@pytest.mark.parametrize("sequence", [6, 9])
def test_event_out_of_its_stream(stand: Stand, sequence: int) -> None:
    """A gap, or an event that does not stand on the last."""
    stray = event_of(
        registration("gold"), clerk(PROCURATORATE), stream=stand.theft.stream, sequence=sequence, previous=OTHER
    )
    index = force(stand.ledger, stray)
    assert ("streams", index) in found(stand.audit())


def test_revoked_key(stand: Stand) -> None:
    """A key that was used above its revocation."""
    stand.ledger.mirror(stand.ledger.changes.revoke(clerk(PROCURATORATE)).bodies[-1])
    stand.theft.register("gold", by=clerk(PROCURATORATE))
    assert ("authority", force(stand.ledger, stand.theft.last)) in found(stand.audit())


def test_split_that_was_never_made(stand: Stand) -> None:
    """A case that says it comes out of another one, which knows nothing of it."""
    opening = replace(stand.theft.events[0].payload.body, split_from=stand.theft.events[1].ref)
    writer = Writer("case", "case-8")
    writer.write(opening, clerk(POLICE))
    index = force(stand.ledger, *writer.events)
    assert found(stand.audit()) == {("custody", index)}


def test_key_that_was_not_granted(stand: Stand) -> None:
    """By another ledger's service key no mirror entry is good."""
    report = audit_log(stand.database, trust(log_key=LOG_SIGNER.verifying_key, service_key_id="0x" + "00" * 20), BOOK)
    assert {("authority", index) for index in range(FOUNDING)} <= found(report)


# -- one case ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", ["case-1", "case-2", "case-3"])
def test_sound_case(stand: Stand, case_id: str) -> None:
    """A sound case is sound by itself, also where it was split or came out of a split."""
    report = audit_case(stand.database, TRUST, BOOK, case_id)
    assert (report.findings, report.verdict, report.scope) == ((), "intact", f"case {case_id}")


@pytest.mark.parametrize(
    ("statement", "step", "index"),
    [
        (f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 1}", "payloads", FOUNDING + 1),
        (f"UPDATE entries SET agency = 'x' WHERE log_index = {FOUNDING + 1}", "entries", FOUNDING + 1),
        ("UPDATE sections SET data = x'7b7d' WHERE label = 'description'", "payloads", FOUNDING + 1),
        ("UPDATE items SET holder = 'x' WHERE item_id = 'phone'", "models", FOUNDING + 4),
        ("UPDATE tree SET root = x'" + "00" * 32 + "'", "tree", FOUNDING),
        (f"DELETE FROM entries WHERE log_index = {FOUNDING + 3}", "streams", FOUNDING + 4),
        ("UPDATE checkpoints SET note = replace(note, 'ledger.test', 'other.test')", "checkpoints", None),
        ("UPDATE entries SET payload = x'7b7d' WHERE log_index = 2", "registry", 2),
    ],
)
def test_case_edited(stand: Stand, statement: str, step: str, index: int | None) -> None:
    """What was changed of the case, or of what it rests on, is found; the first finding is the fault."""
    stand.change(statement)
    report = audit_case(stand.database, TRUST, BOOK, "case-1")
    assert report.verdict == "tampered"
    assert (report.findings[0].step, report.findings[0].index) == (step, index)


def test_faults_elsewhere(stand: Stand) -> None:
    """Another case's fault is not this one's."""
    stand.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 8}")
    assert audit_case(stand.database, TRUST, BOOK, "case-1").findings == ()


def test_case_without_checkpoints(tmp_path: Path) -> None:
    """Before the first publication there is no checkpoint to hold the tiles against."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(*OFFICERS)
        ledger.post_all(Case().open().events)
        report = audit_case(ledger.database, TRUST, BOOK, "case-1")
    assert (report.findings, report.steps[9].result) == ((), "not_checked")


def test_case_whose_checkpoint_differs(stand: Stand) -> None:
    """The last checkpoint is of another root than the tiles give."""
    note = stand.ledger.publisher.checkpoint(stand.size, b"\x05" * 32)
    at = stand.ledger.clock() + 1
    stand.change(f"INSERT INTO checkpoints (size, note, published_at) VALUES ({stand.size}, :n, :at)", n=note, at=at)
    assert found(audit_case(stand.database, TRUST, BOOK, "case-1")) == {("checkpoints", None)}


def test_unknown_case(stand: Stand) -> None:
    """There is nothing to audit."""
    with pytest.raises(NotFound):
        audit_case(stand.database, TRUST, BOOK, "case-9")
