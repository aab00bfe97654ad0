"""The other entries that a bundle rests on: admission, grant and revocation from the registry's mirror, erasures.

Each must be signed for this ledger, and included in the same tree head as the bundle's own entry.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import IntegrityBroken, MalformedInput, ProofRefused, TallystickError, Unauthorized
from ledger.core.events import (
    NAME_OF,
    Body,
    Envelope,
    Payload,
    decode_envelope,
    decode_payload,
    record,
    registry,
    require_agreement,
)
from ledger.core.events.registry import RegistryChange
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.notes import decode_base64, parse_note
from ledger.core.log.tlog_proofs import parse_tlog_proof, tree_head_of
from ledger.core.messages import Term
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import AuthorityState, Grant, ServiceKeys
from ledger.core.verification.bundle_format import (
    Erasure,
    Evidence,
    read_authority,
    read_part,
    read_revocation,
    read_timestamps,
)
from ledger.core.verification.timestamps import WHERE, Timestamp, verify_timestamp

B = TypeVar("B", bound=Body)
C = TypeVar("C", bound=RegistryChange)

EVIDENCE_KEPT = 512  # verified grants in the cache: many bundles rest on the same few


class TreeHead(NamedTuple):
    """A verified checkpoint, its note, and the id of its ledger."""

    checkpoint: Checkpoint
    note: str
    log_id: bytes


class Included(Struct, frozen=True):
    """An entry that is signed by the key it names and included at ``index`` of the tree."""

    index: int
    envelope: Envelope
    payload: Payload


class KeyGrounds(Struct, frozen=True):
    """The grounds for a key: the index of its agency's admission, its grant, and the registry with that grant alone."""

    admission: int
    grant: Grant
    authority: AuthorityState
    kind: str


def require_granted(
    evidence: bytes, envelope: Envelope, index: int, head: TreeHead, service: ServiceKeys
) -> KeyGrounds:
    """Return the grounds on which the envelope's key is good for entry ``index``.

    ``evidence`` is an AuthorityEvidence as the bundle has it. Raises a TallystickError that names the part.
    """
    standing = _standing(evidence, head, service)
    grant = standing.grant
    if grant.key_id != envelope.key_id:
        raise Unauthorized("expected a grant of {envelope.key_id}", envelope=envelope, field="authority.grant")
    # By indices that inclusion proofs have shown, not by the times that somebody claims.
    if grant.granted >= index:
        raise Unauthorized("the grant is entry {grant.granted}, not before this", grant=grant, field="authority.grant")
    # The same rules as for the log itself, applied to a registry that has this grant alone.
    authorities.require_key(standing.authority, envelope, index)
    return standing


@lru_cache(maxsize=EVIDENCE_KEPT)
def _standing(evidence: bytes, head: TreeHead, service: ServiceKeys) -> KeyGrounds:
    parts = read_authority(evidence)
    admission, admitted = mirrored(parts.agency, "authority.agency", registry.AgencyAdmitted, head, service)
    granted, change = mirrored(parts.grant, "authority.grant", registry.KeyGranted, head, service)
    # A grant by another agency gives no right to act for this one.
    if change.agency != admitted.agency:
        raise Unauthorized("expected the admission of {change.agency}", change=change, field="authority.agency")
    if admission >= granted:
        raise Unauthorized("the admission does not come before the grant", field="authority.agency")
    grant = authorities.grant_of(change, granted)
    authority = replace(authorities.initial(head.log_id, service), grants={grant.key_id: grant})
    return KeyGrounds(admission, grant, authority, admitted.kind)


def revoked_at(evidence: bytes, grant: Grant, head: TreeHead, service: ServiceKeys) -> int:
    """Return the index of the entry that revoked the grant; ``evidence`` is an Evidence as the bundle has it.

    Raises a TallystickError that names the part.
    """
    where = "authority.revocation"
    index, change = mirrored(read_revocation(evidence), where, registry.KeyRevoked, head, service)
    if change.key_id != grant.key_id or index < grant.granted:
        raise IntegrityBroken("entry {index} does not revoke this grant", index=index, field=where)
    return index


def erased_at(erasure: Erasure, event: Envelope, head: TreeHead) -> int:
    """Return the index of the entry that erased a section of ``event``. The right of its signer is not checked."""
    where = f"erased.{erasure.label}"
    entry = included(erasure.entry, where, head)
    body = _body_of(entry, record.SectionErased, where)
    erased = (body.concerns.event_id, body.concerns.payload_digest, body.label, entry.envelope.stream)
    if erased != (event.event_id, event.payload_digest, erasure.label, event.stream):
        raise IntegrityBroken("entry {entry.index} erases something else", entry=entry, field=where)
    return entry.index


def mirrored(evidence: Evidence, where: str, change: type[C], head: TreeHead, service: ServiceKeys) -> tuple[int, C]:
    """Return the index of the entry, and the change of the registry that the ledger's own key mirrored by it."""
    entry = included(evidence, where, head)
    body = entry.payload.body
    body = _body_of(entry, change, where)
    try:
        authorities.require_key(authorities.initial(head.log_id, service), entry.envelope, entry.index)
        authorities.require_officer(None, entry.payload)
    except Unauthorized as error:
        raise Unauthorized(error.text, field=where) from error
    return entry.index, body


def _body_of(entry: Included, kind: type[B], where: str) -> B:
    if not isinstance(entry.payload.body, kind):
        raise IntegrityBroken("expected {event_type}", event_type=Term("event_type", NAME_OF[kind]), field=where)
    return entry.payload.body


def included(evidence: Evidence, where: str, head: TreeHead) -> Included:
    """Return the entry that the evidence proves. Raises IntegrityBroken, which names ``where``."""
    try:
        envelope, entry = read_part(evidence.envelope, decode_envelope, "envelope")
        payload, payload_bytes = read_part(evidence.payload, decode_payload, "payload")
        require_agreement(envelope, payload, payload_bytes)
        signatures.verify_envelope(envelope, head.log_id)
        proof = parse_tlog_proof(evidence.proof)
        # Under another tree head the entry could stand in another history of the log.
        if tree_head_of(proof.checkpoint) != tree_head_of(head.note):
            raise ProofRefused("expected a proof under the tree head of the bundle's own proof", field="proof")
        proof.verify_inclusion(leaf_hash(entry), head.checkpoint)
    except TallystickError as error:
        raise IntegrityBroken("{error.field}: {error}", error=error, field=where) from error
    return Included(proof.index, envelope, payload)


class VerifiedTimestamps(NamedTuple):
    """Timestamps by how they verify.

    ``held`` are of authorities under the roots, ``unknown`` counts those of other authorities, and ``faults`` are the
    reasons why others do not hold.
    """

    held: tuple[Timestamp, ...]
    unknown: int
    faults: tuple[str, ...]


def read_stamps(
    timestamps: bytes, leaf: Hash, index: int, roots: tuple[bytes, ...], accept: Callable[[str], Checkpoint]
) -> VerifiedTimestamps:
    """Verify the timestamps of the entry ``leaf`` at ``index``.

    ``accept`` returns the checkpoint of a note that the log signed, or raises. A timestamp does not hold if it is
    malformed, of another checkpoint, or not signed by the authority that it names.
    """
    held, unknown, faults = list[Timestamp](), 0, list[str]()
    try:
        stamps = read_timestamps(timestamps)
    except MalformedInput as error:
        return VerifiedTimestamps((), 0, (f"{error.field}: {error.message}",))
    for stamp in stamps:
        try:
            proof = parse_tlog_proof(stamp.proof)
            proof.verify_inclusion(leaf, accept(proof.checkpoint))
            if proof.index != index:
                raise ProofRefused("this is a proof of entry {proof.index}", proof=proof, field=WHERE)
            text = parse_note(proof.checkpoint).text
            timestamp = verify_timestamp(decode_base64(stamp.response, WHERE), text, roots)
        except TallystickError as error:
            faults.append(error.message)
            continue
        if timestamp is None:
            unknown += 1
        else:
            held.append(timestamp)
    return VerifiedTimestamps(tuple(held), unknown, tuple(faults))


def encode_response(response: bytes) -> str:
    """Encode a TimeStampResp as a bundle holds it."""
    return b64encode(response).decode()
