"""Edited, deleted, swapped and added rows are named by the index of their entry, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events.case import CaseNumbered
from ledger.store import log
from ledger.store.connections import DiskFailed
from tests.testkit.builders import POLICE, START, supervisor
from tests.testkit.casework import Case
from tests.unit.audit.stand import FOUNDING, Stand, found, in_full

OTHER = "blake3:" + "7e" * 32
TAKEN_OVER_FROM = 14  # the first entry of a case that gives up something to another one
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
@pytest.mark.parametrize("index", [FOUNDING + 1, *in_full(0, 3, FOUNDING, FOUNDING + 4, FOUNDING + 7)])
def test_column_edited(stand: Stand, column: str, index: int) -> None:
    """Whatever column of whatever entry is edited, its index is named and no other."""
    stand.change(f"UPDATE entries SET {column} = {ENTRY_EDITS[column]} WHERE log_index = {index}")
    report = stand.audit()
    assert report.verdict == "tampered"
    assert {finding.index for finding in report.findings} == {index}


@pytest.mark.parametrize("column", UNREADABLE)
@pytest.mark.parametrize("index", [FOUNDING + 2, TAKEN_OVER_FROM, *in_full(*range(TAKEN_OVER_FROM, 20))])
def test_row_that_cannot_be_read(stand: Stand, column: str, index: int) -> None:
    """A value of another type than its column's stops no audit, also where another case rests on the row: it is named.

    In the registry, by which all is judged, a text that is none is a damage of the database.
    """
    stand.change(f"UPDATE entries SET {column} = {UNREADABLE[column]} WHERE log_index = {index}")
    report = stand.audit()
    assert ("entries", index) in found(report)
    assert {finding.index for finding in report.findings} == {index}
    if index < TAKEN_OVER_FROM:  # what rests on other entries is compared as ever
        stand.change("UPDATE cases SET stage = 'trial' WHERE case_id = 'case-3'")
        assert {finding.step for finding in stand.audit().findings} >= {"entries", "models"}
    stand.change(f"UPDATE entries SET agency = {UNREADABLE['agency']} WHERE log_index = 2")
    with pytest.raises(DiskFailed, match="the database is damaged"):
        stand.audit()


@pytest.mark.parametrize("column", ["envelope", "payload"])
@pytest.mark.parametrize("index", [FOUNDING + 1, *in_full(2, FOUNDING + 8)])
def test_one_byte_flipped(stand: Stand, column: str, index: int) -> None:
    """A single byte of what was signed, anywhere in it."""
    whole: bytes = stand.value(f"SELECT {column} FROM entries WHERE log_index = {index}")
    for position in range(0, len(whole), 211):
        flipped = whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :]
        stand.change(f"UPDATE entries SET {column} = :value WHERE log_index = {index}", value=flipped)
        assert {finding.index for finding in stand.audit().findings} == {index}, position


def test_payload_recorded_as_two_events(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is named, though each is signed: what supervision finds cites both by the one digest."""
    twin = {"salt": "5a" * 16, "occurred_at": stand.theft.events[-1].payload.occurred_at}
    for number in (4, 5):
        case = Case(f"case-{number}", start=stand.theft.now).open(case_number=f"2026-{number}")
        case.act(CaseNumbered(case_number="7"), **twin)
        with monkeypatch.context() as cheating:
            cheating.setattr(log, "references", lambda *_: [])
            stand.ledger.post_all(case.events)
    assert found(stand.audit()) == {("entries", stand.size - 1)}


@pytest.mark.parametrize(
    ("event_type", "index"), [("registry.key_granted", 19), ("section.erased", 9), ("access.sealed", 8)]
)
def test_entry_that_poses_as_what_others_are_judged_by(stand: Stand, event_type: str, index: int) -> None:
    """A column makes no entry what it is not."""
    stand.change(f"UPDATE entries SET event_type = '{event_type}' WHERE log_index = {index}")
    assert found(stand.audit()) == {("entries", index)}


@pytest.mark.parametrize("index", [FOUNDING + 6, FOUNDING + 13])
def test_entry_that_others_are_judged_by(stand: Stand, index: int) -> None:
    """An erasure or a seal that is edited is a fault by itself, and accuses nobody else."""
    stand.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {index}")
    assert found(stand.audit()) == {("payloads", index)}


@pytest.mark.parametrize(
    "index", [0, FOUNDING, FOUNDING + 12, *in_full(*range(1, FOUNDING), *range(FOUNDING + 1, FOUNDING + 12))]
)
def test_row_deleted(stand: Stand, index: int) -> None:
    """A deleted entry is named, wherever it stood."""
    stand.change(f"DELETE FROM entries WHERE log_index = {index}")
    report = stand.audit()
    entry = [finding for finding in report.findings if finding.step == "entries"]
    assert [(finding.index, finding.what) for finding in entry] == [(index, "the entry is missing")]
    assert {finding.index for finding in report.findings} == {index}


@pytest.mark.parametrize(
    ("first", "second"), [(FOUNDING + 1, FOUNDING + 7), *in_full((FOUNDING, FOUNDING + 1), (1, FOUNDING + 2))]
)
def test_rows_swapped(stand: Stand, first: int, second: int) -> None:
    """Two whole entries that changed places: both are named."""
    for old, new in ((first, -1), (second, first), (-1, second)):
        stand.change(f"UPDATE entries SET log_index = {new} WHERE log_index = {old}")
    named = {finding.index for finding in stand.audit().findings}
    assert {first, second} == named


def test_contents_swapped(stand: Stand) -> None:
    """Two payloads that changed places: both are named."""
    first, second = FOUNDING + 1, FOUNDING + 2
    payloads = [stand.value(f"SELECT payload FROM entries WHERE log_index = {index}") for index in (first, second)]
    for index, payload in ((first, payloads[1]), (second, payloads[0])):
        stand.change(f"UPDATE entries SET payload = :value WHERE log_index = {index}", value=payload)
    assert found(stand.audit()) == {("payloads", first), ("payloads", second)}


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
    columns = "event_type, stream_kind, stream_id, agency, key_id, signed_at, recorded_at, envelope, payload"
    stand.change(
        f"INSERT INTO entries (log_index, event_id, sequence, payload_digest, committed_size, {columns}) "
        f"SELECT {size}, 'new', 77, 'new', {size}, {columns} FROM entries WHERE log_index = {FOUNDING}"
    )
    assert ("entries", size) in found(stand.audit())


def test_entry_that_its_officer_signed_again(stand: Stand) -> None:
    """Bytes, columns and signature all fit; only the tree knows that the log had another entry."""
    index, event = FOUNDING + 6, stand.theft.events[6]
    late = stand.theft.draft(event.payload.body, supervisor(POLICE))
    rival = Case("case-1")
    rival.events, rival.now = list(stand.theft.events[:6]), START + 7777
    rival.current = None
    signed = rival.draft(event.payload.body, supervisor(POLICE), authority=event.payload.authority)
    assert late.envelope.sequence == 7
    values: dict[str, Any] = {"envelope": signed.entry, "payload": signed.payload_bytes, "digest": signed.digest}
    values |= {"event_id": signed.envelope.event_id, "signed_at": signed.envelope.signed_at}
    stand.change(
        "UPDATE entries SET envelope = :envelope, payload = :payload, payload_digest = :digest, event_id = :event_id, "
        f"signed_at = :signed_at WHERE log_index = {index}",
        **values,
    )
    report = stand.audit()
    assert found(report) == {("tree", index), ("entries", index)}
    assert "before the event was signed" in report.findings[0].what
    assert "another entry" in report.findings[1].what


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


def test_row_of_no_entry(stand: Stand) -> None:
    """Flags and sections of an index beyond the log are reported there."""
    stand.change("INSERT INTO flags (log_index, position, name, article, detail) VALUES (98, 0, 'x', 'y', 'z')")
    stand.change("INSERT INTO sections (log_index, label) VALUES (99, 'x')")
    assert found(stand.audit()) == {("payloads", 98), ("payloads", 99)}
