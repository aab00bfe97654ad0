"""Timestamps that are kept are those that the authority gave for the checkpoints they are filed under."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.audit import AuditReport, audit_log, left_out
from ledger.core.log.notes import parse_note
from ledger.core.verification.timestamps import verify_timestamp
from ledger.store import checkpoints
from ledger.store.checkpoints import StoredTimestamp
from tests.testkit.timestamping import Authority, new_authority
from tests.unit.audit.stand import PROCEDURES, TRUST, Stand


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture
def stamped(stand: Stand, authority: Authority) -> Stand:
    """Both published checkpoints have a timestamp."""
    with stand.database.read() as connection:
        published = checkpoints.all_published(connection)
    assert len(published) == 2
    for checkpoint in published:
        text = parse_note(checkpoint.note).text
        response = authority.stamp(text.encode())
        timestamp = verify_timestamp(response, text, (authority.root,))
        assert timestamp is not None
        checkpoints.store_timestamp(stand.database, StoredTimestamp(checkpoint.size, response, timestamp.time))
    return stand


def audited(stand: Stand, *roots: bytes) -> AuditReport:
    return audit_log(stand.database, replace(TRUST, timestamp_roots=roots), PROCEDURES, look=left_out)


def test_sound_timestamps(stamped: Stand, authority: Authority, tmp_path: Path) -> None:
    """Nothing is found under the root, under another one, and under none."""
    for roots in ((authority.root,), (new_authority(tmp_path / "other", name="Other").root,), ()):
        assert audited(stamped, *roots).findings == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE timestamps SET time = time - 86400 WHERE size < 15",
        "UPDATE timestamps SET response = x'3000' WHERE size < 15",
        "UPDATE timestamps SET response = (SELECT response FROM timestamps WHERE size >= 15)",
        "UPDATE timestamps SET size = size + 1 WHERE size < 15",
    ],
)
def test_timestamps_edited(stamped: Stand, authority: Authority, statement: str) -> None:
    """An earlier time, garbage, the one of another checkpoint, and one of no checkpoint: each is a finding."""
    stamped.change(statement)
    findings = audited(stamped, authority.root).findings
    assert {(finding.step, finding.index) for finding in findings} == {("checkpoints", None)}
    assert findings[0].what.startswith("timestamp of size")


def test_timestamp_whose_signature_does_not_hold(stamped: Stand, authority: Authority) -> None:
    """The last byte of the authority's signature."""
    response: bytes = stamped.value("SELECT response FROM timestamps WHERE size < 15")
    spoiled = response[:-1] + bytes([response[-1] ^ 1])
    stamped.change("UPDATE timestamps SET response = :value WHERE size < 15", value=spoiled)
    assert "does not hold" in audited(stamped, authority.root).findings[0].what
