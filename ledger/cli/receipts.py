"""What a receipt shows to whoever sent the event: the log has these very bytes, under a tree head that it signed."""

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
    "If the operator says that the log's key was replaced, take the renewal by tally trust accept, then send the "
    "submission again."
)


class HeldReceipt(Struct, frozen=True):
    """A receipt that holds: the place of the entry, and the note and tree head that have it."""

    index: int
    note: str
    checkpoint: Checkpoint


class _Receipt(Struct, frozen=True):
    event_id: str
    index: int
    leaf_hash: str
    proof: str


def require_receipt(answer: Any, submission: bytes, trust: Trust | None) -> HeldReceipt:
    """The receipt that an answer is of a submission, under a tree head that the trusted log signed.

    Without a trust file the signature is not looked at. Raises IntegrityBroken, which names the field, for all else.
    """
    sent = decode_submission(submission)
    leaf = leaf_hash(sent.envelope_bytes)
    try:
        receipt = convert(answer, _Receipt)
        _require_equal("event_id", receipt.event_id, sent.envelope.event_id)
        _require_equal("leaf_hash", receipt.leaf_hash, f"sha256:{leaf.hex()}")
        proof = parse_tlog_proof(receipt.proof)
        _require_equal("index", receipt.index, proof.index)
        checkpoint = _head(proof, trust)
        proof.verify_inclusion(leaf, checkpoint)
    except msgspec.ValidationError as error:
        raise IntegrityBroken(f"this is no receipt: {error}", field="receipt", hint=HINT) from error
    except TallystickError as error:
        field = f"receipt.{error.field}" if error.field else "receipt"
        hint = f"{HINT} {RENEWED}" if isinstance(error, SignatureRefused) else HINT
        raise IntegrityBroken(f"this is no receipt for the event: {error.message}", field=field, hint=hint) from error
    return HeldReceipt(proof.index, proof.checkpoint, checkpoint)


def _head(proof: TlogProof, trust: Trust | None) -> Checkpoint:
    if trust is not None:
        return verify_checkpoint(proof.checkpoint, trust.log_key_of(proof.checkpoint))
    return parse_checkpoint(parse_note(proof.checkpoint).text)


def _require_equal(field: str, told: object, expected: object) -> None:
    if told != expected:
        raise MalformedInput(f"expected {expected}, not {str(told)[:100]}", field=field)
