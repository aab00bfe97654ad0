"""How the log has grown, and what it takes on the disk."""

from __future__ import annotations

from datetime import date, timedelta

from msgspec import Struct
from sqlalchemy import Connection, select, text

from ledger.core.legal_day import start_of
from ledger.store.database import Database
from ledger.store.tables import ENTRIES


class Day(Struct, frozen=True):
    """How many entries were recorded on a day of Beijing's."""

    day: date
    entries: int


def days(connection: Connection, size: int, today: date, count: int) -> list[Day]:
    """The last ``count`` days up to today, the oldest first. ``size`` is the tree's."""
    known = [today - timedelta(days=back) for back in reversed(range(count))]
    bounds = [*(recorded_before(connection, size, _ms(day)) for day in known), size]
    return [Day(day, bounds[at + 1] - bounds[at]) for at, day in enumerate(known)]


def recorded_before(connection: Connection, size: int, moment_ms: int) -> int:
    """How many of the first ``size`` entries were recorded before a moment (unix milliseconds).

    Looked for by halves: ``recorded_at`` never runs backwards, and no index of it is kept for this.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(select(ENTRIES.c.recorded_at).where(ENTRIES.c.log_index == middle)).scalar_one()
        low, high = (middle + 1, high) if at < moment_ms else (low, middle)
    return low


def bytes_kept(database: Database) -> int:
    """What both stores take on the disk."""
    with database.read() as connection:
        if not database.is_sqlite:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        log_bytes = _sqlite_bytes(connection)
    with database.access.connect() as connection:
        return log_bytes + _sqlite_bytes(connection)


def _sqlite_bytes(connection: Connection) -> int:
    query = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return int(connection.execute(query).scalar_one())


def _ms(day: date) -> int:
    return int(start_of(day).timestamp() * 1000)
