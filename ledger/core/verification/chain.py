"""Block notes: signed notes by which witnesses vouch that a block of the ledger's chain is final.

The text is that of ``BlockStatement``; the signature lines are those of witnesses, made as for a checkpoint (C2SP
tlog-cosignature, v1). A block note cannot be mistaken for a checkpoint, whose second line is a decimal size.

    tallystick/block@v1
    <id of the ledger>
    chain <chain id> <number of the deployment block> <hash of the deployment block>
    registry <address> <code hash>
    anchor <address> <code hash>
    block <number> <hash>
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

from msgspec import UNSET, Struct

from ledger.core.errors import ProofRefused, SignatureRefused, TallystickError
from ledger.core.ethereum.block_headers import BlockHeader
from ledger.core.log.checkpoints import (
    Cosignature,
    cosign_statement,
    names_of,
    require_quorum,
    verify_statement,
)
from ledger.core.log.notes import NoteSignature, NoteSigner, parse_note
from ledger.core.log.policy import Policy
from ledger.core.messages import Message, joined
from ledger.core.procedure.legal_days import instant_text
from ledger.core.verification.bundle import Anchor
from ledger.core.verification.report import NotChecked, Outcome
from ledger.core.verification.trust import ChainHistory, Trust, TrustedBlock, TrustedChain

BLOCK_NOTE_FORMAT = "tallystick/block@v1"
WHERE = "anchor.block_note"  # the field of a bundle


class BlockStatement(Struct, frozen=True):
    """The statement that ``block`` is final on the chain of these contracts.

    The trusted blocks of ``contracts`` are no part of it. A witness signs it after asking a node of its own, by its own
    rule of finality.
    """

    log_id: bytes
    contracts: TrustedChain
    block: TrustedBlock

    def text(self) -> str:
        """Return the note text that witnesses sign."""
        chain = self.contracts
        return (
            f"{BLOCK_NOTE_FORMAT}\n"
            f"0x{self.log_id.hex()}\n"
            f"chain {chain.chain_id} {chain.deployment_block_number} {chain.deployment_block_hash}\n"
            f"registry {chain.registry} {chain.registry_code_hash}\n"
            f"anchor {chain.anchor} {chain.anchor_code_hash}\n"
            f"block {self.block.number} {self.block.hash}\n"
        )


def cosign_block(statement: BlockStatement, signer: NoteSigner, timestamp: int) -> NoteSignature:
    """Make a witness's signature line. Requires a witness's signer and 0 < timestamp < 2**63."""
    return cosign_statement(statement.text(), signer, timestamp)


def verify_block_note(note_text: str, statement: BlockStatement, policy: Policy) -> tuple[Cosignature, ...]:
    """Accept the note as the statement of enough witnesses for the policy; return their co-signatures.

    Raises MalformedInput if it is no signed note, ProofRefused if it states something else, and SignatureRefused if a
    line of a named witness is false or repeated, if the quorum is not reached, or if the policy asks for no witness:
    then a note proves nothing.
    """
    stated, expected = parse_note(note_text).text, statement.text()
    if stated != expected:
        pairs = zip_longest(expected.split("\n"), stated.split("\n"))
        line = next(expected_line for expected_line, stated_line in pairs if expected_line != stated_line)
        raise ProofRefused("expected the line {line!r} in the block note", line=line or "", field=WHERE)
    # Else a note of nobody would make any block final.
    if not policy.asks_for_witnesses:
        raise SignatureRefused("the policy asks for no witness", field=WHERE)
    cosignatures = verify_statement(note_text, policy.witnesses.values())
    require_quorum(policy, cosignatures, field=WHERE)
    return cosignatures


YEAR_10000 = 253_402_300_800  # unix seconds; the first that datetime cannot represent


class ObservedBlock(Struct, frozen=True):
    """The block that a chain has at ``number`` now, according to a node that was asked; ``is_final`` by its rule."""

    chain: ChainHistory
    number: int
    hash: str
    is_final: bool


def require_trusted(anchor: Anchor, header: BlockHeader, trust: Trust, observed: Sequence[ObservedBlock]) -> Outcome:
    """Accept a block that is trusted: by the trust file, by a node that was asked, or by a quorum of witnesses.

    Raises ProofRefused if another block of this number is final; another one that is not final is only reported.
    """
    chain = trust.chain(anchor.chain, anchor.contract)
    if chain is None:
        return NotChecked("the trust file lacks {anchor.contract}: take today's", "not_yet_anchored", anchor=anchor)
    block_hash = "0x" + header.hash.hex()
    described = Message("block {header.number} with the hash {block_hash}", header=header, block_hash=block_hash)
    reported = [block for block in observed if (block.chain, block.number) == (chain.identity, header.number)]
    named = [block for block in chain.trusted_blocks if block.number == header.number]
    # Contradiction first: who vouches for the block does not matter once another one is final.
    for final_hash in (*(block.hash for block in reported if block.is_final), *(block.hash for block in named)):
        if final_hash != block_hash:
            raise ProofRefused("the block is another one, {final_hash} is final", final_hash=final_hash, field="anchor")
    others = [block.hash for block in reported if block.hash != block_hash]  # none of them final
    remarks = [Message("the chain has {other} there now, but not for good", other=each) for each in others]
    vouched = ""
    if anchor.block_note is not UNSET:
        statement = BlockStatement(trust.log_id, chain, TrustedBlock(header.number, block_hash))
        try:
            vouched = names_of(verify_block_note(anchor.block_note, statement, trust.policy))
        except TallystickError as error:
            remarks.append(Message("its block note does not count: {error}", error=error))
    grounds = {
        Message("the trust file names it"): bool(named),
        Message("the chain has it now"): any(block.hash == block_hash for block in reported),
        Message("its block note is signed by {vouched}", vouched=vouched): bool(vouched),
    }
    if named or vouched or any(block.is_final for block in reported):
        held = joined([ground for ground, holds in grounds.items() if holds], by=" and ")
        trusted = Message("{described}, of {time}: {held}", described=described, time=when(header.timestamp), held=held)
        return joined([trusted, *remarks])
    why = (
        Message("the chain has it now, but not for good")
        if len(reported) > len(others)
        else Message("nobody vouches for it")
    )
    return NotChecked(
        "{described}: {why}. Ask a node (--rpc), name the block in the trust file, or ask for a "
        "newer proof, with a block note that the witnesses have signed",
        "not_yet_anchored",
        described=described,
        why=joined([why, *remarks]),
    )


@lru_cache(maxsize=512)
def when(timestamp: int) -> str:
    """Format unix seconds as RFC 3339, or as a number beyond the calendar."""
    if timestamp >= YEAR_10000:
        return Message("{timestamp} (unix seconds)", timestamp=timestamp)
    return instant_text(timestamp)
