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
from ledger.core.events import Event, Submitted
from ledger.core.events.record import SectionErased
from ledger.core.log.tiles import TileContents
from ledger.core.supervision import Move
from ledger.store import bindings, cases, clocks, feed, imports, log, search, supervision
from ledger.store.clocks import ClockLine
from ledger.store.database import CHANGED, Change, Database, NewRows, Row, key_names, row_of, write_rows
from ledger.store.tables import (
    BINDINGS,
    CASE_AGENCIES,
    CASES,
    CLOCKS,
    ENTRIES,
    FEED,
    FLAGS,
    HANDOVERS,
    ITEMS,
    LETTERS,
    META,
    OF_CASES,
    SECTIONS,
    STREAMS,
    TILES,
    TREE,
)

_ERASED = "erased_section"  # the last erasure whose bytes may be in the write-ahead log


def erase(connection: Connection, database: Database, body: SectionErased) -> None:
    """Empty the section in the open transaction. Requires the writer's lock."""
    target = select(ENTRIES.c.log_index).where(ENTRIES.c.event_id == body.concerns.event_id)
    named = (SECTIONS.c.log_index == target.scalar_subquery(), SECTIONS.c.label == body.label)
    connection.execute(update(SECTIONS).where(*named).values(data=None))
    mark = f"{body.concerns.event_id} {body.label}"
    log.keep_fact(connection, database, _ERASED, mark)


def clear_away(database: Database) -> bool:
    """Remove the last traces of erased sections from the write-ahead log; return False if it must be tried again."""
    with database.read() as connection:
        mark = log.fact(connection, _ERASED)
    if mark is None:
        return True
    if not database.empty_write_ahead_log():
        return False
    with database.write() as connection:
        # An erasure since then has put a mark of its own, which stays.
        connection.execute(delete(META).where(META.c.name == _ERASED, META.c.value == mark))
    return True


T = TypeVar("T")


class ValidatedSubmission(Submitted, frozen=True, kw_only=True):
    """A submission that is valid on its stream's head.

    ``registry_changes`` is the version of the registry that it was validated against, ``adopted`` the index of the
    newest adoption of a procedure. ``before`` and ``after`` are the
    states of its case, None in other streams. ``clock_lines`` are the lines of the list of deadlines that it changes,
    ``move`` is its step in a stream of supervision.
    """

    registry_changes: int
    adopted: int = -1
    before: CaseState | None = None
    after: CaseState | None = None
    flags: tuple[Flag, ...] = ()
    clock_lines: tuple[ClockLine, ...] = ()
    move: Move | None = None


class NewEntry(NamedTuple):
    """A submission with its place in the log."""

    log_index: int
    submission: ValidatedSubmission


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
    committed = {"recorded_at": tree.recorded_at, "committed_size": tree.size}
    commit = f"{entries[0].log_index} {tree.recorded_at}"
    new: NewRows = {
        ENTRIES: [
            row_of(
                ENTRIES,
                entry.submission.envelope,
                log_index=entry.log_index,
                stream_kind=entry.submission.envelope.stream.kind,
                stream_id=entry.submission.envelope.stream.id,
                envelope=entry.submission.envelope_bytes,
                payload=entry.submission.payload_bytes,
                **committed,
            )
            for entry in entries
        ],
        SECTIONS: [
            {"log_index": entry.log_index, "label": label, "data": data}
            for entry in entries
            for label, data in entry.submission.section_bytes.items()
        ],
        FLAGS: [
            {"log_index": entry.log_index, "position": position}
            | {**asdict(flag), "detail": log.packed_detail(flag.detail)}
            for entry in entries
            # The position keeps the order in which receipts repeat the flags.
            for position, flag in enumerate(entry.submission.flags)
        ],
        FEED: feed.rows(entries),
        # What nobody signs about a commit: its first index and its time.
        BINDINGS: [bindings.record_of(bindings.head(connection), bindings.COMMITS, {str(tree.size): commit})],
    }
    latest: NewRows = {
        # A tile at the right edge grows, so it is replaced by the one with more hashes.
        TILES: [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in tiles],
        **_latest_rows(entries),
    }
    # New rows are inserted, never replaced: a row in the way was written by somebody else.
    try:
        write_rows(connection, database, new, latest)
    except IntegrityError as error:
        broken = IntegrityBroken("the database has a row that the log lacks", index=entries[0].log_index, hint=CHANGED)
        broken.add_note(str(error.orig))
        raise broken from error
    # Behind the rows: an event may erase a section of another event of this batch.
    for entry in entries:
        if isinstance(entry.submission.event.body, SectionErased):
            erase(connection, database, entry.submission.event.body)
    # Nothing of the batch counts until the caller's transaction is committed.
    connection.execute(_MOVE_TREE, asdict(tree))


def _latest_rows(entries: Sequence[NewEntry]) -> NewRows:
    """Return the stream heads and the rows of the read models. Of several events the last one's row is kept."""
    latest: dict[Table, dict[tuple[Any, ...], Row]] = {table: {} for table in (STREAMS, *OF_CASES)}
    # Most batches have nothing of supervision, and then no table of it.
    if any(entry.submission.move is not None for entry in entries):
        latest |= {table: {} for table in supervision.STREAM_IDS}
    keys = {table: key_names(table) for table in latest}
    for entry in entries:
        for table, row in _changes(entry.submission, entry.log_index):
            latest[table][tuple(row[name] for name in keys[table])] = row
    return {table: list(by_key.values()) for table, by_key in latest.items()}


def _changes(submission: ValidatedSubmission, index: int) -> Iterator[Change]:
    event = submission.event
    yield STREAMS, row_of(STREAMS, event.stream, event, head=event.leaf_hash)
    yield from projections(submission.before, submission.after, index)
    yield from event_projections(event, index, submission.after)
    yield from ((CLOCKS, row) for row in clocks.rows(submission.clock_lines, index))
    if submission.move is not None:
        yield from supervision.projections(submission.move.after, index)


def projections(before: CaseState | None, after: CaseState | None, index: int) -> Iterator[Change]:
    """Yield what the entry at ``index`` changed in the read models of a case."""
    if after is None:
        return
    own = {"case_id": after.case_id, "updated_index": index}
    yield CASES, row_of(CASES, after, case_number=after.numbers[after.opened_by], **own)
    for agency in after.agencies:
        # Any change of the numbers writes all rows again: there are few agencies in a case.
        if before is None or agency not in before.agencies or before.numbers is not after.numbers:
            number = after.numbers.get(agency)
            yield CASE_AGENCIES, {"case_id": after.case_id, "agency": agency, "case_number": number}
    for handover in changed(before.handovers if before else None, after.handovers):
        yield HANDOVERS, row_of(HANDOVERS, handover, items=len(handover.items), **own)
    for letter in changed(before.letters if before else None, after.letters):
        yield LETTERS, row_of(LETTERS, letter, **own)
    for item in changed(before.items if before else None, after.items):
        counted = {"quantity": item.quantity.value, "unit": item.quantity.unit}
        yield ITEMS, row_of(ITEMS, item, **counted, **own)


def event_projections(event: Event, index: int, after: CaseState | None) -> Iterator[Change]:
    """Yield the rows that the event itself adds to the read models; ``after`` is its case, None in other streams."""
    yield from imports.projections(event, index)
    yield from search.projections(event, index, after)
    yield from cases.split_projections(event, index)


def changed(before: Register[T] | None, after: Register[T]) -> Iterator[T]:
    """Yield the values that differ between two versions, or all of them if there is no previous version.

    A value that a rule wrote again unchanged is not yielded.
    """
    for _, old_value, new_value in after.changes(before):
        if new_value is not None and new_value != old_value:
            yield new_value
