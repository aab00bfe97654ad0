"""The log of reads, hash-chained, its tampering told by number; and the sign-in texts that wait for a signature."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from msgspec.structs import asdict
from sqlalchemy import event, text

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.store import access
from ledger.store.access import AccessHead, AccessLog, Challenge, Read
from ledger.store.bindings import FIRST
from ledger.store.connections import WriterLock, writing
from ledger.store.database import Database
from ledger.store.opening import open_database
from tests.testkit.builders import POLICE, clerk, refused
from tests.testkit.ledgers import Ledger
from tests.unit.store.plans import noted, plan

OFFICERS = ()


def read_of(number: int) -> Read:
    by = clerk(POLICE)
    return Read(POLICE, by.officer_id, by.key_id, "case", 1_772_413_200_000 + number, f"case-{number}")


def filled(database: Database, count: int = 5) -> AccessLog:
    reads = AccessLog(database)
    reads.append(*(read_of(number) for number in range(count)))
    return reads


def test_reads_are_chained_in_their_order(database: Database) -> None:
    """Each record names its number and the digest of the one before; the head is the last one's digest."""
    reads = AccessLog(database)
    assert reads.head() == reads.check() == AccessHead(0, FIRST)
    heads = [reads.append(read_of(0)), reads.append(read_of(1), read_of(2)), reads.append(read_of(3)), reads.append()]
    assert [head.count for head in heads] == [1, 3, 4, 4]
    assert reads.head() == reads.check() == heads[-1]
    digest = FIRST
    for number in range(4):
        read = {key: value for key, value in asdict(read_of(number)).items() if value}
        digest = blake3_text(canonical.encode({"number": number, "previous": digest, "read": read}))
    assert heads[-1].digest == digest


FORGED = canonical.encode({"number": 2, "previous": FIRST, "read": read_of(9)})  # under its right digest


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ("UPDATE access_log SET record = replace(record, 'case-2', 'case-9') WHERE number = 2", 2),
        ("UPDATE access_log SET record = 'garbage' WHERE number = 2", 2),
        ("UPDATE access_log SET digest = 'blake3:00' WHERE number = 2", 2),
        ("UPDATE access_log SET agency = 'somebody' WHERE number = 2", 2),
        ("UPDATE access_log SET case_id = NULL WHERE number = 2", 2),
        ("UPDATE access_log SET read_at = read_at + 1 WHERE number = 2", 2),
        ("DELETE FROM access_log WHERE number = 2", 2),
        ("UPDATE access_log SET number = 9 WHERE number = 2", 2),
        (f"UPDATE access_log SET digest = '{blake3_text(FORGED)}', record = x'{FORGED.hex()}' WHERE number = 2", 2),
        (f"UPDATE access_log SET digest = '{blake3_text(bytes(1))}', record = x'00' WHERE number = 4", 4),
    ],
)
def test_a_changed_record_is_named(sqlite: Ledger, change: str, number: int) -> None:
    """Edited, deleted, moved, its columns bent, forged with its digest: the first that does not follow is named."""
    reads = filled(sqlite.database)
    with writing(sqlite.database.access, WriterLock.ACCESS) as connection:
        connection.execute(text(change))
    with pytest.raises(IntegrityBroken, match=f"record {number} "):
        reads.check()


def test_where_reads_cannot_be_recorded_nothing_is_acknowledged(sqlite: Ledger) -> None:
    """A store that cannot be written refuses the read, and the chain is as it was."""
    reads = filled(sqlite.database)
    head = reads.head()
    sqlite.database.access.dispose()

    @event.listens_for(sqlite.database.access, "connect")
    def read_only(connection: object, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    with pytest.raises(Unavailable):
        reads.append(read_of(7))
    assert reads.check() == head


def test_reading_does_not_wait_for_the_sequencer(database: Database) -> None:
    """A read is recorded while somebody holds the writer's lock of the log of events."""
    with database.write():
        assert AccessLog(database).append(read_of(1)).count == 1


def test_several_writers_write_one_chain(each_database_url: str) -> None:
    """Reads by several connections at once, as of processes of their own, stand in one chain without gap or fork."""
    with (
        closing(open_database(each_database_url)) as first,
        closing(open_database(each_database_url)) as second,
        ThreadPoolExecutor(4) as pool,
    ):
        logs = (AccessLog(first), AccessLog(second))
        list(pool.map(lambda number: logs[number % 2].append(read_of(number)), range(40)))
        assert logs[0].check().count == 40


def challenge(number: int, expires_at: int = 1000) -> Challenge:
    return Challenge(f"nonce-{number}", "key", "text", expires_at)


def test_as_many_wait_as_may(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the oldest that waits to the newest there are no more than the limit; what expired makes room."""
    monkeypatch.setattr(access, "MAX_WAITING_CHALLENGES", 3)
    for number in range(3):
        access.keep_challenge(database, challenge(number, 1000 + number), now=0)
    with refused("busy", error=Unavailable):
        access.keep_challenge(database, challenge(3), now=0)
    access.keep_challenge(database, challenge(3), now=1000)
    taken = [access.take_challenge(database, f"nonce-{number}", now=0) for number in (3, 3, 0)]
    assert taken == [challenge(3), None, None]
    access.keep_challenge(database, challenge(4, 2000), now=1900)
    assert access.take_challenge(database, "nonce-1", now=0) is None


def test_a_challenge_costs_the_same_however_many_wait(sqlite: Ledger) -> None:
    """What is done under the writer's lock is found by an index."""
    with noted(sqlite.database.log) as statements:
        access.keep_challenge(sqlite.database, challenge(1), now=0)
        access.take_challenge(sqlite.database, "nonce-1", now=0)
    with sqlite.database.read() as connection:
        steps = plan(connection, statements)
    assert len(steps) >= len(statements) == 5
    assert all("USING" in step and not step.startswith("SCAN") for step in steps), steps
