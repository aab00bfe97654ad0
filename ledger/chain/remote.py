"""A chain behind somebody else's JSON-RPC, which may forget transactions, reorganise, refuse, or answer wrongly.

Every outcome is looked up by transaction hash, then by nonce; none is guessed.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ledger.chain.errors import ChainUnavailable, RpcRefused, TransactionRefused, WrongChain
from ledger.chain.eth import Block, BlockRef, Eth, Finality, SendOutcome, TransactionReceipt, final_block
from ledger.chain.journal import ChainFingerprint, ChainWrite, Journal, StateChange, WriteState
from ledger.chain.transaction import Fees

_log = logging.getLogger(__name__)


class RemoteChain:
    """The chain of ``chain_id`` at a node; with ``identity``, only the one that has the deployment's block."""

    def __init__(
        self, *, eth: Eth, chain_id: int, journal: Journal, finality: Finality, identity: ChainFingerprint | None = None
    ):
        self._eth = eth
        self._chain_id = chain_id
        self._journal = journal
        self._finality = finality
        self._identity = identity

    @property
    def chain_id(self) -> int:
        return self._chain_id

    @property
    def eth(self) -> Eth:
        return self._eth

    def pin(self, identity: ChainFingerprint) -> None:
        """Accept from now on only the chain that has the deployment's block."""
        self._identity = identity

    def fees(self) -> Fees:
        """Return fees with room for the base fee to double; zero on a chain whose gas is free."""
        base_fee, gas_price = self._eth.head().base_fee, self._eth.gas_price()
        if base_fee is None:
            return Fees(gas_price, None)
        if gas_price == 0:
            return Fees(0, 0)
        try:
            priority = self._eth.priority_fee()
        except RpcRefused:  # not every client has the method
            priority = 0
        # The base fee may double within six blocks; what is not needed is not paid (EIP-1559).
        return Fees(2 * base_fee + priority, priority)

    def final_block(self) -> BlockRef | None:
        return final_block(self._eth, self._finality)

    def deliver(self, write: ChainWrite) -> ChainWrite:
        try:
            self._require_chain()
            return self._send(write)
        except TransactionRefused:
            raise
        except ChainUnavailable as error:
            _log.warning("the outcome of write %d is unknown: %s", write.number, error)
            return write

    def refresh(self) -> list[StateChange]:
        self._require_chain()
        changes = self._recheck_confirmed()
        final = self.final_block()
        for write in self._journal.unsettled():
            changes += self._follow(write, final)
        return changes

    def _require_chain(self) -> None:
        """Require the journal's chain: on another one all writes would look lost, and be sent again."""
        last = self._journal.last()
        if last is not None and last.chain_id != self._chain_id:
            raise WrongChain(
                f"the journal is of chain {last.chain_id}, not {self._chain_id}",
                hint="Set the chain's URL to the chain that this ledger was deployed on.",
            )
        self._eth.require_chain(self._chain_id, self._identity)

    # -- one write -----------------------------------------------------------------------------------------------------

    def _send(self, write: ChainWrite) -> ChainWrite:
        outcome = self._eth.send(write.raw_transaction)
        if outcome in {SendOutcome.ACCEPTED, SendOutcome.ALREADY_KNOWN}:
            return self._moved(write, WriteState.SUBMITTED).write
        _log.warning("write %d was not taken: %s", write.number, outcome.value)
        return write

    def _follow(self, write: ChainWrite, final: BlockRef | None) -> list[StateChange]:
        receipt = self._eth.receipt(write.transaction_hash)
        if receipt is not None:
            return self._in_block(write, receipt, final)
        if write.state is WriteState.MINED:
            stale = self._moved(write, WriteState.STALE, reason=f"block {write.block_number} left the chain")
            return [stale, *self._missing(stale.write, final)]
        return self._missing(write, final)

    def _in_block(self, write: ChainWrite, receipt: TransactionReceipt, final: BlockRef | None) -> list[StateChange]:
        # A receipt alone does not prove that its block is in the chain: the block is read again by number.
        is_deep = final is not None and receipt.block.number <= final.number
        block = self._canonical(receipt.block) if is_deep else None
        if block is None:
            state, reason = WriteState.MINED, ""
        elif receipt.succeeded:
            state, reason = WriteState.CONFIRMED, ""
        else:
            state, reason = WriteState.INVALID, f"it reverted in block {receipt.block.number}"
        if (state, receipt.block) == (write.state, _block_of(write)):
            return []
        time = block.timestamp if block else None
        return [self._moved(write, state, receipt.block, reason, block_time=time, gas_used=receipt.gas_used)]

    def _missing(self, write: ChainWrite, final: BlockRef | None) -> list[StateChange]:
        """Handle a write in no block: it is lost if a final block used its nonce, else it is sent again."""
        # Only a final block settles that the nonce is gone; a later one may still leave the chain.
        if final is not None and self._eth.nonce(write.sender, final.hash) > write.nonce:
            if self._eth.receipt(write.transaction_hash) is not None:  # it came in since it was looked up
                return []
            return [self._moved(write, WriteState.INVALID, reason="its nonce went to another transaction")]
        if self._eth.nonce(write.sender, "latest") > write.nonce:
            return []  # used, but not for good: by this transaction or by another
        try:
            sent = self._send(write)
        except TransactionRefused as error:
            _log.warning("write %d is still refused: %s", write.number, error)
            return []
        return [StateChange(write.state, sent)] if sent.state is not write.state else []

    # -- blocks that leave the chain -----------------------------------------------------------------------------------

    def _recheck_confirmed(self) -> list[StateChange]:
        """Mark confirmed writes stale whose block left the chain.

        The newest confirmed block vouches for all before it.
        """
        changes: list[StateChange] = []
        while (write := self._journal.last_confirmed()) is not None:
            block = _block_of(write)
            if block is not None and self._canonical(block) is not None:
                break
            changes.append(self._moved(write, WriteState.STALE, reason=f"block {write.block_number} left the chain"))
        return changes

    def _canonical(self, block: BlockRef) -> Block | None:
        """Return the block in full; None if the chain has no block of its number, or another one."""
        current = self._eth.block(block.number)
        return current if current is not None and current.hash == block.hash else None

    def _moved(
        self,
        write: ChainWrite,
        state: WriteState,
        block: BlockRef | None = None,
        reason: str = "",
        *,
        block_time: int | None = None,
        gas_used: int | None = None,
    ) -> StateChange:
        """Record the new state in the journal (the commit point) and return the change."""
        number, block_hash = (block.number, block.hash) if block else (None, None)
        moved = replace(write, state=state, block_number=number, block_hash=block_hash)
        moved = replace(moved, block_time=block_time, gas_used=gas_used)
        self._journal.update(moved)
        return StateChange(write.state, moved, reason)


def _block_of(write: ChainWrite) -> BlockRef | None:
    if write.block_number is None or write.block_hash is None:
        return None
    return BlockRef(write.block_number, write.block_hash)
