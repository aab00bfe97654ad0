"""Connections to SQLite and PostgreSQL: engines, the writer's lock, and what a commit must survive.

A commit that returns is durable: on SQLite by WAL and synchronous FULL, on PostgreSQL by settings that are judged in
each transaction that writes. No wait is without an end, and no error shows the password of an address.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing, contextmanager, suppress
from enum import IntEnum
from math import inf
from pathlib import Path
from stat import S_IMODE
from time import monotonic, sleep
from typing import Any, Literal

from blake3 import blake3
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.core.errors import Conflict, MalformedInput, Unavailable
from ledger.core.messages import Message

POOL_SIZE, POOL_OVERFLOW = 10, 20  # connections that are kept, and those beyond them under load
BUSY_TIMEOUT_MS = 30_000
TRUSTED_S = 1.0  # for which a connection to PostgreSQL is taken to be alive after its last use
PRIVATE = 0o600  # the mode of database files
DRIVERS = ("sqlite", "postgresql+psycopg")
FULL = 2  # PRAGMA synchronous: every commit reaches the disk before it returns
_PRIMARY = 0xFF  # the bits of an extended result code of SQLite that are the primary one
_DAMAGES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}  # primary result codes
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}  # the latter where the shared memory is to grow
_DISK_FULL = "53100"  # SQLSTATE
_READ_ONLY = "25006"  # SQLSTATE of a write to PostgreSQL that is a standby, as a former primary is after a failover
_URL_FORMS = "expected sqlite:///<file> or postgresql+psycopg://<user>@<host>/<database>"


class WriterLock(IntEnum):
    """Keys of PostgreSQL's advisory locks: recording a read does not wait for the sequencer."""

    LOG = 0x7A11_57C4
    ACCESS = 0x7A11_57C5
    MIGRATION = 0x7A11_57C6
    WITNESS = 0x7A11_57C7
    SERVICE = 0x7A11_57C8


class NotDurable(Unavailable):
    """The database would acknowledge commits that it may lose."""

    code = "not_durable"


class DiskFailed(Unavailable):
    """The disk reported an error. What was written may be lost, so nothing more is acknowledged."""

    code = "disk_failed"


class DiskFull(Unavailable):
    """There is no room for what was to be written, which is not in the database."""

    code = "disk_full"


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


class ServiceLock:
    """The lock by which services on one PostgreSQL database, and a rotation of their keys, notice each other.

    Those that do not work ``alone`` hold it together. It belongs to a connection of its own, with which the server
    releases it, however the process ends. A SQLite database is locked with its data directory.

    Beside it each holds a lock for each of the files and settings that services of one ledger have ``alike``, whose
    number is of its digest: by these a service that starts sees whether others have it otherwise.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._connection: Connection | None = None
        self._was_held = False
        self._marks: dict[str, tuple[int, int]] = {}

    def hold(self, *, alone: bool, alike: Mapping[str, bytes]) -> None:
        """Take the lock, also if the connection that held it was lost since; ``alike`` are contents by their names.

        A service that has it compares nothing, and may have changed what it names; where it lost the lock, it compares
        what it named at first and names no more.

        Raises Conflict if it is not free within PATIENCE_S, or LOST_PATIENCE_S where it was lost, or if another service
        has something else under one of the names; and Unavailable.
        """
        if self._engine.dialect.name == "sqlite":
            return
        named = {name: (_number_of(name.encode()), _number_of(content)) for name, content in alike.items()}
        marks = self._marks | named
        with translated():
            if self._is_held():
                self._change(marks)
                return
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # no other use of the pool has it
            connection.execute(_LASTING)
            until = monotonic() + (LOST_PATIENCE_S if self._was_held else PATIENCE_S)
            compared = marks.keys() - named.keys() if self._was_held else marks.keys()
            while (obstacle := self._obstacle(connection, alone, marks, compared)) is not None:
                connection.execute(_RELEASE_ALL)
                if monotonic() > until:
                    connection.close()
                    raise obstacle
                sleep(PATIENCE_S / 50)
            self._connection, self._was_held, self._marks = connection, True, marks

    def release(self) -> None:
        """Release the lock, if it is held."""
        self._was_held = False
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT"))
        except DBAPIError:
            self.release()
            self._was_held = True
        return self._connection is not None

    def _obstacle(
        self, connection: Connection, alone: bool, marks: Mapping[str, tuple[int, int]], compared: Set[str]
    ) -> Conflict | None:
        """Try to take the locks, and return what stands in the way."""
        if not connection.execute(_TRY_ALONE if alone else _TRY_SHARED).scalar_one():
            return Conflict(
                "a service, or a rotation of its keys, is at work on this database",
                code="database_in_use",
                field="database_url",
                hint="Stop every service on it first. Only services of one chain that they reach by its URL "
                "share a database.",
            )
        for number, content in marks.values():
            connection.execute(_MARK, {"name": number, "content": content})
        others = {tuple(row) for row in connection.execute(_MARKS)} - {*marks.values()}
        differing = {number for number, _ in others}
        for name, (number, _) in marks.items():
            if number in differing and name in compared:
                return Conflict(
                    "another service of this ledger, which runs, has it otherwise",
                    code="not_alike",
                    field=name,
                    hint="Services that share a database need the same: take it from the one that runs, or stop all "
                    "of them to change it.",
                )
        return None

    def _change(self, marks: Mapping[str, tuple[int, int]]) -> None:
        assert self._connection is not None, "it is held"
        for name, (number, content) in marks.items():
            if (number, content) != (earlier := self._marks.get(name)):
                self._connection.execute(_MARK, {"name": number, "content": content})
                if earlier is not None:
                    self._connection.execute(_UNMARK, {"name": number, "content": earlier[1]})
        self._marks = dict(marks)


def _number_of(content: bytes) -> int:
    """Return a number of a digest that both an argument and ``pg_locks`` show as it is."""
    return int.from_bytes(blake3(content).digest(4)) >> 1


# For which a lock is waited for that a service, or after a crash the server, is perhaps just releasing.
PATIENCE_S = 5.0
# The server ends no session at rest, and notices within some 15 seconds that its other end has vanished: until then
# the lock that a connection had which was lost is held.
LOST_PATIENCE_S = 30.0
_LASTING = text("""SELECT set_config('idle_session_timeout', '0', false), set_config('tcp_keepalives_idle', '5', false),
    set_config('tcp_keepalives_interval', '3', false), set_config('tcp_keepalives_count', '3', false)""")
_TRY_ALONE = text(f"SELECT pg_try_advisory_lock({int(WriterLock.SERVICE)})")
_TRY_SHARED = text(f"SELECT pg_try_advisory_lock_shared({int(WriterLock.SERVICE)})")
_RELEASE_ALL = text("SELECT pg_advisory_unlock_all()")
_MARK = text("SELECT pg_advisory_lock_shared(:name, :content)")  # nobody ever takes one alone
_UNMARK = text("SELECT pg_advisory_unlock_shared(:name, :content)")
_MARKS = text("""SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""")

# The time at which this connection's server process read its settings comes with the lock: without a trip of its own.
_LOCK = text("SELECT pg_conf_load_time() FROM (SELECT pg_advisory_xact_lock(:key)) AS locked")
# A commit that has waited so long for standbys returns, with a warning: nobody holds the writer's lock for ever.
_PATIENCE = text(f"SELECT set_config('statement_timeout', '{BUSY_TIMEOUT_MS}', true)")
_LESS_PATIENCE = text("SELECT set_config('lock_timeout', :patience_ms, true)")
_LOADED = b"SELECT pg_conf_load_time()"
_JUDGED = "judged_settings_of"  # in a connection's info: the time of the settings that were found durable
_USED_AT = "used_at"  # in a connection's info: when it came back to the pool
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


def require_durable(engine: Engine, copies: int = 1) -> None:
    """Raise NotDurable unless every commit is on the disks of so many servers before it returns."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _require_durable_file(connection)
        else:
            _require_durable_server(connection, copies, "database_url")


def _require_durable_file(connection: Connection) -> None:
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


_NO_TEXT = "Could not decode to UTF-8"  # the driver's words for a text whose bytes are none; it gives no code


@contextmanager
def translated() -> Iterator[None]:
    """Raise only this project's errors; the driver's message is kept as a note on them (``for_operator``)."""
    try:
        yield
    except DBAPIError as error:
        code, state = getattr(error.orig, "sqlite_errorcode", 0), getattr(error.orig, "sqlstate", None)
        primary = code & _PRIMARY
        translation: Unavailable
        if primary in _DAMAGES or _NO_TEXT in str(error.orig):
            translation = _damaged()
        elif code in _NO_ROOM or state == _DISK_FULL:
            hint = "Make room on the disk of the database; nothing has to be started again."
            translation = DiskFull("the disk of the database is full", retry_after=30, hint=hint)
        elif primary == sqlite3.SQLITE_IOERR:
            hint = "Check the disk, then start the service again: it looks up what is there."
            translation = DiskFailed("the disk failed", retry_after=3600, hint=hint)
        elif state == LOCK_NOT_AVAILABLE:
            hint = "Does a commit wait for a standby that is away? PostgreSQL's view pg_stat_activity shows it."
            translation = Unavailable("another transaction keeps the database", code="busy", retry_after=1, hint=hint)
        elif isinstance(error, OperationalError) or error.connection_invalidated or state == _READ_ONLY:
            hint = "Is it running? Try again."
            translation = Unavailable("the database does not answer", code="database_unavailable", hint=hint)
        else:  # a fault of the statement, and so of ours
            raise
        translation.add_note(str(error.orig))
        raise translation from error
    except PoolTimeout as error:
        raise Unavailable("too many connections to the database are in use", code="busy", retry_after=1) from error


def _damaged() -> DiskFailed:
    return DiskFailed(
        "the database is damaged",
        code="database_damaged",
        retry_after=3600,
        hint="Check the disk, then restore the newest backup into another directory: docs/operations/backup.md",
    )


def check_file(file: Path, *, within_s: float) -> Literal["whole", "in part", "empty"]:
    """Read a SQLite database without changing it, for as long as that takes or ``within_s``; return how far that came.

    Raises DiskFailed if it is damaged, with SQLite's words for it as a note, and Unavailable if it cannot be read.
    """
    until = monotonic() + within_s
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: monotonic() > until, 1000)
            fault: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            is_empty = connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return "in part"
        if error.sqlite_errorcode & _PRIMARY not in _DAMAGES:
            raise Unavailable(
                "the database cannot be read: {error}",
                error=error,
                code="database_unavailable",
                hint="Does another program hold it? May this user read it and write in its folder? "
                "Is the disk mounted read-only?",
            ) from error
        fault, is_empty = str(error), False
    if fault != "ok":
        damage = _damaged()
        damage.add_note(fault)
        raise damage
    return "empty" if is_empty else "whole"


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


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite database by its address, None for PostgreSQL. Raises as ``parsed_url`` does."""
    parsed = parsed_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def engine_of(url: URL) -> Engine:
    """Return an engine of such connections, which connects when it is first used."""
    # Payloads stay out of errors.
    pool: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": POOL_OVERFLOW, "hide_parameters": True}
    if url.get_backend_name() != "sqlite":
        engine = create_engine(_bounded(url), **pool)
        lost_at = -inf  # when a connection was found to have ended, and so perhaps all of them

        @event.listens_for(engine, "invalidate")
        def note_loss(_connection: Any, _record: Any, _error: BaseException | None) -> None:
            nonlocal lost_at
            lost_at = monotonic()

        @event.listens_for(engine, "checkin")
        def note_use(_connection: Any, record: Any) -> None:
            record.info[_USED_AT] = monotonic()

        @event.listens_for(engine, "checkout")
        def require_alive(connection: Any, record: Any, _proxy: Any) -> None:
            # The server may have been restarted since; asked each time, a batch would cost a trip more.
            used_at = record.info.get(_USED_AT, inf)
            if used_at <= lost_at or monotonic() - used_at > TRUSTED_S:
                try:
                    engine.dialect.do_ping(connection)
                except engine.dialect.loaded_dbapi.Error as error:
                    raise InvalidatePoolError from error

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
