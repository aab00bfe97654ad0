"""PostgreSQL keeps the log's large tables in parts, made ahead of need; what a table promises, its parts promise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import AuditReport, audit_log, left_out
from ledger.cli.diagnosis import database
from ledger.config.settings import read_settings
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.store import log, partitions
from ledger.store.migrating import differences
from ledger.store.opening import open_database
from ledger.store.partitions import PARTITIONED, attached, make_ahead, name_of
from ledger.store.tables import ENTRIES, FLAGS, SECTIONS
from tests.testkit.builders import refused, refused_at
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_founded, open_ledger, sqlite_url
from tests.testkit.postgres import PostgresServer
from tests.unit.audit.stand import OFFICERS, PROCEDURES, TRUST, found
from tests.unit.recording.stand import entries_of

EACH = 8


@pytest.fixture(scope="module")
def small_partitions(postgres: PostgresServer) -> Iterator[str]:
    """Return the name of a migrated database whose partitions have eight entries."""
    with postgres.fresh_database() as url, pytest.MonkeyPatch.context() as patched:
        patched.setattr(partitions, "EACH", EACH)
        open_database(url).close()
        yield url.rpartition("/")[2]


@pytest.fixture
def ledger(postgres: PostgresServer, small_partitions: str) -> Iterator[Ledger]:
    """Return a ledger whose partitions have eight entries."""
    with postgres.fresh_database(small_partitions) as url, open_founded(url, *OFFICERS) as running:
        yield running


def audit(ledger: Ledger) -> AuditReport:
    return audit_log(ledger.database, TRUST, PROCEDURES, look=left_out, now=lambda: ledger.clock.seconds)


def grow(ledger: Ledger, cases: int) -> list[Case]:
    """Write cases of three events, and make room as the service does."""
    written = [Case(f"case-{number}").open().register("phone", "knife") for number in range(cases)]
    for case in written:
        ledger.post_all(case.events)
        make_ahead(ledger.database)
    return written


def test_a_log_over_several_partitions(ledger: Ledger) -> None:
    """Rows are where their index says, all are found, nothing is recorded twice, and the audit finds nothing."""
    cases = grow(ledger, 8)
    with ledger.database.read() as connection:
        size = log.tree(connection).size
        assert attached(connection) == size // EACH + 2 > 4
        for number in range(size // EACH + 2):
            query = f"SELECT count(*), min(log_index), max(log_index) FROM {name_of(ENTRIES, number)}"
            count, low, high = connection.execute(text(query)).one()
            if count:
                assert (low, high) == (number * EACH, min(size, (number + 1) * EACH) - 1)
        assert log.entry_by_event_id(connection, cases[0].last.envelope.event_id).sequence == 2
        assert len(log.stream(connection, "case", "case-7")) == 3
    assert len(entries_of(ledger)) == size
    first = cases[0].events[0]
    assert ledger.post(first).index < EACH * 2
    assert found(audit(ledger)) == set()
    earlier, later = cases[0].last.envelope.event_id, ledger.post(cases[7].last).index
    with ledger.database.write() as connection:
        connection.execute(text(f"UPDATE entries SET event_id = '{earlier}' WHERE log_index = {later}"))
    assert [finding.what for finding in audit(ledger).findings if earlier in finding.what] != []


def test_a_partition_is_made_while_others_read_and_write(ledger: Ledger) -> None:
    """Nobody waits for it: neither a long read, nor a batch that is being written."""
    with ledger.database.read() as reading, ledger.database.log.begin() as writing:
        reading.execute(text("SELECT count(*) FROM entries")).scalar()
        writing.execute(text("INSERT INTO sections (log_index, label) VALUES (1, 'other')"))
        writing.execute(text("UPDATE tree SET size = 40"))
        with ledger.database.log.begin() as making:
            making.execute(text("SET LOCAL lock_timeout = '1s'"))
            partitions.make(making, 2)
        writing.rollback()
    with ledger.database.read() as connection:
        assert attached(connection) == 3


def test_a_partition_that_cannot_be_made_is_told(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds a lock on a table; by `tally doctor` too, which finds nothing wrong afterwards."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "100ms")
    settings = read_settings(tmp_path, database_url=ledger.database.url)
    assert database(settings).result == "checked"
    with ledger.database.write() as connection:
        connection.execute(text(f"UPDATE tree SET size = {EACH}"))
    with ledger.database.log.begin() as locking:
        locking.execute(text(f"LOCK TABLE {FLAGS.name} IN ACCESS EXCLUSIVE MODE"))
        with refused_at("database_url", match=f"{name_of(FLAGS, 2)} cannot be made", error=Unavailable):
            make_ahead(ledger.database)
        diagnosis = database(settings)
        assert (diagnosis.result, name_of(FLAGS, 2) in diagnosis.detail, "pg_locks" in diagnosis.mend) == (
            "failed",
            True,
            True,
        )
    assert database(settings).result == "checked"
    with ledger.database.read() as connection:
        assert attached(connection) == 3


def test_what_no_partition_takes_is_refused_and_recorded_later(ledger: Ledger) -> None:
    """Nobody is said to have changed the database, and the writer goes on once there is room."""
    cases = [Case(f"case-{number}").open().register("phone", "knife") for number in range(8)]
    with refused("no_partition", error=Unavailable):
        for case in cases:
            ledger.post_all(case.events)
    make_ahead(ledger.database)
    for case in cases:
        ledger.post_all(case.events)
    assert found(audit(ledger)) == set()


def test_another_table_in_the_place_of_a_partition(ledger: Ledger) -> None:
    """It is told and not taken for one: the log would come to its end there."""
    with ledger.database.write() as connection:
        connection.execute(text(f"CREATE TABLE {name_of(FLAGS, 2)} (log_index bigint)"))
        connection.execute(text(f"UPDATE tree SET size = {EACH}"))
    with pytest.raises(IntegrityBroken, match=name_of(FLAGS, 2)):
        make_ahead(ledger.database)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE entries_00000 DROP CONSTRAINT entries_00000_event_id_key",
        "ALTER TABLE entries DETACH PARTITION entries_00000",
        "ALTER TABLE sections_00001 SET UNLOGGED",
        "CREATE INDEX other ON feed_00000 (since)",
        "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER quiet BEFORE INSERT ON entries_00001 FOR EACH ROW EXECUTE FUNCTION quiet()",
        "CREATE RULE quiet AS ON INSERT TO flags_00000 DO INSTEAD NOTHING",
        "ALTER TABLE flags_00000 DISABLE TRIGGER ALL; ALTER TABLE flags_00000 ENABLE ROW LEVEL SECURITY",
    ],
)
def test_a_partition_that_was_changed(ledger: Ledger, statement: str) -> None:
    """The start refuses a database of which a part is not as it was made."""
    assert differences(ledger.database.log, "log") == []
    with ledger.database.write() as connection:
        connection.execute(text(statement))
    assert differences(ledger.database.log, "log") != []
    with pytest.raises(IntegrityBroken, match="schema was changed"):
        open_database(ledger.database.url)


def test_an_audit_makes_none(ledger: Ledger) -> None:
    """It may open a database whose log has outgrown its partitions, and says so."""
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE tree SET size = 100"))
    with closing(open_database(ledger.database.url, for_audit=True)) as database:
        assert {f"table {name_of(SECTIONS, number)}" for number in (11, 12)} <= {
            difference.name for difference in differences(database.log, "log")
        }


def test_sqlite_has_none(tmp_path: object) -> None:
    """One file has one table."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        assert make_ahead(ledger.database) == 0
        assert all(name_of(table, 0).startswith(table.name) for table in PARTITIONED)
