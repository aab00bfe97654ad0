"""How a database finds what it is asked for: by an index, or by going through a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

Statements = dict[str, Any]  # with the values of their parameters


@contextmanager
def noted(target: Engine | Connection) -> Iterator[Statements]:
    """Yields what is executed in the block, but for inserts and settings."""
    statements: Statements = {}

    def note(*args: Any) -> None:
        if args[2].startswith(("SELECT", "DELETE", "UPDATE")):
            statements[args[2]] = args[3]

    event.listen(target, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(target, "before_cursor_execute", note)


def plan(connection: Connection, statements: Statements) -> list[str]:
    """Returns the steps that SQLite would take."""
    explained = ((f"EXPLAIN QUERY PLAN {text}", values) for text, values in statements.items())
    return [row.detail for text, values in explained for row in connection.exec_driver_sql(text, values)]
