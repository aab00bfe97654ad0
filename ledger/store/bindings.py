"""Bindings: rows that nobody signs are bound, as they are written, by digests in a chain of their own.

Warnings, notices, stored audits, webhooks, evidence files with their checks, files of data sets, open stocktakes with
their scans, published checkpoints with their signatures and timestamps, chain writes and the times of commits follow
from no event, or are checked by none. Each change of such a row adds a record to the chain in the same transaction, so
that a row and its record never exist without each other. The chain's head is sealed with the access log.

The chain has no key. Whoever can write to the database can replace what came since the last seal, together with its
records. What is sealed cannot be replaced without changing the log's root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, Connection, Select, Table, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store.chain_tables import ANCHOR_STATES, CHAIN_WRITES, TRIE_NODES
from ledger.store.database import CHANGED, key_names, key_of
from ledger.store.evidence_tables import EVIDENCE_FILES, FILE_CHECKS, FILES_TO_DELETE, ITEM_FILES
from ledger.store.notice_tables import NOTICES
from ledger.store.stocktake_tables import OPEN_STOCKTAKES, STOCKTAKE_EXPECTED, STOCKTAKE_SCANS
from ledger.store.tables import (
    AUDITS,
    BINDINGS,
    CHECKPOINTS,
    COSIGNATURES,
    DATASET_FILES,
    ENTRIES,
    META,
    TIMESTAMPS,
    WARNINGS,
    WEBHOOKS,
)

FIRST = "blake3:" + "00" * 32  # what the first record follows
PAGE = 1000  # records fetched at a time
PAGE_OF_FILES = 16  # parts of files fetched at a time
PAGE_BACK = 20  # where the last record of a row is looked for, which is mostly a late one

_OF_SERVICE = (WARNINGS, NOTICES, AUDITS, WEBHOOKS, CHECKPOINTS, COSIGNATURES, TIMESTAMPS)
_OF_FILES = (EVIDENCE_FILES, ITEM_FILES, FILE_CHECKS, FILES_TO_DELETE, DATASET_FILES)
_OF_STOCKTAKES = (OPEN_STOCKTAKES, STOCKTAKE_EXPECTED, STOCKTAKE_SCANS)
_OF_CHAIN = (CHAIN_WRITES, ANCHOR_STATES, TRIE_NODES)
BOUND_TABLES: Mapping[str, Table] = {
    table.name: table for table in (*_OF_SERVICE, *_OF_FILES, *_OF_STOCKTAKES, *_OF_CHAIN)
}
UNBOUND = "anchor_number"  # the one column that is not bound: it follows from other rows
# What people see and no entry causes: only this calls for a seal. The others come with entries, a seal's included.
OF_PEOPLE = (
    WARNINGS.name,
    AUDITS.name,
    WEBHOOKS.name,
    FILE_CHECKS.name,
    OPEN_STOCKTAKES.name,
    STOCKTAKE_SCANS.name,
)
COMMITS = ENTRIES.name  # by committed size: the first index and the time of the commit, as text
FACTS = META.name
VIEWS = "views"  # by file: the digest that it was left with
FORGOTTEN = "cosignatures forgotten"  # by the time (unix milliseconds) before which they were, as text


class BindingHead(Struct, frozen=True):
    """The state of the chain: how many records, and the digest of the last one."""

    count: Annotated[int, Meta(ge=0, lt=2**53)]
    digest: str


class ChainedRecord(Struct, frozen=True, omit_defaults=True):
    """A record of a chain of digests: its number from 0, and the digest of the record before."""

    number: int
    previous: str


class Binding(ChainedRecord, frozen=True):
    """A record: for rows of ``of``, by key, the digest of their new content; None for a deleted row."""

    of: str
    rows: dict[str, str | None]


class StoredBinding(Struct, frozen=True):
    """A record as it is stored; ``binding`` is None if it does not follow the one before."""

    number: int
    digest: str
    binding: Binding | None


# Plain text, because every batch runs it: building and looking up the statement costs more than running it.
_HEAD = f"SELECT number, digest FROM {BINDINGS.name} ORDER BY number DESC LIMIT 1"  # noqa: S608 - of our own names
_decoder = decoder_of(Binding)
R = TypeVar("R", bound=ChainedRecord)


def bind(connection: Connection, of: str, rows: Mapping[str, str | None]) -> None:
    """Add one record for all these rows to the open transaction. Requires the writer's lock."""
    if rows:
        connection.execute(BINDINGS.insert(), record_of(head(connection), of, rows))


def bind_fact(connection: Connection, name: str, value: str) -> None:
    """Bind a fact of the installation, as it is stored in the open transaction. Requires the writer's lock."""
    bind(connection, FACTS, {name: blake3_text(value.encode())})


def bind_rows(connection: Connection, table: Table, keys: Iterable[Mapping[str, Any]]) -> None:
    """Bind the rows of ``table`` under these primary keys as they are in the open transaction.

    Requires the writer's lock, and that ``BOUND_TABLES`` has the table.
    """
    # Read back: bound is what the database gives, whatever it was handed.
    bind(connection, table.name, {" ".join(key_of(table, key)): _digest(connection, table, key) for key in keys})


def bind_part(connection: Connection, table: Table, **part: str) -> None:
    """Bind all rows of ``table`` that have this ``part`` in their keys, in one record, as ``bind_rows`` does."""
    bind(connection, table.name, digests(connection, table.name, **part))


def require_bound(connection: Connection, table: Table, key: Mapping[str, Any]) -> None:
    """Raise IntegrityBroken unless the row is what was bound last, so that a manipulated row is never bound anew."""
    name = " ".join(key_of(table, key))
    if _digest(connection, table, key) != last_bound(connection, table.name, name):
        raise not_as_written(table, name)


def not_as_written(table: Table, name: str) -> IntegrityBroken:
    """Return the error for a row that somebody else than the service has changed, named by its key."""
    field = str(table.name)  # SQLAlchemy's names of tables are texts of its own
    return IntegrityBroken(
        "row {name} of {table.name} is not as written", name=name, table=table, field=field, hint=CHANGED
    )


def last_bound(connection: Connection, of: str, key: str) -> str | None:
    """Return the digest that was bound last under the key; None if none was, or if the row was deleted."""
    last = _last_with(connection, of, key)
    return None if last is None else last.rows[key]


def last_record(connection: Connection, table: Table, key: Mapping[str, Any]) -> int:
    """Return the number of the record that bound a row last, or its deletion; 0 if none did."""
    last = _last_with(connection, table.name, " ".join(key_of(table, key)))
    return 0 if last is None else last.number


def _last_with(connection: Connection, of: str, key: str) -> Binding | None:
    # From the end: the row was bound lately as a rule, and the chain is long.
    backwards = _bound_with(connection, of, (key,), is_backwards=True)
    return next((record for record in backwards if key in record.rows), None)


def _bound_with(
    connection: Connection, of: str, words: Collection[str], *, since: int = 0, is_backwards: bool = False
) -> Iterator[Binding]:
    """Yield the records of ``of`` from a number on in whose text all these words are: no other need be decoded.

    They come in order, or the last one first.
    """
    written = [canonical.encode(word)[1:-1] for word in words]
    number, page = BINDINGS.c.number, PAGE_BACK if is_backwards else PAGE
    query = select(BINDINGS.c.record).where(BINDINGS.c.of == of, number >= since)
    query = query.order_by(number.desc() if is_backwards else number)
    for record in connection.execute(query.execution_options(yield_per=page)).scalars():
        if all(word in record for word in written):
            yield _decoder.decode(record)


def record_of(behind: BindingHead, of: str, rows: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the row of the record that follows ``behind``."""
    name = str(of)  # SQLAlchemy's names of tables are texts of its own
    record = canonical.encode(Binding(behind.count, behind.digest, name, dict(rows)))
    return {"number": behind.count, "of": name, "record": record, "digest": blake3_text(record)}


def digest_of_row(table: Table, row: Mapping[str, Any]) -> str:
    """Return the digest of a row's bound columns. A value of another type gives another digest."""
    values = {name: _bound(row[name]) for name in set(table.columns.keys()) - {UNBOUND}}
    return blake3_text(msgspec.json.encode(values, order="sorted"))


def _bound(value: object) -> object:
    """Return a value as it is bound: the same in either database, so that a row may move to the other one."""
    if isinstance(value, bytes | memoryview):
        return {"bytes": blake3_text(bytes(value))}
    return int(value) if isinstance(value, bool) else value  # which SQLite has as a number


def digests(connection: Connection, name: str, **part: str) -> dict[str, str]:
    """Return the digest of each row of the table by key, or of those that have this ``part`` in their keys.

    Raises IntegrityBroken for a row that the database cannot read.
    """
    table = BOUND_TABLES[name]
    query = _raw(table).where(*(table.c[column] == value for column, value in part.items()))
    try:
        rows = connection.execute(query.execution_options(yield_per=page_of(table))).mappings()
        return {" ".join(key_of(table, row)): digest_of_row(table, row) for row in map(dict, rows)}
    except DBAPIError as error:
        raise IntegrityBroken("the database cannot read the table {name}", name=name, field=name) from error


def page_of(table: Table) -> int:
    """Return how many rows of a table are fetched at a time."""
    return PAGE_OF_FILES if table is DATASET_FILES else PAGE


def ever_bound(connection: Connection, table: Table, **part: str) -> set[str]:
    """Return the keys under which rows of a table were ever bound; ``part`` is as for ``unlike``."""
    columns = key_names(table)
    return {
        key
        for record in _bound_with(connection, table.name, part.values())
        for key in record.rows
        if part.items() <= dict(zip(columns, key.split(" "), strict=False)).items()
    }


def unlike(connection: Connection, table: Table, *, since: int = 0, **part: str) -> list[str]:
    """Return the keys of the rows of a table that are not what was bound last: changed, added or deleted.

    ``part`` are columns of the primary key, all without spaces, and values: only rows with these are compared. They
    were bound by records from the number ``since`` on. Raises IntegrityBroken for a row that the database cannot read.
    """
    bound = dict[str, str | None]()
    for record in _bound_with(connection, table.name, part.values(), since=since):
        bound |= record.rows
    rows = digests(connection, table.name, **part)
    columns = key_names(table)
    return sorted(
        key
        for key in bound.keys() | rows.keys()
        if bound.get(key) != rows.get(key) and part.items() <= dict(zip(columns, key.split(" "), strict=False)).items()
    )


def _digest(connection: Connection, table: Table, key: Mapping[str, Any]) -> str | None:
    """Return the digest of the row under this primary key, or None. Raises IntegrityBroken if it cannot be read."""
    is_the_row = (column == key[column.name] for column in table.primary_key.columns)
    try:
        row = connection.execute(_raw(table).where(*is_the_row)).mappings().first()
    except DBAPIError as error:
        raise not_as_written(table, " ".join(key_of(table, key))) from error
    return None if row is None else digest_of_row(table, dict(row))


def _raw(table: Table) -> Select[Any]:
    """Select rows without type conversion: SQLite keeps text in a column of numbers if somebody puts it there."""
    columns: list[ColumnElement[Any]] = [type_coerce(column, NullType()).label(column.name) for column in table.columns]
    return select(*columns)


def head(connection: Connection) -> BindingHead:
    """Return the state of the chain."""
    # Numbers have no gap, so the last one tells how many there are.
    row = connection.exec_driver_sql(_HEAD).first()
    return BindingHead(row.number + 1, row.digest) if row else BindingHead(0, FIRST)


def is_of_people(connection: Connection, since: int) -> bool:
    """Return whether a record from the number ``since`` on binds rows that people see and no event causes."""
    query = select(BINDINGS.c.number).where(BINDINGS.c.number >= since, BINDINGS.c.of.in_(OF_PEOPLE)).limit(1)
    return connection.execute(query).first() is not None


def stored(connection: Connection) -> Iterator[StoredBinding]:
    """Yield all records in order, each checked against the one before."""
    last = BindingHead(0, FIRST)
    for row in connection.execute(select(BINDINGS).order_by(BINDINGS.c.number).execution_options(yield_per=PAGE)):
        binding = following(row, last.count, last.digest, _decoder)
        yield StoredBinding(row.number, row.digest, binding if binding and binding.of == row.of else None)
        last = BindingHead(row.number + 1, row.digest)


def following(row: Any, count: int, digest: str, decoder: msgspec.json.Decoder[R]) -> R | None:
    """Return a row's record, or None unless it is intact and comes after ``count`` records, the last of this digest."""
    # SQLite keeps a text in a column of bytes if somebody puts one there.
    if not isinstance(row.record, bytes) or row.digest != blake3_text(row.record):
        return None
    try:
        record = decoder.decode(row.record)
    except msgspec.MsgspecError:
        return None
    return record if (row.number, record.number, record.previous) == (count, count, digest) else None
