"""The database: SQLite (WAL, synchronous FULL) or PostgreSQL, brought to the newest schema when it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Connection  # noqa: PLC0414 - the verbs hold connections, but know no SQLAlchemy
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.core.errors import Unavailable

BUSY_TIMEOUT_MS = 30_000
FULL = 2  # PRAGMA synchronous: every commit reaches the disk before it returns
_WRITER_LOCK = 0x7A11_57C4  # key of the advisory lock that makes the sequencer the one writer on PostgreSQL


class NotDurable(Unavailable):
    """The database would acknowledge commits that it may lose."""

    code = "not_durable"


class DiskFailed(Unavailable):
    """The disk reported an error: what was written may or may not be there, so nothing more is acknowledged."""

    code = "disk_failed"


class Database:
    """Two stores: ``log`` (entries, read models, chain journal) and ``access`` (the log of reads).

    On SQLite each is a file of its own, on PostgreSQL both are in one database.
    """

    def __init__(self, log: Engine, access: Engine):
        self.log = log
        self.access = access
        self.is_sqlite = log.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the log."""
        with translated(), self.log.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The writer's lock, held until the transaction ends; commits when the block leaves without an error."""
        with translated(), self.log.connect().execution_options(immediate=True) as connection, connection.begin():
            lock_writer(connection)
            yield connection

    def upsert(self, table: Any) -> Any:
        """An insert of this dialect that has ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        self.log.dispose()
        self.access.dispose()


def lock_writer(connection: Connection) -> None:
    """Waits for the writer's lock; it is released with the transaction.

    SQLite took it with BEGIN IMMEDIATE; PostgreSQL takes an advisory lock that several processes share.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})


def open_database(url: str) -> Database:
    """Opens and migrates. ``url`` is ``sqlite:///path`` or ``postgresql+psycopg://...``.

    Raises Unavailable where there is no database, NotDurable where SQLite runs below synchronous FULL.
    """
    from ledger.store.migrate import migrate  # noqa: PLC0415 - alembic is heavy and only needed here

    parsed = make_url(url)
    database = Database(_engine(parsed), _engine(_access_url(parsed)))
    with translated():
        migrate(database.log, "log")
        migrate(database.access, "access")
    if database.is_sqlite:
        for engine in (database.log, database.access):
            require_durable(engine)
    return database


def require_durable(engine: Engine) -> None:
    """Raises NotDurable unless SQLite writes ahead and syncs each commit."""
    with engine.connect() as connection:
        synchronous = connection.execute(text("PRAGMA synchronous")).scalar_one()
        journal = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    if synchronous != FULL or journal != "wal":
        raise NotDurable(
            f"expected journal_mode wal and synchronous 2 (FULL), not {journal} and {synchronous}",
            field="database_url",
            hint="Put the data directory on a local file system; WAL needs shared memory.",
        )


@contextmanager
def translated() -> Iterator[None]:
    """Lets out only this project's errors."""
    try:
        yield
    except OperationalError as error:
        if "disk I/O error" in str(error.orig):
            raise DiskFailed(
                f"the disk failed: {error.orig}",
                retry_after=3600,
                hint="Check the disk, then start the service again: it looks up what is there.",
            ) from error
        raise Unavailable(
            f"the database does not answer: {error.orig}",
            code="database_unavailable",
            hint="Is it running, and is there room on the disk? Nothing of this was recorded; try again.",
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(
                f"the database closed the connection: {error.orig}", code="database_unavailable"
            ) from error
        raise


def _access_url(url: URL) -> URL:
    if url.get_backend_name() != "sqlite" or url.database is None:
        return url
    path = Path(url.database)
    return url.set(database=str(path.with_name(f"{path.stem}-access{path.suffix}")))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True)
    engine = create_engine(url, pool_size=10, max_overflow=20, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing on its own; see _begin_sqlite
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
