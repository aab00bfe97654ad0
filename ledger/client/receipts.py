"""Verify receipts: the log includes the bytes that were sent, under a tree head that it signed."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, SignatureRefused, TallystickError
from ledger.core.events import decode_submission
from ledger.core.log.checkpoints import Checkpoint, parse_checkpoint, verify_checkpoint
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.notes import parse_note
from ledger.core.log.tlog_proofs import TlogProof, parse_tlog_proof
from ledger.core.verification.trust import Trust

HINT = (
    "Keep the submission and this receipt. The service may have recorded the event, another, or none: compare the log "
    "with a copy that others keep (tally log save)."
)
RENEWED = (
    "Keep the submission and this receipt. If the operator says that the log's key was replaced, take the renewal by "
    "tally trust accept, then send the submission again; if not, compare the log with a copy that others keep."
)


class VerifiedReceipt(Struct, frozen=True):
    """A verified receipt: the index of the entry, and the checkpoint that includes it, as text and parsed."""

    index: int
    note: str
    checkpoint: Checkpoint


class _Receipt(Struct, frozen=True):
    event_id: str
    index: int
    leaf_hash: str
    proof: str


def require_receipt(answer: Any, submission: bytes, trust: Trust | None) -> VerifiedReceipt:
    """Verify that an answer is the receipt of a submission, under a tree head that the trusted log signed.

    Without a trust file the signature is not checked. Raises IntegrityBroken with the name of the wrong field.
    """
    sent = decode_submission(submission)
    leaf = leaf_hash(sent.envelope_bytes)
    try:
        receipt = convert(answer, _Receipt)
        _require_equal("event_id", receipt.event_id, sent.envelope.event_id)
        _require_equal("leaf_hash", receipt.leaf_hash, f"sha256:{leaf.hex()}")
        proof = parse_tlog_proof(receipt.proof)
        _require_equal("index", receipt.index, proof.index)
        checkpoint = _verified_checkpoint(proof, trust)
        proof.verify_inclusion(leaf, checkpoint)
    except msgspec.ValidationError as error:
        raise IntegrityBroken(f"this is no receipt: {error}", field="receipt", hint=HINT) from error
    except TallystickError as error:
        field = f"receipt.{error.field}" if error.field else "receipt"
        hint = RENEWED if isinstance(error, SignatureRefused) else HINT
        raise IntegrityBroken(f"this is no receipt for the event: {error.message}", field=field, hint=hint) from error
    return VerifiedReceipt(proof.index, proof.checkpoint, checkpoint)


def _verified_checkpoint(proof: TlogProof, trust: Trust | None) -> Checkpoint:
    if trust is not None:
        return verify_checkpoint(proof.checkpoint, trust.log_key_of(proof.checkpoint))
    return parse_checkpoint(parse_note(proof.checkpoint).text)


def _require_equal(field: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise MalformedInput(f"expected {expected}, not {str(actual)[:100]}", field=field)
