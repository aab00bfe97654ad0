"""The database is opened only where it is durable and of the right schema; its faults are told in our words."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from traceback import format_exception

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import make_url

from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, TallystickError, Unavailable
from ledger.store import connections, log
from ledger.store.connections import DiskFailed, DiskFull, NotDurable, require_durable
from ledger.store.database import Database, attach
from ledger.store.migrating import (
    OtherSchema,
    configuration,
    differences,
    metadata,
    mistyped_columns,
    newest_version,
    storage_faults,
)
from ledger.store.opening import open_database, open_witness_engine
from ledger.store.replicas import Replicas
from tests.testkit.builders import LOG_ID, refused
from tests.testkit.forked import ForkedProcess
from tests.testkit.ledgers import Ledger, sqlite_url

OFFICERS = ()


def test_migrations_lead_to_the_tables_as_they_are_declared(each_empty_database_url: str, tmp_path: Path) -> None:
    """What the migrations make is what the tables ask for: Alembic finds nothing left to change."""
    with closing(open_database(each_empty_database_url)) as database:
        for engine, store in (*database.stores, (open_witness_engine(tmp_path / "witness.db"), "witness")):
            command.check(configuration(engine, store))
            assert set(metadata(store).tables) <= set(inspect(engine).get_table_names())


@pytest.mark.parametrize("version", ["0019", "0001"])
def test_a_database_of_another_version_is_refused(each_empty_database_url: str, version: str) -> None:
    """One from before 0.1, also with the number of the first schema alone, or from a later release, is opened by no
    one, and the hint tells what to do."""
    with closing(open_database(each_empty_database_url)) as database, database.write() as connection:
        connection.execute(text(f"UPDATE alembic_version_log SET version_num = '{version}'"))
    for for_audit, hint in ((False, "restore a backup"), (True, "Run this with the version that wrote it")):
        with pytest.raises(OtherSchema, match=f": {version}, not {newest_version('log')}$") as error:
            open_database(each_empty_database_url, for_audit=for_audit)
        assert hint in (error.value.hint or "")


def test_development_versions_differ_by_their_tables(each_empty_database_url: str) -> None:
    """What another development version wrote is of its version, and not one that somebody changed."""
    writing = (
        "import sys; from sqlalchemy import Column, Text; from ledger.store.tables import META;"
        "META.append_column(Column('other', Text)); from ledger.store.opening import open_database;"
        "open_database(sys.argv[1]).close()"
    )
    subprocess.run([sys.executable, "-c", writing, each_empty_database_url], check=True)
    for for_audit in (False, True):
        with refused("other_schema", field="database_url", error=OtherSchema):
            open_database(each_empty_database_url, for_audit=for_audit)


def test_several_processes_may_open_an_empty_database_at_once(each_empty_database_url: str) -> None:
    """Whoever comes first migrates and initialises, the others find it done."""
    processes = [ForkedProcess(target=open_and_initialise, args=(each_empty_database_url,)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [process.wait() for process in processes] == [0, 0]


def open_and_initialise(url: str) -> None:
    log.initialise(open_database(url), LOG_ID)


def test_threads_may_open_a_database_at_once(tmp_path: Path) -> None:
    """They take turns at the migrations, whose runner keeps what it does in globals."""
    with ThreadPoolExecutor(4) as pool:
        for database in pool.map(lambda _: open_database(sqlite_url(tmp_path)), range(12)):
            database.close()


def test_a_database_belongs_to_one_ledger(tmp_path: Path) -> None:
    """Initialised once, a database refuses the id of another ledger and keeps its own."""
    with closing(open_database(sqlite_url(tmp_path))) as database:
        with database.read() as connection, pytest.raises(NotFound):
            log.tree(connection)
        log.initialise(database, LOG_ID)
        log.initialise(database, LOG_ID)
        with refused("other_ledger", field="database_url", error=Conflict):
            log.initialise(database, b"\x09" * 32)
        with database.read() as connection:
            assert log.tree(connection).log_id == LOG_ID


@pytest.mark.parametrize(
    ("pragma", "settings"),
    [("synchronous=NORMAL", "wal and 1"), ("synchronous=OFF", "wal and 0"), ("journal_mode=DELETE", "delete and 2")],
)
def test_sqlite_that_may_lose_commits_is_refused(tmp_path: Path, pragma: str, settings: str) -> None:
    """Below synchronous FULL, or without the write-ahead log, a commit may be lost: the database is not used."""
    engine = create_engine(sqlite_url(tmp_path))

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for setting in ("journal_mode=WAL", "synchronous=FULL", pragma):
            connection.execute(f"PRAGMA {setting}")

    with pytest.raises(NotDurable, match=settings):
        require_durable(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "code", "error"),
    [
        *((url, "not_durable", NotDurable) for url in ("sqlite://", "sqlite:///:memory:")),
        *((url, "malformed_input", MalformedInput) for url in ("ledger.db", "mysql://localhost/ledger", "")),
        ("postgresql://localhost/ledger", "malformed_input", MalformedInput),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(url: str, code: str, error: type[TallystickError]) -> None:
    """What is kept in memory only, and any but the two that are supported, by the drivers that are installed."""
    with refused(code, field="database_url", error=error):
        open_database(url)


@pytest.mark.parametrize(
    "rest",
    ["hunter2@host:port/ledger", "hunter2@host:/ledger", "hun@hunter2:5432@host/ledger", "hun@hunter2@host/ledger"],
)
def test_an_address_that_is_misread_is_not_quoted(rest: str) -> None:
    """A port that is no number, and a password whose signs are taken for those of the address, are refused under the
    setting; what may be a part of the password is in nothing that is told, nor in what a traceback shows."""
    url = f"postgresql+psycopg://clerk:{rest}"
    for opened, setting in ((open_database, "database_url"), (opened_replica, "replica_urls")):
        with pytest.raises(MalformedInput, match="the port is no number") as refusal:
            opened(url)
        assert refusal.value.field == setting
        assert "hunter2" not in "".join(format_exception(refusal.value)) + str(vars(refusal.value))


def opened_replica(url: str) -> None:
    Replicas(Database(create_engine("sqlite://"), create_engine("sqlite://")), [url])


def test_every_connection_of_an_open_database_is_durable(tmp_path: Path) -> None:
    """Each connection of both pools syncs every commit, not only the first."""
    with closing(open_database(sqlite_url(tmp_path))) as database:
        for engine in (database.log, database.access):
            connections = [engine.connect() for _ in range(3)]
            settings = {connection.execute(text("PRAGMA synchronous")).scalar_one() for connection in connections}
            for connection in connections:
                connection.close()
            assert settings == {2}


def test_a_server_that_acknowledges_before_it_syncs_is_refused(postgres_url: str) -> None:
    """PostgreSQL set to answer a commit before it is on the disk is not used."""
    parsed = make_url(postgres_url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {parsed.database} SET synchronous_commit = off".encode())
    with pytest.raises(NotDurable, match="synchronous_commit"):
        open_database(postgres_url)


def test_a_lock_that_another_holds_is_not_waited_for_for_ever(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the bound whoever wants to write is told so; what the URL says of its own stays."""
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 100)
    options = "?connect_timeout=3&options=-c%20application_name%3Dledger"
    with closing(attach(postgres_url + options)) as database, database.lock() as holding:
        assert holding.execute(text("SHOW application_name")).scalar_one() == "ledger"
        assert database.log.url.query["connect_timeout"] == "3"
        with refused("busy", error=Unavailable), database.lock():
            pass
    with closing(attach(database.url)) as again:
        assert again.url == database.url


def test_a_read_sees_one_state_while_others_write(database: Database) -> None:
    """What one read sees first is what it sees to the end, whatever is committed meanwhile."""
    with database.read() as reader:
        before = log.tree(reader)
        grow(database)
        assert log.tree(reader) == before
    with database.read() as reader:
        assert log.tree(reader).size == 7


def test_what_fails_in_a_write_leaves_nothing(database: Database) -> None:
    """A block that raises changes nothing and gives the lock back."""
    with pytest.raises(RuntimeError):
        grow(database, RuntimeError("in the middle"))
    with database.write() as connection:
        assert log.tree(connection).size == 0


def grow(database: Database, error: Exception | None = None) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE tree SET size = 7"))
        if error is not None:
            raise error


def test_no_server_is_an_unavailable_database(free_port: int) -> None:
    """Where nobody answers, the error says so in our words, with a time to come back."""
    with pytest.raises(Unavailable) as error:
        open_database(f"postgresql+psycopg://nobody@127.0.0.1:{free_port}/none")
    assert (error.value.code, error.value.message) == ("database_unavailable", "the database does not answer")
    assert error.value.retry_after > 0
    assert "refused" in error.value.for_operator


def test_a_server_that_takes_no_writes_is_an_unavailable_database(postgres_url: str) -> None:
    """A write to a former primary, which is a standby after a failover, says that the database does not answer now."""
    parsed = make_url(postgres_url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(open_database(postgres_url)) as database:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {parsed.database} SET default_transaction_read_only = on".encode())
        database.log.dispose()  # what connects from now on may only read, as on a standby
        with refused("database_unavailable", error=Unavailable), database.write() as writer:
            writer.execute(text("UPDATE tree SET size = 7"))


def end_all_connections(url: str) -> None:
    """Let the server end whatever is connected to the database."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname = :name"
    with closing(attach(url)) as own, own.write() as connection:
        connection.execute(text(others), {"name": make_url(url).database})


def test_a_connection_that_the_server_ended_is_replaced(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was long without use is asked first, and replaced; until then an error ends its use, once."""
    with closing(open_database(postgres_url)) as database:
        monkeypatch.setattr(connections, "TRUSTED_S", 0.0)
        end_all_connections(postgres_url)
        with database.read() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        monkeypatch.setattr(connections, "TRUSTED_S", 3600.0)
        end_all_connections(postgres_url)
        with refused("database_unavailable", error=Unavailable), database.read() as connection:
            connection.execute(text("SELECT 1"))
        with database.read() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_all_connections_are_asked_once_one_has_ended(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server ends all of them behind a commit, what came of that is looked up over one that lives."""
    require_committed = connections._require_committed

    def cut_off(connection: Connection, loaded: object, copies: int) -> None:
        monkeypatch.undo()
        end_all_connections(postgres_url)
        require_committed(connection, loaded, copies)

    with closing(open_database(postgres_url)) as database:
        with database.read(), database.read(), database.read():
            pass  # so many are in the pool, and were in use just now
        monkeypatch.setattr(connections, "_require_committed", cut_off)
        with refused("database_unavailable", error=Unavailable), database.write() as connection:
            connection.execute(text("SELECT 1"))
        with database.write() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_file_that_is_no_database_is_a_disk_fault(tmp_path: Path) -> None:
    """A file of other bytes is told as a failed disk: nothing is acknowledged from it."""
    (tmp_path / "ledger.db").write_bytes(b"not a database, not at all" * 400)
    with pytest.raises(DiskFailed):
        open_database(sqlite_url(tmp_path))


def test_no_room_for_shared_memory_is_a_full_disk(tmp_path: Path) -> None:
    """SQLite calls it an error of the disk, but nothing was lost: it goes on by itself once there is room."""
    open_database(sqlite_url(tmp_path)).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(attach(sqlite_url(tmp_path))) as database:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))  # SQLite makes it in pieces of 32 KiB
        try:
            with refused("disk_full", error=DiskFull), database.write():
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with database.write() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_pool_that_is_used_up_is_busy_not_broken(sqlite: Ledger) -> None:
    """More readers than connections: those that wait in vain are told to come back."""
    sqlite.database.log.pool._timeout = 0.05  # type: ignore[attr-defined]
    with ExitStack() as held:
        for _ in range(30):
            held.enter_context(sqlite.database.log.connect())
        with refused("busy", error=Unavailable), sqlite.database.read():
            pytest.fail("there is no connection left")


EITHER = ("DROP INDEX ix_entries_payload_digest", "ALTER TABLE cases ADD COLUMN other TEXT")
BETWEEN = {
    "sqlite": (
        "CREATE TRIGGER quiet AFTER INSERT ON cases BEGIN DELETE FROM cases; END",
        "CREATE VIEW other AS SELECT * FROM cases",
        "CREATE INDEX other_index ON cases (stage)",
    ),
    "postgresql": (
        "CREATE RULE quiet AS ON INSERT TO cases DO INSTEAD NOTHING",
        "CREATE POLICY quiet ON cases USING (false)",
        "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER quiet BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION quiet()",
    ),
}


@pytest.mark.parametrize(
    ("each_database_url", "between"), BETWEEN.items(), indirect=["each_database_url"], ids=list(BETWEEN)
)
def test_a_schema_that_is_not_ours(each_database_url: str, between: tuple[str, ...]) -> None:
    """A missing index lets two rows stand for one, what stands between changes what is read or written.

    The start refuses the database; an audit may open it, and names each thing that differs.
    """
    with closing(open_database(each_database_url)) as database:
        assert [*differences(database.log, "log"), *differences(database.access, "access")] == []
    for number, statement in enumerate((*EITHER, *between), 1):
        with closing(open_database(each_database_url, for_audit=True)) as database:
            with database.write() as connection:
                connection.execute(text(statement))
            assert len(list(differences(database.log, "log"))) >= number, statement
    with pytest.raises(IntegrityBroken, match="schema was changed") as raised:
        open_database(each_database_url)
    assert "Restore the newest backup" in str(raised.value.hint)


def test_index_that_leaves_out_rows(database: Database) -> None:
    """What an index says of itself is not what is in it: one of no row, called one of all, is told by SQLite."""
    assert [storage_faults(engine) for engine, _ in database.stores] == [[], []]
    if database.is_sqlite:
        index = "CREATE INDEX ix_flags_name ON flags (name)"
        with database.write() as connection:
            for statement in (
                "INSERT INTO flags VALUES (0, 0, 'late_entry', '', '')",
                "DROP INDEX ix_flags_name",
                f"{index} WHERE 0",
                "PRAGMA writable_schema = ON",
                f"UPDATE sqlite_master SET sql = '{index}' WHERE name = 'ix_flags_name'",
                "PRAGMA writable_schema = RESET",
            ):
                connection.execute(text(statement))
        assert differences(database.log, "log") == []
        assert any("ix_flags_name" in fault for fault in storage_faults(database.log))


@pytest.mark.parametrize(("column", "value"), [("name", b"late_entry"), ("log_index", "one"), ("position", 0.5)])
def test_values_of_another_type(sqlite: Ledger, column: str, value: object) -> None:
    """SQLite keeps a text in a column of numbers; it is named by its column, with both types."""
    database = sqlite.database
    row = {"log_index": 1, "position": 2, "name": "late_entry", "article": "", "detail": ""}
    with database.write() as connection:
        for values in (row, row | {"position": 3, column: value}):
            connection.execute(
                text("INSERT INTO flags VALUES (:log_index, :position, :name, :article, :detail)"), values
            )
    (difference,) = mistyped_columns(database.log, "log")
    assert difference.name == f"flags.{column}"
    assert difference.expected != difference.actual
    assert list(mistyped_columns(database.access, "access")) == []
