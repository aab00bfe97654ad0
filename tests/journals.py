"""Anchors in a journal that no chain has made: as the anchorer leaves them, and more than anybody would wait for."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ledger.chain.journal import AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.signature import keccak256
from ledger.store import log
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.database import Database
from ledger.store.journal import DatabaseJournal
from tests.builders import START
from tests.bundles import CHAIN
from tests.ledgers import Ledger


def anchor_write(
    number: int, head: AnchoredHead, state: WriteState = WriteState.CONFIRMED, **fields: Any
) -> ChainWrite:
    """The anchor of this tree head; in a block of its own where it is confirmed."""
    raw, time = b"raw %d" % number, START + 4000 + number  # the block is a second later than the write
    block = {"block_number": number + 5, "block_hash": bytes([number + 100]) * 32, "block_time": time}
    defaults: dict[str, Any] = {
        "number": number,
        "purpose": Purpose.ANCHOR,
        "chain_id": CHAIN.chain_id,
        "sender": "0x" + "11" * 20,
        "nonce": number,
        "raw_transaction": raw,
        "transaction_hash": keccak256(raw),
        "timestamp": time - 1,
        "state": state,
        "anchored": head,
    }
    return ChainWrite(**(defaults | (block if state is WriteState.CONFIRMED else {}) | fields))


def anchor_present(ledger: Ledger, state: WriteState = WriteState.CONFIRMED, **fields: Any) -> ChainWrite:
    """The log as it is now is anchored by the next write of its journal."""
    journal = DatabaseJournal(ledger.database)
    with ledger.database.read() as connection:
        tree = log.tree(connection)
        authority = ledger.registry.at(connection, tree.registry_changes)
    last = journal.last()
    head = AnchoredHead(tree.size, tree.root, authority.registry_hash)
    write = anchor_write(last.number + 1 if last else 1, head, state, **fields)
    journal.append(write)
    return write


def add_anchors(database: Database, first: int, last: int) -> None:
    """Confirmed anchors number ``first`` to ``last``, each of a tree larger by one entry than the one before.

    They are rows as the journal leaves them; requires that it ends at ``first - 1``, all anchors.
    """
    with database.write() as connection:
        connection.execute(CHAIN_WRITES.insert(), [_row(number) for number in range(first, last + 1)])


def _row(number: int) -> dict[str, Any]:
    digest = sha256(b"anchor %d" % number).digest()
    return {
        "number": number,
        "purpose": Purpose.ANCHOR.value,
        "chain_id": 31337,
        "sender": "0x" + "11" * 20,
        "nonce": number,
        "raw_transaction": digest * 30,  # a proof and co-signatures
        "transaction_hash": digest,
        "timestamp": START + 10 * number,
        "state": WriteState.CONFIRMED.value,
        "block_number": number,
        "block_hash": digest,
        "block_time": START + 10 * number,
        "anchored_size": number,
        "anchored_root": digest,
        "anchored_registry_hash": digest,
        "anchor_number": number,
    }
