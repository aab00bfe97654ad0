"""``ledger.core.verification.chain``: what witnesses sign of a block, and when it counts."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.log.checkpoints import Cosignature, cosign_statement, parse_checkpoint
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, SignedNote
from ledger.core.log.policy import parse_policy
from ledger.core.trust.block_notes import BlockStatement, verify_block_note
from ledger.core.trust.trust_file import TrustedBlock
from tests.testkit.bundles import CHAIN, TWO_OF_THREE, WITNESSES

LOG_ID = bytes(31) + b"\x01"
BLOCK = TrustedBlock(1_234, "0x" + "b1" * 32)
STATEMENT = BlockStatement(LOG_ID, CHAIN, BLOCK)
SIGNED_AT = 1_767_225_600
POLICY = parse_policy(TWO_OF_THREE)
FIRST, SECOND, _ = WITNESSES
STRANGER = SeedSigner.from_seed("stranger.example", bytes([77]) * 32, SignatureType.COSIGNATURE_V1)


def note(*signers: SeedSigner, statement: BlockStatement = STATEMENT, more: Iterable[NoteSignature] = ()) -> str:
    lines = [cosign_statement(statement.text(), signer, SIGNED_AT + number) for number, signer in enumerate(signers)]
    return str(SignedNote(statement.text(), (*lines, *more)))


def test_text_is_the_documents() -> None:
    """The text has these six lines, in this order, each ended by a newline."""
    assert STATEMENT.text() == (
        "tallystick/block@v1\n"
        f"0x{LOG_ID.hex()}\n"
        f"chain {CHAIN.chain_id} {CHAIN.deployment_block_number} {CHAIN.deployment_block_hash}\n"
        f"registry {CHAIN.registry} {CHAIN.registry_code_hash}\n"
        f"anchor {CHAIN.anchor} {CHAIN.anchor_code_hash}\n"
        f"block 1234 0x{'b1' * 32}\n"
    )


def test_text_is_no_checkpoint() -> None:
    """No verifier takes what a witness signed of a block for a tree head; what it trusts already changes nothing of
    it."""
    lines = STATEMENT.text().split("\n")
    for text in (STATEMENT.text(), "\n".join([*lines[:3], ""])):
        with pytest.raises(MalformedInput):
            parse_checkpoint(text)
    contracts = replace(CHAIN, trusted_blocks=(BLOCK,))
    assert BlockStatement(LOG_ID, contracts, BLOCK).text() == STATEMENT.text()


def test_quorum_vouches() -> None:
    """A note that the quorum co-signed counts, and tells who signed it when; a stranger's line is passed over."""
    assert verify_block_note(note(FIRST, SECOND, STRANGER), STATEMENT, POLICY) == (
        Cosignature(FIRST.verifying_key, SIGNED_AT),
        Cosignature(SECOND.verifying_key, SIGNED_AT + 1),
    )
