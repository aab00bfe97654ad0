"""Anchors in a journal that no chain has made: as the anchorer leaves them, and more than anybody would wait for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Any

from ledger.chain.journal import AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.encoding.digests import keccak256
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Anchor
from ledger.proofs.bundles import Prover, RecordedHead, StateSource
from ledger.store import bindings, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.chain_tables import CHAIN_WRITES
from ledger.store.database import Database
from scripts.docs.chain_states import State
from tests.testkit.builders import START
from tests.testkit.bundles import CHAIN
from tests.testkit.ledgers import Ledger


def anchor_write(
    number: int, head: AnchoredHead, state: WriteState = WriteState.CONFIRMED, **fields: Any
) -> ChainWrite:
    """Return the anchor of this tree head; in a block of its own where it is confirmed."""
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
    """Anchor the log as it is now, by the next write of its journal."""
    journal = DatabaseJournal(ledger.database)
    with ledger.database.read() as connection:
        tree = log.tree(connection)
        authority = ledger.registry.at(connection, tree.registry_changes)
    last = journal.last()
    head = AnchoredHead(tree.size, tree.root, authority.registry_hash)
    write = anchor_write(last.number + 1 if last else 1, head, state, **fields)
    journal.append(write)
    return write


def prover_of(ledger: Ledger, states: StateSource | None, trust: Callable[[], Trust]) -> Prover:
    """Return what makes bundles of this ledger for whoever holds this trust file."""
    procedures = ledger.validator.procedures
    return Prover(ledger.database, ledger.registry, ledger.publisher, states=states, trust=trust, procedures=procedures)


class PaperChain:
    """What both contracts held three blocks after the last anchor of a journal (a ``bundles.StateSource``)."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._journal = DatabaseJournal(ledger.database)

    def anchor(self, recorded: RecordedHead, key_ids: Collection[str]) -> Anchor | None:
        """Return the state that proves the record."""
        return self.state(recorded.write).proving(recorded.number, *key_ids)

    def state(self, last: ChainWrite) -> State:
        """Return the state after this anchor."""
        state = State(CHAIN, (last.block_number or 0) + 3, (last.block_time or 0) + 36)
        for write in self._journal.anchors():
            if write.state is WriteState.CONFIRMED and write.number <= last.number and write.anchored is not None:
                number = self._journal.count_confirmed_anchors(write)
                head = write.anchored
                state.record(number, head.root, head.size, write.block_number or 0, write.block_time or 0)
        with self._ledger.database.read() as connection:
            authority = self._ledger.registry.at(connection, log.tree(connection).registry_changes)
        size, time = last.anchored.size if last.anchored else 0, last.block_time or 0
        revoked = {
            grant.key_id: time - 1 if grant.revoked < size else time + 1
            for grant in authority.grants.values()
            if grant.revoked is not None
        }
        return state.has(*authority.grants.values(), revoked_at=revoked)

    def trusting(self, trust: Trust) -> Trust:
        """Return the trust file, naming the block after the last confirmed anchor where there is one."""
        last = self._journal.last_proven_anchor()
        return trust if last is None else trust.naming(trust.chains[0], [self.state(last).block()])


def add_anchors(database: Database, first: int, last: int) -> None:
    """Store confirmed anchors number ``first`` to ``last``, each of a tree larger by one entry than the one before.

    They are rows as the journal leaves them; requires that it ends at ``first - 1``, all anchors.
    """
    with database.write() as connection:
        rows = [_row(number) for number in range(first, last + 1)]
        connection.execute(CHAIN_WRITES.insert(), rows)
        for row in rows:
            bindings.bind_rows(connection, CHAIN_WRITES, [row])


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
