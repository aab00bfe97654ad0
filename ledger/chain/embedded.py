"""The embedded chain as a backend: what the journal has is mined at once, and final."""

from __future__ import annotations

import logging

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import ChainWrite, Journal, StateChange
from ledger.chain.node import EmbeddedNode
from ledger.chain.transaction import Fees

_log = logging.getLogger(__name__)


class EmbeddedChain:
    """A started node, and its journal."""

    def __init__(self, node: EmbeddedNode, journal: Journal):
        self._node = node
        self._journal = journal

    @property
    def chain_id(self) -> int:
        return self._node.chain_id

    @property
    def eth(self) -> Eth:
        """Return the node, restarted first if it was killed."""
        if not self._node.runs():
            self._node.catch_up()
        return self._node.eth

    def fees(self) -> Fees:
        return Fees(max_fee=0, priority_fee=0)

    def final_block(self) -> BlockRef:
        return self._node.head

    def deliver(self, write: ChainWrite) -> ChainWrite:
        try:
            self._node.catch_up()
        except ChainUnavailable as error:
            _log.warning("write %d waits for the embedded chain: %s", write.number, error)
        return self._journal.find(write.transaction_hash) or write

    def refresh(self) -> list[StateChange]:
        before = list(self._journal.unsettled())
        self._node.catch_up()
        after = [self._journal.find(write.transaction_hash) for write in before]
        return [StateChange(old.state, new) for old, new in zip(before, after, strict=True) if new and new != old]
