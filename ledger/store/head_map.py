"""The pages of the log's head map (``ledger.core.log.head_map``), as the service keeps them beside the log.

They follow from the entries. A page is stored with the size of the log from which on it is so; the one before stays as
long as proofs of an earlier size are given out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct
from sqlalchemy import Connection, delete, func, select

from ledger.core.errors import IntegrityBroken
from ledger.core.events import decode_envelope
from ledger.core.log.head_map import EMPTY_MAP, HeadMap, MapKey, MappedHead, PageName, map_key
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.tiles import TILE_WIDTH, hashes_in
from ledger.store import bindings, log
from ledger.store.database import CHANGED, Database, one_of
from ledger.store.tables import ENTRIES, MAP_PAGES

MAP_STATE = "head_map"  # the fact of this name: size and root of the newest map


class MapState(Struct, frozen=True):
    """The map that is kept: over the first ``size`` entries, with this root."""

    size: int = 0
    root: Hash = EMPTY_MAP


def state(connection: Connection) -> MapState:
    """Return the size and the root of the newest map that is stored. Raises IntegrityBroken if they are no such."""
    kept = log.fact(connection, MAP_STATE)
    if kept is None:
        return MapState()
    try:
        size, root = kept.split()
        return MapState(int(size), Hash(bytes.fromhex(root)))
    except ValueError as error:
        raise IntegrityBroken("the state of the head map is {kept!r}", kept=kept[:100], hint=CHANGED) from error


def map_at(connection: Connection, at: MapState) -> HeadMap:
    """Return the map as it was at this size, with this root. It reads from the connection."""

    def read(names: Collection[PageName]) -> dict[PageName, bytes]:
        query = select(MAP_PAGES).where(one_of(MAP_PAGES.c.name, names), MAP_PAGES.c.size <= at.size)
        return {row.name: row.page for row in connection.execute(query.order_by(MAP_PAGES.c.size))}

    return HeadMap(at.root, read)


def heads_between(connection: Connection, start: int, end: int) -> dict[MapKey, MappedHead]:
    """Return the heads of the streams that have entries ``start <= i < end``, as they are after these.

    Raises IntegrityBroken for an entry that is not the one in the tree: the log must not commit to what it does not
    have.
    """
    heads: dict[MapKey, MappedHead] = {}
    read_tile, leaves, first = log.tile_reader(connection), [Hash(b"")], -1
    query = select(ENTRIES.c.log_index, ENTRIES.c.envelope).order_by(ENTRIES.c.log_index)
    for index, entry in connection.execute(query.where(ENTRIES.c.log_index >= start, ENTRIES.c.log_index < end)):
        if index // TILE_WIDTH != first:
            first = index // TILE_WIDTH
            leaves = hashes_in(read_tile(0, first, min(TILE_WIDTH, end - first * TILE_WIDTH)))
        leaf = leaf_hash(entry)
        if leaf != leaves[index % TILE_WIDTH]:
            raise IntegrityBroken("entry {index} is not the one that the tree has", index=index, hint=CHANGED)
        envelope = decode_envelope(entry)
        heads[map_key(envelope.stream)] = MappedHead(envelope.sequence + 1, leaf)
    return heads


def advance(
    database: Database, before: MapState, after: MapState, pages: Mapping[PageName, bytes], *, needed: int
) -> bool:
    """Store the pages by which ``after`` follows; return False, with nothing changed, if another process was first.

    Pages that were replaced by the map of the size ``needed`` are deleted as their names come up.
    """
    with database.write() as connection:
        if state(connection) != before:
            return False
        if pages:
            rows = [{"name": name, "size": after.size, "page": page} for name, page in pages.items()]
            connection.execute(MAP_PAGES.insert(), rows)
            newer = MAP_PAGES.alias()
            last_needed = select(func.max(newer.c.size)).where(newer.c.name == MAP_PAGES.c.name, newer.c.size <= needed)
            named = one_of(MAP_PAGES.c.name, pages)
            connection.execute(delete(MAP_PAGES).where(named, MAP_PAGES.c.size < last_needed.scalar_subquery()))
        _keep(connection, database, after)
        return True


def forget(database: Database) -> None:
    """Delete the map, to make it anew from the log."""
    with database.write() as connection:
        connection.execute(delete(MAP_PAGES))
        _keep(connection, database, MapState())


def _keep(connection: Connection, database: Database, state: MapState) -> None:
    value = f"{state.size} {state.root.hex()}"
    log.keep_fact(connection, database, MAP_STATE, value)
    bindings.bind_fact(connection, MAP_STATE, value)
