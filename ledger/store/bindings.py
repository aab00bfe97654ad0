"""Bindings: rows that nobody signs are bound, as they are written, by digests in a chain of their own.

Warnings, stored audits, webhooks, published checkpoints with their signatures and timestamps, chain writes and the
times of commits follow from no event. Each change of such a row adds a record to the chain in the same transaction,
so that a row and its record never exist without each other. The chain's head is sealed with the access log.

The chain has no key. Whoever can write to the database can replace what came since the last seal, together with its
records. What is sealed cannot be replaced without changing the log's root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, Table, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store.tables import (
    ANCHOR_STATES,
    AUDITS,
    BINDINGS,
    CHAIN_WRITES,
    CHECKPOINTS,
    COSIGNATURES,
    ENTRIES,
    META,
    TIMESTAMPS,
    TRIE_NODES,
    WARNINGS,
    WEBHOOKS,
)

FIRST = "blake3:" + "00" * 32  # what the first record follows
PAGE = 1000  # records fetched at a time
PAGE_BACK = 20  # where the last record of a row is looked for, which is mostly a late one

# What is bound of each table. Left out is what follows from other rows.
BOUND: Mapping[Table, frozenset[str]] = {
    table: frozenset(table.columns.keys()) - left_out
    for table, left_out in (
        (WARNINGS, set[str]()),
        (AUDITS, set[str]()),
        (WEBHOOKS, set[str]()),
        (CHECKPOINTS, set[str]()),
        (COSIGNATURES, set[str]()),
        (TIMESTAMPS, set[str]()),
        (CHAIN_WRITES, {"anchor_number"}),
        (ANCHOR_STATES, set[str]()),
        (TRIE_NODES, set[str]()),
    )
}
BOUND_TABLES: Mapping[str, Table] = {table.name: table for table in BOUND}
# What people see and no entry causes: only this calls for a seal. The others come with every entry, a seal's included.
OF_PEOPLE = (WARNINGS.name, AUDITS.name, WEBHOOKS.name)
COMMITS = ENTRIES.name  # by committed size: the first index and the time of the commit, as text
DEPLOYMENT = META.name
VIEWS = "views"  # by file: the digest that it was left with
DATASET_FILES = "dataset files"  # by digest: itself, once the file of a data set is kept
FORGOTTEN = "cosignatures forgotten"  # by the time (unix milliseconds) before which they were, as text


class BindingHead(Struct, frozen=True):
    """The state of the chain: how many records, and the digest of the last one."""

    count: int
    digest: str


class Binding(Struct, frozen=True):
    """A record: for rows of ``of``, by key, the digest of their new content; None for a deleted row."""

    number: int
    previous: str
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


def bind(connection: Connection, of: str, rows: Mapping[str, str | None]) -> None:
    """Add one record for all these rows to the open transaction. Requires the writer's lock."""
    if rows:
        connection.execute(BINDINGS.insert(), record_of(head(connection), of, rows))


def bind_rows(connection: Connection, table: Table, keys: Iterable[Mapping[str, Any]]) -> None:
    """Bind the rows of ``table`` under these primary keys as they are in the open transaction.

    Requires the writer's lock, and that ``BOUND`` has the table.
    """
    bound: dict[str, str | None] = {}
    for key in keys:
        # Read back: bound is what the database gives, whatever it was handed.
        bound[key_of(table, key)] = _digest(connection, table, key)
    bind(connection, table.name, bound)


def require_bound(connection: Connection, table: Table, key: Mapping[str, Any]) -> None:
    """Raise IntegrityBroken unless the row is what was bound last, so that a manipulated row is never bound anew."""
    name = key_of(table, key)
    if _digest(connection, table, key) != last_bound(connection, table.name, name):
        raise IntegrityBroken(
            f"the row {name} of {table.name} is not what was written",
            field=table.name,
            hint="Somebody changed the database. Run: tally audit",
        )


def last_bound(connection: Connection, of: str, key: str) -> str | None:
    """Return the digest that was bound last under the key; None if none was, or if the row was deleted."""
    query = select(BINDINGS.c.record).where(BINDINGS.c.of == of).order_by(BINDINGS.c.number.desc())
    # From the end: the row was bound lately as a rule, and the chain is long.
    for record in connection.execute(query.execution_options(yield_per=PAGE_BACK)).scalars():
        rows = _decoder.decode(record).rows
        if key in rows:
            return rows[key]
    return None


def record_of(behind: BindingHead, of: str, rows: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the row of the record that follows ``behind``."""
    name = str(of)  # SQLAlchemy's names of tables are texts of its own
    record = canonical.encode(Binding(behind.count, behind.digest, name, dict(rows)))
    return {"number": behind.count, "of": name, "record": record, "digest": blake3_text(record)}


def key_of(table: Table, row: Mapping[str, Any]) -> str:
    """Return the primary key of a row as records spell it."""
    key = (row[column.name] for column in table.primary_key.columns)
    return " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)


def digest_of_row(table: Table, row: Mapping[str, Any]) -> str:
    """Return the digest of a row's bound columns. A value of another type gives another digest."""
    values = {name: row[name] for name in BOUND[table]}
    values |= {
        name: {"bytes": blake3_text(bytes(value))}
        for name, value in values.items()
        if isinstance(value, bytes | memoryview)
    }
    return blake3_text(msgspec.json.encode(values, order="sorted"))


def digests(connection: Connection, name: str) -> dict[str, str]:
    """Return the digest of each row of the table, by key.

    Raises IntegrityBroken for a row that the database cannot read.
    """
    table, by_key = BOUND_TABLES[name], dict[str, str]()
    try:
        for row in connection.execute(_raw(table).execution_options(yield_per=PAGE)).mappings():
            values = dict(row)
            by_key[key_of(table, values)] = digest_of_row(table, values)
    except DBAPIError as error:
        raise IntegrityBroken(f"the database cannot read the table {name}", field=name) from error
    return by_key


def _digest(connection: Connection, table: Table, key: Mapping[str, Any]) -> str | None:
    """Return the digest of the row under this primary key, or None."""
    is_the_row = (column == key[column.name] for column in table.primary_key.columns)
    row = connection.execute(_raw(table).where(*is_the_row)).mappings().first()
    return None if row is None else digest_of_row(table, dict(row))


def _raw(table: Table) -> Select[Any]:
    """Select rows without type conversion: SQLite keeps text in a column of numbers if somebody puts it there."""
    columns: list[ColumnElement[Any]] = [type_coerce(column, NullType()).label(column.name) for column in table.columns]
    return select(*columns)


def head(connection: Connection) -> BindingHead:
    """Return the state of the chain."""
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
        yield StoredBinding(row.number, row.digest, _following(row, last))
        last = BindingHead(row.number + 1, row.digest)


def _following(row: Any, last: BindingHead) -> Binding | None:
    if not isinstance(row.record, bytes) or row.digest != blake3_text(row.record):
        return None
    try:
        binding = _decoder.decode(row.record)
    except msgspec.MsgspecError:
        return None
    position = (binding.number, binding.previous, binding.of)
    return binding if position == (last.count, last.digest, row.of) and row.number == last.count else None
