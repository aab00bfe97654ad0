"""The other entries that a bundle rests on: admission, grant and revocation from the registry's mirror, erasures.

Each is taken whole: signed for this ledger, included in the same tree head as the bundle's own entry.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ledger.core import authority as authorities
from ledger.core import signature
from ledger.core.authority import Authority, Grant, ServiceKeys
from ledger.core.bundle import Erasure, Evidence, read_authority, read_part, read_revocation
from ledger.core.checkpoint import Checkpoint
from ledger.core.errors import IntegrityBroken, ProofRefused, TallystickError, Unauthorized
from ledger.core.event import Envelope, Payload, decode_envelope, decode_payload, record, registry, require_agreement
from ledger.core.event.registry import RegistryChange
from ledger.core.merkle import leaf_hash
from ledger.core.proof import parse_tlog_proof, tree_head_of

C = TypeVar("C", bound=RegistryChange)

EVIDENCE_KEPT = 512  # entries: many bundles rest on the same few


class TreeHead(NamedTuple):
    """A verified checkpoint, its note, and the ledger that it is of."""

    checkpoint: Checkpoint
    note: str
    log_id: bytes


class Included(Struct, frozen=True):
    """An entry that is signed by the key it names and stands at ``index`` of the tree."""

    index: int
    envelope: Envelope
    payload: Payload


class Standing(Struct, frozen=True):
    """What makes a key good: the index of its agency's admission, the grant, and the registry with that grant alone."""

    admission: int
    grant: Grant
    authority: Authority


def require_granted(evidence: bytes, envelope: Envelope, index: int, head: TreeHead, service: ServiceKeys) -> Standing:
    """By what the envelope's key is good for entry ``index``; ``evidence`` is an AuthorityEvidence as it was shown.

    Raises a TallystickError that names the part.
    """
    standing = _standing(evidence, head, service)
    grant = standing.grant
    if grant.key_id != envelope.key_id:
        raise Unauthorized(f"expected a grant of {envelope.key_id}, not of {grant.key_id}", field="authority.grant")
    if grant.granted >= index:
        raise Unauthorized(
            f"expected the grant below entry {index}, found it at {grant.granted}", field="authority.grant"
        )
    authorities.require_key(standing.authority, envelope, index)
    return standing


@lru_cache(maxsize=EVIDENCE_KEPT)
def _standing(evidence: bytes, head: TreeHead, service: ServiceKeys) -> Standing:
    parts = read_authority(evidence)
    admission, admitted = mirrored(parts.agency, "authority.agency", registry.AgencyAdmitted, head, service)
    granted, change = mirrored(parts.grant, "authority.grant", registry.KeyGranted, head, service)
    if change.agency != admitted.agency:
        raise Unauthorized(
            f"the grant is by {change.agency}, the admission of {admitted.agency}", field="authority.agency"
        )
    if admission >= granted:
        raise Unauthorized(
            f"expected the admission below the grant, found them at {admission} and {granted}", field="authority.agency"
        )
    grant = authorities.grant_of(change, granted)
    authority = replace(authorities.initial(head.log_id, service), grants={grant.key_id: grant})
    return Standing(admission, grant, authority)


def revoked_at(evidence: bytes, grant: Grant, head: TreeHead, service: ServiceKeys) -> int:
    """The index of the entry that revoked the grant; ``evidence`` is an Evidence as it was shown.

    Raises a TallystickError that names the part.
    """
    where = "authority.revocation"
    index, change = mirrored(read_revocation(evidence), where, registry.KeyRevoked, head, service)
    if change.key_id != grant.key_id or index < grant.granted:
        raise IntegrityBroken(f"entry {index} revokes {change.key_id}, not this grant", field=where)
    return index


def erased_at(erasure: Erasure, event: Envelope, head: TreeHead) -> int:
    """The index of the entry that erased a section of ``event``. Whether its signer might is not looked at."""
    where = f"erased.{erasure.label}"
    found = included(erasure.entry, where, head)
    body = found.payload.body
    if not isinstance(body, record.SectionErased):
        raise IntegrityBroken(f"expected section.erased, not {found.envelope.event_type}", field=where)
    said = (body.concerns.event_id, body.concerns.payload_digest, body.label, found.envelope.stream)
    if said != (event.event_id, event.payload_digest, erasure.label, event.stream):
        raise IntegrityBroken(f"entry {found.index} erases something else", field=where)
    return found.index


def mirrored(evidence: Evidence, where: str, change: type[C], head: TreeHead, service: ServiceKeys) -> tuple[int, C]:
    """A change of the registry that the ledger's own key mirrored, and the index of its entry."""
    found = included(evidence, where, head)
    body = found.payload.body
    if not isinstance(body, change):
        raise IntegrityBroken(f"expected {change.__name__}, not {found.envelope.event_type}", field=where)
    try:
        authorities.require_key(authorities.initial(head.log_id, service), found.envelope, found.index)
        authorities.require_officer(None, found.payload)
    except Unauthorized as error:
        raise Unauthorized(error.message, field=where) from error
    return found.index, body


def included(evidence: Evidence, where: str, head: TreeHead) -> Included:
    """The entry that the evidence is of. Raises IntegrityBroken, naming ``where``."""
    try:
        return _included(evidence, head)
    except TallystickError as error:
        raise IntegrityBroken(f"{error.field}: {error.message}", field=where) from error


def _included(evidence: Evidence, head: TreeHead) -> Included:
    envelope, entry = read_part(evidence.envelope, decode_envelope, "envelope")
    payload, payload_bytes = read_part(evidence.payload, decode_payload, "payload")
    require_agreement(envelope, payload, payload_bytes)
    signature.verify_envelope(envelope, head.log_id)
    proof = parse_tlog_proof(evidence.proof)
    if tree_head_of(proof.checkpoint) != tree_head_of(head.note):
        raise ProofRefused("expected a proof under the tree head of the bundle's own proof", field="proof")
    proof.verify_inclusion(leaf_hash(entry), head.checkpoint)
    return Included(proof.index, envelope, payload)
