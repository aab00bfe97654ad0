"""Writing many rows of many tables in few statements, whose texts are built once.

Values go to the drivers without conversion: what SQLAlchemy does for each costs more than writing it. On SQLite one
statement writes one table. On PostgreSQL each statement is a round trip with the writer's lock held, so one statement
writes all rows of all tables, passed as a JSON text for each table that the server unpacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSON

from ledger.store.database import Database

Row = dict[str, Any]
NewRows = Mapping[Table, Sequence[Row]]

_encoder = msgspec.json.Encoder()  # bytes become base64


def fetched(connection: Connection, query: Select[Any]) -> list[Row]:
    """Return the rows of a query, each by the names of its columns."""
    return [dict(row) for row in connection.execute(query).mappings()]


def write(connection: Connection, database: Database, new: NewRows, latest: NewRows) -> None:
    """Insert the ``new`` rows, and insert or replace the ``latest`` by their primary keys.

    Each row has every column of its table; no two ``latest`` rows of a table have one key. The tables of both must be
    the same from call to call, with or without rows, since the statement's text is cached by them.
    """
    if not database.is_sqlite:
        packed = {table.name: _encoder.encode(rows).decode() for table, rows in (*new.items(), *latest.items())}
        connection.exec_driver_sql(_together(database, tuple(new), tuple(latest)), packed)
        return
    for tables, replacing in ((new, False), (latest, True)):
        for table, rows in tables.items():
            if rows:
                connection.exec_driver_sql(_text(database, table, replacing), list(rows))


@lru_cache(maxsize=8)
def _together(database: Database, new: tuple[Table, ...], latest: tuple[Table, ...]) -> str:
    texts = [(table.name, _text(database, table, table in latest)) for table in (*new, *latest)]
    return f"WITH {', '.join(f'to_{name} AS ({text})' for name, text in texts)} SELECT 1"


@lru_cache(maxsize=64)
def _text(database: Database, table: Table, replacing: bool) -> str:
    statement = database.upsert(table)
    if not database.is_sqlite:
        statement = statement.from_select(table.columns.keys(), _unpacked(table))
    if replacing:
        keys = [column.name for column in table.columns if column.primary_key]
        changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return database.text_of(statement)


def _unpacked(table: Table) -> Select[Any]:
    """Select the rows of the JSON text that is passed under the table's name."""
    packed = [
        column(table_column.name, Text() if _is_bytes(table_column) else table_column.type)
        for table_column in table.columns
    ]
    rows = func.json_to_recordset(bindparam(table.name, type_=JSON)).table_valued(*packed, name="packed")
    rows = rows.render_derived(with_types=True)
    return select(*(_value(table_column, rows.c[table_column.name]) for table_column in table.columns))


def _value(of: Column[Any], packed: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.decode(packed, literal_column("'base64'")) if _is_bytes(of) else packed


def _is_bytes(table_column: Column[Any]) -> bool:
    return isinstance(table_column.type, LargeBinary)
