"""What an audit reads: stored rows as they are, in the orders in which they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, Table, distinct, func, select

from ledger.core.custody import CaseState, Flag
from ledger.store.append import projections
from ledger.store.log import PAGE, StoredEntry
from ledger.store.tables import (
    CASE_AGENCIES,
    CASES,
    ENTRIES,
    FLAGS,
    HANDOVERS,
    ITEMS,
    SECTIONS,
    STREAMS,
    TILES,
)

Row = dict[str, Any]
ModelKey = tuple[str, ...]  # table, then the key of the row in it
Models = dict[ModelKey, Row]  # of one case

_ENTRY_COLUMNS = [ENTRIES.c[name] for name in StoredEntry.__struct_fields__]
_MODEL_TABLES: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (CASES, ("case_id",)),
    (CASE_AGENCIES, ("case_id", "agency")),
    (HANDOVERS, ("case_id", "handover_id")),
    (ITEMS, ("item_id",)),
)


def highest_index(connection: Connection) -> int:
    """Of the stored entries; -1 where there are none."""
    found = connection.execute(select(func.max(ENTRIES.c.log_index))).scalar()
    return -1 if found is None else int(found)


def sections(connection: Connection, start: int, end: int) -> dict[int, dict[str, bytes | None]]:
    """The sections of the entries ``start <= i < end``, by index and label; None for one that was erased."""
    found: dict[int, dict[str, bytes | None]] = {}
    query = select(SECTIONS).where(SECTIONS.c.log_index >= start, SECTIONS.c.log_index < end)
    for row in connection.execute(query):
        found.setdefault(row.log_index, {})[row.label] = row.data
    return found


def strays(connection: Connection, size: int) -> list[tuple[str, int]]:
    """Sections and flags (table, index) of entries that are not there."""
    found: list[tuple[str, int]] = []
    for table in (SECTIONS, FLAGS):
        orphan = ~select(ENTRIES.c.log_index).where(ENTRIES.c.log_index == table.c.log_index).exists()
        query = select(distinct(table.c.log_index)).where(orphan | (table.c.log_index >= size))
        found += ((table.name, index) for index in connection.execute(query).scalars())
    return found


def erasures(connection: Connection) -> list[StoredEntry]:
    """The ``section.erased`` entries, in their order."""
    query = select(*_ENTRY_COLUMNS).where(ENTRIES.c.event_type == "section.erased").order_by(ENTRIES.c.log_index)
    return [_stored(row) for row in connection.execute(query)]


def tile(connection: Connection, level: int, index: int) -> bytes | None:
    """A tile as it is stored."""
    query = select(TILES.c.hashes).where(TILES.c.level == level, TILES.c.tile_index == index)
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)


def count_tiles(connection: Connection) -> int:
    """How many tiles are stored, the partial ones included."""
    return connection.execute(select(func.count()).select_from(TILES)).scalar_one()


# -- by stream ---------------------------------------------------------------------------------------------------------


def stream_kinds(connection: Connection) -> list[str]:
    """The kinds of stream that entries or heads speak of."""
    kinds = {*connection.execute(select(distinct(ENTRIES.c.stream_kind))).scalars()}
    return sorted(kinds | {*connection.execute(select(distinct(STREAMS.c.kind))).scalars()})


def stream_bounds(connection: Connection, kind: str, entries_each: int) -> list[str]:
    """Stream ids that cut the streams of a kind into parts of about ``entries_each`` entries."""
    bounds: list[str] = []
    ids = select(ENTRIES.c.stream_id).where(ENTRIES.c.stream_kind == kind).order_by(ENTRIES.c.stream_id)
    while True:
        query = ids.where(ENTRIES.c.stream_id >= bounds[-1]) if bounds else ids
        bound = connection.execute(query.offset(entries_each).limit(1)).scalar()
        if bound is not None and bounds and bound == bounds[-1]:  # a stream that is longer than a part
            after = select(func.min(ENTRIES.c.stream_id))
            bound = connection.execute(
                after.where(ENTRIES.c.stream_kind == kind, ENTRIES.c.stream_id > bounds[-1])
            ).scalar()
        if bound is None:
            return bounds
        bounds.append(bound)


def by_stream(
    connection: Connection, kind: str, first: str | None, last: str | None, *, size: int
) -> Iterator[StoredEntry]:
    """The entries below ``size`` of the streams ``first <= id < last``, stream by stream, each in its order."""
    query = select(*_ENTRY_COLUMNS).where(ENTRIES.c.stream_kind == kind, ENTRIES.c.log_index < size)
    query = _between(query, ENTRIES.c.stream_id, first, last).order_by(ENTRIES.c.stream_id, ENTRIES.c.sequence)
    yield from map(_stored, connection.execute(query.execution_options(yield_per=PAGE)))


def heads(connection: Connection, kind: str, first: str | None, last: str | None) -> dict[str, tuple[int, str]]:
    """Sequence and digest that these streams are said to stand on, by id."""
    query = _between(select(STREAMS).where(STREAMS.c.kind == kind), STREAMS.c.id, first, last)
    return {row.id: (row.sequence, row.head) for row in connection.execute(query)}


def flags(connection: Connection, kind: str, first: str | None, last: str | None) -> dict[int, tuple[Flag, ...]]:
    """The stored flags of these streams' entries, by index."""
    joined = FLAGS.join(ENTRIES, ENTRIES.c.log_index == FLAGS.c.log_index)
    query = select(FLAGS).select_from(joined).where(ENTRIES.c.stream_kind == kind)
    query = _between(query, ENTRIES.c.stream_id, first, last).order_by(FLAGS.c.log_index, FLAGS.c.position)
    found: dict[int, tuple[Flag, ...]] = {}
    for row in connection.execute(query):
        found[row.log_index] = (*found.get(row.log_index, ()), Flag(row.name, row.article, row.detail))
    return found


def stored_models(connection: Connection, first: str | None, last: str | None) -> dict[str, Models]:
    """The read models of the cases ``first <= id < last``, by case."""
    found: dict[str, Models] = {}
    for table, key in _MODEL_TABLES:
        query = _between(select(table), table.c.case_id, first, last)
        for row in connection.execute(query).mappings():
            found.setdefault(row["case_id"], {})[table.name, *(row[name] for name in key)] = dict(row)
    return found


def project(models: Models, before: CaseState | None, after: CaseState, index: int) -> None:
    """Moves the read models of a case on by the entry at ``index``."""
    models.update(((table.name, *key), row) for table, key, row in projections(before, after, index))


def drop_left(models: Models, state: CaseState) -> None:
    """Takes out the items that left for another case, whose they are now."""
    for item in state.items.values():
        if item.status == "left":
            models.pop((ITEMS.name, item.item_id), None)


def _between(query: Select[Any], column: Any, first: str | None, last: str | None) -> Select[Any]:
    if first is not None:
        query = query.where(column >= first)
    return query if last is None else query.where(column < last)


def _stored(row: Any) -> StoredEntry:
    return StoredEntry(*row)
