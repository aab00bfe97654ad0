"""State proofs of anchors: for each anchor the header of a final block, and trie nodes by their hashes.

Headers name the roots that proofs start from; blocks whose tries have the same nodes share them.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import case, select

from ledger.chain.journal import ChainWrite
from ledger.store import bindings
from ledger.store.database import Connection, Database
from ledger.store.tables import ANCHOR_STATES, TRIE_NODES


class ProvenBlock(Struct, frozen=True):
    """The header by whose state a write is proven, and the block note of the witnesses that vouch for it, if any."""

    write_number: int
    header: bytes
    block_note: str | None


def newest(connection: Connection) -> ProvenBlock | None:
    """Return the proven block of the last anchor that is proven, or None."""
    columns = (ANCHOR_STATES.c.write_number, ANCHOR_STATES.c.header, ANCHOR_STATES.c.block_note)
    row = connection.execute(select(*columns).order_by(ANCHOR_STATES.c.write_number.desc()).limit(1)).first()
    return ProvenBlock(row.write_number, row.header, row.block_note) if row else None


def block_note(connection: Connection, write: ChainWrite) -> str | None:
    """Return the block note of the header by whose state the write is proven.

    None until enough witnesses vouch for that block.
    """
    query = select(ANCHOR_STATES.c.block_note).where(
        ANCHOR_STATES.c.write_number == write.number, ANCHOR_STATES.c.anchored_in == write.block_hash
    )
    return connection.execute(query).scalar()


def keep_block_note(database: Database, proven: ProvenBlock, note: str) -> None:
    """Store the block note; durable when this returns. Does nothing if the write now has another header."""
    of_it = (ANCHOR_STATES.c.write_number == proven.write_number, ANCHOR_STATES.c.header == proven.header)
    with database.write() as connection:
        if connection.execute(ANCHOR_STATES.update().where(*of_it).values(block_note=note)).rowcount:
            bindings.bind_rows(connection, ANCHOR_STATES, [{"write_number": proven.write_number}])


def kept_header(connection: Connection, write: ChainWrite) -> bytes | None:
    """Return the header by whose state the write is proven, if it was stored for the block the write is in."""
    query = select(ANCHOR_STATES.c.header).where(
        ANCHOR_STATES.c.write_number == write.number, ANCHOR_STATES.c.anchored_in == write.block_hash
    )
    return connection.execute(query).scalar()


def node(connection: Connection, node_hash: bytes) -> bytes | None:
    """Return the node stored under the hash. The caller compares it with the hash."""
    return connection.execute(select(TRIE_NODES.c.node).where(TRIE_NODES.c.hash == node_hash)).scalar()


def keep(database: Database, write: ChainWrite, header: bytes, nodes: Mapping[bytes, bytes]) -> None:
    """Store the proof; durable when this returns. It replaces an earlier header of the same write."""
    row = {"write_number": write.number, "anchored_in": write.block_hash, "header": header}
    states = database.upsert(ANCHOR_STATES).values(**row)
    insert = database.upsert(TRIE_NODES)
    mended = insert.on_conflict_do_update(index_elements=["hash"], set_={"node": insert.excluded.node})
    with database.write() as connection:
        kept = {node_hash: node(connection, node_hash) for node_hash in nodes}
        rows = [{"hash": name, "node": data} for name, data in nodes.items() if kept[name] != data]
        if rows:
            connection.execute(mended, rows)
        bindings.bind_rows(connection, TRIE_NODES, rows)
        still = case((ANCHOR_STATES.c.header == header, ANCHOR_STATES.c.block_note), else_=None)
        replaced = row | {"block_note": still}
        connection.execute(states.on_conflict_do_update(index_elements=["write_number"], set_=replaced))
        bindings.bind_rows(connection, ANCHOR_STATES, [row])
