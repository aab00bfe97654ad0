"""Rows that no event causes are as they were bound; ``tests/campaigns/manipulations`` tries every table and column."""

from __future__ import annotations

import pytest

from ledger.audit import audit_log, left_out
from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import cosign_checkpoint, parse_checkpoint
from ledger.core.log.notes import SeedSigner, SignatureType, parse_note
from ledger.deadlines.upkeep import warn
from ledger.recording.system_stream import AccessLogSealer
from ledger.store import audit, chain_journal, checkpoints, webhooks
from ledger.store.access import AccessLog
from ledger.store.audit import KeptAudit
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.webhooks import Webhook
from tests.testkit.builders import POLICE, clerk
from tests.unit.audit.stand import BOOK, TRUST, Stand, found

CENTURY_MS = 100 * 365 * 24 * 3600 * 1000


def fill(stand: Stand) -> None:
    """What no event causes, and a seal over all of it."""
    database, now = stand.database, stand.ledger.clock()
    warn(database, now + CENTURY_MS)
    hook = Webhook("webhook-1", POLICE, "o-1", clerk(POLICE).key_id, "https://a.example/", now, "-1")
    webhooks.add(database, hook)
    claimed = webhooks.claim(database, hook, now + 1)
    assert claimed is not None
    webhooks.settle_failed(database, claimed, "no answer", now + 2)
    for number in range(2):
        with database.write() as connection:
            audit.keep(connection, KeptAudit(f"audit-{number}", None, POLICE, "o-1", now, now, "intact", None, b"{}"))
    with database.read() as connection:
        published = checkpoints.last_published(connection)
    assert published is not None
    witness = SeedSigner.from_seed("witness.example/w", bytes(32), SignatureType.COSIGNATURE_V1)
    line = cosign_checkpoint(parse_checkpoint(parse_note(published.note).text), witness, now // 1000).line()
    vkey = witness.verifying_key.vkey()
    checkpoints.store_cosignature(database, published.size, vkey, line, is_enough=lambda _keys: True)
    nodes = {bytes([number]) * 32: b"node" for number in (1, 2)}
    chain_journal.keep_state_proof(database, DatabaseJournal(database).anchors()[0], b"header", nodes)
    AccessLogSealer(database, AccessLog(database), stand.ledger.system).before_anchor(stand.size)


def test_webhook_is_not_sent_to_an_address_that_no_officer_gave(stand: Stand) -> None:
    """Whoever sends compares the row with what was written: another address is refused before anything leaves."""
    fill(stand)
    stand.change("UPDATE webhooks SET url = 'https://other.example/'")
    with stand.database.read() as connection:
        (hook,) = webhooks.listed(connection, POLICE)
    with pytest.raises(TallystickError, match="not as written"):
        webhooks.claim(stand.database, hook, 10**15)
    assert found(stand.audit()) == {("bindings", None)}


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
