"""The log of reads, hash-chained, its tampering told by number; and the sign-in texts that wait for a signature."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, text

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.store import access
from ledger.store.access import FIRST, AccessHead, AccessLog, Challenge, Read
from ledger.store.database import Database, WriterLock, open_database, writing
from tests.testkit import machine
from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledgers import sqlite_url


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(sqlite_url(tmp_path))) as opened:
        yield opened


def read_of(number: int) -> Read:
    by = clerk(POLICE)
    return Read(POLICE, by.officer_id, by.key_id, "case", 1_772_413_200_000 + number, f"case-{number}")


def filled(database: Database, count: int = 5) -> AccessLog:
    reads = AccessLog(database)
    reads.append(*(read_of(number) for number in range(count)))
    return reads


def alter(database: Database, statement: str, **values: object) -> None:
    with writing(database.access, WriterLock.ACCESS) as connection:
        connection.execute(text(statement), values)


def test_reads_are_chained_in_their_order(each_database_url: str) -> None:
    """Each record names its number and the digest of the one before; the head is the last one's digest."""
    with closing(open_database(each_database_url)) as opened:
        reads = AccessLog(opened)
        assert reads.head() == reads.check() == AccessHead(0, FIRST)
        heads = [reads.append(read_of(0)), reads.append(read_of(1), read_of(2)), reads.append(read_of(3))]
        assert [head.count for head in heads] == [1, 3, 4]
        assert reads.head() == reads.check() == heads[-1]
        digest = FIRST
        for number in range(4):
            read = {
                "agency": POLICE,
                "officer": clerk(POLICE).officer_id,
                "key_id": clerk(POLICE).key_id,
                "what": "case",
                "read_at": 1_772_413_200_000 + number,
                "case_id": f"case-{number}",
            }
            digest = blake3_text(canonical.encode({"number": number, "previous": digest, "read": read}))
        assert heads[-1].digest == digest


def test_nothing_appended_changes_nothing(database: Database) -> None:
    """An append of no reads gives the head as it is."""
    reads = filled(database)
    assert reads.append() == reads.head() == AccessHead(5, reads.head().digest)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_log SET record = replace(record, 'case-2', 'case-9') WHERE number = 2",
        "UPDATE access_log SET record = 'garbage' WHERE number = 2",
        "UPDATE access_log SET digest = 'blake3:00' WHERE number = 2",
        "UPDATE access_log SET agency = 'somebody' WHERE number = 2",
        "UPDATE access_log SET case_id = NULL WHERE number = 2",
        "UPDATE access_log SET read_at = read_at + 1 WHERE number = 2",
        "DELETE FROM access_log WHERE number = 2",
        "UPDATE access_log SET number = 9 WHERE number = 2",
    ],
)
def test_a_changed_record_is_named(database: Database, statement: str) -> None:
    """Edited, deleted, moved, its columns bent: the first record that does not follow is named by its number."""
    reads = filled(database)
    alter(database, statement)
    with pytest.raises(IntegrityBroken) as broken:
        reads.check()
    assert "record 2 " in str(broken.value)


def test_a_record_that_was_changed_with_its_digest_breaks_the_next(database: Database) -> None:
    """Who makes the digest fit too is found at the record behind it."""
    reads = filled(database)
    alter(database, "UPDATE access_log SET digest = :digest, record = :record WHERE number = 2", **forged(2))
    with pytest.raises(IntegrityBroken) as broken:
        reads.check()
    assert "record 2 " in str(broken.value)


def test_a_last_record_of_garbage_is_found_too(database: Database) -> None:
    """Bytes that are no record at all, under their right digest."""
    reads = filled(database)
    values = {"record": b"\xff", "digest": blake3_text(b"\xff")}
    alter(database, "UPDATE access_log SET digest = :digest, record = :record WHERE number = 4", **values)
    with pytest.raises(IntegrityBroken) as broken:
        reads.check()
    assert "record 4 " in str(broken.value)


def forged(number: int) -> dict[str, object]:
    record = canonical.encode({"number": number, "previous": FIRST, "read": read_of(9)})
    return {"record": record, "digest": blake3_text(record)}


def test_where_reads_cannot_be_recorded_nothing_is_acknowledged(database: Database) -> None:
    """A store that cannot be written refuses the read, and the chain is as it was."""
    reads = filled(database)
    head = reads.head()
    database.access.dispose()

    @event.listens_for(database.access, "connect")
    def read_only(connection: object, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    with pytest.raises(Unavailable):
        reads.append(read_of(7))
    assert reads.check() == head


def test_reading_does_not_wait_for_the_sequencer(each_database_url: str) -> None:
    """A read is recorded while somebody holds the writer's lock of the log of events."""
    with closing(open_database(each_database_url)) as opened, opened.write():
        assert AccessLog(opened).append(read_of(1)).count == 1


def test_several_processes_write_one_chain(each_database_url: str) -> None:
    """Reads of several processes at once stand in one chain without gap or fork."""
    open_database(each_database_url).close()
    program = (
        "import sys; from ledger.store.access import AccessLog, Read; from ledger.store.database import open_database;"
        "log = AccessLog(open_database(sys.argv[1]));"
        "[log.append(Read('police-east', 'c1', '0x' + '00' * 20, 'case', number)) for number in range(25)]"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, each_database_url], cwd=machine.REPOSITORY) for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    with closing(open_database(each_database_url)) as opened:
        assert AccessLog(opened).check().count == 75


def challenge(number: int, expires_at: int = 1000) -> Challenge:
    return Challenge(f"nonce-{number}", "key", "text", expires_at)


def test_as_many_wait_as_may(each_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the oldest that waits to the newest there are no more than the limit; what expired makes room."""
    monkeypatch.setattr(access, "MAX_WAITING_CHALLENGES", 3)
    database = open_database(each_database_url)
    for number in range(3):
        access.keep_challenge(database, challenge(number, 1000 + number), now=0)
    with pytest.raises(Unavailable) as caught:
        access.keep_challenge(database, challenge(3), now=0)
    assert caught.value.code == "busy"
    access.keep_challenge(database, challenge(3), now=1000)
    assert access.take_challenge(database, "nonce-3", now=0) == challenge(3)
    assert access.take_challenge(database, "nonce-3", now=0) is None
    assert access.take_challenge(database, "nonce-0", now=0) is None
    access.keep_challenge(database, challenge(4, 2000), now=1900)
    assert access.take_challenge(database, "nonce-1", now=0) is None
    database.close()


def test_a_challenge_costs_the_same_however_many_wait(tmp_path: Path) -> None:
    """What is done under the writer's lock is found by an index."""
    database = open_database(sqlite_url(tmp_path))
    statements: list[tuple[str, object]] = []
    event.listen(database.log, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
    access.keep_challenge(database, challenge(1), now=0)
    access.take_challenge(database, "nonce-1", now=0)
    asked = [query for query in statements if "challenges" in query[0] and not query[0].startswith("INSERT")]
    assert len(asked) == 5
    with database.log.connect() as connection:
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
            assert all("USING" in step[3] and not step[3].startswith("SCAN") for step in plan), (statement, plan)
    database.close()
