"""Mining of the embedded chain: one write, one block, reproducible from the journal.

A block's hash follows from its parent, its timestamp and its one transaction, so the same writes in the same order
give the same hashes on any Anvil of this version and these flags. The calls are sent one after the other: in a batch
the hashes would differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ledger.chain.anvil import GAS_LIMIT
from ledger.chain.errors import ChainMismatch, OutOfStep, TransactionRefused
from ledger.chain.eth import NO_ACCOUNT, Block, BlockRef, Eth, SendOutcome
from ledger.chain.journal import ChainWrite


@dataclass(frozen=True, slots=True)
class MinedWrite:
    block: BlockRef
    succeeded: bool  # False if it reverted; it is in the block all the same
    gas_used: int


def mine(eth: Eth, write: ChainWrite, parent: BlockRef) -> MinedWrite:
    """Mine the write as the only transaction of the block after ``parent``, the head.

    Raises TransactionRefused, with no block made, if the node does not take it, and OutOfStep if the block is not the
    journal's: somebody else has used the node, which must be discarded.
    """
    # Whatever somebody else sent to the node must not get into this block.
    eth.rpc.call("anvil_dropAllTransactions")
    eth.rpc.call("evm_setNextBlockTimestamp", write.timestamp)
    _send(eth, write)
    eth.rpc.call("evm_mine")
    block, receipt = eth.head(), eth.receipt(write.transaction_hash)
    if receipt is None or receipt.block != block.ref or not _is_ours(block, write, parent):
        raise OutOfStep(f"block {block.number} of the embedded chain is not the one that write {write.number} makes")
    return MinedWrite(block.ref, receipt.succeeded, receipt.gas_used)


def _send(eth: Eth, write: ChainWrite) -> None:
    """Send the write. A refusal counts only if the node still has the fees and limits that its flags set."""
    try:
        outcome = eth.send(write.raw_transaction)
        if outcome is not SendOutcome.ACCEPTED:
            raise TransactionRefused("the transaction", 0, outcome.value)
    except TransactionRefused as error:
        pending = eth.block("pending")
        if pending is None or not _has_our_environment(pending):
            raise OutOfStep(
                f"the embedded chain's environment was changed, and it refuses write {write.number}"
            ) from error
        raise


def require_in_step(eth: Eth, head: BlockRef) -> None:
    """Raise OutOfStep unless the node's head is ``head`` and its state is the one that this block left.

    The state of the genesis block is not checked: its header does not commit to it.
    """
    actual = eth.head()
    if actual.ref != head:
        raise OutOfStep(f"the embedded chain stands at block {actual.number}, the journal at block {head.number}")
    if head.number > 0 and eth.proven_state_root(head.hash) != actual.state_root:
        raise OutOfStep(f"the state of the embedded chain is not the one that block {head.number} left")


def require_recorded_block(write: ChainWrite, block: BlockRef) -> None:
    """Raise ChainMismatch unless ``block`` is the one that the journal has for the write."""
    if (write.block_number, write.block_hash) != (block.number, block.hash):
        recorded = (write.block_hash or b"").hex()
        raise ChainMismatch(
            f"expected block {write.block_number} to be {recorded}, as the journal has it for write {write.number}; "
            f"calculated block {block.number} as {block.hash.hex()}",
            block_number=write.block_number,
            hint="The journal or the chain's dump was edited or replaced. Restore both from one backup.",
        )


def consistent_blocks(eth: Eth) -> list[Block]:
    """Return all blocks from genesis to head.

    Raises OutOfStep if a block does not follow from the one before, or the state is not the one that the head left.
    """
    head = eth.head()
    blocks = eth.blocks(range(head.number + 1))
    for parent, block in pairwise(blocks):
        if block.parent_hash != parent.hash:
            raise OutOfStep(f"block {block.number} of the embedded chain does not follow from block {parent.number}")
    require_in_step(eth, head.ref)
    return blocks


def _is_ours(block: Block, write: ChainWrite, parent: BlockRef) -> bool:
    """Return whether every header field that others could have set is as the flags and the journal have it."""
    return (
        (block.number, block.parent_hash) == (parent.number + 1, parent.hash)
        and block.transactions == (write.transaction_hash,)
        and block.timestamp == write.timestamp
        and _has_our_environment(block)
    )


def _has_our_environment(block: Block) -> bool:
    return (block.miner, block.gas_limit, block.base_fee) == (NO_ACCOUNT, GAS_LIMIT, 0)
