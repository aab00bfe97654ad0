"""Writing a batch: entries, tiles and read models in one transaction, and the erasure of sections.

The bytes of an erased section leave the database with the event that erases them, and soon its write-ahead log.
SQLite overwrites what is deleted (``secure_delete``), but the write-ahead log keeps old pages until it is emptied.
Nothing waits for that: whichever process comes first tries until no reader is in the way. On PostgreSQL old versions
of a row stay until it is vacuumed, and its own logs and backups as long as its operator keeps them.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import asdict
from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.exc import IntegrityError

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.register import Register
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import Event, Submitted
from ledger.core.events.record import SectionErased
from ledger.core.log.tiles import TileContents
from ledger.core.supervision import SupervisionStep
from ledger.store import bindings, cases, clocks, feed, imports, log, search, stocktakes, supervision, word_parts
from ledger.store.clock_lines import ClockLine
from ledger.store.database import CHANGED, Change, Database, NewRows, Row, key_in, row_of, write_rows
from ledger.store.log import TreeState
from ledger.store.stocktake_tables import STOCKTAKES
from ledger.store.tables import (
    BINDINGS,
    CASE_AGENCIES,
    CASES,
    CLOCKS,
    ENTRIES,
    FEED,
    FLAGS,
    HANDOVERS,
    HOLDS,
    ITEMS,
    LETTERS,
    META,
    OF_CASES,
    SECTIONS,
    STREAMS,
    TILES,
    TREE,
)

NO_PARTITION = "23514"  # SQLSTATE of a row that no partition takes; no table has a check of its own
_ERASED = "erased_section"  # the last erasure, or destruction of a file, whose bytes may be in the write-ahead log


def erase(connection: Connection, database: Database, body: SectionErased) -> None:
    """Empty the section in the open transaction. Requires the writer's lock."""
    target = select(ENTRIES.c.log_index).where(ENTRIES.c.event_id == body.concerns.event_id)
    named = (SECTIONS.c.log_index == target.scalar_subquery(), SECTIONS.c.label == body.label)
    stored = connection.execute(select(SECTIONS.c.log_index, SECTIONS.c.data).where(*named)).first()
    if stored is not None and stored.data is not None:
        parts = search.parts_of_name(stored.data, body.label)
        # What another section's name has stays.
        for label, data in log.sections(connection, stored.log_index).items():
            if label != body.label and data is not None:
                parts -= search.parts_of_name(data, label)
        word_parts.forget_name(connection, stored.log_index, parts)
    connection.execute(update(SECTIONS).where(*named).values(data=None))
    mark_erased(connection, database, f"{body.concerns.event_id} {body.label}")


def mark_erased(connection: Connection, database: Database, mark: str) -> None:
    """Note that the write-ahead log has bytes that must go (``clear_away``). Requires the writer's lock."""
    log.keep_fact(connection, database, _ERASED, mark)


def clear_away(database: Database) -> bool:
    """Remove the last traces of erased sections and of keys of destroyed files from the write-ahead log.

    Returns False if it must be tried again.
    """
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
    newest adoption of a procedure by which it was judged, None if no procedure judges it. ``rows`` are what it changes
    in the read models (``rows_of``), ``receipt_flags`` those of its ``flags`` that its signer sees.
    """

    registry_changes: int
    adopted: int | None = None
    flags: tuple[Flag, ...] = ()
    receipt_flags: tuple[Flag, ...] = ()
    rows: tuple[Change, ...] = ()


def pickled(value: object) -> bytes:
    """Pickle a value for another process, in which its rows belong to the tables of the same names."""
    written = BytesIO()
    _Pickler(written, pickle.HIGHEST_PROTOCOL).dump(value)
    return written.getvalue()


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {Table: lambda table: (_table, (str(table.name),))}


def _table(name: str) -> Table:
    return TREE.metadata.tables[name]


class NewEntry(NamedTuple):
    """A submission with its place in the log."""

    log_index: int
    submission: ValidatedSubmission


def write_batch(
    connection: Connection,
    database: Database,
    entries: Sequence[NewEntry],
    tiles: Sequence[TileContents],
    tree: TreeState,
) -> None:
    """Write all that the batch changes into the open transaction, up to the new ``tree``. Requires the writer's lock.

    Raises IntegrityBroken for a row in the way that no batch has written, Unavailable where PostgreSQL has no partition
    for the entries.
    """
    committed = {"recorded_at": tree.recorded_at, "committed_size": tree.size}
    commit = f"{entries[0].log_index} {tree.recorded_at}"
    lines, latest = _placed_rows(entries)
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
        FEED: lines,
        # What nobody signs about a commit: its first index and its time.
        BINDINGS: [bindings.record_of(bindings.head(connection), bindings.COMMITS, {str(tree.size): commit})],
    }
    # A tile at the right edge grows, so it is replaced by the one with more hashes.
    rows_of_tiles = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in tiles]
    latest = {TILES: rows_of_tiles, **latest, TREE: [{"id": 1, **asdict(tree), "log_id": tree.log_id.hex()}]}
    # New rows are inserted, never replaced: a row in the way was written by somebody else.
    try:
        write_rows(connection, database, new, latest)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == NO_PARTITION:
            raise Unavailable(
                "the database has no partition for the entry {index}",
                index=entries[0].log_index,
                code="no_partition",
                hint="The service makes it within a minute; its log says why it could not. Submit it again.",
                retry_after=60,
            ) from error
        broken = IntegrityBroken("the database has a row that the log lacks", index=entries[0].log_index, hint=CHANGED)
        broken.add_note(str(error.orig))
        raise broken from error
    # Behind the rows: an event may erase a section of another event of this batch.
    for entry in entries:
        if isinstance(entry.submission.event.body, SectionErased):
            erase(connection, database, entry.submission.event.body)


def _placed_rows(entries: Sequence[NewEntry]) -> tuple[list[Row], NewRows]:
    """Return the lines of feeds, and the latest rows of stream heads and read models, of several of a key the last."""
    lines: list[Row] = []
    latest: dict[Table, dict[Any, Row]] = {table: {} for table in (STREAMS, *OF_CASES)}
    for entry in entries:
        for table, row in entry.submission.rows:
            place = _PLACES.get(table)
            placed = row if place is None else {**row, place: entry.log_index}
            if table is FEED:
                lines.append(placed)
            else:  # most batches have nothing of supervision, and then no table of it
                latest.setdefault(table, {})[key_in(table, row)] = placed
    return lines, {table: list(by_key.values()) for table, by_key in latest.items()}


UNPLACED = -1  # in a row, before its entry has an index
# The tables that only events change, beside those of the log itself.
PROJECTED = (FEED, *OF_CASES, *supervision.STREAM_IDS, STOCKTAKES)
# The column of each read model that is the index of an entry.
_PLACES = {table: name for table in PROJECTED for name in ("log_index", "updated_index") if name in table.columns}


def rows_of(
    event: Event,
    before: CaseState | None = None,
    after: CaseState | None = None,
    lines: Iterable[ClockLine] = (),
    step: SupervisionStep | None = None,
) -> tuple[Change, ...]:
    """Return the rows of an event that is still UNPLACED: stream head, lines of feeds, and rows of read models.

    ``before`` and ``after`` are the states of its case, None in other streams. ``lines`` are those of the list of
    deadlines that it changes, ``step`` is that which it makes in a supervision stream.
    """
    return tuple(_changes(event, before, after, lines, step))


def _changes(
    event: Event,
    before: CaseState | None,
    after: CaseState | None,
    lines: Iterable[ClockLine],
    step: SupervisionStep | None,
) -> Iterator[Change]:
    yield STREAMS, row_of(STREAMS, event.stream, event, head=event.leaf_hash)
    for agency, since in feed.recipients(event, before, after, step):
        yield FEED, {"agency": agency, "log_index": UNPLACED, "since": since}
    yield from projections(before, after, UNPLACED)
    yield from event_projections(event, UNPLACED, after)
    yield from ((CLOCKS, row) for row in clocks.rows(lines, UNPLACED))
    if step is not None:
        yield from supervision.projections(step.after, UNPLACED)


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
    for hold in changed(before.holds if before else None, after.holds):
        yield HOLDS, row_of(HOLDS, hold, items=len(hold.item_ids), **own)
    for item in changed(before.items if before else None, after.items):
        counted = {"quantity": item.quantity.value, "unit": item.quantity.unit}
        yield ITEMS, row_of(ITEMS, item, parents=" ".join(item.parents) or None, **counted, **own)


def event_projections(event: Event, index: int, after: CaseState | None) -> Iterator[Change]:
    """Yield the rows that the event itself adds to the read models; ``after`` is its case, None in other streams."""
    yield from imports.projections(event, index)
    yield from search.projections(event, index, after)
    yield from cases.split_projections(event, index)
    yield from stocktakes.projections(event, index)


def changed(before: Register[T] | None, after: Register[T]) -> Iterator[T]:
    """Yield the values that differ between two versions, or all of them if there is no previous version.

    A value that a rule wrote again unchanged is not yielded.
    """
    for _, old_value, new_value in after.changes(before):
        if new_value is not None and new_value != old_value:
            yield new_value
