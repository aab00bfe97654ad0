"""The timestamps of a bundle: each is of a checkpoint of its own, in which the bundle's entry stands.

So the time that was proven first stays with the entry, whatever later tree head the rest of the bundle is proven at.
Timestamps are optional evidence: one that does not hold proves nothing, and spoils nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple

from ledger.core.bundle import StampedProof, read_timestamps
from ledger.core.checkpoint import Checkpoint
from ledger.core.errors import MalformedInput, ProofRefused, TallystickError
from ledger.core.merkle import Hash
from ledger.core.note import decode_base64, parse_note
from ledger.core.proof import parse_tlog_proof
from ledger.core.timestamp import WHERE, Timestamp, verify_timestamp


class Stamps(NamedTuple):
    """``held`` are of authorities under the roots; ``unknown`` counts those of others; ``faults`` are why others do not
    hold."""

    held: tuple[Timestamp, ...]
    unknown: int
    faults: tuple[str, ...]


def read_stamps(
    timestamps: bytes,
    leaf: Hash,
    index: int,
    roots: tuple[bytes, ...],
    accept: Callable[[str], Checkpoint],
) -> Stamps:
    """What the timestamps say of the entry ``leaf`` at ``index``.

    ``accept`` gives the checkpoint of a note that the log signed, or raises. A timestamp does not hold if it is not of
    its form, not of such a checkpoint, or not signed by the authority that it names.
    """
    held, unknown, faults = list[Timestamp](), 0, list[str]()
    try:
        stamps = read_timestamps(timestamps)
    except MalformedInput as error:
        return Stamps((), 0, (f"{error.field}: {error.message}",))
    for stamp in stamps:
        try:
            timestamp = _timestamp(stamp, leaf, index, roots, accept)
        except TallystickError as error:
            faults.append(error.message)
            continue
        if timestamp is None:
            unknown += 1
        else:
            held.append(timestamp)
    return Stamps(tuple(held), unknown, tuple(faults))


def encode_response(response: bytes) -> str:
    """A TimeStampResp as a bundle holds it."""
    return b64encode(response).decode()


def _timestamp(
    stamped: StampedProof, leaf: Hash, index: int, roots: tuple[bytes, ...], accept: Callable[[str], Checkpoint]
) -> Timestamp | None:
    proof = parse_tlog_proof(stamped.proof)
    proof.verify_inclusion(leaf, accept(proof.checkpoint))
    if proof.index != index:
        raise ProofRefused(f"expected a proof of entry {index}, not of {proof.index}", field=WHERE)
    return verify_timestamp(decode_base64(stamped.response, WHERE), parse_note(proof.checkpoint).text, roots)
