"""Instants as the record spells them (RFC 3339 in UTC, to the second), and rows of rules that hold for days.

On which day an instant lies is a question to a ``zones.Zone``. Papers and people give times to the minute, so claimed
times are compared with that tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

CLAIMED_WITHIN = 60  # seconds: the precision of a time read from a paper or a clock on the wall


def spelled(at: datetime) -> str:
    """Format an aware time as an instant."""
    return f"{at.astimezone(UTC).isoformat(timespec='seconds').removesuffix('+00:00')}Z"


def instant_text(unix_seconds: int) -> str:
    """Format unix seconds as an instant."""
    return spelled(datetime.fromtimestamp(unix_seconds, UTC))


def unix_seconds(instant: str) -> int:
    """Parse an instant to unix seconds."""
    return int(datetime.fromisoformat(instant).timestamp())


def is_surely_before(earlier: str, later: str) -> bool:
    """Tell whether ``earlier`` lies more than a minute before ``later``; within a minute, claims do not prove an order.

    A clerk's ``10:00`` may be any second of that minute; it is recorded as the first.
    """
    return earlier < later and unix_seconds(later) - unix_seconds(earlier) > CLAIMED_WITHIN


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
