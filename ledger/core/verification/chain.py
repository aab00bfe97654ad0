"""Trust in the block of an anchor: by the trust file, by a node that was asked, or by a quorum of witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from ledger.core.encoding.instants import instant_text
from ledger.core.errors import ProofRefused, TallystickError
from ledger.core.ethereum.block_headers import BlockHeader
from ledger.core.log.checkpoints import names_of
from ledger.core.messages import Message, joined
from ledger.core.trust.block_notes import BlockStatement, verify_block_note
from ledger.core.trust.trust_file import ChainHistory, Trust, TrustedBlock, TrustedChain
from ledger.core.verification.bundle import Anchor
from ledger.core.verification.report import NotChecked

YEAR_10000 = 253_402_300_800  # unix seconds; the first that datetime cannot represent


class ObservedBlock(Struct, frozen=True):
    """The block that a chain has at ``number`` now, according to a node that was asked; ``is_final`` by its rule."""

    chain: ChainHistory
    number: int
    hash: str
    is_final: bool


def require_trusted(
    anchor: Anchor, header: BlockHeader, chain: TrustedChain, trust: Trust, observed: Sequence[ObservedBlock]
) -> str:
    """Accept a block that is trusted: by the trust file, by a node that was asked, or by a quorum of witnesses.

    Raises ProofRefused if another block of this number is final; another one that is not final is only reported. Raises
    NotChecked if nobody vouches for it.
    """
    block_hash = "0x" + header.hash.hex()
    described = Message("block {header.number} with the hash {block_hash}", header=header, block_hash=block_hash)
    reported = [block for block in observed if (block.chain, block.number) == (chain.identity, header.number)]
    named = [block for block in chain.trusted_blocks if block.number == header.number]
    # Contradiction first: who vouches for the block does not matter once another one is final.
    for final_hash in (*(block.hash for block in reported if block.is_final), *(block.hash for block in named)):
        if final_hash != block_hash:
            raise ProofRefused("the block is another one, {final_hash} is final", final_hash=final_hash, field="anchor")
    # Of the others none is final.
    others = Message("the chain has {other} there now, but not for good")
    remarks = [Message(others, other=block.hash) for block in reported if block.hash != block_hash]
    same = [block for block in reported if block.hash == block_hash]
    vouched = ""
    if anchor.block_note is not None:
        statement = BlockStatement(trust.log_id, chain, TrustedBlock(header.number, block_hash))
        try:
            vouched = names_of(verify_block_note(anchor.block_note, statement, trust.policy))
        except TallystickError as error:
            remarks.append(Message("its block note does not count: {error}", error=error))
    if not named and not vouched and not any(block.is_final for block in same):
        why = Message("the chain has it now, but not for good") if same else Message("nobody vouches for it")
        raise NotChecked(
            "{described}: {why}. Ask a node (--rpc), name the block in the trust file, or ask for a "
            "newer proof, with a block note that the witnesses have signed",
            "not_yet_anchored",
            described=described,
            why=joined([why, *remarks]),
        )
    grounds = {
        Message("the trust file names it"): named,
        Message("the chain has it now"): same,
        Message("its block note is signed by {vouched}", vouched=vouched): vouched,
    }
    held = joined([ground for ground, holds in grounds.items() if holds], by=" and ")
    trusted = Message("{described}, of {time}: {held}", described=described, time=when(header.timestamp), held=held)
    return joined([trusted, *remarks])


@lru_cache(maxsize=512)
def when(timestamp: int) -> str:
    """Format unix seconds as RFC 3339, or as a number beyond the calendar."""
    if timestamp >= YEAR_10000:
        return Message("{timestamp} (unix seconds)", timestamp=timestamp)
    return instant_text(timestamp)
