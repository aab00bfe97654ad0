"""Published checkpoints, the witnesses' co-signatures of them, and their timestamps by an RFC 3161 authority."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Select, delete, func, select, update

from ledger.store import bindings
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.database import Database
from ledger.store.tables import CHECKPOINTS, COSIGNATURES, TIMESTAMPS

LOOKED_AT = 4096  # co-signatures read, from the newest down: a witness that comes back signs the newest


class PublishedCheckpoint(Struct, frozen=True):
    """A published checkpoint; ``published_at`` in unix milliseconds.

    ``note`` has the log's signature and below it the co-signatures that are stored.
    """

    size: int
    note: str
    published_at: int


def last_published(connection: Connection) -> PublishedCheckpoint | None:
    """Return the published checkpoint of the largest size, or None."""
    return _first(connection)


def last_witnessed(connection: Connection) -> PublishedCheckpoint | None:
    """Return the largest checkpoint that the policy's quorum has co-signed, or None."""
    return _first(connection, CHECKPOINTS.c.witnessed)


def last_served(connection: Connection, *, asks_for_witnesses: bool) -> PublishedCheckpoint | None:
    """Return the checkpoint for everybody: the newest that the policy's quorum has co-signed if the policy asks for
    one, or without one the newest. None before the first.

    It never goes back: a quorum that is reached first on a checkpoint below the newest one waits for a larger one.
    """
    served = CHECKPOINTS.c.witnessed | CHECKPOINTS.c.shown
    return (_first(connection, served) if asks_for_witnesses else None) or last_published(connection)


def published_at_size(connection: Connection, size: int) -> PublishedCheckpoint | None:
    """Return the checkpoint of exactly this size, or None."""
    return _first(connection, CHECKPOINTS.c.size == size)


def all_published(connection: Connection) -> list[PublishedCheckpoint]:
    """Return every published checkpoint, by size."""
    lines: dict[int, str] = defaultdict(str)
    for size, line in connection.execute(select(COSIGNATURES.c.size, COSIGNATURES.c.line).order_by(*_ORDER)):
        lines[size] += line
    rows = connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size))
    return [PublishedCheckpoint(row.size, row.note + lines[row.size], row.published_at) for row in rows]


def store(database: Database, published: PublishedCheckpoint) -> bool:
    """Store a note for good; return False if another process published this size or a larger one first."""
    with database.write() as connection:
        # Read again under the lock: two processes may publish at once, and sizes only grow.
        last = last_published(connection)
        if last is not None and last.size >= published.size:
            return False
        connection.execute(CHECKPOINTS.insert().values(**asdict(published), witnessed=False))
        bindings.bind_rows(connection, CHECKPOINTS, [{"size": published.size}])
        return True


def store_cosignature(
    database: Database, size: int, witness: str, line: str, *, is_enough: Callable[[Iterable[str]], bool]
) -> None:
    """Store a witness's verified signature line for the checkpoint of this size; the first one stays.

    ``is_enough`` decides whether the verifier keys that have co-signed it meet the policy's quorum.
    """
    insert = database.upsert(COSIGNATURES).values(size=size, witness=witness, line=line)
    with database.write() as connection:
        if connection.execute(insert.on_conflict_do_nothing(index_elements=["size", "witness"])).rowcount:
            bindings.bind_rows(connection, COSIGNATURES, [{"size": size, "witness": witness}])
        # Decided with the signature that completes the quorum, so that readers never see the one without the other.
        unwitnessed = select(CHECKPOINTS.c.size).where(CHECKPOINTS.c.size == size, CHECKPOINTS.c.witnessed.is_(False))
        if is_enough(cosigners(connection, size)) and connection.execute(unwitnessed).first():
            newest = last_published(connection) if last_witnessed(connection) is None else None
            _mark(connection, size, witnessed=True)
            if newest is not None and newest.size > size:
                _mark(connection, newest.size, shown=True)


def _mark(connection: Connection, size: int, **marks: bool) -> None:
    bindings.require_bound(connection, CHECKPOINTS, {"size": size})
    connection.execute(update(CHECKPOINTS).where(CHECKPOINTS.c.size == size).values(**marks))
    bindings.bind_rows(connection, CHECKPOINTS, [{"size": size}])


def cosigners(connection: Connection, size: int) -> list[str]:
    """Return the verifier keys that have co-signed the checkpoint of this size."""
    return list(connection.execute(select(COSIGNATURES.c.witness).where(COSIGNATURES.c.size == size)).scalars())


def cosigned_sizes(connection: Connection, above: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each co-signed size above this one, from the newest down, with its verifier keys."""
    query = select(COSIGNATURES.c.size, COSIGNATURES.c.witness).where(COSIGNATURES.c.size > above)
    rows = connection.execute(query.order_by(COSIGNATURES.c.size.desc(), COSIGNATURES.c.witness).limit(LOOKED_AT)).all()
    for size, group in groupby(rows, key=lambda row: int(row.size)):
        yield size, [row.witness for row in group]


def size_cosigned_by(connection: Connection, witness: str) -> int:
    """Return the largest size that the witness has co-signed; 0 before the first."""
    query = select(func.max(COSIGNATURES.c.size)).where(COSIGNATURES.c.witness == witness)
    return connection.execute(query).scalar() or 0


def forget_cosignatures(database: Database, before_ms: int) -> None:
    """Delete the co-signatures of checkpoints that were published before this time and never anchored.

    The newest checkpoint that the quorum has co-signed keeps its own.
    """
    with database.write() as connection:
        if connection.execute(delete(COSIGNATURES).where(COSIGNATURES.c.size.in_(_forgettable(before_ms)))).rowcount:
            # By this record an audit tells what was forgotten from what somebody deleted.
            bindings.bind(connection, bindings.FORGOTTEN, {str(before_ms): None})


def forgettable(connection: Connection, before_ms: int) -> list[int]:
    """Return the sizes whose co-signatures may be deleted with those of before this time."""
    return list(connection.execute(_forgettable(before_ms)).scalars())


def _forgettable(before_ms: int) -> Select[Any]:
    anchored = select(CHAIN_WRITES.c.anchored_size).where(CHAIN_WRITES.c.anchored_size.is_not(None))
    newest = select(func.max(CHECKPOINTS.c.size)).where(CHECKPOINTS.c.witnessed).scalar_subquery()
    old = select(CHECKPOINTS.c.size).where(CHECKPOINTS.c.published_at < before_ms, CHECKPOINTS.c.size < newest)
    return old.where(CHECKPOINTS.c.size.not_in(anchored))


_ORDER = (COSIGNATURES.c.size, COSIGNATURES.c.witness)


def _first(connection: Connection, *conditions: object) -> PublishedCheckpoint | None:
    query = select(CHECKPOINTS).where(*conditions).order_by(CHECKPOINTS.c.size.desc()).limit(1)  # type: ignore[arg-type]
    row = connection.execute(query).first()
    if row is None:
        return None
    under = select(COSIGNATURES.c.line).where(COSIGNATURES.c.size == row.size).order_by(*_ORDER)
    return PublishedCheckpoint(row.size, row.note + "".join(connection.execute(under).scalars()), row.published_at)


class StoredTimestamp(Struct, frozen=True):
    """A verified TimeStampResp (DER) of the published checkpoint of ``size``; ``time`` in unix seconds."""

    size: int
    response: bytes
    time: int


_STAMPS = select(*(TIMESTAMPS.c[name] for name in StoredTimestamp.__struct_fields__))


def store_timestamp(database: Database, stamp: StoredTimestamp) -> None:
    """Store a timestamp for good; the first one of a size stays."""
    insert = database.upsert(TIMESTAMPS).values(asdict(stamp))
    with database.write() as connection:
        # The first one proves the earliest time.
        if connection.execute(insert.on_conflict_do_nothing(index_elements=["size"])).rowcount:
            bindings.bind_rows(connection, TIMESTAMPS, [{"size": stamp.size}])


def last_timestamp(connection: Connection) -> StoredTimestamp | None:
    """Return the timestamp of the largest size, or None."""
    row = connection.execute(_STAMPS.order_by(TIMESTAMPS.c.size.desc()).limit(1)).first()
    return StoredTimestamp(*row) if row else None


def all_timestamps(connection: Connection) -> Iterator[StoredTimestamp]:
    """Yield every timestamp, by size."""
    for row in connection.execute(_STAMPS.order_by(TIMESTAMPS.c.size)):
        yield StoredTimestamp(*row)


def first_timestamp_covering(connection: Connection, index: int) -> StoredTimestamp | None:
    """Return the timestamp of the smallest size that covers the entry at ``index``: none proves an earlier time."""
    row = connection.execute(_STAMPS.where(TIMESTAMPS.c.size > index).order_by(TIMESTAMPS.c.size).limit(1)).first()
    return StoredTimestamp(*row) if row else None
