"""The rows that an audit reads, as they are stored, in the order in which they are checked; and stored audits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, LargeBinary, Table, and_, cast, func, literal, or_, select, true
from sqlalchemy.exc import DBAPIError

from ledger.core.custody import CaseState, Flag
from ledger.core.custody.kept_state import encode_state, is_kept
from ledger.core.errors import NotFound
from ledger.core.events import Event, decode_checked
from ledger.core.events.terms import StreamKind
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.store import bindings, clocks, feed, log, search, supervision
from ledger.store.append import changed, event_projections, projections
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.clock_lines import ClockLine
from ledger.store.database import Row, key_in, key_of, one_of, one_of_pairs, texts_named
from ledger.store.kept_states import kept_rows, row_to_compare
from ledger.store.log import PAGE, StoredEntry
from ledger.store.stocktake_tables import STOCKTAKES
from ledger.store.tables import (
    AUDITS,
    CASES,
    CHECKPOINTS,
    CLOCKS,
    ENTRIES,
    FEED,
    FLAGS,
    HANDOVERS,
    HOLDS,
    ITEMS,
    KEPT_STATES,
    LETTERS,
    NAME_PARTS,
    NO_CASE,
    OF_CASES,
    SECTIONS,
    SPLITS,
    STREAMS,
    TILES,
    TREE,
    WORD_PARTS,
)

SECTIONS_PAGE = 16_384  # entries whose sections are read at a time
ModelKey = tuple[Any, ...]  # the table, then the values of the row's primary key
Models = dict[ModelKey, Row]  # of one stream

# SQLite keeps what it is given: text in a column of bytes must not stop an audit.
_ENTRY_COLUMNS = [
    cast(column, LargeBinary).label(column.name) if isinstance(column.type, LargeBinary) else column
    for column in (ENTRIES.c[name] for name in StoredEntry.__struct_fields__)
]


def highest_index(connection: Connection) -> int:
    """Return the highest index of the stored entries; -1 if there are none."""
    highest = connection.execute(select(func.max(ENTRIES.c.log_index))).scalar()
    return -1 if highest is None else int(highest)


def tree_rows(connection: Connection) -> list[tuple[object, ...]]:
    """Return id, log id and time of each row of ``tree``; a sound database has one."""
    query = select(TREE.c.id, TREE.c.log_id, TREE.c.recorded_at).order_by(TREE.c.id)
    return [tuple(row) for row in connection.execute(query)]


def entries(connection: Connection, indices: Sequence[int]) -> Iterator[StoredEntry | int]:
    """Yield the entries at these rising indices in order; for a row that the database cannot read, its index."""
    for first in range(0, len(indices), PAGE):
        some = indices[first : first + PAGE]
        try:
            yield from _page(connection, some)
        except DBAPIError:  # one of the rows: each by itself
            for index in some:
                try:
                    yield from _page(connection, [index])
                except DBAPIError:
                    yield index


def _page(connection: Connection, indices: Sequence[int]) -> list[StoredEntry]:
    query = select(*_ENTRY_COLUMNS).where(_at(ENTRIES.c.log_index, indices))
    return [_stored(row) for row in connection.execute(query.order_by(ENTRIES.c.log_index)).all()]


def _at(column: ColumnElement[int], indices: Sequence[int]) -> ColumnElement[bool]:
    """Return that the column is one of these rising indices."""
    within = (column >= indices[0]) & (column <= indices[-1])
    return within if indices[-1] - indices[0] < len(indices) else column.in_(indices)


def sections(connection: Connection, indices: Sequence[int]) -> dict[int, dict[str, bytes | None]]:
    """Return the sections of the entries at these rising indices, by index and label; None for an erased one."""
    by_index: dict[int, dict[str, bytes | None]] = {}
    columns = (SECTIONS.c.log_index, SECTIONS.c.label, cast(SECTIONS.c.data, LargeBinary).label("data"))
    for first in range(0, len(indices), SECTIONS_PAGE):
        query = select(*columns).where(_at(SECTIONS.c.log_index, indices[first : first + SECTIONS_PAGE]))
        for row in connection.execute(query):
            by_index.setdefault(row.log_index, {})[row.label] = row.data
    return by_index


def commits(connection: Connection, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Return size and time of the commits of the stored entries ``start <= i < end``, by index."""
    columns = (ENTRIES.c.log_index, ENTRIES.c.committed_size, ENTRIES.c.recorded_at)
    query = select(*columns).where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)
    return {index: (size, at) for index, size, at in connection.execute(query)}


def strays(connection: Connection, size: int) -> list[tuple[str, int]]:
    """Return (table, index) of sections, flags and feed lines whose entry does not exist."""
    orphans: list[tuple[str, int]] = []
    for table in (SECTIONS, FLAGS, FEED):
        orphan = ~select(ENTRIES.c.log_index).where(ENTRIES.c.log_index == table.c.log_index).exists()
        query = select(table.c.log_index).distinct().where(orphan | (table.c.log_index >= size))
        orphans += ((table.name, index) for index in connection.execute(query).scalars())
    # A part of a name whose section is erased, or was never there.
    of_part, is_there = SECTIONS.c.log_index == NAME_PARTS.c.log_index, SECTIONS.c.data.is_not(None)
    nameless = ~select(SECTIONS.c.log_index).where(of_part, is_there).exists()
    left = connection.execute(select(NAME_PARTS.c.log_index).distinct().where(nameless)).scalars()
    return [*orphans, *((NAME_PARTS.name, index) for index in left)]


def repeated_events(connection: Connection) -> list[tuple[str, int]]:
    """Return what names an event, its id or its payload's digest, with the index of each entry whose name stands in the
    log before. SQLite's constraint allows no id twice."""
    names = [ENTRIES.c.payload_digest]
    if connection.dialect.name != "sqlite":
        names.append(ENTRIES.c.event_id)
    repeated: list[tuple[str, int]] = []
    for name in names:
        again = select(name, func.min(ENTRIES.c.log_index).label("first")).group_by(name).having(func.count() > 1)
        firsts = again.subquery()
        query = select(name, ENTRIES.c.log_index).join(firsts, name == firsts.c[name.name])
        query = query.where(ENTRIES.c.log_index > firsts.c.first).order_by(ENTRIES.c.log_index)
        repeated.extend((text, index) for text, index in connection.execute(query))
    return repeated


def of_type(connection: Connection, event_type: str) -> list[StoredEntry]:
    """Return the entries of an event type, in order."""
    query = select(*_ENTRY_COLUMNS).where(ENTRIES.c.event_type == event_type).order_by(ENTRIES.c.log_index)
    return [_stored(row) for row in connection.execute(query)]


def tile(connection: Connection, level: int, index: int) -> bytes | None:
    """Return a tile as it is stored, or None."""
    query = select(cast(TILES.c.hashes, LargeBinary)).where(TILES.c.level == level, TILES.c.tile_index == index)
    hashes = connection.execute(query).scalar()
    return None if hashes is None else bytes(hashes)


def count_tiles(connection: Connection) -> int:
    """Return how many tiles are stored, the partial ones included."""
    return connection.execute(select(func.count()).select_from(TILES)).scalar_one()


def with_sources(connection: Connection, cases: set[str]) -> set[str]:
    """Return these cases, and those that they came out of or took something over from."""
    pairs = [*connection.execute(select(SPLITS.c.case_id, SPLITS.c.new_case_id).distinct())]
    reached = cases
    while sources := {source for source, new in pairs if new in reached and isinstance(source, str)} - reached:
        reached = reached | sources
    return reached


def rows_of_case(connection: Connection, case_id: str) -> dict[Table, ColumnElement[bool]]:
    """Return which rows the audit of a case reads, by table: its own, those of cases that it came out of, and those of
    the log as a whole."""
    cases = with_sources(connection, {case_id})
    of_cases = (ENTRIES.c.stream_kind == "case") & ENTRIES.c.stream_id.in_(cases)
    indices = select(ENTRIES.c.log_index).where(of_cases)
    whole = dict.fromkeys((TREE, TILES, CHECKPOINTS, CHAIN_WRITES), true())
    read_by_index = {table: table.c.log_index.in_(indices) for table in (SECTIONS, FLAGS, FEED)}
    read_by_case = {table: table.c.case_id.in_(cases) for table in OF_CASES}
    of_log = (ENTRIES.c.stream_kind == "system") | (ENTRIES.c.event_type == "section.erased")
    streams = (STREAMS.c.kind == "case") & STREAMS.c.id.in_(cases)
    return {**whole, **read_by_index, **read_by_case, ENTRIES: of_cases | of_log, STREAMS: streams}


# -- by stream ---------------------------------------------------------------------------------------------------------


def stream_kinds(connection: Connection) -> list[str]:
    """Return the kinds of stream that entries or heads name, and "supervision", whose lists may have stray rows."""
    kinds = {*connection.execute(select(ENTRIES.c.stream_kind).distinct()).scalars()}
    return sorted({"supervision"} | kinds | {*connection.execute(select(STREAMS.c.kind).distinct()).scalars()})


class StreamRange(Struct, frozen=True):
    """The streams ``first <= id < last`` of a kind, or those ``only``; None is no bound.

    Of their entries those below ``size`` are read.
    """

    kind: str
    size: int
    first: str | None = None
    last: str | None = None
    only: frozenset[str] | None = None

    def has(self, stream_id: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a stream of the kind is one of these."""
        if self.only is not None:
            return one_of(stream_id, self.only)
        above = true() if self.first is None else stream_id >= self.first
        return and_(above, true() if self.last is None else stream_id < self.last)

    @property
    def entries(self) -> ColumnElement[bool]:
        """Return the condition that an entry is of these streams, whatever its index."""
        return and_(ENTRIES.c.stream_kind == self.kind, self.has(ENTRIES.c.stream_id))


def stream_bounds(connection: Connection, part: StreamRange, entries_each: int) -> list[str]:
    """Return stream ids that split these streams into parts of about ``entries_each`` entries."""
    bounds: list[str] = []
    stream_id = ENTRIES.c.stream_id
    while True:
        query = select(stream_id).where(part.entries).order_by(stream_id)
        query = query.where(stream_id >= bounds[-1]) if bounds else query
        bound = connection.execute(query.offset(entries_each).limit(1)).scalar()
        if bound is not None and bound == (bounds[-1] if bounds else part.first):  # a stream longer than a part
            after = select(func.min(stream_id)).where(part.entries, stream_id > bound)
            bound = connection.execute(after).scalar()
        if bound is None:
            return bounds
        bounds.append(bound)


def last_entries(connection: Connection, below: int) -> Iterator[tuple[StreamKind, str, int, int]]:
    """Yield kind, id, sequence and index of each stream's last entry below an index, by the index."""
    columns = (ENTRIES.c.stream_kind, ENTRIES.c.stream_id)
    last = func.max(ENTRIES.c.log_index)
    query = select(*columns, func.max(ENTRIES.c.sequence), last).where(ENTRIES.c.log_index < below)
    yield from map(tuple, connection.execute(query.group_by(*columns).order_by(last).execution_options(yield_per=PAGE)))


def stream_ids(connection: Connection, part: StreamRange) -> set[str]:
    """Return the ids of those of these streams that have entries."""
    return {*connection.execute(select(ENTRIES.c.stream_id).distinct().where(part.entries)).scalars()}


def streams_since(connection: Connection, kind: str, start: int) -> set[str]:
    """Return the ids of the streams of a kind that have an entry at the index ``start`` or above."""
    query = select(ENTRIES.c.stream_id).distinct().where(ENTRIES.c.log_index >= start, ENTRIES.c.stream_kind == kind)
    return {*connection.execute(query).scalars()}


def indices(connection: Connection, part: StreamRange, below: int) -> list[int]:
    """Return the indices below one that the entries of these streams have."""
    query = select(ENTRIES.c.log_index).where(part.entries, ENTRIES.c.log_index < below)
    return [*connection.execute(query).scalars()]


def count_of_kind(connection: Connection, kind: str, below: int) -> int:
    """Return how many entries below an index are of streams of a kind."""
    query = select(func.count()).where(ENTRIES.c.stream_kind == kind, ENTRIES.c.log_index < below)
    return int(connection.execute(query).scalar_one())


def indices_of_erasures(connection: Connection, below: int) -> list[int]:
    """Return the indices below one at which sections were erased."""
    query = select(ENTRIES.c.log_index).where(ENTRIES.c.event_type == "section.erased", ENTRIES.c.log_index < below)
    return [*connection.execute(query).scalars()]


def by_stream(connection: Connection, part: StreamRange, without: Collection[int] = ()) -> Iterator[StoredEntry]:
    """Yield the entries of these streams, stream by stream, each in order."""
    query = select(*_ENTRY_COLUMNS).where(part.entries, ENTRIES.c.log_index < part.size)
    if without:
        query = query.where(ENTRIES.c.log_index.not_in(without))
    query = query.order_by(ENTRIES.c.stream_id, ENTRIES.c.sequence)
    # Streamed: a kind may have more entries than memory holds.
    yield from map(_stored, connection.execute(query.execution_options(yield_per=PAGE)))


def heads(connection: Connection, part: StreamRange) -> dict[str, tuple[int, str]]:
    """Return the stored sequence and digest of these streams' heads, by stream id."""
    query = select(STREAMS).where(STREAMS.c.kind == part.kind, part.has(STREAMS.c.id))
    return {row.id: (row.sequence, row.head) for row in connection.execute(query).all()}


def splitting(connection: Connection) -> frozenset[str | None]:
    """Return the ids of all cases from and for which something was split off."""
    pairs = connection.execute(select(SPLITS.c.case_id, SPLITS.c.new_case_id).distinct())
    return frozenset(case_id for pair in pairs for case_id in pair)


def flags(connection: Connection, part: StreamRange) -> dict[int, tuple[Flag, ...]]:
    """Return the stored flags of these streams' entries, by index.

    A flag at a wrong position gets another name, so that it differs from the one that the rules raise.
    """
    joined = FLAGS.join(ENTRIES, ENTRIES.c.log_index == FLAGS.c.log_index)
    query = select(FLAGS).select_from(joined).where(part.entries).order_by(FLAGS.c.log_index, FLAGS.c.position)
    by_index: dict[int, tuple[Flag, ...]] = {}
    for row in connection.execute(query):
        earlier = by_index.get(row.log_index, ())
        name = row.name if row.position == len(earlier) else f"{row.name} at place {row.position}"
        by_index[row.log_index] = (*earlier, log.flag_of(name, row.article, row.detail))
    return by_index


def stored_models(connection: Connection, part: StreamRange) -> dict[str, Models]:
    """Return the read models of these streams, by stream, with their feed lines."""
    kind = part.kind
    stream_ids: dict[Table, ColumnElement[str]] = {FEED: ENTRIES.c.stream_id}
    if kind == "supervision":
        stream_ids |= supervision.STREAM_IDS
        stream_ids[CLOCKS] = literal(RECOMMENDATION_STREAM) + CLOCKS.c.subject
    if kind == "agency":
        stream_ids[STOCKTAKES] = STOCKTAKES.c.agency
    if kind == "case":
        stream_ids |= {table: table.c.case_id for table in OF_CASES}
    by_stream_id: defaultdict[str, Models] = defaultdict(dict)
    for table, stream_id in stream_ids.items():
        names = table.columns.keys()
        query = select(table, stream_id.label("stream")).where(part.has(stream_id))
        if table is FEED:
            query = query.join(ENTRIES, ENTRIES.c.log_index == FEED.c.log_index).where(ENTRIES.c.stream_kind == kind)
        if table is CLOCKS:
            of_case = CLOCKS.c.case_id != NO_CASE
            query = query.where(of_case if kind == "case" else ~of_case)
        # By position: names of columns may be those of the joined table. The last value is the stream's id.
        for values in connection.execute(query).all():
            put(by_stream_id[values[-1]], table, dict(zip(names, values, strict=False)))
    if kind == "case":
        for case_id, row in kept_rows(connection, part.has(KEPT_STATES.c.case_id)):
            put(by_stream_id[case_id], KEPT_STATES, row)
    return by_stream_id


def missing_parts(connection: Connection, entries: Collection[StoredEntry]) -> list[tuple[str, str, int]]:
    """Return (table, part, index) of the parts of words and names that these entries have and searches do not find.

    A row too many is no fault: what it leads to is compared with the words themselves.
    """
    events = ((row.log_index, decode_checked(row.envelope, row.payload)) for row in entries)
    of_words = {(part, index) for index, event in events for part in search.parts_said(event)}
    naming = sorted(row.log_index for row in entries if row.event_type == search.NAMING)
    by_index = sections(connection, naming) if naming else {}
    named = {
        (part, index)
        for index, by_label in by_index.items()
        for label, data in by_label.items()
        if data is not None
        for part in search.parts_of_name(data, label)
    }
    missing: list[tuple[str, str, int]] = []
    for table, expected in ((WORD_PARTS, of_words), (NAME_PARTS, named)):
        columns = (table.c.part, table.c.log_index)
        pairs = {"pairs": msgspec.json.encode(list(expected)).decode()}
        stored = connection.execute(select(*columns).where(one_of_pairs(columns, _PAIRS)), pairs)
        missing += ((table.name, *pair) for pair in sorted(expected.difference(map(tuple, stored))))
    return missing


_PAIRS = texts_named("pairs")


def put(models: Models, table: Table, row: Row) -> None:
    """Put the row of a read model in the place of an earlier one with its key."""
    models[table, *key_in(table, row)] = row


def put_feed(models: Models, agency: str, index: int, since: int) -> None:
    """Put a feed line among the read models of its entry's stream."""
    put(models, FEED, {"agency": agency, "log_index": index, "since": since})


def name_of_row(table: Table, row: Row) -> str:
    """Return the table and the key of a row as a finding names it."""
    return " ".join((table.name, *key_of(table, row)))


class Expected:
    """Computes the read models of a case from its events: which event changed a row last, and the row's values."""

    def __init__(self) -> None:
        self._changed_at: dict[ModelKey, int] = {}
        self._event_rows: Models = {}
        self._lines: dict[str, tuple[ClockLine, int]] = {}
        self._kept: CaseState | None = None

    def take(
        self, before: CaseState | None, after: CaseState, event: Event, index: int, lines: Iterable[ClockLine]
    ) -> None:
        """Apply the entry at ``index``, which changed these clock lines."""
        if is_kept(after):
            self._kept = after
        for handover in changed(before.handovers if before else None, after.handovers):
            self._changed_at[HANDOVERS, after.case_id, handover.handover_id] = index
        for letter in changed(before.letters if before else None, after.letters):
            self._changed_at[LETTERS, after.case_id, letter.letter_id] = index
        for hold in changed(before.holds if before else None, after.holds):
            self._changed_at[HOLDS, after.case_id, hold.hold_id] = index
        for item in changed(before.items if before else None, after.items):
            self._changed_at[ITEMS, item.item_id, after.case_id] = index
        for table, row in event_projections(event, index, after):
            put(self._event_rows, table, row)
        self.take_lines(lines, index)
        for agency, since in feed.of_case(before, after, event.sequence):
            put_feed(self._event_rows, agency, index, since)
        self._changed_at[CASES, after.case_id] = index

    def take_lines(self, lines: Iterable[ClockLine], index: int) -> None:
        """Apply what the entry at ``index``, of this case or of another one, changed in the list of deadlines."""
        for line in lines:
            self._lines[line.deadline_id] = line, index

    def models(self, last: CaseState) -> Models:
        """Return all rows of the case, given its last state."""
        rows = self._event_rows
        for table, row in projections(None, last, 0):
            key = (table, *key_in(table, row))
            if (index := self._changed_at.get(key)) is not None:
                row["updated_index"] = index
            rows[key] = row
        for line, index in self._lines.values():
            for row in clocks.rows((line,), index):
                put(rows, CLOCKS, row)
        if self._kept is not None:
            put(rows, KEPT_STATES, row_to_compare(self._kept.case_id, self._kept.sequence, encode_state(self._kept)))
        return rows


def _stored(row: Any) -> StoredEntry:
    return StoredEntry(*row)


class KeptAudit(Struct, frozen=True):
    """A stored audit, see ``tables.AuditsTable``; lists leave ``report`` out."""

    audit_id: str
    case_id: str | None
    agency: str
    officer: str
    started_at: int
    ended_at: int
    verdict: str | None
    failure: str | None
    report: bytes | None = None


_LISTED = [AUDITS.c[name] for name in KeptAudit.__struct_fields__ if name != "report"]


def keep(connection: Connection, audit: KeptAudit) -> None:
    """Store an audit. Requires the writer's lock."""
    connection.execute(AUDITS.insert(), asdict(audit))
    bindings.bind_rows(connection, AUDITS, [{"audit_id": audit.audit_id}])


def latest(connection: Connection, agency: str, limit: int) -> list[KeptAudit]:
    """Return the audits of the whole log, and those of cases that the agency ran, without reports; newest first."""
    query = select(*_LISTED).where(or_(AUDITS.c.case_id.is_(None), AUDITS.c.agency == agency))
    rows = connection.execute(query.order_by(AUDITS.c.started_at.desc()).limit(limit))
    return [KeptAudit(*row) for row in rows]


def stored_audit(connection: Connection, audit_id: str) -> KeptAudit:
    """Return an audit with its report. Raises NotFound."""
    row: Any = connection.execute(select(*_LISTED, AUDITS.c.report).where(AUDITS.c.audit_id == audit_id)).first()
    if row is None:
        raise NotFound("no audit {audit_id}", audit_id=audit_id, field="audit_id")
    return KeptAudit(*row)
