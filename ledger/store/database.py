"""The database: SQLite (WAL, synchronous FULL) or PostgreSQL, brought to the newest schema when it is opened.

The log's rows are written in few statements, whose texts are built once. Values go to the drivers without conversion:
what SQLAlchemy does for each costs more than writing it. On SQLite one statement writes one table. On PostgreSQL each
statement is a round trip with the writer's lock held, so one statement writes all rows of all tables, passed as a JSON
text for each table that the server unpacks.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from enum import IntEnum
from functools import cache, lru_cache
from operator import attrgetter, itemgetter
from pathlib import Path
from stat import S_IMODE
from typing import Any, Literal

import msgspec
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Engine,
    LargeBinary,
    Select,
    Table,
    Text,
    bindparam,
    column,
    create_engine,
    event,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - the verbs hold connections, but know no SQLAlchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.messages import Message, plain
from ledger.store.activity import Activity

BUSY_TIMEOUT_MS = 30_000
CHECKPOINT_TIMEOUT_MS = 200
PRIVATE = 0o600  # the mode of database files
DRIVERS = ("sqlite", "postgresql+psycopg")
FULL = 2  # PRAGMA synchronous: every commit reaches the disk before it returns
_DISK_FAULTS = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}  # primary result codes
_READ_ONLY = "25006"  # SQLSTATE of a write to PostgreSQL that is a standby, as a former primary is after a failover

CHANGED = Message("Somebody changed the database. Run: tally audit")  # a hint
_URL_FORMS = "expected sqlite:///<file> or postgresql+psycopg://<user>@<host>/<database>"
Row = dict[str, Any]
NewRows = Mapping[Table, Sequence[Row]]
Change = tuple[Table, Row]  # a row of a read model, as an event leaves it
_encoder = msgspec.json.Encoder(enc_hook=plain)  # bytes become base64


class WriterLock(IntEnum):
    """Keys of PostgreSQL's advisory locks: recording a read does not wait for the sequencer."""

    LOG = 0x7A11_57C4
    ACCESS = 0x7A11_57C5
    MIGRATION = 0x7A11_57C6
    WITNESS = 0x7A11_57C7


class NotDurable(Unavailable):
    """The database would acknowledge commits that it may lose."""

    code = "not_durable"


class DiskFailed(Unavailable):
    """The disk reported an error. What was written may be lost, so nothing more is acknowledged."""

    code = "disk_failed"


class Database:
    """Two stores: ``log`` (entries, read models, chain journal) and ``access`` (the log of reads).

    On SQLite each is a file of its own, on PostgreSQL both are in one database. A commit raises NotDurable unless it is
    durable on so many servers as ``copies``.
    """

    def __init__(self, log: Engine, access: Engine, copies: int = 1):
        self.log = log
        self.access = access
        self.copies = copies
        self.activity = Activity()
        self.is_sqlite = log.dialect.name == "sqlite"
        # PostgreSQL's own default would show each statement of a read another state.
        self._reading = log if self.is_sqlite else log.execution_options(isolation_level="REPEATABLE READ")
        self._disk_failure: DiskFailed | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection that sees one snapshot of the log."""
        with translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Hold the writer's lock as ``lock`` does, and wake the loops that wait for a write once it is committed."""
        with self.lock() as connection:
            yield connection
        self.activity.note()

    @contextmanager
    def lock(self, patience_ms: int = BUSY_TIMEOUT_MS) -> Iterator[Connection]:
        """Hold the writer's lock until the transaction ends; commit when the block leaves without an error.

        For a look whether something can be written, which wakes nobody. PostgreSQL is waited for as long as
        ``patience_ms`` while somebody else has the lock. After the first DiskFailed every call fails: it
        is then unknown whether an earlier write reached the disk.
        """
        # A copy for each caller: a shared exception would collect every caller's frames.
        if self._disk_failure is not None:
            raise copy(self._disk_failure)
        try:
            with translated(), writing(self.log, WriterLock.LOG, self.copies, patience_ms) as connection:
                yield connection
        except DiskFailed as error:
            self._disk_failure = error
            raise

    def upsert(self, table: Any) -> Any:
        """Build an insert of this dialect that has ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def empty_write_ahead_log(self) -> bool:
        """Remove overwritten pages from SQLite's write-ahead log; return False while a reader keeps it.

        Writers wait for this, but no longer than CHECKPOINT_TIMEOUT_MS. On PostgreSQL nothing is done.
        """
        if not self.is_sqlite:
            return True
        with translated(), closing(self.log.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            # A long reader may stand in the way, and every writer waits for this.
            cursor.execute(f"PRAGMA busy_timeout={CHECKPOINT_TIMEOUT_MS}")
            try:
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return not busy

    @property
    def stores(self) -> tuple[tuple[Engine, Literal["log"]], tuple[Engine, Literal["access"]]]:
        """Return each engine with the name of its schema."""
        return (self.log, "log"), (self.access, "access")

    @property
    def url(self) -> str:
        """Return the URL that ``attach`` takes; it contains the password, if there is one."""
        return self.log.url.render_as_string(hide_password=False)

    def close(self) -> None:
        self.log.dispose()
        self.access.dispose()


@contextmanager
def writing(
    engine: Engine, lock: WriterLock, copies: int = 1, patience_ms: int = BUSY_TIMEOUT_MS
) -> Iterator[Connection]:
    """Open a transaction that is the only one under its lock; commit when the block leaves without an error.

    SQLite locks the file with BEGIN IMMEDIATE, PostgreSQL takes an advisory lock that several processes share.

    Raises:
        NotDurable: the commit would be, or is, durable on fewer servers than ``copies``.
    """
    # SQLite lets no reader become a writer while another writes: the lock is taken before anything is read.
    with engine.connect().execution_options(immediate=True) as connection:
        if connection.dialect.name == "sqlite":
            with connection.begin():
                yield connection
            return
        with connection.begin():
            if patience_ms < BUSY_TIMEOUT_MS:
                connection.execute(_LESS_PATIENCE, {"patience_ms": str(patience_ms)})
            loaded = connection.execute(_LOCK, {"key": int(lock)}).scalar_one()
            if connection.info.get(_JUDGED) != loaded:
                _require_durable_server(connection, copies)
                connection.info[_JUDGED] = loaded
            yield connection
            if copies > 1:
                connection.execute(_PATIENCE)
            connection.info.pop(_WARNING, None)
        _require_committed(connection, loaded, copies)


# The time at which this connection's server process read its settings comes with the lock: without a trip of its own.
_LOCK = text("SELECT pg_conf_load_time() FROM (SELECT pg_advisory_xact_lock(:key)) AS locked")
# A commit that has waited so long for standbys returns, with a warning: nobody holds the writer's lock for ever.
_PATIENCE = text(f"SELECT set_config('statement_timeout', '{BUSY_TIMEOUT_MS}', true)")
_LESS_PATIENCE = text("SELECT set_config('lock_timeout', :patience_ms, true)")
_LOADED = b"SELECT pg_conf_load_time()"
_JUDGED = "judged_settings_of"  # in a connection's info: the time of the settings that were found durable
_WARNING = "warning"  # in a connection's info: what the server warned of


LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE
_SEND_AGAIN = Message("Submit it again: if it was recorded, its receipt comes once it is on all of them.")


def _require_committed(connection: Connection, loaded: object, copies: int) -> None:
    """Require that the commit which has just returned is durable on so many servers. Raises NotDurable.

    PostgreSQL returns from a commit, as if it had succeeded, when the wait for standbys is cancelled, with a warning,
    and when their names are taken out of the settings meanwhile, as Patroni does for a lost standby, without one.
    """
    raw: Any = connection.connection.driver_connection
    try:
        raw.autocommit = True  # else the driver would begin and end a transaction for this question
        loaded_now = raw.execute(_LOADED).fetchone()[0]
        raw.autocommit = False
    except connection.dialect.loaded_dbapi.Error as error:
        connection.invalidate()
        unknown = Unavailable(
            "the database did not say whether a commit is durable", code="database_unavailable", hint=_SEND_AGAIN
        )
        unknown.add_note(str(error))
        raise unknown from error
    if loaded_now != loaded:
        _require_durable_server(connection, copies)
        connection.info[_JUDGED] = loaded_now
    warning = connection.info.pop(_WARNING, None)
    if warning is not None or (loaded_now != loaded and copies > 1):
        unsure = NotDurable(
            "the server may have committed without the {copies} copies that are declared",
            copies=copies,
            retry_after=1,
            hint=_SEND_AGAIN,
        )
        unsure.add_note(str(warning or "its settings were read again during the commit"))
        raise unsure


class _EachText(FunctionElement[str]):
    """One row for each text of a JSON array."""

    inherit_cache = True


@compiles(_EachText, "sqlite")
def _sqlite_each(element: _EachText, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_EachText, "postgresql")
def _postgresql_each(element: _EachText, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS json))"


class _EachPair(FunctionElement[str]):
    """One row for each pair of a JSON array: a text and a number."""

    inherit_cache = True


@compiles(_EachPair, "sqlite")
def _sqlite_each_pair(element: _EachPair, compiler: SQLCompiler, **options: Any) -> str:
    each = f"json_each({compiler.process(element.clauses, **options)})"
    return f"(SELECT json_extract(value, '$[0]') AS name, json_extract(value, '$[1]') AS number FROM {each})"  # noqa: S608 - the compiler wrote it


@compiles(_EachPair, "postgresql")
def _postgresql_each_pair(element: _EachPair, compiler: SQLCompiler, **options: Any) -> str:
    each = f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS json))"
    return f"(SELECT value ->> 0 AS name, CAST(value ->> 1 AS bigint) AS number FROM {each})"  # noqa: S608 - the compiler wrote it


def one_of(column: Column[str], texts: Iterable[str] | BindParameter[str]) -> ColumnElement[bool]:
    """Build the condition that the column is one of these texts, or of those passed later for a ``texts_named``.

    They are passed as one JSON array, so the statement is the same for any number of texts and stays cached.
    """
    array = texts if isinstance(texts, BindParameter) else literal(array_of(texts))
    return column.in_(select(_EachText(array).table_valued("value").c.value))


def one_of_pairs(columns: tuple[Column[str], Column[int]], pairs: BindParameter[str]) -> ColumnElement[bool]:
    """Build the condition that the columns are one of the pairs that are passed later, as a JSON array of arrays."""
    each = _EachPair(pairs).table_valued("name", "number")
    return tuple_(*columns).in_(select(each.c.name, each.c.number))


def texts_named(name: str) -> BindParameter[str]:
    """Return the place of texts in a statement that is built once; ``array_of`` gives what is passed for it."""
    return bindparam(name, type_=Text())


def array_of(texts: Iterable[str]) -> str:
    """Return the texts as a JSON array."""
    return msgspec.json.encode(list(texts)).decode()


def key_of(table: Table, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the primary key of a row as text, bytes in hex."""
    # Lists, for it is called for every row of a batch and of an audit, and generators take twice as long.
    key = [row[name] for name in key_names(table)]
    return tuple([part.hex() if isinstance(part, bytes) else str(part) for part in key])


def given(query: Select[Any], **values: object) -> Select[Any]:
    """Restrict the query to rows of its table with these values; None restricts nothing."""
    return query.filter_by(**{name: value for name, value in values.items() if value is not None})


def row_of(table: Table, *sources: object, **own: Any) -> Row:
    """Return a row of the table: the columns named here, and the others from the first source that has the name."""
    row = own
    for place, names, values_of in _origins(table, tuple(own), tuple(map(type, sources))):
        row |= zip(names, values_of(sources[place]), strict=True)
    return row


@cache
def _origins(
    table: Table, own: tuple[str, ...], kinds: tuple[type, ...]
) -> list[tuple[int, list[str], Callable[[object], tuple[Any, ...]]]]:
    """Return which columns come from each source, by its place, with what takes their values from it."""
    names_of: dict[int, list[str]] = {}
    for name in {*table.columns.keys()}.difference(own):
        place = next(place for place, kind in enumerate(kinds) if hasattr(kind, name))
        names_of.setdefault(place, []).append(name)
    return [(place, names, _getter(attrgetter, names)) for place, names in names_of.items()]


def _getter(kind: Callable[..., Callable[[Any], Any]], names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes the values of these names as a tuple, which a getter of ``kind`` gives of several alone."""
    get = kind(*names)
    return get if len(names) > 1 else lambda source: (get(source),)


def key_in(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a row's primary key."""
    return _key_getter(table)(row)


@cache
def _key_getter(table: Table) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    return _getter(itemgetter, key_names(table))


@cache
def key_names(table: Table) -> list[str]:
    """Return the names of the columns of the primary key; asking the table each time costs a batch too much."""
    return table.primary_key.columns.keys()


def open_database(url: str, *, for_audit: bool = False, copies: int = 1) -> Database:
    """Open and migrate a database. ``url`` is ``sqlite:///path`` or ``postgresql+psycopg://...``.

    ``copies`` is on how many servers what is committed must be durable.

    Raises:
        MalformedInput: the URL has another form.
        Unavailable: the database does not answer.
        NotDurable: the database may lose what it has committed.
        IntegrityBroken: the schema differs from the one that the migrations make. ``for_audit`` omits this check: an
            audit reports each difference.
    """
    from ledger.store.migrating import migrate, require_schema, require_types  # noqa: PLC0415 - it imports tables, which import this
    from ledger.store.partitions import make_ahead  # noqa: PLC0415 - as above

    database = attach(url, copies)
    with translated():
        for engine, _ in database.stores:
            require_durable(engine, copies)
        for engine, store in database.stores:
            migrate(engine, store)
        if not for_audit:
            make_ahead(database)
            for engine, store in database.stores:
                require_schema(engine, store)
            require_types(database.log)
    return database


def open_witness_engine(file: Path) -> Engine:
    """Open and migrate a witness's own database. Raises NotDurable, Unavailable."""
    from ledger.store.migrating import migrate  # noqa: PLC0415 - as above

    engine = _engine(parsed_url(f"sqlite:///{file}"))
    with translated():
        require_durable(engine)
        migrate(engine, "witness")
    return engine


def attach(url: str, copies: int = 1) -> Database:
    """Open a database without migrating it: for a process beside the one that called ``open_database``."""
    of_log = of_access = parsed_url(url)
    if of_log.get_backend_name() == "sqlite":
        path = Path(of_log.database or "")
        # In a file of its own: recording a read must not wait for a batch.
        of_access = of_log.set(database=str(path.with_name(f"{path.stem}-access{path.suffix}")))
    return Database(_engine(of_log), _engine(of_access), copies)


def require_durable(engine: Engine, copies: int = 1) -> None:
    """Raise NotDurable unless every commit is on the disks of so many servers before it returns."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _require_durable_file(connection, copies)
        else:
            _require_durable_server(connection, copies, "database_url")


def _require_durable_file(connection: Connection, copies: int) -> None:
    # Read back: SQLite keeps another journal mode without an error where shared memory does not work.
    synchronous = connection.execute(text("PRAGMA synchronous")).scalar_one()
    journal = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    if synchronous < FULL or journal != "wal":
        raise NotDurable(
            "expected journal_mode wal and synchronous 2 (FULL), not {journal} and {synchronous}",
            journal=journal,
            synchronous=synchronous,
            field="database_url",
            hint="Put the data directory on a local file system; WAL needs shared memory.",
        )
    if copies > 1:
        raise NotDurable(
            "SQLite keeps one copy of what it commits, not {copies}",
            copies=copies,
            field="durable_copies",
            hint="Declare one copy, or use PostgreSQL with standbys.",
        )


_DURABLE_COMMITS = {1: ("on", "local", "remote_write", "remote_apply"), 2: ("on", "remote_apply")}


def _require_durable_server(connection: Connection, copies: int, field: str | None = None) -> None:
    """Require of PostgreSQL's settings, as this connection has them, that a commit waits for so many servers' disks."""
    needed: tuple[tuple[str, Callable[[str], bool], str], ...] = (
        ("fsync", lambda value: value == "on", "on"),
        ("synchronous_commit", lambda value: value in _DURABLE_COMMITS[min(copies, 2)], "on"),
        ("max_wal_senders", lambda value: int(value) >= copies - 1, str(copies - 1)),  # with none no commit waits
        ("synchronous_standby_names", lambda value: awaited(value) >= copies - 1, f"ANY {copies - 1} (...)"),
    )
    for setting, suffices, enough in needed:
        value: str = connection.execute(text(f"SHOW {setting}")).scalar_one()
        if not suffices(value):
            raise NotDurable(
                "PostgreSQL has {setting} = {value}, which is too little for durable_copies = {copies}",
                setting=setting,
                value=value or "''",
                copies=copies,
                field=field,
                retry_after=10,
                hint=Message(
                    "Set {setting} = {enough} for this server, database and role, or declare other durable_copies.",
                    setting=setting,
                    enough=enough,
                ),
            )


_AWAITED = re.compile(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", re.IGNORECASE)


def awaited(standby_names: str) -> int:
    """Return for how many standbys a commit waits by a value of PostgreSQL's ``synchronous_standby_names``."""
    if not standby_names.strip():
        return 0
    numbered = _AWAITED.match(standby_names)
    return int(numbered[1]) if numbered else 1


@contextmanager
def translated() -> Iterator[None]:
    """Raise only this project's errors; the driver's message is kept as a note on them (``for_operator``)."""
    try:
        yield
    except DBAPIError as error:
        # The low byte of an extended result code is the primary one.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _DISK_FAULTS:
            hint = "Check the disk, then start the service again: it looks up what is there."
            translation: Unavailable = DiskFailed("the disk failed", retry_after=3600, hint=hint)
        elif getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            hint = "Does a commit wait for a standby that is away? PostgreSQL's view pg_stat_activity shows it."
            translation = Unavailable("another transaction keeps the database", code="busy", retry_after=1, hint=hint)
        elif (
            isinstance(error, OperationalError)
            or error.connection_invalidated
            or getattr(error.orig, "sqlstate", None) == _READ_ONLY
        ):
            hint = "Is it running, and is there room on the disk? Try again."
            translation = Unavailable("the database does not answer", code="database_unavailable", hint=hint)
        else:  # a fault of the statement, and so of ours
            raise
        translation.add_note(str(error.orig))
        raise translation from error
    except PoolTimeout as error:
        raise Unavailable("too many connections to the database are in use", code="busy", retry_after=1) from error


def parsed_url(url: str, *, field: str = "database_url") -> URL:
    """Parse the address of a database; ``field`` is the setting that a refusal names.

    Raises MalformedInput, and NotDurable for a database in memory. No part of the address is in either, nor in what a
    traceback shows with them: there may be a password in it.
    """
    misread = MalformedInput(
        "host and port cannot be told apart from the password in the address of the database, or the port is no number",
        field=field,
        hint="Write postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE, and in the password @ as %40 and : as %3A.",
    )
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise MalformedInput(_URL_FORMS, field=field) from None
    except ValueError:  # of the port
        raise misread from None
    if "@" in (parsed.host or ""):  # the rest of a password: nobody is to look for a host of that name
        raise misread
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise NotDurable("a database in memory keeps nothing", field=field, hint="Name a file.")
    if parsed.drivername not in DRIVERS:
        raise MalformedInput(_URL_FORMS, field=field)
    return parsed


def _engine(url: URL) -> Engine:
    pool: dict[str, Any] = {"pool_size": 10, "max_overflow": 20, "hide_parameters": True}  # payloads stay out of errors
    if url.get_backend_name() != "sqlite":
        # The server may have been restarted since a connection was last used.
        engine = create_engine(_bounded(url), pool_pre_ping=True, **pool)

        @event.listens_for(engine, "connect")
        def keep_warnings(connection: Any, record: Any) -> None:
            def keep(notice: Any) -> None:
                if notice.severity_nonlocalized == "WARNING":
                    record.info[_WARNING] = notice.message_primary

            connection.add_notice_handler(keep)

        return engine
    # The pool gives a connection to one thread at a time, but not always to the same.
    engine = create_engine(url, connect_args={"check_same_thread": False}, **pool)
    file = Path(url.database or "")

    @event.listens_for(engine, "do_connect")
    def keep_private(*_: Any) -> None:
        with suppress(OSError):  # it exists already or cannot be created; SQLite reports the latter
            file.touch(PRIVATE, exist_ok=False)
        for path in (file, *(file.with_name(f"{file.name}-{suffix}") for suffix in ("wal", "shm", "journal"))):
            with suppress(FileNotFoundError, NotADirectoryError):
                _make_private(path)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing on its own; see ``begin``
        # What is erased is overwritten: secure_delete.
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        for pragma in ("secure_delete=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


_BOUNDS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "15000",  # milliseconds until what was sent must be received
    "keepalives_idle": "5",  # seconds of silence until the server's machine is asked whether it is there
    "keepalives_interval": "3",
    "keepalives_count": "3",
}


def _bounded(url: URL) -> URL:
    """Return the URL with bounds, where it has none of its own, on what could wait for ever.

    On a server's machine that has vanished without a word, and on a lock.
    """
    options = url.query.get("options", "")
    own = options if isinstance(options, str) else " ".join(options)
    bounds = {name: value for name, value in _BOUNDS.items() if name not in url.query}
    if "lock_timeout" not in own:
        # Whatever is set for the role: a wait for standbys that was cancelled is told by a warning alone.
        bounds["options"] = f"{own} -c lock_timeout={BUSY_TIMEOUT_MS} -c client_min_messages=warning".strip()
    return url.update_query_dict(bounds)


def _make_private(path: Path) -> None:
    """Make a file of SQLite its owner's alone before it is opened; a log and shared memory take on its mode.

    Raises Unavailable where it belongs to somebody else and stays open to others.
    """
    mode = S_IMODE(path.stat().st_mode)
    if not mode & ~PRIVATE:
        return
    try:
        path.chmod(mode & PRIVATE)
    except OSError as error:
        raise Unavailable(
            "others may read the database {path}: its mode is {mode:04o}, expected 0600",
            path=path,
            mode=mode,
            field="database_url",
            code="database_open_to_others",
            hint=Message("Make it belong to the user who runs this, with mode 0600: {error.strerror}.", error=error),
        ) from error


def fetched(connection: Connection, query: Select[Any]) -> list[Row]:
    """Return the rows of a query, each by the names of its columns."""
    # A subquery's names are of a class derived from str, which msgspec takes for no key.
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]


def write_rows(connection: Connection, database: Database, new: NewRows, latest: NewRows) -> None:
    """Insert the ``new`` rows, and insert or replace the ``latest`` by their primary keys.

    Each row has every column of its table; no two ``latest`` rows of a table have one key. No table is in both.
    """
    # One round trip for all tables: the writer's lock is held meanwhile.
    if not database.is_sqlite:
        packed_tables = {**new, **latest}
        packed = {table.name: _encoder.encode(rows).decode() for table, rows in packed_tables.items()}
        parts = [f"to_{table.name} AS ({_statement_text(database, table, table in latest)})" for table in packed_tables]
        connection.exec_driver_sql(f"WITH {', '.join(parts)} SELECT 1", packed)
        return
    for tables, replacing in ((new, False), (latest, True)):
        for table, rows in tables.items():
            if rows:
                statement, values_of = _positional(database, table, replacing)
                connection.exec_driver_sql(statement, [values_of(row) for row in rows])


@lru_cache(maxsize=64)
def _positional(database: Database, table: Table, replacing: bool) -> tuple[str, Callable[[Any], tuple[Any, ...]]]:
    """Return SQLite's statement, and what takes a row's values in the order of its places.

    Values that are passed by their names take the driver half as long again.
    """
    compiled = _statement(database, table, replacing).compile(dialect=database.log.dialect)
    assert compiled.positiontup is not None, "SQLite's driver takes values by position"
    return str(compiled), _getter(itemgetter, compiled.positiontup)


@lru_cache(maxsize=64)
def _statement_text(database: Database, table: Table, replacing: bool) -> str:
    return str(_statement(database, table, replacing).compile(dialect=database.log.dialect))


def _statement(database: Database, table: Table, replacing: bool) -> Any:
    statement = database.upsert(table)
    if not database.is_sqlite:
        statement = statement.from_select(table.columns.keys(), _unpacked(table))
    if replacing:
        keys = [column.name for column in table.columns if column.primary_key]
        changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        if not changed:  # a row that is all key is there, or it is not
            return statement.on_conflict_do_nothing(index_elements=keys)
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement


def _unpacked(table: Table) -> Select[Any]:
    """Select the rows of the JSON text that is passed under the table's name."""
    of_bytes = {c.name for c in table.columns if isinstance(c.type, LargeBinary)}
    packed = [column(c.name, Text() if c.name in of_bytes else c.type) for c in table.columns]
    rows = func.json_to_recordset(bindparam(table.name, type_=JSON)).table_valued(*packed, name="packed")
    rows = rows.render_derived(with_types=True)
    base64: ColumnElement[Any] = literal_column("'base64'")
    return select(*(func.decode(c, base64) if c.name in of_bytes else c for c in rows.c))
