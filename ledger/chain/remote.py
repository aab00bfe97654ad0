"""A chain behind somebody else's JSON-RPC, which may forget transactions, reorganise, refuse, or answer wrongly.

Every outcome is looked up by transaction hash, then by nonce; none is guessed.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field, replace

from ledger.chain.errors import ChainUnavailable, RpcRefused, TransactionRefused, WrongChain
from ledger.chain.eth import Block, BlockRef, Eth, SendAnswer, TransactionReceipt, final_block
from ledger.chain.journal import ChainFingerprint, ChainWrite, Journal, WriteState
from ledger.chain.transaction import Fees
from ledger.core.trust.trust_file import FinalityRule

_log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class RemoteChain:
    """The chain of ``chain_id`` at a node; with ``identity``, only the one that has the deployment's block."""

    _: KW_ONLY
    eth: Eth
    chain_id: int
    journal: Journal
    finality: FinalityRule
    identity: ChainFingerprint | None = None
    refusals: dict[int, str] = field(default_factory=dict, init=False)

    def fees(self) -> Fees:
        """Return fees with room for the base fee to double; zero on a chain whose gas is free."""
        base_fee, gas_price = self.eth.head().base_fee, self.eth.gas_price()
        if base_fee is None:
            return Fees(gas_price, None)
        if gas_price == 0:
            return Fees(0, 0)
        try:
            priority = self.eth.priority_fee()
        except RpcRefused:  # not every client has the method
            priority = 0
        # The base fee may double within six blocks; what is not needed is not paid (EIP-1559).
        return Fees(2 * base_fee + priority, priority)

    def final_block(self) -> BlockRef | None:
        return final_block(self.eth, self.finality)

    def deliver(self, write: ChainWrite) -> ChainWrite:
        try:
            self._require_chain()
            return self._send(write)
        except TransactionRefused as error:
            self._log_once(write, error.rpc_message)
            raise
        except ChainUnavailable as error:
            _log.warning("the outcome of write %d is unknown: %s", write.number, error)
            return write

    def refresh(self) -> None:
        self._require_chain()
        self._recheck_confirmed()
        final = self.final_block()
        for write in self.journal.unsettled():
            self._follow(write, final)

    def _require_chain(self) -> None:
        """Require the journal's chain: on another one all writes would look lost, and be sent again."""
        last = self.journal.last()
        if last is not None and last.chain_id != self.chain_id:
            raise WrongChain(
                "the journal is of chain {last.chain_id}, not {chain_id}",
                last=last,
                chain_id=self.chain_id,
                hint="Set the chain's URL to the chain that this ledger was deployed on.",
            )
        self.eth.require_chain(self.chain_id, self.identity)

    # -- one write -----------------------------------------------------------------------------------------------------

    def _send(self, write: ChainWrite) -> ChainWrite:
        answer = self.eth.send(write.raw_transaction)
        if answer in {SendAnswer.ACCEPTED, SendAnswer.ALREADY_KNOWN}:
            return self._move(write, WriteState.SUBMITTED)
        self._log_once(write, answer.value)
        return write

    def _follow(self, write: ChainWrite, final: BlockRef | None) -> None:
        receipt = self.eth.receipt(write.transaction_hash)
        if receipt is not None:
            return self._follow_in_block(write, receipt, final)
        if write.state is WriteState.MINED:
            write = self._move(write, WriteState.STALE, reason=f"block {write.block_number} left the chain")
        return self._follow_missing(write, final)

    def _follow_in_block(self, write: ChainWrite, receipt: TransactionReceipt, final: BlockRef | None) -> None:
        # A receipt alone does not prove that its block is in the chain: the block is read again by number.
        is_deep = final is not None and receipt.block.number <= final.number
        block = self._canonical(receipt.block) if is_deep else None
        if block is None:
            state, reason = WriteState.MINED, ""
        elif receipt.succeeded:
            state, reason = WriteState.CONFIRMED, ""
        else:
            state, reason = WriteState.INVALID, f"it reverted in block {receipt.block.number}"
        if (state, receipt.block) != (write.state, _block_of(write)):
            time = block.timestamp if block else None
            self._move(write, state, receipt.block, reason, block_time=time, gas_used=receipt.gas_used)

    def _follow_missing(self, write: ChainWrite, final: BlockRef | None) -> None:
        """Handle a write in no block: it is lost if a final block used its nonce, else it is sent again."""
        # Only a final block settles that the nonce is gone; a later one may still leave the chain.
        if final is not None and self.eth.nonce(write.sender, final.hash) > write.nonce:
            if self.eth.receipt(write.transaction_hash) is None:  # else it came in since it was looked up
                self._move(write, WriteState.INVALID, reason="its nonce went to another transaction")
        elif self.eth.nonce(write.sender, "latest") <= write.nonce:  # else it may be used by this very transaction
            try:
                self._send(write)
            except TransactionRefused as error:
                self._log_once(write, error.rpc_message)

    def _log_once(self, write: ChainWrite, reason: str) -> None:
        if self.refusals.get(write.number) != reason:  # a write that waits is sent again every few seconds
            self.refusals[write.number] = reason
            _log.warning("write %d was not taken: %s", write.number, reason)

    # -- blocks that leave the chain -----------------------------------------------------------------------------------

    def _recheck_confirmed(self) -> None:
        """Mark confirmed writes stale whose block left the chain.

        The newest confirmed block vouches for all before it.
        """
        while (write := self.journal.last_confirmed()) is not None:
            block = _block_of(write)
            if block is not None and self._canonical(block) is not None:
                break
            self._move(write, WriteState.STALE, reason=f"block {write.block_number} left the chain")

    def _canonical(self, block: BlockRef) -> Block | None:
        """Return the block in full; None if the chain has no block of its number, or another one."""
        current = self.eth.block(block.number)
        return current if current is not None and current.hash == block.hash else None

    def _move(
        self,
        write: ChainWrite,
        state: WriteState,
        block: BlockRef | None = None,
        reason: str = "",
        *,
        block_time: int | None = None,
        gas_used: int | None = None,
    ) -> ChainWrite:
        """Record the new state in the journal (the commit point) and return the write with it."""
        number, block_hash = (block.number, block.hash) if block else (None, None)
        moved = replace(write, state=state, block_number=number, block_hash=block_hash)
        moved = replace(moved, block_time=block_time, gas_used=gas_used)
        self.journal.update(moved)
        self.refusals.pop(write.number, None)
        if reason:
            _log.warning("write %d was %s and is %s: %s", write.number, write.state, state, reason)
        return moved


def _block_of(write: ChainWrite) -> BlockRef | None:
    if write.block_number is None or write.block_hash is None:
        return None
    return BlockRef(write.block_number, write.block_hash)
