"""``ledger.core.verification.chain``: what witnesses sign of a block, and when it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.log.checkpoints import Cosignature, cosign_text, parse_checkpoint
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, SignedNote
from ledger.core.log.policy import parse_policy
from ledger.core.verification.chain import BlockStatement, cosign_block, verify_block_note
from ledger.core.verification.trust import TrustedBlock
from tests.testkit.bundles import CHAIN, TWO_OF_THREE, WITNESSES

LOG_ID = bytes(31) + b"\x01"
BLOCK = TrustedBlock(1_234, "0x" + "b1" * 32)
STATEMENT = BlockStatement(LOG_ID, CHAIN, BLOCK)
SIGNED_AT = 1_767_225_600
POLICY = parse_policy(TWO_OF_THREE)
FIRST, SECOND, _ = WITNESSES
STRANGER = SeedSigner.from_seed("stranger.example", bytes([77]) * 32, SignatureType.COSIGNATURE_V1)


def note(*signers: SeedSigner, statement: BlockStatement = STATEMENT, more: Iterable[NoteSignature] = ()) -> str:
    lines = [cosign_block(statement, signer, SIGNED_AT + number) for number, signer in enumerate(signers)]
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
    """No verifier takes what a witness signed of a block for a tree head."""
    lines = STATEMENT.text().split("\n")
    for text in (STATEMENT.text(), "\n".join([*lines[:3], ""])):
        with pytest.raises(MalformedInput):
            parse_checkpoint(text)


def test_quorum_vouches() -> None:
    """A note that the quorum co-signed counts, and tells who signed it when; a stranger's line is passed over."""
    assert verify_block_note(note(FIRST, SECOND, STRANGER), STATEMENT, POLICY) == (
        Cosignature(FIRST.verifying_key, SIGNED_AT),
        Cosignature(SECOND.verifying_key, SIGNED_AT + 1),
    )


def test_trusted_blocks_are_no_part_of_it() -> None:
    """What a verifier trusts already changes nothing of what witnesses sign."""
    contracts = replace(CHAIN, trusted_blocks=(BLOCK,))
    assert BlockStatement(LOG_ID, contracts, BLOCK).text() == STATEMENT.text()


@pytest.mark.parametrize(
    "other",
    [
        BlockStatement(bytes(32), CHAIN, BLOCK),
        BlockStatement(LOG_ID, replace(CHAIN, registry=CHAIN.anchor), BLOCK),
        BlockStatement(LOG_ID, CHAIN, replace(BLOCK, hash="0x" + "b2" * 32)),
    ],
    ids=str,
)
def test_another_statement_does_not_count(other: BlockStatement) -> None:
    """A note of another ledger, chain, contract, code or block is refused, whoever signed it; the line is named."""
    with pytest.raises(ProofRefused, match="expected the line"):
        verify_block_note(note(FIRST, SECOND, statement=other), STATEMENT, POLICY)


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        (lambda text: text + "one more\n", "expected the line ''"),
        (lambda text: text + "\n", "expected the line ''"),
        (lambda text: text[: text.index("block ")], "expected the line 'block 1234"),
    ],
)
def test_lines_are_counted(spoil: Callable[[str], str], detail: str) -> None:
    """A line more or less is another statement, an empty one too, also where the witnesses have signed just that."""
    text = spoil(STATEMENT.text())
    lines = [cosign_text(text, signer, 1) for signer in (FIRST, SECOND)]
    with pytest.raises(ProofRefused, match=detail):
        verify_block_note(str(SignedNote(text, tuple(lines))), STATEMENT, POLICY)


def test_below_the_quorum_does_not_count() -> None:
    """One witness of two is not enough, nor is none."""
    with pytest.raises(SignatureRefused, match="is not reached by w"):
        verify_block_note(note(FIRST), STATEMENT, POLICY)
    with pytest.raises(SignatureRefused, match="is not reached by no witness"):
        verify_block_note(note(STRANGER), STATEMENT, POLICY)


def test_without_a_quorum_nothing_counts() -> None:
    """A policy that asks for no witness is met by no block note, though every line holds."""
    with pytest.raises(SignatureRefused, match="asks for no witness"):
        verify_block_note(note(FIRST, SECOND), STATEMENT, parse_policy("quorum none\n"))


def test_bad_line_of_a_known_witness_spoils_it() -> None:
    """As C2SP has it of checkpoints: a known key whose signature does not hold, or stands twice, spoils the note."""
    other = BlockStatement(LOG_ID, CHAIN, replace(BLOCK, number=1))
    with pytest.raises(SignatureRefused, match="does not hold"):
        verify_block_note(note(FIRST, more=[cosign_block(other, SECOND, 1)]), STATEMENT, POLICY)
    with pytest.raises(SignatureRefused, match="by the key"):
        verify_block_note(note(FIRST, SECOND, SECOND), STATEMENT, POLICY)
