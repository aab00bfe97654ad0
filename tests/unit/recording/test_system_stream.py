"""The service's own stream: what it signs itself stands in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.core.errors import Conflict, Unavailable
from ledger.core.events import decode_envelope, entry_hash
from ledger.core.events.record import IncidentRecorded
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.recording import system_stream as own_stream
from ledger.store import log
from tests.testkit.builders import SERVICE
from tests.testkit.ledgers import LOG_SIGNER, Clock, Ledger, open_ledger, sqlite_url


class Now(Clock):
    """The real time: the service signs by its own clock."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite, by the real clock."""
    with open_ledger(sqlite_url(tmp_path), clock=Now()) as opened:
        yield opened


def incident(number: int) -> IncidentRecorded:
    return IncidentRecorded(kind="other", description=f"incident {number}")


def stream_of(ledger: Ledger) -> list[log.StoredEntry]:
    with ledger.database.read() as connection:
        return log.stream(connection, "system", "ledger")


def test_what_is_appended_is_signed_chained_and_durable(ledger: Ledger) -> None:
    """Each entry is signed by the service's key, stands on the one before, and its receipt leads to the log's key."""
    receipts = [ledger.system.append(incident(number)) for number in range(3)]
    previous = None
    for number, (entry, receipt) in enumerate(zip(stream_of(ledger), receipts, strict=True)):
        envelope, event = decode_envelope(entry.envelope), log.event_of(entry)
        assert (envelope.key_id, envelope.sequence, envelope.previous) == (SERVICE.key_id, number, previous)
        assert event.body == incident(number)
        parse_tlog_proof(receipt.proof).verify(leaf_hash(entry.envelope), LOG_SIGNER.verifying_key)
        previous = entry_hash(entry.envelope)


def test_several_processes_append_to_one_stream(each_database_url: str) -> None:
    """Whoever loses the head signs again on the new one: nothing is lost, the stream has no gap."""
    with (
        open_ledger(each_database_url, clock=Now()) as first,
        open_ledger(each_database_url, clock=Now()) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        done = [pool.submit(append_several, ledger, start) for ledger, start in ((first, 0), (two, 100))]
        for future in done:
            future.result()
        entries = stream_of(first)
    bodies = {log.event_of(entry).body for entry in entries}
    assert bodies == {incident(number) for start in (0, 100) for number in range(start, start + 8)}
    assert [entry.sequence for entry in entries] == list(range(16))


def append_several(ledger: Ledger, start: int) -> None:
    for number in range(start, start + 8):
        while True:
            try:
                ledger.system.append(incident(number))
                break
            except Conflict:
                continue


def test_a_commit_that_takes_too_long_is_an_unknown_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told so in our words, and may go on."""
    monkeypatch.setattr(own_stream, "TIMEOUT", 0.05)
    with open_ledger(sqlite_url(tmp_path), clock=Now(), start=False) as ledger:
        with pytest.raises(Unavailable) as refused:
            ledger.system.append(incident(1))
        assert refused.value.code == "outcome_unknown"
        ledger.sequencer.start()
