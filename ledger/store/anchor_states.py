"""What proves anchors: for each the header of a final block, and beside them the nodes of tries by their hashes.

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
    """The header by whose state a write is proven, and the block note by which witnesses vouch for it, if they do."""

    write_number: int
    header: bytes
    block_note: str | None


def newest(connection: Connection) -> ProvenBlock | None:
    """That of the last anchor which is proven; None before the first."""
    columns = (ANCHOR_STATES.c.write_number, ANCHOR_STATES.c.header, ANCHOR_STATES.c.block_note)
    row = connection.execute(select(*columns).order_by(ANCHOR_STATES.c.write_number.desc()).limit(1)).first()
    return ProvenBlock(row.write_number, row.header, row.block_note) if row else None


def block_note(connection: Connection, write: ChainWrite) -> str | None:
    """The block note of the header by whose state the write is proven; None while too few witnesses vouch for it."""
    query = select(ANCHOR_STATES.c.block_note).where(
        ANCHOR_STATES.c.write_number == write.number, ANCHOR_STATES.c.anchored_in == write.block_hash
    )
    return connection.execute(query).scalar()


def keep_block_note(database: Database, proven: ProvenBlock, note: str) -> None:
    """Durable when this returns; nothing is changed where the write is proven by another header meanwhile."""
    of_it = (ANCHOR_STATES.c.write_number == proven.write_number, ANCHOR_STATES.c.header == proven.header)
    with database.write() as connection:
        if connection.execute(ANCHOR_STATES.update().where(*of_it).values(block_note=note)).rowcount:
            bindings.bind_rows(connection, ANCHOR_STATES, [{"write_number": proven.write_number}])


def kept_header(connection: Connection, write: ChainWrite) -> bytes | None:
    """The header by whose state the write is proven, which is in the block that it was then in."""
    query = select(ANCHOR_STATES.c.header).where(
        ANCHOR_STATES.c.write_number == write.number, ANCHOR_STATES.c.anchored_in == write.block_hash
    )
    return connection.execute(query).scalar()


def node(connection: Connection, node_hash: bytes) -> bytes | None:
    """The node that was kept under the hash; whoever takes it compares it."""
    return connection.execute(select(TRIE_NODES.c.node).where(TRIE_NODES.c.hash == node_hash)).scalar()


def keep(database: Database, write: ChainWrite, header: bytes, nodes: Mapping[bytes, bytes]) -> None:
    """Durable when this returns; another header of the same write takes the place of the last."""
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
