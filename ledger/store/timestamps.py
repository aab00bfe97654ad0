"""Timestamps of published checkpoints by an RFC 3161 authority."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from sqlalchemy import Connection, select

from ledger.store import bindings
from ledger.store.database import Database
from ledger.store.tables import TIMESTAMPS


class StoredTimestamp(Struct, frozen=True):
    """A verified TimeStampResp (DER) of the published checkpoint of ``size``; ``time`` in unix seconds."""

    size: int
    response: bytes
    time: int


def store(database: Database, stamp: StoredTimestamp) -> None:
    """Store a timestamp for good; the first one of a size stays."""
    insert = database.upsert(TIMESTAMPS).values(size=stamp.size, response=stamp.response, time=stamp.time)
    with database.write() as connection:
        if connection.execute(insert.on_conflict_do_nothing(index_elements=["size"])).rowcount:
            bindings.bind_rows(connection, TIMESTAMPS, [{"size": stamp.size}])


def last(connection: Connection) -> StoredTimestamp | None:
    """Return the timestamp of the largest size, or None."""
    row = connection.execute(select(TIMESTAMPS).order_by(TIMESTAMPS.c.size.desc()).limit(1)).first()
    return StoredTimestamp(row.size, row.response, row.time) if row else None


def all_kept(connection: Connection) -> Iterator[StoredTimestamp]:
    """Yield every timestamp, by size."""
    for row in connection.execute(select(TIMESTAMPS).order_by(TIMESTAMPS.c.size)):
        yield StoredTimestamp(row.size, row.response, row.time)


def first_with(connection: Connection, index: int) -> StoredTimestamp | None:
    """Return the timestamp of the smallest size that covers the entry at ``index``: none proves an earlier time."""
    query = select(TIMESTAMPS).where(TIMESTAMPS.c.size > index).order_by(TIMESTAMPS.c.size).limit(1)
    row = connection.execute(query).first()
    return StoredTimestamp(row.size, row.response, row.time) if row else None
