"""The database is opened only where it is durable and of the right schema; its faults are told in our words."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import make_url

from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, Unavailable
from ledger.store import log
from ledger.store.database import Database, DiskFailed, NotDurable, open_database, require_durable
from ledger.store.schema import Store, configuration, differences, metadata, mistyped_columns, storage_faults
from tests.testkit import machine
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import sqlite_url

STORES: tuple[Store, ...] = ("log", "access")


def engine_of(database: Database, store: Store):
    return database.log if store == "log" else database.access


@pytest.mark.parametrize("store", STORES)
def test_migrations_lead_to_the_tables_as_they_are_declared(each_empty_database_url: str, store: Store) -> None:
    """What the migrations make is what the tables ask for: Alembic finds nothing left to change."""
    with closing(open_database(each_empty_database_url)) as database:
        command.check(configuration(engine_of(database, store), store))
        assert set(metadata(store).tables) <= set(inspect(engine_of(database, store)).get_table_names())


@pytest.mark.parametrize("store", get_args(Store))
def test_migrations_of_a_store_are_one_line_in_the_order_of_their_numbers(store: Store) -> None:
    """Each follows the one of the number before it: two of one number, or with one before them, could not be run."""
    scripts = ScriptDirectory.from_config(configuration(create_engine("sqlite://"), store))
    files = sorted(Path(scripts.version_locations[0]).glob("[0-9]*.py"))
    numbers = [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [file.name[:4] for file in files] == numbers
    line = [(script.revision, script.down_revision) for script in scripts.walk_revisions()]
    assert line == list(zip(numbers, [None, *numbers], strict=False))[::-1]


def test_a_database_of_another_version_is_refused(each_empty_database_url: str) -> None:
    """One from before 0.1, or from a later release, is opened by no one, and the hint tells what to do."""
    database = open_database(each_empty_database_url)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version_log SET version_num = '0019'"))
    database.close()
    with pytest.raises(IntegrityBroken, match=r"none that this release knows: .*0019") as refused:
        open_database(each_empty_database_url, for_audit=True)
    assert refused.value.hint is not None
    assert "start a new ledger" in refused.value.hint


def test_several_processes_may_open_an_empty_database_at_once(each_empty_database_url: str) -> None:
    """Whoever comes first migrates and initialises, the others find it done."""
    program = (
        "import sys; from ledger.store.database import open_database; from ledger.store.log import initialise;"
        "initialise(open_database(sys.argv[1]), bytes(32))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, each_empty_database_url], cwd=machine.REPOSITORY)
        for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0] * 3


def test_a_database_belongs_to_one_ledger(tmp_path: Path) -> None:
    """Initialised once, a database refuses the id of another ledger and keeps its own."""
    with closing(open_database(sqlite_url(tmp_path))) as database:
        with database.read() as connection, pytest.raises(NotFound):
            log.tree(connection)
        log.initialise(database, LOG_ID)
        log.initialise(database, LOG_ID)
        with pytest.raises(Conflict) as refused:
            log.initialise(database, b"\x09" * 32)
        assert refused.value.code == "other_ledger"
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

    with pytest.raises(NotDurable) as refused:
        require_durable(engine)
    assert settings in str(refused.value)
    assert (refused.value.code, refused.value.field) == ("not_durable", "database_url")
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    """What is kept in memory only is not durable: opening it is refused."""
    with pytest.raises(NotDurable):
        open_database(url)


@pytest.mark.parametrize("url", ["ledger.db", "mysql://localhost/ledger", "postgresql://localhost/ledger", ""])
def test_another_kind_of_url_is_malformed(url: str) -> None:
    """Only the two databases that are supported, by the drivers that are installed."""
    with pytest.raises(MalformedInput) as refused:
        open_database(url)
    assert refused.value.field == "database_url"


def test_every_connection_of_an_open_database_is_durable(tmp_path: Path) -> None:
    """Each connection of both pools syncs every commit, not only the first."""
    with closing(open_database(sqlite_url(tmp_path))) as database:
        for engine in (database.log, database.access):
            connections = [engine.connect() for _ in range(3)]
            settings = {connection.execute(text("PRAGMA synchronous")).scalar_one() for connection in connections}
            for connection in connections:
                connection.close()
            assert settings == {2}


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_server_that_acknowledges_before_it_syncs_is_refused(postgres_url: str, setting: str) -> None:
    """PostgreSQL set to answer a commit before it is on the disk is not used."""
    parsed = make_url(postgres_url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {parsed.database} SET {setting} = off".encode())
    with pytest.raises(NotDurable) as refused:
        open_database(postgres_url)
    assert setting in str(refused.value)


def test_a_read_sees_one_state_while_others_write(each_empty_database_url: str) -> None:
    """What one read sees first is what it sees to the end, whatever is committed meanwhile."""
    with closing(open_database(each_empty_database_url)) as database:
        log.initialise(database, LOG_ID)
        with database.read() as reader:
            before = log.tree(reader)
            with database.write() as writer:
                writer.execute(text("UPDATE tree SET size = 7"))
            assert log.tree(reader) == before
        with database.read() as reader:
            assert log.tree(reader).size == 7


def test_what_fails_in_a_write_leaves_nothing(each_empty_database_url: str) -> None:
    """A block that raises changes nothing and gives the lock back."""
    with closing(open_database(each_empty_database_url)) as database:
        log.initialise(database, LOG_ID)
        with pytest.raises(RuntimeError):
            grow_and_fail(database)
        with database.write() as connection:
            assert log.tree(connection).size == 0


def grow_and_fail(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE tree SET size = 7"))
        raise RuntimeError("in the middle")


def test_no_server_is_an_unavailable_database(free_port: int) -> None:
    """Where nobody answers, the error says so in our words, with a time to come back."""
    with pytest.raises(Unavailable) as refused:
        open_database(f"postgresql+psycopg://nobody@127.0.0.1:{free_port}/none")
    assert refused.value.code == "database_unavailable"
    assert refused.value.retry_after > 0
    assert refused.value.message == "the database does not answer"
    assert "refused" in refused.value.for_operator


def test_a_file_that_is_no_database_is_a_disk_fault(tmp_path: Path) -> None:
    """A file of other bytes is told as a failed disk: nothing is acknowledged from it."""
    (tmp_path / "ledger.db").write_bytes(b"not a database, not at all" * 400)
    with pytest.raises(DiskFailed):
        open_database(sqlite_url(tmp_path))


def test_after_a_disk_fault_nothing_is_written_any_more(tmp_path: Path) -> None:
    """The first I/O error ends writing for good, in this process, even where the disk seems to work again."""
    database = open_database(sqlite_url(tmp_path))
    log.initialise(database, LOG_ID)
    failing = sqlite3.OperationalError("disk I/O error")
    failing.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    original = database.log.dialect.do_commit
    try:
        database.log.dialect.do_commit = lambda _connection: (_ for _ in ()).throw(failing)  # type: ignore[method-assign]
        with pytest.raises(DiskFailed), database.write() as connection:
            connection.execute(text("UPDATE tree SET size = 7"))
        database.log.dialect.do_commit = original  # type: ignore[method-assign]
        with pytest.raises(DiskFailed), database.write():
            pytest.fail("the block must not be entered")
        with database.read() as connection:
            assert log.tree(connection).size == 0
    finally:
        database.log.dialect.do_commit = original  # type: ignore[method-assign]
        database.close()


def test_a_pool_that_is_used_up_is_busy_not_broken(tmp_path: Path) -> None:
    """More readers than connections: those that wait in vain are told to come back."""
    database = open_database(sqlite_url(tmp_path))
    database.log.pool._timeout = 0.05  # type: ignore[attr-defined]
    held = [database.log.connect() for _ in range(30)]
    try:
        with pytest.raises(Unavailable) as refused, database.read():
            pytest.fail("there is no connection left")
        assert refused.value.code == "busy"
    finally:
        for connection in held:
            connection.close()
        database.close()


ON_EITHER = ("DROP INDEX ix_entries_payload_digest", "ALTER TABLE cases ADD COLUMN other TEXT")
ON_SQLITE = (
    "CREATE TRIGGER quiet AFTER INSERT ON cases BEGIN DELETE FROM cases; END",
    "CREATE VIEW other AS SELECT * FROM cases",
    "CREATE INDEX other ON cases (stage)",
)
ON_POSTGRESQL = (
    "CREATE RULE quiet AS ON INSERT TO cases DO INSTEAD NOTHING",
    "CREATE POLICY quiet ON cases USING (false)",
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    "CREATE TRIGGER quiet BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION quiet()",
)


def require_refused(url: str, statement: str) -> None:
    """The start refuses the database; an audit may open it, and names what differs."""
    database = open_database(url)
    assert [*differences(database.log, "log"), *differences(database.access, "access")] == []
    with database.write() as connection:
        connection.execute(text(statement))
    database.close()
    with pytest.raises(IntegrityBroken, match="schema was changed"):
        open_database(url)
    audited = open_database(url, for_audit=True)
    assert differences(audited.log, "log")
    audited.close()


@pytest.mark.parametrize("statement", ON_EITHER)
def test_other_tables_and_indexes(each_empty_database_url: str, statement: str) -> None:
    """A missing index lets two rows stand for one; a column that nobody knows may be anything."""
    require_refused(each_empty_database_url, statement)


@pytest.mark.parametrize("statement", ON_SQLITE)
def test_what_stands_between_on_sqlite(tmp_path: Path, statement: str) -> None:
    """A trigger, a view or an index of somebody else."""
    require_refused(sqlite_url(tmp_path), statement)


@pytest.mark.parametrize("statement", ON_POSTGRESQL)
def test_what_stands_between_on_postgresql(postgres_url: str, statement: str) -> None:
    """A rule, a policy or a trigger on one of the tables."""
    require_refused(postgres_url, statement)


def test_index_that_leaves_out_rows(each_empty_database_url: str) -> None:
    """What an index says of itself is not what is in it: one of no row, called one of all, is told by SQLite."""
    database = open_database(each_empty_database_url)
    assert [storage_faults(engine) for engine, _ in database.stores] == [[], []]
    if database.is_sqlite:
        with database.write() as connection:
            index = "CREATE INDEX ix_flags_name ON flags (name)"
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
    database.close()


@pytest.mark.parametrize(("column", "value"), [("name", b"late_entry"), ("log_index", "one"), ("position", 0.5)])
def test_values_of_another_type(tmp_path: Path, column: str, value: object) -> None:
    """SQLite keeps a text in a column of numbers; it is named by its column, with both types."""
    database = open_database(sqlite_url(tmp_path))
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
    database.close()
