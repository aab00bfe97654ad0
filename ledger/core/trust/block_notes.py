"""Block notes: signed notes by which witnesses vouch that a block of the ledger's chain is final.

The text is that of ``BlockStatement``; witnesses sign it with ``log.checkpoints.cosign_statement``. A block note cannot
be mistaken for a checkpoint, whose second line is a decimal size.

    tallystick/block@v1
    <id of the ledger>
    chain <chain id> <number of the deployment block> <hash of the deployment block>
    registry <address> <code hash>
    anchor <address> <code hash>
    block <number> <hash>
"""

from __future__ import annotations

from itertools import zip_longest

from msgspec import Struct

from ledger.core.errors import ProofRefused, SignatureRefused
from ledger.core.log.checkpoints import Cosignature, require_quorum, verify_statement
from ledger.core.log.notes import parse_note
from ledger.core.log.policy import Policy
from ledger.core.trust.trust_file import TrustedBlock, TrustedChain

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
