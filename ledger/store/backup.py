"""The rows of a backup: what of a database is kept, in which order it is read, and how it is put into another one.

What follows from the entries is not kept: the tree's tiles, the heads of streams, feeds, lists, the tables that
searches read, the head map. A restore builds it anew. What is kept is read in two ways. Rows that are numbered and
never change are read in ranges of ``EACH`` numbers, and a full range is not read again, unless one of its sections was
erased. All other tables are small or change little, and are read whole, in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from blake3 import blake3
from sqlalchemy import Connection, Table, delete, func, insert, select, update

from ledger.core.errors import Conflict, TallystickError
from ledger.core.events.record import SectionErased
from ledger.core.messages import Message
from ledger.store import bindings, head_map, log
from ledger.store.access import ACCESS_LOG, AccessHead, AccessLog, binding_head_of
from ledger.store.append import PROJECTED
from ledger.store.bindings import BindingHead
from ledger.store.connections import WriterLock, translated, writing
from ledger.store.database import Database, Row, attach, key_of, write_rows
from ledger.store.migrating import metadata, require_newest
from ledger.store.partitions import make_ahead
from ledger.store.phones import PHONES
from ledger.store.tables import (
    BINDINGS,
    CHALLENGES,
    ENTRIES,
    FLAGS,
    KEPT_STATES,
    MAP_PAGES,
    META,
    NAME_PARTS,
    SECTIONS,
    STREAMS,
    TILES,
    TREE,
    WORD_PARTS,
)
from ledger.store.word_parts import POSITION

EACH = 4096  # numbers of a range
PAGE = 1000  # rows fetched at a time
CUT_AT = 0x3FF  # a part of a table ends at a key whose digest has these bits unset: one in 1,024
MOST_BYTES = 1 << 24  # of the values of a part, about
CACHE_KIB = 1 << 18  # of SQLite's pages, while rows are put back
Values = Sequence[Any]  # of a row, in the order of its table's columns


class Numbered(NamedTuple):
    """A series of rows numbered from 0 without gaps; rows of its tables that share a number belong together."""

    name: str
    tables: tuple[Table, ...]

    def column(self, table: Table) -> Any:
        """Return the column that has the number."""
        return table.c.number if "number" in table.c else table.c.log_index


LOG = Numbered("log", (ENTRIES, SECTIONS, FLAGS))
BOUND = Numbered("bindings", (BINDINGS,))
READS = Numbered("reads", (ACCESS_LOG,))
NUMBERED = (LOG, BOUND, READS)

# They follow from the entries, or save work.
DERIVED = frozenset((STREAMS, TILES, KEPT_STATES, MAP_PAGES, WORD_PARTS, NAME_PARTS, *PROJECTED))
PASSING = frozenset((CHALLENGES, PHONES))  # of some minutes or hours: sign-ins that wait, and what phones prepare
_FORGOTTEN_FACTS = (POSITION, head_map.MAP_STATE)  # how far the tables that are not kept have come


def whole_tables() -> list[Table]:
    """Return the tables of which a backup has every row, in an order that does not change."""
    numbered = {table for series in NUMBERED for table in series.tables}
    tables = metadata("log").tables.values()
    return sorted(
        (table for table in tables if table not in DERIVED | PASSING | numbered), key=lambda table: table.name
    )


class NewerBackup(TallystickError):
    """A backup with what this version of the program does not know."""

    code = "backup_newer"


def newer(name: str) -> NewerBackup:
    """Return the error of a backup with a table or column that this version does not know."""
    return NewerBackup(
        "the backup has {name}, which this version of the program does not know",
        name=name,
        hint="Nothing was restored. Restore with the version that made the backup, or a later one.",
    )


def table_named(name: str) -> Table | None:
    """Return the table of the log or of the log of reads that has this name."""
    return ACCESS_LOG if name == ACCESS_LOG.name else metadata("log").tables.get(name)


def columns_of(table: Table) -> tuple[str, ...]:
    """Return the names of the columns of a table, in their order."""
    return tuple(str(column.name) for column in table.columns)


def attach_to_read(url: str) -> Database:
    """Open the database of a service, which may run, to read it. Raises IntegrityBroken for another version's."""
    database = attach(url)
    with translated():
        for engine, store in database.stores:
            require_newest(engine, store)
    return database


# -- reading -----------------------------------------------------------------------------------------------------------


class RangePart(NamedTuple):
    """Rows by table, for ``numbers`` consecutive numbers beginning at ``start``."""

    start: int
    numbers: int
    by_table: dict[Table, list[Values]]


def read_range(connection: Connection, series: Numbered, start: int, end: int) -> Iterator[RangePart]:
    """Yield the rows of the numbers ``start <= i < end``, in the order of their keys, in parts of bounded weight."""
    first, *others = series.tables
    number = series.column(first)
    query = select(first).where(number >= start, number < end).order_by(number).execution_options(yield_per=PAGE)
    part: list[Values] = []
    weight = 0
    for row in connection.execute(query):
        part.append(tuple(row))
        weight += _weight(row)
        if weight >= MOST_BYTES:
            yield _with_others(connection, series, others, start, part)
            start += len(part)
            part, weight = [], 0
    if part:
        yield _with_others(connection, series, others, start, part)


def _with_others(
    connection: Connection, series: Numbered, others: Sequence[Table], start: int, part: list[Values]
) -> RangePart:
    by_table = {series.tables[0]: part}
    for table in others:
        number = series.column(table)
        query = select(table).where(number >= start, number < start + len(part))
        by_table[table] = [tuple(row) for row in connection.execute(query.order_by(*table.primary_key.columns))]
    return RangePart(start, len(part), by_table)


def _weight(values: Values) -> int:
    return sum(len(value) for value in values if isinstance(value, str | bytes))


def read_reads(database: Database, start: int, end: int) -> Iterator[RangePart]:
    """Yield the records of the log of reads with numbers ``start <= i < end``, which never change."""
    with translated(), database.access.connect() as connection:
        yield from read_range(connection, READS, start, end)


def read_parts(connection: Connection, table: Table) -> Iterator[list[Values]]:
    """Yield the rows of a table in parts, whose ends depend on the keys alone: a new row changes one part."""
    part: list[Values] = []
    weight = 0
    names = columns_of(table)
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=bindings.page_of(table))
    for row in connection.execute(query):
        values = tuple(row)
        part.append(values)
        weight += _weight(values)
        key = "\0".join(key_of(table, dict(zip(names, values, strict=True))))
        if weight >= MOST_BYTES or not int.from_bytes(blake3(key.encode()).digest(2)) & CUT_AT:
            yield part
            part, weight = [], 0
    if part:
        yield part


def erased_since(connection: Connection, start: int, end: int) -> set[int]:
    """Return the indices of the entries of which the entries ``start <= i < end`` erase a section."""
    query = select(*log.ENTRY_COLUMNS).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    erasing = [log.StoredEntry(*row) for row in connection.execute(query.where(ENTRIES.c.event_type == _ERASED))]
    bodies = (log.event_of(entry).body for entry in erasing)
    event_ids = [body.concerns.event_id for body in bodies if isinstance(body, SectionErased)]
    return (
        {entry.log_index for entry in log.entries_by_event_id(connection, event_ids).values()} if event_ids else set()
    )


_ERASED = "section.erased"


def reads_within(database: Database, bound: BindingHead) -> AccessHead:
    """Return the head of the log of reads before the first record that knows more bindings than these.

    The two are read one after the other, and a later record would name bindings that the backup lacks.
    """
    with translated(), database.access.connect() as connection:
        end = connection.execute(select(func.max(ACCESS_LOG.c.number))).scalar()
        count = 0 if end is None else end + 1
        of_bindings = select(ACCESS_LOG.c.number, ACCESS_LOG.c.record).where(ACCESS_LOG.c.agency.is_(None))
        newest_first = of_bindings.order_by(ACCESS_LOG.c.number.desc()).execution_options(yield_per=bindings.PAGE_BACK)
        for row in connection.execute(newest_first):
            head = binding_head_of(row.record)
            if head is not None and head.count <= bound.count:
                break
            count = row.number
    return _reads_head(database, count)


def has_reads(database: Database, head: AccessHead) -> bool:
    """Tell whether the log of reads continues this head."""
    return _reads_head(database, head.count) == head


def _reads_head(database: Database, count: int) -> AccessHead:
    digest = AccessLog(database).digest_after(count)
    return AccessHead(0, bindings.FIRST) if digest is None else AccessHead(count, digest)


def has_bindings(connection: Connection, head: BindingHead) -> bool:
    """Tell whether the chain of bindings continues this head."""
    digest = connection.execute(select(BINDINGS.c.digest).where(BINDINGS.c.number == head.count - 1)).scalar()
    return head.count == 0 or digest == head.digest


# -- putting back ------------------------------------------------------------------------------------------------------


def begin_restoring(database: Database, tree: Row) -> None:
    """Mark an empty database as one into which this tree is restored. What a restore that was cut off left is deleted.

    Raises Conflict if it holds a ledger, or anything else.
    """
    tables = [*metadata("log").tables.values()]
    with database.write() as connection:
        is_cut_off = connection.execute(select(TREE.c.log_id)).scalar() == log.RESTORING
        if not is_cut_off and any(connection.execute(select(table).limit(1)).first() for table in tables):
            raise _not_empty()
        for table in tables:
            connection.execute(delete(table))
        connection.execute(insert(TREE).values(tree | {"log_id": log.RESTORING}))
    with translated(), writing(database.access, WriterLock.ACCESS) as connection:
        if not is_cut_off and connection.execute(select(ACCESS_LOG.c.number).limit(1)).first():
            raise _not_empty()
        connection.execute(delete(ACCESS_LOG))
    make_ahead(database)  # makes the partitions that a tree of this size needs


def _not_empty() -> Conflict:
    hint = Message("Restore into a new one; nothing is written over.")
    return Conflict("the database is not empty", field="database_url", code="not_empty", hint=hint)


def put_rows(database: Database, rows: Mapping[Table, Sequence[Row]]) -> None:
    """Insert rows that are not there yet, in one transaction. Rows of the log of reads go into its own store."""
    of_reads = {table: part for table, part in rows.items() if table is ACCESS_LOG and part}
    of_log = {table: part for table, part in rows.items() if table is not ACCESS_LOG and part}
    if of_reads:
        with translated(), writing(database.access, WriterLock.ACCESS) as connection:
            write_rows(connection, database, of_reads, {})
    if of_log:
        with _writing(database) as connection:
            write_rows(connection, database, of_log, {})


def put_latest(database: Database, rows: Mapping[Table, Sequence[Row]]) -> None:
    """Insert rows or replace those with the same keys, in one transaction."""
    latest = {table: part for table, part in rows.items() if part}
    if latest:
        with _writing(database) as connection:
            write_rows(connection, database, {}, latest)


@contextmanager
def _writing(database: Database) -> Iterator[Connection]:
    with database.lock() as connection:
        if database.is_sqlite:  # rows come in an order that is not that of every index
            connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KIB}")
        yield connection


def kept_rows_of(table: Table, names: Sequence[str], parts: Collection[Values]) -> list[Row]:
    """Return rows of a backup as this version's table has them.

    A column that the backup lacks has its default, or is empty. Facts of what is made anew are left out. Raises
    NewerBackup for a column that this version does not know: what it has would be lost.
    """
    empty: Row = {name: getattr(table.c[name].default, "arg", None) for name in columns_of(table)}
    strange = [name for name in names if name not in empty]
    if strange:
        raise newer(f"{table.name}.{strange[0]}")
    rows = [empty | dict(zip(names, values, strict=True)) for values in parts]
    return [row for row in rows if row["name"] not in _FORGOTTEN_FACTS] if table is META else rows


def end_restoring(database: Database, tree: Row) -> None:
    """Give the database the id of its ledger's log: from now on it is that ledger's.

    The head map is begun anew before, which the chain of bindings records.
    """
    head_map.forget(database)
    with database.write() as connection:
        connection.execute(update(TREE).values(log_id=tree["log_id"]))
