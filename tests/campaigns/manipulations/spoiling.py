"""Manipulations of a ledger's files, made by chance from what is in them: every table, every column, the schema, files.

Each is what somebody can do who may write to the database or the data directory, and has no key.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

DATABASES = ("tallystick.db", "tallystick-access.db")
VIEWS = Path("supervision") / "views.duckdb"
# Of which the service reads what others are told. Keys, passphrases and the operator's own settings are not among them.
FILES = ("trust.json", "installation.json", "supervision/views.duckdb")

Value = int | float | str | bytes | None
Row = dict[str, Value]
Statement = tuple[str, list[Value]]

_NEW_KEYS: dict[type, Value] = {int: 1_000_003, str: "x-inserted", bytes: b"x-inserted", float: 1.5}


@dataclass(frozen=True)
class Manipulation:
    """``apply`` does it to the data directory that it is given; ``name`` says to what, and ``kind`` what."""

    kind: str
    name: str
    apply: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def manipulations(folder: Path, chance: random.Random) -> list[Manipulation]:
    """For each table a change of every column, a deletion, an insertion and an exchange of two rows; then the schema,
    the views and the files. ``folder`` has the data directory that they will be made in copies of.
    """
    collected: list[Manipulation] = []
    for database in DATABASES:
        with closing(sqlite3.connect(folder / database)) as connection:
            connection.text_factory = bytes.decode
            for table in _tables(connection):
                collected += _of_table(database, _Table(connection, table), chance)
            collected += _of_schema(database, connection)
    return [*collected, *_of_views(folder, chance), *_of_files(folder, chance)]


def rows_of(folder: Path, table: str) -> list[Row]:
    """Return the rows of a table of the log's database."""
    with closing(sqlite3.connect(folder / DATABASES[0])) as connection:
        connection.text_factory = bytes.decode
        return _Table(connection, table).rows


class _Table:
    """A table with its rows as they are."""

    def __init__(self, connection: sqlite3.Connection, name: str):
        self.name = name
        columns = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
        self.columns = [column[1] for column in columns]
        self.required = {column[1] for column in columns if column[3] or column[5]}
        self.key = [column[1] for column in columns if column[5]] or self.columns
        rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
        self.rows: list[Row] = [dict(zip(self.columns, row, strict=True)) for row in rows]


def _tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def _of_table(database: str, table: _Table, chance: random.Random) -> Iterator[Manipulation]:
    if not table.rows:
        yield _insertion(database, table, {})
        return
    for column in table.columns:
        row = chance.choice(table.rows)
        value = _other(table, column, row, chance)
        yield statements("change", f"{table.name}.{column}", database, _update(table, row, {column: value}))
        retyped = _of_another_type(row[column])
        yield statements("retype", f"{table.name}.{column}", database, _update(table, row, {column: retyped}))
    row = chance.choice(table.rows)
    yield statements("delete", table.name, database, _delete(table, row))
    last = max(table.rows, key=lambda candidate: tuple(str(candidate[name]).zfill(20) for name in table.key))
    yield statements("cut", table.name, database, _delete(table, last))
    yield _insertion(database, table, chance.choice(table.rows))
    if (unlike := _unlike(table, row)) and set(table.key) != set(table.columns):
        yield _swap(database, table, row, chance.choice(unlike))


def _unlike(table: _Table, row: Row) -> list[Row]:
    """Return the rows that say something else beside their keys."""
    values = [name for name in table.columns if name not in table.key]
    return [candidate for candidate in table.rows if any(candidate[name] != row[name] for name in values)]


def _other(table: _Table, column: str, row: Row, chance: random.Random) -> Value:
    """Return another value: of another row where there is one, so that it is a likely one, else one made up."""
    others = [
        candidate[column]
        for candidate in table.rows
        if candidate[column] != row[column] and candidate[column] is not None
    ]
    alone = column in table.key
    if others and not alone and chance.random() < 0.7:
        return chance.choice(others)
    match row[column]:
        case int(number):
            return number + chance.choice((1, 1000)) if number not in (0, 1) or alone else 1 - number
        case str(text):
            return text + "x" if chance.random() < 0.5 or not text else text[:-1] + ("0" if text[-1] != "0" else "1")
        case bytes(data):
            changed = bytearray(data or b"\0")
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            return bytes(changed)
    return others[0] if others else 1


def _of_another_type(value: Value) -> Value:
    """Return the same as bytes; of bytes nearly the same as text. SQLite keeps either in any column."""
    return f"{value.decode('latin-1')} " if isinstance(value, bytes) else str(value).encode()


def _where(table: _Table, row: Row) -> Statement:
    return " AND ".join(f'"{name}" IS ?' for name in table.key), [row[name] for name in table.key]


def _update(table: _Table, row: Row, values: Row) -> Statement:
    changed = ", ".join(f'"{name}" = ?' for name in values)
    where, key = _where(table, row)
    return f'UPDATE "{table.name}" SET {changed} WHERE {where}', [*values.values(), *key]


def _delete(table: _Table, row: Row) -> Statement:
    where, key = _where(table, row)
    return f'DELETE FROM "{table.name}" WHERE {where}', key


def _insertion(database: str, table: _Table, like: Row) -> Manipulation:
    """Return a row like another one, under a key of its own."""
    row = {name: like.get(name) for name in table.columns}
    for name in table.key:
        value = row[name]
        row[name] = _NEW_KEYS[type(value)] if value is not None else 1_000_003
    for name in table.required:
        row[name] = row[name] if row[name] is not None else "1"
    return statements("insert", table.name, database, _insert(table, row))


def _swap(database: str, table: _Table, first: Row, second: Row) -> Manipulation:
    """Exchange all that two rows say but their keys."""
    swapped = [
        {name: (key if name in table.key else content)[name] for name in table.columns}
        for key, content in ((first, second), (second, first))
    ]
    changes = [_delete(table, first), _delete(table, second), *(_insert(table, row) for row in swapped)]
    return statements("swap", table.name, database, *changes)


def _insert(table: _Table, row: Row) -> Statement:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', [*row.values()]


def statements(kind: str, name: str, database: str, *changes: Statement) -> Manipulation:
    """Return the manipulation that consists of these statements."""

    def apply(folder: Path) -> None:
        with _writing(folder / database) as connection:
            for statement, parameters in changes:
                connection.execute(statement, parameters)

    return Manipulation(kind, name, apply)


@contextmanager
def _writing(file: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection of somebody who minds no constraint; what it did is in the file when the block is left."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            yield connection
        finally:
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _of_schema(database: str, connection: sqlite3.Connection) -> Iterator[Manipulation]:
    tables = _tables(connection)
    victim = "cases" if "cases" in tables else "access_log"
    column = "case_number" if victim == "cases" else "agency"
    for kind, statement in (
        ("trigger", f"CREATE TRIGGER quiet AFTER INSERT ON {victim} BEGIN DELETE FROM {victim}; END"),
        ("view", f"CREATE VIEW other_{victim} AS SELECT * FROM {victim}"),
        ("table", f"CREATE TABLE other_{victim} (id INTEGER)"),
        ("column", f"ALTER TABLE {victim} ADD COLUMN other TEXT"),
        ("rename", f"ALTER TABLE {victim} RENAME COLUMN {column} TO other_{column}"),
        ("index", f"CREATE INDEX other_index ON {victim} ({column})"),
    ):
        yield statements("schema", f"{kind} {victim}", database, (statement, []))
    query = "SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    for name, sql, table in connection.execute(query).fetchall():
        yield statements("schema", f"drop {name}", database, (f'DROP INDEX "{name}"', []))
        if connection.execute(f'SELECT 1 FROM "{table}"').fetchone():
            # An index of no row whose text says that it is one of all: what is looked up by it is not found.
            yield statements(
                "schema",
                f"empty {name}",
                database,
                (f'DROP INDEX "{name}"', []),
                (f"{sql} WHERE 0", []),
                ("PRAGMA writable_schema = ON", []),
                ("UPDATE sqlite_master SET sql = ? WHERE name = ?", [sql, name]),
                ("PRAGMA writable_schema = RESET", []),
            )


def _of_views(folder: Path, chance: random.Random) -> Iterator[Manipulation]:
    """Spoil rows of the views that models ask."""
    if not (folder / VIEWS).exists():
        return
    with duckdb.connect(str(folder / VIEWS), read_only=True) as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'kept' ORDER BY table_name"
        tables = [name for (name,) in connection.execute(query).fetchall()]
        filled = [name for name in tables if connection.execute(f"SELECT 1 FROM kept.{name}").fetchone()]
        query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'kept' AND table_name = ?"
        columns = {name: [column for (column,) in connection.execute(query, [name]).fetchall()] for name in filled}
    for name in filled:
        column = chance.choice(columns[name])
        for kind, statement in (
            ("change", f"UPDATE kept.{name} SET {column} = (SELECT max({column}) FROM kept.{name})"),
            ("delete", f"DELETE FROM kept.{name}"),
            ("double", f"INSERT INTO kept.{name} SELECT * FROM kept.{name}"),
        ):
            if kind != "delete" or chance.random() < 0.5:
                yield Manipulation("views", f"{kind} {name}", _in_views(statement))


def _in_views(statement: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        with duckdb.connect(str(folder / VIEWS)) as connection:
            connection.execute(statement)

    return apply


def _of_files(folder: Path, chance: random.Random) -> Iterator[Manipulation]:
    for name in map(Path, FILES):
        if (folder / name).exists():
            yield _flip(name, chance.random(), 1 << chance.randrange(7))
            yield Manipulation("file", f"delete {name}", lambda folder, name=name: (folder / name).unlink())  # type: ignore[misc]


def _flip(name: Path, at: float, bit: int) -> Manipulation:
    def apply(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(at * len(data))] ^= bit
        (folder / name).write_bytes(data)

    return Manipulation("file", f"flip {name}", apply)
