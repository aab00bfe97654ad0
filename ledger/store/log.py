"""Reading the log: the tree, its tiles, entries with payloads and sections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

from msgspec import DecodeError, Struct, json
from sqlalchemy import ColumnElement, Connection, func, select

from ledger.core.custody import Flag
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound
from ledger.core.events import Event, Section, decode_again, decode_section
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.record import HOUSEKEEPING
from ledger.core.events.streams import StreamHead
from ledger.core.log.merkle import EMPTY_ROOT, Hash, frontier_at
from ledger.core.log.tiles import TileNodes, TileReader
from ledger.core.messages import Message
from ledger.core.signing.authority import SERVICE_AGENCY
from ledger.store.database import CHANGED, Database, array_of, one_of, one_of_pairs, texts_named
from ledger.store.tables import ENTRIES, FLAGS, META, SECTIONS, STREAMS, TILES, TREE

PAGE = 1000  # rows fetched at a time when entries are streamed


class TreeState(Struct, frozen=True):
    """The log's tree; ``recorded_at`` of the last entry is in unix milliseconds.

    ``own_keys`` are the ledger's own keys that sign from here on (``Installation.own_keys``), None if none were stored.
    """

    log_id: bytes
    size: int
    root: bytes
    registry_changes: int
    recorded_at: int
    own_keys: str | None = None


class StoredEntry(Struct, frozen=True):
    """An entry with the columns of ``tables.EntriesTable``."""

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

# Every batch runs these: to build them costs more than to run them.
_BY_EVENT_ID = select(*ENTRY_COLUMNS).where(one_of(ENTRIES.c.event_id, texts_named("event_ids")))
_REFERENCES = (
    select(ENTRIES.c.event_id, ENTRIES.c.payload_digest)
    .where(one_of(ENTRIES.c.payload_digest, texts_named("payload_digests")))
    .order_by(ENTRIES.c.log_index)
)
_OWN_KEYS = "own_keys"
_TREE = select(
    *(TREE.c[name] for name in ("log_id", "size", "root", "registry_changes", "recorded_at")),
    select(META.c.value).where(META.c.name == _OWN_KEYS).scalar_subquery(),
)
# The kind first, as in the primary key: by the id alone the query would scan every stream.
_HEADS = select(STREAMS).where(
    one_of(STREAMS.c.kind, texts_named("kinds")), one_of(STREAMS.c.id, texts_named("stream_ids"))
)

_AT_PLACES = (
    select(*ENTRY_COLUMNS)
    .where(ENTRIES.c.stream_kind == "case")
    .where(one_of_pairs((ENTRIES.c.stream_id, ENTRIES.c.sequence), texts_named("places")))
    .order_by(ENTRIES.c.stream_id, ENTRIES.c.sequence)
)


_MADE_DURABLE = "made_durable"  # whatever it says
_ROOM = "room"
ROOM = 65_536  # bytes that are written to see whether a full disk has room again
RESTORING = "00" * 32  # in the place of the log's id until a backup is restored whole: no service takes it for its log


def initialise(database: Database, log_id: bytes) -> None:
    """Start this ledger's empty log; do nothing if it was started. Raises Conflict in another ledger's database."""
    with database.write() as connection:
        kept = connection.execute(select(TREE.c.log_id)).scalar()
        if kept is None:
            first = {"id": 1, "size": 0, "root": EMPTY_ROOT, "registry_changes": 0, "recorded_at": 0}
            connection.execute(TREE.insert().values(log_id=log_id.hex(), **first))
        elif kept == RESTORING:
            raise Conflict(
                "a backup is being restored into this database, or that was cut off",
                field="database_url",
                code="restoring",
                hint="Run the same again: tally backup restore",
            )
        else:
            require_ledger(kept, log_id)
            # What a process wrote that was killed at its commit can be read, and may not be on the disk yet.
            make_durable(connection, database)


def require_ledger(kept: str, log_id: bytes) -> None:
    """Raise Conflict if the id ``kept`` in a database is another ledger's: each would take the other's entries for its
    own."""
    if kept != log_id.hex():
        raise Conflict(
            "the database holds the ledger {kept}",
            kept=kept,
            field="database_url",
            code="other_ledger",
            hint="Name the database of this ledger in database_url, or the data directory that belongs to this one.",
        )


def has_begun(connection: Connection) -> bool:
    """Return whether the database has a log, be it an empty one or one that is being restored."""
    return connection.execute(select(TREE.c.log_id)).first() is not None


def make_durable(connection: Connection, database: Database) -> None:
    """Write something: once the transaction is committed, all that it saw is as durable as a new entry.

    An entry can be read although the commit that wrote it has failed or was cut off, from the write-ahead log that
    nobody has synced, or before it is on a standby. Nothing may be said to be recorded by reading alone.
    """
    # Something new: a row that is as it was SQLite does not write.
    keep_fact(connection, database, _MADE_DURABLE, "odd" if fact(connection, _MADE_DURABLE) == "even" else "even")


def require_room(database: Database, patience_ms: int) -> None:
    """Take the writer's lock for a look; if the disk was full when it was written to last, write as much as a batch.

    Raises Unavailable, among it DiskFull while there is still no room.
    """
    with database.lock(patience_ms) as connection:
        tree(connection)
        if database.is_full:
            keep_fact(connection, database, _ROOM, token_hex(ROOM // 2))  # what a server cannot make smaller
    if database.is_full:
        with database.lock(patience_ms) as connection:
            keep_fact(connection, database, _ROOM, "")
        database.is_full = False


def tree(connection: Connection) -> TreeState:
    """Return the state of the tree. Raises NotFound if the ledger was never initialised."""
    row = connection.execute(_TREE).first()
    if row is None:
        raise NotFound("this database holds no ledger", hint="Run: tally init")
    try:
        log_id = bytes.fromhex(row[0])
    except ValueError as error:
        raise IntegrityBroken("tree.log_id is {row.log_id!r}, no ledger's id", row=row, field="tree.log_id") from error
    return TreeState(log_id, *tuple(row)[1:])


def tile_reader(connection: Connection) -> TileReader:
    """Return a reader of the first hashes of tiles, as this connection sees them."""
    query = select(TILES.c.hashes)

    def read(level: int, index: int, width: int, /) -> bytes:
        hashes = connection.execute(query.where(TILES.c.level == level, TILES.c.tile_index == index)).scalar()
        if hashes is None:
            raise IntegrityBroken(
                "tile {level}/{number} is not stored", level=level, number=index, index=index * 256 ** (level + 1)
            )
        # The full tile begins with each of its partial ones.
        return bytes(hashes[: 32 * width])

    return read


def root_at(connection: Connection, size: int) -> Hash | None:
    """Return the root of the log's tree at ``size``, None if the log is smaller."""
    if size > tree(connection).size:
        return None
    return frontier_at(size, TileNodes(size, tile_reader(connection))).root()


def entry(connection: Connection, log_index: int) -> StoredEntry:
    """Return the entry at an index. Raises NotFound."""
    return _only_entry(connection, ENTRIES.c.log_index == log_index, f"entry {log_index}")


def entry_by_event_id(connection: Connection, event_id: str) -> StoredEntry:
    """Return the entry of an event id. Raises NotFound."""
    return _only_entry(connection, ENTRIES.c.event_id == event_id, Message("event {event_id}", event_id=event_id))


def entry_by_digest(connection: Connection, payload_digest: str) -> StoredEntry:
    """Return the entry of a payload digest. Raises NotFound."""
    return _only_entry(connection, ENTRIES.c.payload_digest == payload_digest, f"payload {payload_digest}")


def entries_by_event_id(connection: Connection, event_ids: Sequence[str]) -> dict[str, StoredEntry]:
    """Return those of the events that are stored, by event id."""
    rows = connection.execute(_BY_EVENT_ID, {"event_ids": array_of(event_ids)})
    return {row.event_id: StoredEntry(*row) for row in rows}


def references(connection: Connection, payload_digests: Sequence[str]) -> list[tuple[str, str]]:
    """Return event id and payload digest of those payloads that are stored, in the order of the log."""
    rows = connection.execute(_REFERENCES, {"payload_digests": array_of(payload_digests)})
    return [(row.event_id, row.payload_digest) for row in rows]


def streams_at(connection: Connection, indices: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return kind and id of the streams of the entries at these indices, by index; missing ones are left out."""
    query = select(ENTRIES.c.log_index, ENTRIES.c.stream_kind, ENTRIES.c.stream_id)
    rows = connection.execute(query.where(ENTRIES.c.log_index.in_(indices)))
    return {row.log_index: (row.stream_kind, row.stream_id) for row in rows}


def entries(connection: Connection, start: int, end: int) -> Iterator[StoredEntry]:
    """Yield the entries of indices ``start <= i < end`` in order, fetched a page at a time."""
    # No cursor stays open between pages: it would keep the write-ahead log from being emptied.
    while start < end:
        stop = min(end, start + PAGE)
        yield from _entries(connection, ENTRIES.c.log_index >= start, ENTRIES.c.log_index < stop)
        start = stop


def entries_behind(
    connection: Connection, log_index: int, event_types: Collection[str], limit: int
) -> list[StoredEntry]:
    """Return entries of these types behind an index, in order, at most ``limit``."""
    of_types = ENTRIES.c.event_type.in_(event_types)
    return _entries(connection, ENTRIES.c.log_index > log_index, of_types, limit=limit)


def entries_of_cases(connection: Connection, places: Iterable[tuple[str, int]]) -> list[StoredEntry]:
    """Return the entries of cases at these places, each a case's id and a sequence, case by case."""
    rows = connection.execute(_AT_PLACES, {"places": json.encode(list(places)).decode()})
    return [StoredEntry(*row) for row in rows]


def envelopes(connection: Connection, start: int, end: int) -> list[bytes]:
    """Return the public part of the entries of indices ``start <= i < end``, in order: what the tree is over."""
    query = select(ENTRIES.c.envelope).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    return [bytes(row) for row in connection.execute(query.order_by(ENTRIES.c.log_index)).scalars()]


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


def signers(connection: Connection, kind: str, stream_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the agencies that have signed an entry of each of these streams of a kind, by the stream's id."""
    of_streams = (ENTRIES.c.stream_kind == kind, one_of(ENTRIES.c.stream_id, stream_ids))
    agencies: dict[str, set[str]] = {stream_id: set() for stream_id in stream_ids}
    for row in connection.execute(select(ENTRIES.c.stream_id, ENTRIES.c.agency).distinct().where(*of_streams)):
        agencies[row.stream_id].add(row.agency)
    return agencies


def stream(
    connection: Connection,
    kind: str,
    stream_id: str,
    *,
    after: int = -1,
    limit: int | None = None,
    event_type: str | None = None,
) -> list[StoredEntry]:
    """Return a stream's entries of a sequence above ``after``, in order, of one event type or of all."""
    of_stream = [ENTRIES.c.stream_kind == kind, ENTRIES.c.stream_id == stream_id]
    if event_type is not None:
        of_stream.append(ENTRIES.c.event_type == event_type)
    return _entries(connection, *of_stream, ENTRIES.c.sequence > after, order=ENTRIES.c.sequence, limit=limit)


def own_entries(connection: Connection, agency: str, case_ids: Collection[str], event_type: str) -> list[StoredEntry]:
    """Return an agency's entries of one type in the streams of these cases, in the order of the log."""
    of_cases = (ENTRIES.c.stream_kind == "case", one_of(ENTRIES.c.stream_id, case_ids))
    return _entries(connection, *of_cases, ENTRIES.c.event_type == event_type, ENTRIES.c.agency == agency)


def registry_entries(connection: Connection, *, after: int = -1) -> list[StoredEntry]:
    """Return the ``registry.*`` entries of an index above ``after``, in order."""
    of_registry = (ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type.like("registry.%"))
    return _entries(connection, *of_registry, ENTRIES.c.log_index > after)


def registered_datasets(connection: Connection) -> list[StoredEntry]:
    """Return the ``dataset.registered`` entries, in order."""
    return _entries(connection, ENTRIES.c.stream_kind == "agency", ENTRIES.c.event_type == "dataset.registered")


def last_system_entry(connection: Connection, event_type: str, *, below: int | None = None) -> StoredEntry | None:
    """Return the newest entry of this type that the service itself signed, of an index ``below`` this, or None."""
    return next(iter(system_entries(connection, event_type, 1, below=below)), None)


def system_entries(
    connection: Connection, event_type: str, limit: int, *, below: int | None = None
) -> list[StoredEntry]:
    """Return the entries of this type that the service itself signed, newest first, of indices ``below`` this."""
    conditions = [ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type == event_type]
    if below is not None:
        conditions.append(ENTRIES.c.log_index < below)
    return _entries(connection, *conditions, order=ENTRIES.c.sequence.desc(), limit=limit)


def first_system_entry(connection: Connection, event_type: str, start: int, end: int) -> StoredEntry | None:
    """Return the first entry of this type of an index ``start <= i < end`` that the service itself signed, or None."""
    of_service = (ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type == event_type)
    between = (ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    return next(iter(_entries(connection, *between, *of_service, limit=1)), None)


def has_acts(connection: Connection, start: int, end: int) -> bool:
    """Return whether one of the entries ``start <= i < end`` is more than the log's own housekeeping."""
    query = select(ENTRIES.c.log_index).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    acts = query.where(ENTRIES.c.event_type.not_in(HOUSEKEEPING)).limit(1)
    return connection.execute(acts).first() is not None


def published_text(connection: Connection, digest: str, below: int) -> bytes | None:
    """Return the text of a procedure package that an entry of an index below that one published, or None.

    Raises IntegrityBroken if the stored bytes are not those that were signed.
    """
    entry = publications(connection, {digest}).get(digest)
    if entry is None or entry.log_index >= below:
        return None
    body = event_of(entry).body
    assert isinstance(body, ProcedurePublished), "it was found by its text"
    return body.text.encode()


_PUBLICATIONS = (ENTRIES.c.stream_kind == "system", ENTRIES.c.event_type == "procedure.published")


def publications(connection: Connection, digests: Collection[str]) -> dict[str, StoredEntry]:
    """Return the first entry that published each of these packages, by the digest of its text.

    What the entry says of the text does not matter: a false one must not stand before the true one.
    """
    entries: dict[str, StoredEntry] = {}
    for entry in _entries(connection, *_PUBLICATIONS):
        body = event_of(entry).body
        if isinstance(body, ProcedurePublished) and (digest := blake3_text(body.text.encode())) in digests:
            entries.setdefault(digest, entry)
    return entries


def digests_of_publications(connection: Connection) -> list[tuple[int, str]]:
    """Return index and payload digest of the ``procedure.published`` entries, in order."""
    query = select(ENTRIES.c.log_index, ENTRIES.c.payload_digest).order_by(ENTRIES.c.log_index)
    return [(row.log_index, row.payload_digest) for row in connection.execute(query.where(*_PUBLICATIONS))]


def head(connection: Connection, kind: str, stream_id: str) -> StreamHead | None:
    """Return the head of a stream, or None if there is no such stream."""
    return heads(connection, [(kind, stream_id)]).get((kind, stream_id))


def heads(connection: Connection, streams: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StreamHead]:
    """Return the heads of those of the streams that exist."""
    # The query asks for all pairs of these kinds and ids, which may be more than the streams.
    wanted = set(streams)
    kinds, stream_ids = array_of({kind for kind, _ in streams}), array_of(name for _, name in streams)
    rows = connection.execute(_HEADS, {"kinds": kinds, "stream_ids": stream_ids})
    return {(row.kind, row.id): StreamHead(row.sequence, row.head) for row in rows if (row.kind, row.id) in wanted}


def sections(connection: Connection, log_index: int) -> dict[str, bytes | None]:
    """Return the entry's sections by label; None for an erased one."""
    query = select(SECTIONS.c.label, SECTIONS.c.data).where(SECTIONS.c.log_index == log_index)
    return {row.label: row.data for row in connection.execute(query)}


def lengths_of_sections(connection: Connection, entries: Iterable[StoredEntry]) -> dict[int, int]:
    """Return the bytes of all stored sections of each of the entries that has any, by log index."""
    query = select(SECTIONS.c.log_index, func.sum(func.length(SECTIONS.c.data)))
    query = query.join(ENTRIES, ENTRIES.c.log_index == SECTIONS.c.log_index).group_by(SECTIONS.c.log_index)
    rows = connection.execute(query.where(one_of(ENTRIES.c.event_id, [entry.event_id for entry in entries])))
    return {log_index: int(length or 0) for log_index, length in rows}


def signed_sections(connection: Connection, entry: StoredEntry) -> dict[str, bytes | None]:
    """Return the entry's sections by label; None for an erased one.

    Raises IntegrityBroken if one is not as it was signed.
    """
    stored = sections(connection, entry.log_index)
    require_signed(entry, stored)
    return stored


def require_signed(entry: StoredEntry, stored: Mapping[str, bytes | None]) -> None:
    """Raise IntegrityBroken if one of these stored sections of the entry, by label, is not as it was signed."""
    commitments = event_of(entry).confidential if stored else {}
    for label, data in stored.items():
        if data is not None and blake3_text(data) != commitments.get(label):
            raise IntegrityBroken(
                "section {label} of entry {index} is not the one that was signed",
                label=label,
                index=entry.log_index,
                hint=CHANGED,
            )


def decoded_sections(connection: Connection, entry: StoredEntry) -> dict[str, Section | None]:
    """Return what ``signed_sections`` returns, decoded."""
    stored = signed_sections(connection, entry).items()
    return {label: None if data is None else decode_section(data, label) for label, data in stored}


def flags(connection: Connection, log_index: int) -> tuple[Flag, ...]:
    """Return the flags that the entry raised when it was recorded."""
    query = select(FLAGS).where(FLAGS.c.log_index == log_index).order_by(FLAGS.c.position)
    return tuple(flag_of(row.name, row.article, row.detail) for row in connection.execute(query))


def packed_detail(detail: str) -> str:
    """Return the detail of a flag as it is stored: with its message id and slots, for readers of any language."""
    return json.encode(detail.packed() if isinstance(detail, Message) else detail).decode()


def flag_of(name: str, article: str, stored: str) -> Flag:
    """Return a flag with the message that ``packed_detail`` stored; what nobody stored so stays as it is."""
    try:
        detail = json.decode(stored)
        return Flag(name, article, Message.unpacked(detail) if isinstance(detail, dict) else str(detail))
    except (DecodeError, LookupError, AttributeError):
        return Flag(name, article, stored)


def flags_of_case(connection: Connection, case_id: str) -> dict[int, tuple[Flag, ...]]:
    """Return the flags of the case's entries that raised any, by log index."""
    by_index: dict[int, tuple[Flag, ...]] = {}
    for row in connection.execute(_FLAGS_OF_CASE, {"case_id": case_id}):
        by_index[row.log_index] = (
            *by_index.get(row.log_index, ()),
            flag_of(row.name, row.article, row.detail),
        )
    return by_index


_FLAGS_OF_CASE = (
    select(FLAGS)
    .join(ENTRIES, ENTRIES.c.log_index == FLAGS.c.log_index)
    .where(ENTRIES.c.stream_kind == "case", ENTRIES.c.stream_id == texts_named("case_id"))
    .order_by(FLAGS.c.log_index, FLAGS.c.position)
)


def count_entries(connection: Connection) -> int:
    """Count the stored entries."""
    return connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one()


def event_of(entry: StoredEntry) -> Event:
    """Decode the entry's event.

    Raises IntegrityBroken if the stored payload is not the one that was signed, or the envelope can be none: nothing is
    decided by it. Another envelope of the right form is named by an audit, a proof, and the fold of its stream.
    """
    payload = signed_payload(entry)
    with suppress(MalformedInput, TypeError):  # SQLite keeps a text where bytes are declared
        event = decode_again(entry.envelope, payload)
        if event.payload_digest == entry.payload_digest:
            return event
    raise _not_signed(entry)


def signed_payload(entry: StoredEntry) -> bytes:
    """Return the entry's payload. Raises IntegrityBroken if it is not of the digest that the entry has."""
    # The envelope's signature covers the digest, not the bytes of the payload.
    if not isinstance(entry.payload, bytes) or blake3_text(entry.payload) != entry.payload_digest:
        raise _not_signed(entry)
    return entry.payload


def _not_signed(entry: StoredEntry) -> IntegrityBroken:
    return IntegrityBroken(
        "the stored payload of entry {index} is not the one that was signed", index=entry.log_index, hint=CHANGED
    )


def _only_entry(connection: Connection, condition: ColumnElement[bool], name: str) -> StoredEntry:
    for entry in _entries(connection, condition):
        return entry
    raise NotFound("{name} is not in the log", name=name)


def _entries(
    connection: Connection,
    *conditions: ColumnElement[bool],
    order: ColumnElement[Any] = ENTRIES.c.log_index,
    limit: int | None = None,
) -> list[StoredEntry]:
    query = select(*ENTRY_COLUMNS).where(*conditions).order_by(order).limit(limit)
    return [StoredEntry(*row) for row in connection.execute(query)]


def fact(connection: Connection, name: str) -> str | None:
    """Return a fact about this installation, or None if it is not stored."""
    value: str | None = connection.execute(select(META.c.value).where(META.c.name == name)).scalar()
    return value


def keep_fact(connection: Connection, database: Database, name: str, value: str) -> None:
    """Store a fact about this installation in the open transaction. Requires the writer's lock."""
    statement = database.upsert(META).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def keep_own_keys(connection: Connection, database: Database, own_keys: str) -> None:
    """Store the ledger's own keys, in the place of those that they replace. Requires the writer's lock."""
    keep_fact(connection, database, _OWN_KEYS, own_keys)
