"""The log of reads is sealed into the log of events within a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.core.event import decode_payload
from ledger.core.event.record import AccessSealed
from ledger.seal import LONGEST_UNSEALED_MS, Sealer
from ledger.store import log
from ledger.store.access import AccessLog, Read
from tests.ledgers import Ledger, open_ledger, sqlite_url
from tests.test_system import Now


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite, by the real clock."""
    with open_ledger(sqlite_url(tmp_path), clock=Now()) as opened:
        yield opened


def read(at_ms: int) -> Read:
    return Read(agency="psb-east", officer="p-0417", key_id="0x" + "1a" * 20, what="case", read_at=at_ms)


def test_reads_are_sealed_once_the_oldest_is_a_day_old(ledger: Ledger) -> None:
    """Before that nothing is written; then one entry seals all reads so far, under the head of their chain."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = Sealer(ledger.database, access, ledger.system)
    head = access.append(read(now), read(now + 1000))
    assert sealer.step(now + LONGEST_UNSEALED_MS - 1) is None
    receipt = sealer.step(now + LONGEST_UNSEALED_MS)
    assert receipt is not None
    with ledger.database.read() as connection:
        body = decode_payload(log.entry(connection, receipt.index).payload).body
    assert body == AccessSealed(count=2, head=head.digest)


def test_nothing_is_sealed_twice(ledger: Ledger) -> None:
    """After a seal the next one waits until a read that came after it is a day old."""
    access, now = AccessLog(ledger.database), ledger.clock()
    sealer = Sealer(ledger.database, access, ledger.system)
    access.append(read(now))
    assert sealer.step(now + LONGEST_UNSEALED_MS) is not None
    assert sealer.step(now + 3 * LONGEST_UNSEALED_MS) is None
    access.append(read(now + LONGEST_UNSEALED_MS))
    assert sealer.step(now + 2 * LONGEST_UNSEALED_MS) is not None
    assert sealer.sealed() == 2


def test_an_empty_log_of_reads_is_not_sealed(ledger: Ledger) -> None:
    """Where nobody has read there is nothing to seal."""
    sealer = Sealer(ledger.database, AccessLog(ledger.database), ledger.system)
    assert sealer.step(ledger.clock() + 10 * LONGEST_UNSEALED_MS) is None
    assert sealer.sealed() == 0
