"""The timestamps of a bundle: each is of a checkpoint of its own, in which the bundle's entry stands.

So the time that was proven first stays with the entry, whatever later tree head the rest of the bundle is proven at.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple

from ledger.core.bundle import StampedProof, read_timestamps
from ledger.core.checkpoint import Checkpoint
from ledger.core.errors import ProofRefused
from ledger.core.merkle import Hash
from ledger.core.note import decode_base64, parse_note
from ledger.core.proof import parse_tlog_proof
from ledger.core.timestamp import WHERE, Timestamp, verify_timestamp


class Stamps(NamedTuple):
    """``held`` are of authorities under the roots; ``unknown`` counts the others, of which nothing is believed."""

    held: tuple[Timestamp, ...]
    unknown: int


def read_stamps(
    timestamps: bytes,
    leaf: Hash,
    index: int,
    roots: tuple[bytes, ...],
    accept: Callable[[str], Checkpoint],
) -> Stamps:
    """What the timestamps say of the entry ``leaf`` at ``index``.

    ``accept`` gives the checkpoint of a note that the log signed, or raises. Raises a TallystickError for a timestamp
    that is not of its form, not of such a checkpoint, or not signed by the authority that it names.
    """
    found = [_stamp(one, leaf, index, roots, accept) for one in read_timestamps(timestamps)]
    return Stamps(tuple(stamp for stamp in found if stamp is not None), found.count(None))


def encode_response(response: bytes) -> str:
    """A TimeStampResp as a bundle holds it."""
    return b64encode(response).decode()


def _stamp(
    stamped: StampedProof, leaf: Hash, index: int, roots: tuple[bytes, ...], accept: Callable[[str], Checkpoint]
) -> Timestamp | None:
    proof = parse_tlog_proof(stamped.proof)
    proof.verify_inclusion(leaf, accept(proof.checkpoint))
    if proof.index != index:
        raise ProofRefused(f"expected a proof of entry {index}, not of {proof.index}", field=WHERE)
    return verify_timestamp(decode_base64(stamped.response, WHERE), parse_note(proof.checkpoint).text, roots)
