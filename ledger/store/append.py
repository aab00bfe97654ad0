"""Writing a batch: entries, tiles and read models in one transaction, and the erasure of sections.

The bytes of an erased section leave the database with the event that erases them, and soon its write-ahead log.
SQLite overwrites what is deleted (``secure_delete``), but the write-ahead log keeps old pages until it is emptied.
Nothing waits for that: whichever process comes first tries until no reader is in the way. On PostgreSQL old versions
of a row stay until it is vacuumed, and its own logs and backups as long as its operator keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from ledger.core.custody import CaseState, Flag, Handover, Item
from ledger.core.custody.register import Register
from ledger.core.errors import IntegrityBroken
from ledger.core.events import Envelope, Payload
from ledger.core.events.record import SectionErased
from ledger.core.log.tiles import TileContents
from ledger.core.supervision import Move
from ledger.store import bindings, clocks, feed, imports, rows, search, splits, supervision
from ledger.store.clocks import ClockLine
from ledger.store.database import Database
from ledger.store.rows import Row
from ledger.store.tables import (
    BINDINGS,
    CASE_AGENCIES,
    CASES,
    CLOCKS,
    ENTRIES,
    FEED,
    FLAGS,
    HANDOVERS,
    IMPORTS,
    ITEMS,
    META,
    SECTIONS,
    SPLITS,
    STREAMS,
    TILES,
    TREE,
    WORDS,
)

_ERASED = "erased_section"  # the last erasure whose bytes may be in the write-ahead log


def erase(connection: Connection, database: Database, body: SectionErased) -> None:
    """Empty the section in the open transaction. Requires the writer's lock."""
    target = (
        select(ENTRIES.c.log_index).where(ENTRIES.c.payload_digest == body.concerns.payload_digest).scalar_subquery()
    )
    named = (SECTIONS.c.log_index == target, SECTIONS.c.label == body.label)
    connection.execute(update(SECTIONS).where(*named).values(data=None))
    mark = f"{body.concerns.event_id} {body.label}"
    statement = database.upsert(META).values(name=_ERASED, value=mark)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": mark}))


def clear_away(database: Database) -> bool:
    """Remove the last traces of erased sections from the write-ahead log; return False if it must be tried again."""
    with database.read() as connection:
        mark = connection.execute(select(META.c.value).where(META.c.name == _ERASED)).scalar()
    if mark is None:
        return True
    if not database.empty_write_ahead_log():
        return False
    with database.write() as connection:
        connection.execute(delete(META).where(META.c.name == _ERASED, META.c.value == mark))
    return True


T = TypeVar("T")

_READ_MODELS = (CASES, CASE_AGENCIES, HANDOVERS, ITEMS, CLOCKS, IMPORTS, WORDS, SPLITS)


class NewEntry(Struct, frozen=True):
    """An event with its place in the log.

    ``before`` and ``after`` are the case's states, None in other streams; ``clock_lines`` are the lines that it
    changed, ``move`` is its step in a stream of supervision.
    """

    log_index: int
    envelope: Envelope
    payload: Payload
    envelope_bytes: bytes
    payload_bytes: bytes
    sections: dict[str, bytes]
    flags: tuple[Flag, ...]
    before: CaseState | None
    after: CaseState | None
    clock_lines: tuple[ClockLine, ...] = ()
    move: Move | None = None


class NewTree(Struct, frozen=True):
    """The tree after the batch; ``recorded_at`` is in unix milliseconds."""

    size: int
    root: bytes
    registry_changes: int
    recorded_at: int


_MOVE_TREE = update(TREE).values({name: bindparam(name) for name in NewTree.__struct_fields__})


def write_batch(
    connection: Connection,
    database: Database,
    entries: Sequence[NewEntry],
    tiles: Sequence[TileContents],
    tree: NewTree,
) -> None:
    """Write everything that the batch changes into the open transaction. Requires the writer's lock.

    Raises IntegrityBroken for a row in the way that no batch has written.
    """
    new: rows.NewRows = {
        ENTRIES: [_entry_row(entry, tree) for entry in entries],
        SECTIONS: [row for entry in entries for row in _section_rows(entry)],
        FLAGS: [row for entry in entries for row in _flag_rows(entry)],
        FEED: feed.rows(entries),
        BINDINGS: [_binding_row(connection, entries, tree)],
    }
    latest: rows.NewRows = {
        TILES: [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in tiles],
        STREAMS: _stream_rows(entries),
        **_read_models(entries),
        **_matters(entries),
    }
    # New rows are inserted, never replaced: a row in the way was written by somebody else.
    try:
        rows.write(connection, database, new, latest)
    except IntegrityError as error:
        broken = IntegrityBroken(
            "the database has a row that the log has not",
            index=entries[0].log_index,
            hint="Somebody changed the database. Run: tally audit",
        )
        broken.add_note(str(error.orig))
        raise broken from error
    for entry in entries:
        if isinstance(entry.payload.body, SectionErased):
            erase(connection, database, entry.payload.body)
    connection.execute(_MOVE_TREE, asdict(tree))


def _read_models(entries: Sequence[NewEntry]) -> rows.NewRows:
    """Return the rows of the read models. Of several events on one case the last one's row is kept."""
    latest: dict[Table, dict[tuple[str, ...], Row]] = {table: {} for table in _READ_MODELS}
    for entry in entries:
        for table, key, row in projections(entry.before, entry.after, entry.log_index):
            latest[table][key] = row
        for table, key, row in payload_projections(entry.payload, entry.log_index):
            latest[table][key] = row
        if entry.clock_lines:
            latest[CLOCKS].update(clocks.rows(entry.clock_lines, entry.log_index))
    return {table: list(by_key.values()) for table, by_key in latest.items()}


def _matters(entries: Sequence[NewEntry]) -> rows.NewRows:
    """Return the rows of supervision; most batches have none, and then no table of it."""
    moves = [(entry.move.after, entry.log_index) for entry in entries if entry.move is not None]
    latest: dict[Table, dict[tuple[str, ...], Row]] = {table: {} for table in supervision.TABLES if moves}
    for matter, index in moves:
        table, key, row = supervision.projection(matter, index)
        latest[table][key] = row
    return {table: list(by_key.values()) for table, by_key in latest.items()}


def projections(
    before: CaseState | None, after: CaseState | None, index: int
) -> Iterator[tuple[Table, tuple[str, ...], Row]]:
    """Yield what the entry at ``index`` changed in the read models of a case: table, key and new row."""
    if after is None:
        return
    case_id = after.case_id
    yield CASES, (case_id,), _case_row(after, index)
    for agency in after.agencies:
        if before is None or agency not in before.agencies or before.numbers is not after.numbers:
            number = after.numbers.get(agency)
            yield CASE_AGENCIES, (case_id, agency), {"case_id": case_id, "agency": agency, "case_number": number}
    for handover in changed(before.handovers if before else None, after.handovers):
        yield HANDOVERS, (case_id, handover.handover_id), _handover_row(case_id, handover, index)
    for item in changed(before.items if before else None, after.items):
        yield ITEMS, (item.item_id, case_id), _item_row(case_id, item, index)


def payload_projections(payload: Payload, index: int) -> Iterator[tuple[Table, tuple[str, ...], Row]]:
    """Yield what the payload alone changes in the read models, without the case's state: table, key and new row."""
    yield from imports.projections(payload, index)
    yield from search.projections(payload, index)
    yield from splits.projections(payload, index)


def changed(before: Register[T] | None, after: Register[T]) -> Iterator[T]:
    """Yield the values that differ between two versions, or all of them if there is no previous version.

    A value that a rule wrote again unchanged is not yielded.
    """
    for _, old_value, new_value in after.changes(before):
        if new_value is not None and new_value != old_value:
            yield new_value


def _entry_row(entry: NewEntry, tree: NewTree) -> Row:
    envelope = entry.envelope
    return {
        "log_index": entry.log_index,
        "event_id": envelope.event_id,
        "event_type": envelope.event_type,
        "stream_kind": envelope.stream.kind,
        "stream_id": envelope.stream.id,
        "sequence": envelope.sequence,
        "agency": envelope.agency,
        "key_id": envelope.key_id,
        "payload_digest": envelope.payload_digest,
        "signed_at": envelope.signed_at,
        "recorded_at": tree.recorded_at,
        "committed_size": tree.size,
        "envelope": entry.envelope_bytes,
        "payload": entry.payload_bytes,
    }


def _binding_row(connection: Connection, entries: Sequence[NewEntry], tree: NewTree) -> Row:
    """Bind what nobody signs about a commit: its first index and its time."""
    commit = {str(tree.size): f"{entries[0].log_index} {tree.recorded_at}"}
    return bindings.record_of(bindings.head(connection), bindings.COMMITS, commit)


def _section_rows(entry: NewEntry) -> list[Row]:
    return [{"log_index": entry.log_index, "label": label, "data": data} for label, data in entry.sections.items()]


def _flag_rows(entry: NewEntry) -> list[Row]:
    return [
        {"log_index": entry.log_index, "position": i, "name": flag.name, "article": flag.article, "detail": flag.detail}
        for i, flag in enumerate(entry.flags)
    ]


def _stream_rows(entries: Sequence[NewEntry]) -> list[Row]:
    latest: dict[tuple[str, str], Row] = {}
    for entry in entries:
        envelope, stream = entry.envelope, entry.envelope.stream
        latest[stream.kind, stream.id] = {
            "kind": stream.kind,
            "id": stream.id,
            "sequence": envelope.sequence,
            "head": envelope.payload_digest,
        }
    return list(latest.values())


def _case_row(state: CaseState, index: int) -> Row:
    return {
        "case_id": state.case_id,
        "case_number": state.numbers[state.opened_by],
        "case_type": state.case_type,
        "business_line": state.business_line,
        "opened_by": state.opened_by,
        "opened_at": state.opened_at,
        "responsible": state.responsible,
        "stage": state.stage,
        "closed": state.closed,
        "updated_index": index,
    }


def _handover_row(case_id: str, handover: Handover, index: int) -> Row:
    return {
        "case_id": case_id,
        "handover_id": handover.handover_id,
        "from_agency": handover.from_agency,
        "to_agency": handover.to_agency,
        "purpose": handover.purpose,
        "status": handover.status,
        "offered_at": handover.offered_at,
        "answered_at": handover.answered_at,
        "expires_at": handover.expires_at,
        "due_at": handover.due_at,
        "items": len(handover.items),
        "updated_index": index,
    }


def _item_row(case_id: str, item: Item, index: int) -> Row:
    return {
        "item_id": item.item_id,
        "case_id": case_id,
        "kind": item.kind,
        "description": item.description,
        "quantity": item.quantity.value,
        "unit": item.quantity.unit,
        "holder": item.holder,
        "responsible": item.responsible,
        "status": item.status,
        "seal_number": item.seal_number,
        "updated_index": index,
    }
