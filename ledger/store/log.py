"""Reading the log: the tree, its tiles, entries with payloads and sections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, func, select

from ledger.core.custody import Flag
from ledger.core.errors import Conflict, IntegrityBroken, NotFound
from ledger.core.events import Payload, decode_payload, digest_of
from ledger.core.log.merkle import EMPTY_ROOT
from ledger.core.log.replay import StreamHead
from ledger.core.log.tiles import TileReader
from ledger.core.signing.authority import SERVICE_AGENCY
from ledger.store.database import Database, one_of
from ledger.store.tables import ENTRIES, FLAGS, SECTIONS, STREAMS, TILES, TREE

PAGE = 1000  # rows fetched at a time when entries are streamed


class TreeState(Struct, frozen=True):
    """The log's tree; ``recorded_at`` of the last entry is in unix milliseconds."""

    log_id: bytes
    size: int
    root: bytes
    registry_changes: int
    recorded_at: int


class StoredEntry(Struct, frozen=True):
    """An entry with the columns of ``tables.EntryTable``."""

    log_index: int
    event_id: str
    event_type: str
    stream_kind: str
    stream_id: str
    sequence: int
    agency: str
    key_id: str
    payload_digest: str
    signed_at: int
    recorded_at: int
    committed_size: int
    envelope: bytes
    payload: bytes


ENTRY_COLUMNS = [ENTRIES.c[name] for name in StoredEntry.__struct_fields__]
_TREE = select(TREE)
_BY_EVENT_IDS = select(*ENTRY_COLUMNS).where(one_of(ENTRIES.c.event_id, "event_ids"))
_BY_DIGESTS = (
    select(ENTRIES.c.event_id, ENTRIES.c.payload_digest)
    .where(one_of(ENTRIES.c.payload_digest, "digests"))
    .order_by(ENTRIES.c.log_index)
)
# The kind first, as in the primary key: by the id alone the query would scan every stream.
_BY_STREAM_IDS = select(STREAMS).where(one_of(STREAMS.c.kind, "kinds"), one_of(STREAMS.c.id, "stream_ids"))


def initialise(database: Database, log_id: bytes) -> None:
    """Start this ledger's empty log; do nothing if it was started. Raises Conflict in another ledger's database."""
    with database.write() as connection:
        kept = connection.execute(select(TREE.c.log_id)).scalar()
        if kept is None:
            first = {"id": 1, "size": 0, "root": EMPTY_ROOT, "registry_changes": 0, "recorded_at": 0}
            connection.execute(TREE.insert().values(log_id=log_id.hex(), **first))
        elif kept != log_id.hex():
            raise Conflict(
                f"this database holds the ledger {kept}, not {log_id.hex()}", field="database_url", code="other_ledger"
            )


def tree(connection: Connection) -> TreeState:
    """Return the state of the tree. Raises NotFound if the ledger was never initialised."""
    row = connection.execute(_TREE).first()
    if row is None:
        raise NotFound("this database holds no ledger", hint="Run: tally init")
    try:
        log_id = bytes.fromhex(row.log_id)
    except ValueError as error:
        raise IntegrityBroken(f"tree.log_id is {row.log_id!r}, no id of a ledger", field="tree.log_id") from error
    return TreeState(log_id, row.size, row.root, row.registry_changes, row.recorded_at)


def tile_reader(connection: Connection) -> TileReader:
    """Return a reader of the first hashes of tiles, as this connection sees them."""
    query = select(TILES.c.hashes)

    def read(level: int, index: int, width: int, /) -> bytes:
        hashes = connection.execute(query.where(TILES.c.level == level, TILES.c.tile_index == index)).scalar()
        if hashes is None:
            raise IntegrityBroken(f"tile {level}/{index} is not stored", index=index * 256 ** (level + 1))
        # The full tile begins with each of its partial ones.
        return bytes(hashes[: 32 * width])

    return read


def entry(connection: Connection, log_index: int) -> StoredEntry:
    """Return the entry at an index. Raises NotFound."""
    return _one(connection, select(*ENTRY_COLUMNS).where(ENTRIES.c.log_index == log_index), f"entry {log_index}")


def entry_by_event_id(connection: Connection, event_id: str) -> StoredEntry:
    """Return the entry of an event id. Raises NotFound."""
    return _one(connection, select(*ENTRY_COLUMNS).where(ENTRIES.c.event_id == event_id), f"event {event_id}")


def entry_by_digest(connection: Connection, payload_digest: str) -> StoredEntry:
    """Return the entry of a payload digest. Raises NotFound."""
    query = select(*ENTRY_COLUMNS).where(ENTRIES.c.payload_digest == payload_digest)
    return _one(connection, query, f"payload {payload_digest}")


def identities(connection: Connection, event_ids: Sequence[str]) -> dict[str, StoredEntry]:
    """Return those of the events that are stored, by event id."""
    rows = connection.execute(_BY_EVENT_IDS, {"event_ids": json.dumps(event_ids)})
    return {row.event_id: _stored(row) for row in rows}


def references(connection: Connection, payload_digests: Sequence[str]) -> list[tuple[str, str]]:
    """Return event id and payload digest of those payloads that are stored, in the order of the log."""
    rows = connection.execute(_BY_DIGESTS, {"digests": json.dumps(payload_digests)})
    return [(row.event_id, row.payload_digest) for row in rows]


def entries(connection: Connection, start: int, end: int) -> Iterator[StoredEntry]:
    """Yield the entries of indices ``start <= i < end`` in order, fetched a page at a time."""
    # No cursor stays open between pages: it would keep the write-ahead log from being emptied.
    while start < end:
        stop = min(end, start + PAGE)
        query = select(*ENTRY_COLUMNS).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < stop)
        yield from map(_stored, connection.execute(query.order_by(ENTRIES.c.log_index)).fetchall())
        start = stop


def officers_keys(connection: Connection, start: int, end: int, limit: int) -> list[str]:
    """Return the keys, except the ledger's own, that signed entries ``start <= i < end``; the last to sign first."""
    newest = func.max(ENTRIES.c.log_index)
    query = select(ENTRIES.c.key_id).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    query = query.where(ENTRIES.c.agency != SERVICE_AGENCY).group_by(ENTRIES.c.key_id)
    return list(connection.execute(query.order_by(newest.desc()).limit(limit)).scalars())


def streams_between(connection: Connection, kind: str, start: int, end: int) -> list[str]:
    """Return the ids of the streams of a kind with entries of indices ``start <= i < end``, sorted."""
    query = select(ENTRIES.c.stream_id).distinct().where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    return sorted(connection.execute(query.where(ENTRIES.c.stream_kind == kind)).scalars())


def stream(
    connection: Connection, kind: str, stream_id: str, *, after: int = -1, limit: int | None = None
) -> list[StoredEntry]:
    """Return a stream's entries of a sequence above ``after``, in order."""
    query = (
        select(*ENTRY_COLUMNS)
        .where(ENTRIES.c.stream_kind == kind, ENTRIES.c.stream_id == stream_id, ENTRIES.c.sequence > after)
        .order_by(ENTRIES.c.sequence)
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(query)]


def registry_entries(connection: Connection, *, after: int = -1) -> list[StoredEntry]:
    """Return the ``registry.*`` entries of an index above ``after``, in order."""
    query = (
        select(*ENTRY_COLUMNS)
        .where(ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type.like("registry.%"), ENTRIES.c.log_index > after)
        .order_by(ENTRIES.c.log_index)
    )
    return [_stored(row) for row in connection.execute(query)]


def registered_datasets(connection: Connection) -> list[StoredEntry]:
    """Return the ``dataset.registered`` entries, in order."""
    query = select(*ENTRY_COLUMNS).where(
        ENTRIES.c.stream_kind == "agency", ENTRIES.c.event_type == "dataset.registered"
    )
    return [_stored(row) for row in connection.execute(query.order_by(ENTRIES.c.log_index))]


def last_system_entry(connection: Connection, event_type: str) -> StoredEntry | None:
    """Return the newest entry of this type that the service itself signed, or None."""
    return next(iter(system_entries(connection, event_type, 1)), None)


def system_entries(connection: Connection, event_type: str, limit: int) -> list[StoredEntry]:
    """Return the entries of this type that the service itself signed, newest first."""
    query = (
        select(*ENTRY_COLUMNS)
        .where(ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type == event_type)
        .order_by(ENTRIES.c.sequence.desc())
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(query)]


def heads(connection: Connection, streams: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StreamHead]:
    """Return the heads of those of the streams that exist."""
    # The query asks for all pairs of these kinds and ids, which may be more than the streams.
    wanted = set(streams)
    kinds, ids = {kind for kind, _ in streams}, [stream_id for _, stream_id in streams]
    rows = connection.execute(_BY_STREAM_IDS, {"kinds": json.dumps(sorted(kinds)), "stream_ids": json.dumps(ids)})
    return {(row.kind, row.id): StreamHead(row.sequence, row.head) for row in rows if (row.kind, row.id) in wanted}


def sections(connection: Connection, log_index: int) -> dict[str, bytes | None]:
    """Return the entry's sections by label; None for an erased one."""
    query = select(SECTIONS.c.label, SECTIONS.c.data).where(SECTIONS.c.log_index == log_index)
    return {row.label: row.data for row in connection.execute(query)}


def flags(connection: Connection, log_index: int) -> tuple[Flag, ...]:
    """Return the flags that the entry raised when it was recorded."""
    query = select(FLAGS).where(FLAGS.c.log_index == log_index).order_by(FLAGS.c.position)
    return tuple(Flag(row.name, row.article, row.detail) for row in connection.execute(query))


def flags_of_stream(connection: Connection, kind: str, stream_id: str) -> dict[int, tuple[Flag, ...]]:
    """Return the flags of the stream's entries that raised any, by log index."""
    query = select(FLAGS).join(ENTRIES, ENTRIES.c.log_index == FLAGS.c.log_index)
    query = query.where(ENTRIES.c.stream_kind == kind, ENTRIES.c.stream_id == stream_id)
    by_index: dict[int, tuple[Flag, ...]] = {}
    for row in connection.execute(query.order_by(FLAGS.c.log_index, FLAGS.c.position)):
        by_index[row.log_index] = (*by_index.get(row.log_index, ()), Flag(row.name, row.article, row.detail))
    return by_index


def count_entries(connection: Connection) -> int:
    """Count the stored entries."""
    return connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one()


def payload_of(entry: StoredEntry) -> Payload:
    """Decode the entry's payload.

    Raises IntegrityBroken if the stored bytes are not those that were signed: nothing is decided by them.
    """
    if digest_of(entry.payload) != entry.payload_digest:
        raise IntegrityBroken(
            f"the stored payload of entry {entry.log_index} is not the one that was signed",
            index=entry.log_index,
            hint="The database was changed behind the service. Run: tally audit",
        )
    return decode_payload(entry.payload, entry.event_type)


def _one(connection: Connection, query: Select[Any], name: str) -> StoredEntry:
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"{name} is not in the log")
    return _stored(row)


def _stored(row: Row[Any]) -> StoredEntry:
    values: tuple[Any, ...] = tuple(row)
    return StoredEntry(*values)
