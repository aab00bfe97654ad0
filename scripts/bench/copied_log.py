"""A long log in little time: what an honest one of a few entries has, again and again under other ids.

Whoever writes on it finds tables, indexes and tiles as large as if all had been submitted. Copies are not what anybody
signed: an audit of it fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.progress import track
from sqlalchemy import Column, ColumnElement, MetaData, Table, create_engine, insert, literal, select, update
from sqlalchemy.engine import Connection

from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.tiles import Appended, RightEdge
from ledger.store import log
from ledger.store.tables import CASE_AGENCIES, CASES, CLOCKS, ENTRIES, FEED, HANDOVERS, ITEMS, STREAMS, TILES, TREE

COPIED = (ENTRIES, STREAMS, FEED, CASES, CASE_AGENCIES, ITEMS, HANDOVERS, CLOCKS)
IDS = ("event_id", "stream_id", "payload_digest", "case_id", "item_id", "head")  # and ``id`` of a stream
PLACES = ("log_index", "updated_index", "committed_size")


def lengthen(file: Path, entries: int) -> int:
    """Copies the cases of the SQLite ledger in ``file`` until it has about so many entries; gives how many it has."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        kept = {one: _set_aside(connection, one) for one in COPIED}
        tree = log.tree(connection)
        leaves = _leaves(connection)
        edge = RightEdge.read(tree.size, log.tile_reader(connection))
        for number in track(range((entries - tree.size) // len(leaves)), f"a log of {entries:,} entries"):
            for one, apart in kept.items():
                _copy(connection, apart, one, f"-copy-{number}", edge.size - (tree.size - len(leaves)))
            grown = edge.append(leaves)
            _write_tree(connection, grown)
            edge = grown.edge
    engine.dispose()
    return edge.size


def _set_aside(connection: Connection, one: Table) -> Table:
    """A table of this connection that has the rows of cases."""
    columns: list[Column[Any]] = [Column(found.name, found.type) for found in one.columns]
    apart = Table(f"first_{one.name}", MetaData(), *columns, prefixes=["TEMPORARY"])
    apart.create(connection)
    kinds = {ENTRIES: ENTRIES.c.stream_kind, STREAMS: STREAMS.c.kind}
    rows = select(one).where(kinds[one] == "case") if one in kinds else select(one)
    connection.execute(insert(apart).from_select([*apart.columns], rows))
    return apart


def _leaves(connection: Connection) -> list[Hash]:
    of_cases = select(ENTRIES.c.envelope).where(ENTRIES.c.stream_kind == "case").order_by(ENTRIES.c.log_index)
    return [leaf_hash(envelope) for envelope in connection.execute(of_cases).scalars()]


def _copy(connection: Connection, apart: Table, one: Table, mark: str, shift: int) -> None:
    """Puts the rows that were set aside into the table under other ids, ``shift`` entries further on."""
    values = [_moved(found, one, mark, shift) for found in apart.columns]
    connection.execute(insert(one).from_select([*one.columns], select(*values)))


def _moved(found: ColumnElement[Any], one: Table, mark: str, shift: int) -> ColumnElement[Any]:
    if found.key in IDS or (one is STREAMS and found.key == "id"):
        return found.op("||")(literal(mark))
    return found + literal(shift) if found.key in PLACES else found


def _write_tree(connection: Connection, grown: Appended) -> None:
    rows = [{"level": tile.level, "tile_index": tile.index, "hashes": tile.hashes} for tile in grown.tiles]
    connection.execute(insert(TILES).prefix_with("OR REPLACE"), rows)
    connection.execute(update(TREE).values(size=grown.size, root=grown.root))
