"""Rows that no event causes are as they were bound; ``tests/campaigns/manipulations`` tries every table and column."""

from __future__ import annotations

from ledger.audit import audit_log, left_out
from ledger.recording.system_stream import AccessLogSealer
from ledger.store import audit, checkpoints
from ledger.store.access import AccessLog
from ledger.store.audit import KeptAudit
from tests.testkit.builders import POLICE
from tests.unit.audit.stand import BOOK, TRUST, Stand


def fill(stand: Stand) -> None:
    """Audits that people kept, which no event causes, and a seal over them."""
    now = stand.ledger.clock()
    for number in range(8):
        with stand.database.write() as connection:
            audit.keep(connection, KeptAudit(f"audit-{number}", None, POLICE, "o-1", now, now, "intact", None, b"{}"))
    AccessLogSealer(stand.database, AccessLog(stand.database), stand.ledger.system).before_anchor(stand.size)


def test_records_of_bindings_are_chained_and_sealed(stand: Stand) -> None:
    """One that was changed is named; a chain that was made anew is another than the log of reads knows of."""
    fill(stand)
    stand.change("UPDATE bindings SET digest = 'blake3:00' WHERE number = 5")
    assert [finding.what for finding in stand.audit().findings] == ["record 5 of the bindings"]
    last = stand.value("SELECT max(number) FROM bindings")
    stand.change(f"DELETE FROM bindings WHERE number >= {min(5, last)}")
    assert "as the log of reads has it" in " ".join(finding.what for finding in stand.audit().findings)


def test_checkpoint_that_was_kept_elsewhere(stand: Stand) -> None:
    """A database that was put back contradicts nothing that it holds, but a tree head that is out of its reach."""
    with stand.database.read() as connection:
        notes = [row.note for row in checkpoints.all_published(connection)]
    whole = audit_log(stand.database, TRUST, BOOK, look=left_out, checkpoints=notes)
    assert whole.findings == ()
    larger = stand.ledger.publisher.checkpoint(stand.size + 3, bytes(32))
    report = audit_log(stand.database, TRUST, BOOK, look=left_out, checkpoints=[larger])
    assert [(finding.step, finding.found) for finding in report.findings] == [("checkpoints", "the log is smaller")]
