"""The interface of a chain, embedded or remote, for the writer and the contracts' clients."""

from __future__ import annotations

from typing import Protocol

from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import ChainWrite, StateChange
from ledger.chain.transaction import Fees


class ChainBackend(Protocol):
    """A chain and the journal of what we write to it."""

    @property
    def chain_id(self) -> int: ...

    @property
    def eth(self) -> Eth:
        """Return the node to read from. Do not keep it: the embedded node may be restarted."""

    def fees(self) -> Fees:
        """Return what a transaction should offer now."""

    def final_block(self) -> BlockRef | None:
        """Return the newest block that cannot change any more, or None."""

    def deliver(self, write: ChainWrite) -> ChainWrite:
        """Hand a journaled write to the chain, and return it as the journal then has it.

        A write whose outcome is unknown stays signed, and ``refresh`` looks it up. Raises TransactionRefused if the
        node refuses it for an unknown reason; the write stays signed then too.
        """

    def refresh(self) -> list[StateChange]:
        """Look up what has become of the journal's writes, record it, and send again what got lost.

        Raises ChainUnavailable, ChainMismatch.
        """
