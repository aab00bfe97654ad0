"""Days of the law: those that a period lies back, and on which a row of rules is in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Protocol

DAY = timedelta(days=1)
YEARS = range(1949, 2201)  # accepted in questions; well within what date can represent


def days_before(day: date, period: str) -> date:
    """Return the day that lies so many days (``10 d``) before ``day``."""
    return day - int(period.partition(" ")[0]) * DAY


class DatedRow(Protocol):
    """A row in force for acts of the days from ``valid_from`` to, not including, ``valid_until`` (``YYYY-MM-DD``)."""

    @property
    def name(self) -> str: ...

    @property
    def valid_from(self) -> str: ...

    @property
    def valid_until(self) -> str | None: ...


def holds_on(row: DatedRow, day: str) -> bool:
    """Tell whether the row is in force on ``day``."""
    return row.valid_from <= day and (row.valid_until is None or day < row.valid_until)


def stands_alone(row: DatedRow, rows: Iterable[DatedRow]) -> bool:
    """Tell whether the row, and no other of its name, is in force on its own first day."""
    return [namesake for namesake in rows if namesake.name == row.name and holds_on(namesake, row.valid_from)] == [row]
