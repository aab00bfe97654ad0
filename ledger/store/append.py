"""Writing a batch: entries, tiles and read models in one transaction, and the erasure of sections.

The bytes of an erased section leave the database with the event that erases them, and soon its write-ahead log.
SQLite overwrites what is deleted (``secure_delete``), but the write-ahead log keeps old pages until it is emptied.
Nothing waits for that: whichever process comes first tries until no reader is in the way. On PostgreSQL old versions
of a row stay until it is vacuumed, and its own logs and backups as long as its operator keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.register import Register
from ledger.core.errors import IntegrityBroken
from ledger.core.events import Payload, Submitted
from ledger.core.events.record import SectionErased
from ledger.core.log.tiles import TileContents
from ledger.core.supervision import Move
from ledger.store import bindings, cases, clocks, feed, imports, search, supervision
from ledger.store.clocks import ClockLine
from ledger.store.database import Database, NewRows, Row, write_rows
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
        # An erasure since then has put a mark of its own, which stays.
        connection.execute(delete(META).where(META.c.name == _ERASED, META.c.value == mark))
    return True


T = TypeVar("T")

_READ_MODELS = (CASES, CASE_AGENCIES, HANDOVERS, ITEMS, CLOCKS, IMPORTS, WORDS, SPLITS)


class ValidatedSubmission(Submitted, frozen=True, kw_only=True):
    """A submission that is valid on its stream's head.

    ``registry_changes`` is the version of the registry that it was validated against. ``before`` and ``after`` are the
    states of its case, None in other streams. ``clock_lines`` are the lines of the list of deadlines that it changes,
    ``move`` is its step in a stream of supervision.
    """

    registry_changes: int
    before: CaseState | None = None
    after: CaseState | None = None
    flags: tuple[Flag, ...] = ()
    clock_lines: tuple[ClockLine, ...] = ()
    move: Move | None = None


class NewEntry(NamedTuple):
    """A submission with its place in the log."""

    log_index: int
    event: ValidatedSubmission


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
    new: NewRows = {
        ENTRIES: [
            _row(
                ENTRIES,
                entry.event.envelope,
                log_index=entry.log_index,
                stream_kind=entry.event.envelope.stream.kind,
                stream_id=entry.event.envelope.stream.id,
                recorded_at=tree.recorded_at,
                committed_size=tree.size,
                envelope=entry.event.envelope_bytes,
                payload=entry.event.payload_bytes,
            )
            for entry in entries
        ],
        SECTIONS: [
            {"log_index": entry.log_index, "label": label, "data": data}
            for entry in entries
            for label, data in entry.event.section_bytes.items()
        ],
        FLAGS: [
            {"log_index": entry.log_index, "position": position, **asdict(flag)}
            for entry in entries
            for position, flag in enumerate(entry.event.flags)
        ],
        FEED: feed.rows(entries),
        # What nobody signs about a commit: its first index and its time.
        BINDINGS: [
            bindings.record_of(
                bindings.head(connection),
                bindings.COMMITS,
                {str(tree.size): f"{entries[0].log_index} {tree.recorded_at}"},
            )
        ],
    }
    # Of several entries of one stream the last one is its head.
    heads = {
        (entry.event.envelope.stream.kind, entry.event.envelope.stream.id): {
            "kind": entry.event.envelope.stream.kind,
            "id": entry.event.envelope.stream.id,
            "sequence": entry.event.envelope.sequence,
            "head": entry.event.envelope.payload_digest,
        }
        for entry in entries
    }
    latest: NewRows = {
        TILES: [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in tiles],
        STREAMS: list(heads.values()),
        **_read_models(entries),
    }
    # New rows are inserted, never replaced: a row in the way was written by somebody else.
    try:
        write_rows(connection, database, new, latest)
    except IntegrityError as error:
        broken = IntegrityBroken(
            "the database has a row that the log has not",
            index=entries[0].log_index,
            hint="Somebody changed the database. Run: tally audit",
        )
        broken.add_note(str(error.orig))
        raise broken from error
    # Behind the rows: an event may erase a section of another event of this batch.
    for entry in entries:
        if isinstance(entry.event.payload.body, SectionErased):
            erase(connection, database, entry.event.payload.body)
    # Nothing of the batch counts until the caller's transaction is committed.
    connection.execute(_MOVE_TREE, asdict(tree))


def _read_models(entries: Sequence[NewEntry]) -> NewRows:
    """Return the rows of the read models. Of several events on one case the last one's row is kept."""
    latest: dict[Table, dict[tuple[str, ...], Row]] = {table: {} for table in _READ_MODELS}
    # Most batches have nothing of supervision, and then no table of it.
    if any(entry.event.move is not None for entry in entries):
        latest |= {table: {} for table in supervision.TABLES}
    for entry in entries:
        for table, key, row in projections(entry.event.before, entry.event.after, entry.log_index):
            latest[table][key] = row
        for table, key, row in payload_projections(entry.event.payload, entry.log_index):
            latest[table][key] = row
        if entry.event.clock_lines:
            latest[CLOCKS].update(clocks.rows(entry.event.clock_lines, entry.log_index))
        if entry.event.move is not None:
            table, key, row = supervision.projection(entry.event.move.after, entry.log_index)
            latest[table][key] = row
    return {table: list(by_key.values()) for table, by_key in latest.items()}


def projections(
    before: CaseState | None, after: CaseState | None, index: int
) -> Iterator[tuple[Table, tuple[str, ...], Row]]:
    """Yield what the entry at ``index`` changed in the read models of a case: table, key and new row."""
    if after is None:
        return
    case_id = after.case_id
    case_number = after.numbers[after.opened_by]
    yield CASES, (case_id,), _row(CASES, after, case_number=case_number, updated_index=index)
    for agency in after.agencies:
        if before is None or agency not in before.agencies or before.numbers is not after.numbers:
            number = after.numbers.get(agency)
            yield CASE_AGENCIES, (case_id, agency), {"case_id": case_id, "agency": agency, "case_number": number}
    for handover in changed(before.handovers if before else None, after.handovers):
        row = _row(HANDOVERS, handover, case_id=case_id, items=len(handover.items), updated_index=index)
        yield HANDOVERS, (case_id, handover.handover_id), row
    for item in changed(before.items if before else None, after.items):
        counted = {"quantity": item.quantity.value, "unit": item.quantity.unit}
        yield ITEMS, (item.item_id, case_id), _row(ITEMS, item, case_id=case_id, updated_index=index, **counted)


def payload_projections(payload: Payload, index: int) -> Iterator[tuple[Table, tuple[str, ...], Row]]:
    """Yield what the payload alone changes in the read models, without the case's state: table, key and new row."""
    yield from imports.projections(payload, index)
    yield from search.projections(payload, index)
    yield from cases.split_projections(payload, index)


def changed(before: Register[T] | None, after: Register[T]) -> Iterator[T]:
    """Yield the values that differ between two versions, or all of them if there is no previous version.

    A value that a rule wrote again unchanged is not yielded.
    """
    for _, old_value, new_value in after.changes(before):
        if new_value is not None and new_value != old_value:
            yield new_value


def _row(table: Table, source: object, **own: Any) -> Row:
    """Return a row of the table: the columns named here, and from ``source`` the others, by their names."""
    names = (column.name for column in table.columns)
    return {name: own[name] if name in own else getattr(source, name) for name in names}
