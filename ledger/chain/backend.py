"""What the writer and the contracts' clients ask of a chain, embedded or remote."""

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
        """The node to read from. Not to be kept: the embedded one may be made anew."""

    def fees(self) -> Fees:
        """What a transaction should offer now."""

    def final_block(self) -> BlockRef | None:
        """The newest block that cannot change any more; None while there is none."""

    def deliver(self, write: ChainWrite) -> ChainWrite:
        """Hands a journaled write to the chain; gives it as the journal then has it.

        A write whose outcome is unknown stays signed, and ``refresh`` looks it up. Raises TransactionRefused where the
        node refuses it for a reason that is not known here, with the write left signed too.
        """

    def refresh(self) -> list[StateChange]:
        """Looks up what has become of the journal's writes, journals it, and sends again what got lost.

        Raises ChainUnavailable, ChainMismatch.
        """
