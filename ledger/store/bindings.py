"""Bindings: rows that nobody signs are bound, as they are written, by digests in a chain of their own.

Warnings, kept audits, webhooks, published checkpoints with what lies under them, chain writes and the times of commits
follow from no event. Each change of such a row adds a record to the chain, in the same transaction: so a row and its
record are never one without the other. The head of the chain goes into the log of reads whenever that is sealed.

The chain has no key. What came since the last seal can be replaced together with its records by whoever writes to the
database; what is sealed cannot, without another root of the log.
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
    """How many records the chain has, and the digest of the last one."""

    count: int
    digest: str


class Binding(Struct, frozen=True):
    """A record: for rows of ``of``, by their keys, the digest of what they now are; None where they are gone."""

    number: int
    previous: str
    of: str
    rows: dict[str, str | None]


class StoredBinding(Struct, frozen=True):
    """A record as it is stored; ``binding`` is None where it does not follow the one before."""

    number: int
    digest: str
    binding: Binding | None


# As text, since every batch of entries asks for it: to make and look up the statement costs more than to run it.
_HEAD = f"SELECT number, digest FROM {BINDINGS.name} ORDER BY number DESC LIMIT 1"  # noqa: S608 - of our own names
_decoder = decoder_of(Binding)


def bind(connection: Connection, of: str, rows: Mapping[str, str | None]) -> None:
    """Adds one record for all these rows to the open transaction. Requires the writer's lock."""
    if rows:
        connection.execute(BINDINGS.insert(), record_of(head(connection), of, rows))


def bind_rows(connection: Connection, table: Table, keys: Iterable[Mapping[str, Any]]) -> None:
    """Binds the rows of ``table`` under these primary keys as they stand in the open transaction.

    Requires the writer's lock, and the table among those of ``BOUND``.
    """
    bound: dict[str, str | None] = {}
    for key in keys:
        bound[key_of(table, key)] = _digest(connection, table, key)
    bind(connection, table.name, bound)


def require_bound(connection: Connection, table: Table, key: Mapping[str, Any]) -> None:
    """Raises IntegrityBroken unless the row is what was bound last: what somebody changed is not bound anew."""
    name = key_of(table, key)
    if _digest(connection, table, key) != last_bound(connection, table.name, name):
        raise IntegrityBroken(
            f"the row {name} of {table.name} is not what was written",
            field=table.name,
            hint="Somebody changed the database. Run: tally audit",
        )


def last_bound(connection: Connection, of: str, key: str) -> str | None:
    """What was bound last under the key; None where nothing was, or that the row is gone."""
    query = select(BINDINGS.c.record).where(BINDINGS.c.of == of).order_by(BINDINGS.c.number.desc())
    for record in connection.execute(query.execution_options(yield_per=PAGE_BACK)).scalars():
        rows = _decoder.decode(record).rows
        if key in rows:
            return rows[key]
    return None


def record_of(behind: BindingHead, of: str, rows: Mapping[str, str | None]) -> dict[str, Any]:
    """The row of a record that follows ``behind``."""
    name = str(of)  # SQLAlchemy's names of tables are texts of its own
    record = canonical.encode(Binding(behind.count, behind.digest, name, dict(rows)))
    return {"number": behind.count, "of": name, "record": record, "digest": blake3_text(record)}


def key_of(table: Table, row: Mapping[str, Any]) -> str:
    """The primary key of a row, as records have it."""
    key = (row[column.name] for column in table.primary_key.columns)
    return " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)


def digest_of_row(table: Table, row: Mapping[str, Any]) -> str:
    """Of the columns that are bound; bytes by their own digests. Another type of value is another digest."""
    values = {name: _spelled(row[name]) for name in sorted(BOUND[table])}
    return blake3_text(msgspec.json.encode(values, order="sorted"))


def _spelled(value: Any) -> Any:
    return {"bytes": blake3_text(bytes(value))} if isinstance(value, bytes | memoryview) else value


def digests(connection: Connection, name: str) -> dict[str, str]:
    """The digest of each row that the table of this name has, by its key. Raises IntegrityBroken for one that the
    database cannot read.
    """
    table, found = BOUND_TABLES[name], dict[str, str]()
    try:
        for row in connection.execute(_raw(table).execution_options(yield_per=PAGE)).mappings():
            values = dict(row)
            found[key_of(table, values)] = digest_of_row(table, values)
    except DBAPIError as error:
        raise IntegrityBroken(f"the database cannot read the table {name}", field=name) from error
    return found


def _digest(connection: Connection, table: Table, key: Mapping[str, Any]) -> str | None:
    """Of the row under this primary key; None where there is none."""
    is_the_row = (column == key[column.name] for column in table.primary_key.columns)
    row = connection.execute(_raw(table).where(*is_the_row)).mappings().first()
    return None if row is None else digest_of_row(table, dict(row))


def _raw(table: Table) -> Select[Any]:
    """The rows as the driver gives them: SQLite keeps a text in a column of numbers if somebody puts one there."""
    columns: list[ColumnElement[Any]] = [type_coerce(one, NullType()).label(one.name) for one in table.columns]
    return select(*columns)


def head(connection: Connection) -> BindingHead:
    """Where the chain stands."""
    row = connection.exec_driver_sql(_HEAD).first()
    return BindingHead(row.number + 1, row.digest) if row else BindingHead(0, FIRST)


def is_of_people(connection: Connection, since: int) -> bool:
    """Whether one of the records from the number ``since`` on binds what people see and no event causes."""
    query = select(BINDINGS.c.number).where(BINDINGS.c.number >= since, BINDINGS.c.of.in_(OF_PEOPLE)).limit(1)
    return connection.execute(query).first() is not None


def stored(connection: Connection) -> Iterator[StoredBinding]:
    """All records in their order, each with whether it follows."""
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
    said = (binding.number, binding.previous, binding.of)
    return binding if said == (last.count, last.digest, row.of) and row.number == last.count else None
