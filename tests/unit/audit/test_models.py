"""Read models and the log of reads are held against what the events come to."""

from __future__ import annotations

import pytest

from ledger.core.events.record import ImportRecorded
from tests.unit.audit.stand import Stand, found


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("UPDATE cases SET responsible = 'court-east' WHERE case_id = 'case-1'", "models"),
        ("DELETE FROM cases WHERE case_id = 'case-2'", "models"),
        ("UPDATE case_agencies SET case_number = 'other' WHERE case_id = 'case-1'", "models"),
        ("UPDATE handovers SET status = 'refused'", "models"),
        ("DELETE FROM words WHERE kind = 'officer'", "models"),
        ("UPDATE words SET item_id = 'knife' WHERE kind = 'handover'", "models"),
        ("UPDATE words SET word = word || 'x' WHERE kind = 'description'", "models"),
        ("INSERT INTO words SELECT 'x', kind, case_id, item_id, 0 FROM words WHERE kind = 'matter'", "models"),
        ("UPDATE items SET holder = 'court-east' WHERE item_id = 'phone'", "models"),
        ("UPDATE items SET case_id = 'case-1' WHERE item_id = 'cash-box' AND status = 'held'", "models"),
        ("DELETE FROM items WHERE item_id = 'knife'", "models"),
        ("UPDATE streams SET sequence = 99 WHERE id = 'case-1'", "streams"),
        ("UPDATE streams SET head = 'blake3:00' WHERE id = 'ledger'", "streams"),
        ("DELETE FROM streams WHERE id = 'case-1'", "streams"),
        ("INSERT INTO streams (kind, id, sequence, head) VALUES ('case', 'case-9', 0, 'x')", "streams"),
        ("INSERT INTO streams (kind, id, sequence, head) VALUES ('supervision', 'm', 0, 'x')", "streams"),
        ("INSERT INTO case_agencies (case_id, agency) VALUES ('case-9', 'court-east')", "models"),
        ("UPDATE tree SET registry_changes = 3", "registry"),
    ],
)
def test_read_model_edited(stand: Stand, statement: str, step: str) -> None:
    """What lists show must be what the events come to."""
    stand.change(statement)
    report = stand.audit()
    assert {finding.step for finding in report.findings} == {step}


def test_a_row_that_reads_like_another_one_is_named(stand: Stand) -> None:
    """Two keys whose parts, one after the other, make the same text are two rows all the same."""
    origin = ImportRecorded(source_system="Old", source_key="System 4/12", file_digest="sha256:" + "00" * 32, row=1)
    stand.ledger.post(stand.theft.act(origin).last)
    columns = 'case_id, agency, file_digest, "row", updated_index'
    copied = f"SELECT 'Old System', '4/12', {columns} FROM imports"
    stand.change(f"INSERT INTO imports (source_system, source_key, {columns}) {copied}")
    (only,) = stand.audit().findings
    assert (only.step, only.index, only.found) == ("models", stand.size - 1, "a row")


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
