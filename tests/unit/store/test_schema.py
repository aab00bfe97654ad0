"""A database is opened only with the schema that the migrations make: what else stands in it decides what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.core.errors import IntegrityBroken
from ledger.store.database import open_database
from ledger.store.schema import differences, mistyped_columns, storage_faults
from tests.testkit.ledgers import sqlite_url

ON_EITHER = ("DROP INDEX ix_entries_payload_digest", "ALTER TABLE cases ADD COLUMN other TEXT")
ON_SQLITE = (
    "CREATE TRIGGER quiet AFTER INSERT ON cases BEGIN DELETE FROM cases; END",
    "CREATE VIEW other AS SELECT * FROM cases",
    "CREATE INDEX other ON cases (stage)",
)
ON_POSTGRESQL = (
    "CREATE RULE quiet AS ON INSERT TO cases DO INSTEAD NOTHING",
    "CREATE POLICY quiet ON cases USING (false)",
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    "CREATE TRIGGER quiet BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION quiet()",
)


def require_refused(url: str, statement: str) -> None:
    """The start refuses the database; an audit may open it, and names what differs."""
    database = open_database(url)
    assert [*differences(database.log, "log"), *differences(database.access, "access")] == []
    with database.write() as connection:
        connection.execute(text(statement))
    database.close()
    with pytest.raises(IntegrityBroken, match="schema was changed"):
        open_database(url)
    audited = open_database(url, for_audit=True)
    assert differences(audited.log, "log")
    audited.close()


@pytest.mark.parametrize("statement", ON_EITHER)
def test_other_tables_and_indexes(each_empty_database_url: str, statement: str) -> None:
    """A missing index lets two rows stand for one; a column that nobody knows may be anything."""
    require_refused(each_empty_database_url, statement)


@pytest.mark.parametrize("statement", ON_SQLITE)
def test_what_stands_between_on_sqlite(tmp_path: Path, statement: str) -> None:
    """A trigger, a view or an index of somebody else."""
    require_refused(sqlite_url(tmp_path), statement)


@pytest.mark.parametrize("statement", ON_POSTGRESQL)
def test_what_stands_between_on_postgresql(postgres_url: str, statement: str) -> None:
    """A rule, a policy or a trigger on one of the tables."""
    require_refused(postgres_url, statement)


def test_index_that_leaves_out_rows(each_empty_database_url: str) -> None:
    """What an index says of itself is not what is in it: one of no row, called one of all, is told by SQLite."""
    database = open_database(each_empty_database_url)
    assert [storage_faults(engine) for engine, _ in database.stores] == [[], []]
    if database.is_sqlite:
        with database.write() as connection:
            index = "CREATE INDEX ix_flags_name ON flags (name)"
            for statement in (
                "INSERT INTO flags VALUES (0, 0, 'late_entry', '', '')",
                "DROP INDEX ix_flags_name",
                f"{index} WHERE 0",
                "PRAGMA writable_schema = ON",
                f"UPDATE sqlite_master SET sql = '{index}' WHERE name = 'ix_flags_name'",
                "PRAGMA writable_schema = RESET",
            ):
                connection.execute(text(statement))
        assert differences(database.log, "log") == []
        assert any("ix_flags_name" in fault for fault in storage_faults(database.log))
    database.close()


@pytest.mark.parametrize(("column", "value"), [("name", b"late_entry"), ("log_index", "one"), ("position", 0.5)])
def test_values_of_another_type(tmp_path: Path, column: str, value: object) -> None:
    """SQLite keeps a text in a column of numbers; it is named by its column, with both types."""
    database = open_database(sqlite_url(tmp_path))
    row = {"log_index": 1, "position": 2, "name": "late_entry", "article": "", "detail": ""}
    with database.write() as connection:
        for values in (row, row | {"position": 3, column: value}):
            connection.execute(
                text("INSERT INTO flags VALUES (:log_index, :position, :name, :article, :detail)"), values
            )
    (difference,) = mistyped_columns(database.log, "log")
    assert difference.name == f"flags.{column}"
    assert difference.expected != difference.actual
    assert list(mistyped_columns(database.access, "access")) == []
    database.close()
