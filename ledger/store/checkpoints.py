"""Published checkpoints."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from ledger.store.database import Database
from ledger.store.tables import CHECKPOINTS


class Published(Struct, frozen=True):
    """A published checkpoint; ``published_at`` in unix milliseconds."""

    size: int
    note: str
    published_at: int


def last_published(connection: Connection) -> Published | None:
    """The one of the largest size."""
    row = connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)).first()
    return Published(row.size, row.note, row.published_at) if row else None


def published_at_size(connection: Connection, size: int) -> Published | None:
    """The one of exactly this size."""
    row = connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.size == size)).first()
    return Published(row.size, row.note, row.published_at) if row else None


def all_published(connection: Connection) -> list[Published]:
    """Every one, by size."""
    rows = connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size))
    return [Published(row.size, row.note, row.published_at) for row in rows]


def store(database: Database, size: int, note: str, published_at: int) -> bool:
    """Keeps a note for good. False where another process published this size first."""
    try:
        with database.write() as connection:
            connection.execute(CHECKPOINTS.insert().values(size=size, note=note, published_at=published_at))
    except IntegrityError:
        return False
    return True
