"""Validity: on which days a row of the rulebook is in force. A later law is a new row; old events keep theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Row(Protocol):
    """In force for acts of the days ``valid_from`` up to, not including, ``valid_until`` (``YYYY-MM-DD``)."""

    @property
    def name(self) -> str: ...

    @property
    def valid_from(self) -> str: ...

    @property
    def valid_until(self) -> str | None: ...


def holds_on(row: Row, day: str) -> bool:
    """Whether the row is in force on ``day``."""
    return row.valid_from <= day and (row.valid_until is None or day < row.valid_until)


def stands_alone(row: Row, rows: Iterable[Row]) -> bool:
    """Whether the row, and no other of its name, is in force on its own first day."""
    return [other for other in rows if other.name == row.name and holds_on(other, row.valid_from)] == [row]
