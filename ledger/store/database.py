"""The database, and the statements that write its rows. ``ledger.store.opening`` opens it.

The log's rows are written in few statements, whose texts are built once. Values go to the drivers without conversion:
what SQLAlchemy does for each costs more than writing it. On SQLite one statement writes one table. On PostgreSQL each
statement is a round trip with the writer's lock held, so one statement writes all rows of all tables, passed as a JSON
text for each table that the server unpacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from copy import copy
from functools import cache, lru_cache
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    Engine,
    LargeBinary,
    Select,
    Text,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - the verbs hold connections, but know no SQLAlchemy
from sqlalchemy import Table as Table  # noqa: PLC0414 - and rows by tables
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ledger.core.messages import Message, plain
from ledger.store.activity import Activity
from ledger.store.connections import (
    BUSY_TIMEOUT_MS,
    POOL_OVERFLOW,
    POOL_SIZE,
    DiskFailed,
    DiskFull,
    ServiceLock,
    WriterLock,
    engine_of,
    parsed_url,
    translated,
    writing,
)

CHECKPOINT_TIMEOUT_MS = 200

CHANGED = Message("Somebody changed the database. Run: tally audit")  # a hint
Row = dict[str, Any]
NewRows = Mapping[Table, Sequence[Row]]
Change = tuple[Table, Row]  # a row of a read model, as an event leaves it
_encoder = msgspec.json.Encoder(enc_hook=plain)  # bytes become base64


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
        self.service_lock = ServiceLock(log)
        self.is_sqlite = log.dialect.name == "sqlite"
        # PostgreSQL's own default would show each statement of a read another state.
        self._reading = log if self.is_sqlite else log.execution_options(isolation_level="REPEATABLE READ")
        self._disk_failure: DiskFailed | None = None
        self.is_full = False  # whether the disk had no room for what was to be written last

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
        except DiskFull:
            self.is_full = True
            raise

    def upsert(self, table: Any) -> Any:
        """Build an insert of this dialect that has ``on_conflict_do_update``."""
        return _upsert(self.log.dialect, table)

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

    @property
    def connections(self) -> tuple[int, int]:
        """Return how many connections to the log are in use, and how many may be: who wants one more waits."""
        pool: Any = self.log.pool
        return pool.checkedout(), POOL_SIZE + POOL_OVERFLOW

    def close(self) -> None:
        self.service_lock.release()
        self.log.dispose()
        self.access.dispose()


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


def one_of(column: ColumnElement[str], texts: Iterable[str] | BindParameter[str]) -> ColumnElement[bool]:
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


def where_set(query: Select[Any], **values: object) -> Select[Any]:
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


def attach(url: str, copies: int = 1) -> Database:
    """Open a database without migrating it: for a process beside the one that called ``open_database``."""
    of_log = of_access = parsed_url(url)
    if of_log.get_backend_name() == "sqlite":
        path = Path(of_log.database or "")
        # In a file of its own: recording a read must not wait for a batch.
        of_access = of_log.set(database=str(path.with_name(f"{path.stem}-access{path.suffix}")))
    return Database(engine_of(of_log), engine_of(of_access), copies)


def fetched(connection: Connection, query: Select[Any], **values: object) -> list[Row]:
    """Return the rows of a query, each by the names of its columns; ``values`` are for its places."""
    # A subquery's names are of a class derived from str, which msgspec takes for no key.
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query, values).mappings()]


def write_rows(connection: Connection, database: Database, new: NewRows, latest: NewRows) -> None:
    """Insert the ``new`` rows, and insert or replace the ``latest`` by their primary keys.

    Each row has every column of its table; no two ``latest`` rows of a table have one key. No table is in both.
    """
    # One round trip for all tables: the writer's lock is held meanwhile.
    if not database.is_sqlite:
        packed_tables = {**new, **latest}
        packed = {table.name: _encoder.encode(rows).decode() for table, rows in packed_tables.items()}
        dialect = database.log.dialect
        parts = [f"to_{table.name} AS ({_statement_text(dialect, table, table in latest)})" for table in packed_tables]
        connection.exec_driver_sql(f"WITH {', '.join(parts)} SELECT 1", packed)
        return
    for tables, replacing in ((new, False), (latest, True)):
        for table, rows in tables.items():
            if rows:
                statement, values_of = _positional(database.log.dialect, table, replacing)
                connection.exec_driver_sql(statement, [values_of(row) for row in rows])


@lru_cache(maxsize=64)
def _positional(dialect: Dialect, table: Table, replacing: bool) -> tuple[str, Callable[[Any], tuple[Any, ...]]]:
    """Return SQLite's statement, and what takes a row's values in the order of its places.

    Values that are passed by their names take the driver half as long again.
    """
    compiled = _statement(dialect, table, replacing).compile(dialect=dialect)
    assert compiled.positiontup is not None, "SQLite's driver takes values by position"
    return str(compiled), _getter(itemgetter, compiled.positiontup)


@lru_cache(maxsize=64)
def _statement_text(dialect: Dialect, table: Table, replacing: bool) -> str:
    return str(_statement(dialect, table, replacing).compile(dialect=dialect))


def _upsert(dialect: Dialect, table: Any) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def _statement(dialect: Dialect, table: Table, replacing: bool) -> Any:
    statement = _upsert(dialect, table)
    if dialect.name != "sqlite":
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
