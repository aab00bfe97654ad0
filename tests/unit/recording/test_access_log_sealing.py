"""The log of reads is sealed within an hour, and before each anchor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.core.events.record import AccessSealed
from ledger.recording.access_log_sealing import LONGEST_UNSEALED_MS, AccessLogSealer
from ledger.store import audit, bindings, log
from ledger.store.access import AccessLog, Read
from ledger.store.audit import KeptAudit
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened


def read(at_ms: int) -> Read:
    return Read(agency="psb-east", officer="p-0417", key_id="0x" + "1a" * 20, what="case", read_at=at_ms)


def test_reads_are_sealed_once_the_oldest_is_an_hour_old(ledger: Ledger) -> None:
    """Before that nothing is written; then one entry seals all reads so far, under the head of their chain."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = AccessLogSealer(ledger.database, access, ledger.system)
    head = access.append(read(now), read(now + 1000))
    assert sealer.step(now + LONGEST_UNSEALED_MS - 1) is None
    receipt = sealer.step(now + LONGEST_UNSEALED_MS)
    assert receipt is not None
    with ledger.database.read() as connection:
        body = log.event_of(log.entry(connection, receipt.index)).body
    assert body == AccessSealed(count=2, head=head.digest)


def test_nothing_is_sealed_twice(ledger: Ledger) -> None:
    """After a seal the next one waits until a read that came after it is an hour old; where nobody reads, for ever."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = AccessLogSealer(ledger.database, access, ledger.system)
    assert (sealer.step(now + 10 * LONGEST_UNSEALED_MS), sealer.sealed()) == (None, 0)
    access.append(read(now))
    assert sealer.step(now + LONGEST_UNSEALED_MS) is not None
    assert sealer.step(now + 3 * LONGEST_UNSEALED_MS) is None
    access.append(read(now + LONGEST_UNSEALED_MS))
    assert sealer.step(now + 2 * LONGEST_UNSEALED_MS) is not None
    assert sealer.sealed() == access.head().count


def test_an_anchor_is_sealed_before_once(ledger: Ledger) -> None:
    """What was read or kept by people is in the log before an anchor is; a seal calls for none that follows itself."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = AccessLogSealer(ledger.database, access, ledger.system)
    assert sealer.before_anchor(0) == 0
    access.append(read(now))
    size = sealer.before_anchor(0)
    assert size == 1
    access.append(read(now + 1))
    assert sealer.before_anchor(0) == size
    assert sealer.before_anchor(size) == size + 1
    assert sealer.before_anchor(size + 1) == 0


def test_what_people_keep_is_sealed_with_the_reads(ledger: Ledger) -> None:
    """An audit that was kept waits for no read: it is sealed before the next anchor, or within an hour."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = AccessLogSealer(ledger.database, access, ledger.system)
    assert sealer.step(now) is None
    with ledger.database.write() as connection:
        audit.keep(connection, KeptAudit("audit-1", None, "psb-east", "p-0417", now, now, "intact", None, b"{}"))
        bound = bindings.head(connection)
    assert sealer.step(now) is None
    assert sealer.step(now + LONGEST_UNSEALED_MS - 1) is None
    assert sealer.step(now + LONGEST_UNSEALED_MS) is not None
    assert access.binding_heads() == [bound]
    assert sealer.step(now + 3 * LONGEST_UNSEALED_MS) is None
    assert access.since(-1, 10) == []
