"""Published checkpoints."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, select

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


def store(database: Database, published: Published) -> bool:
    """Keeps a note for good. False where another process published this size or a larger one first."""
    with database.write() as connection:
        last = last_published(connection)
        if last is not None and last.size >= published.size:
            return False
        row = {"size": published.size, "note": published.note, "published_at": published.published_at}
        connection.execute(CHECKPOINTS.insert().values(row))
        return True
