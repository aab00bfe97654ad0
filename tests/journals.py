"""Journals of years: more confirmed anchors than anybody would wait for a chain to make."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ledger.chain.journal import Purpose, WriteState
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.database import Database
from tests.builders import START


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
