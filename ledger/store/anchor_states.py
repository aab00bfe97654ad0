"""What proves anchors: for each the header of a final block, and beside them the nodes of tries by their hashes.

Headers name the roots that proofs start from; blocks whose tries have the same nodes share them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from ledger.chain.journal import ChainWrite
from ledger.store import bindings
from ledger.store.chain_tables import ANCHOR_STATES, TRIE_NODES
from ledger.store.database import Connection, Database


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
        connection.execute(states.on_conflict_do_update(index_elements=["write_number"], set_=row))
        bindings.bind_rows(connection, ANCHOR_STATES, [row])
