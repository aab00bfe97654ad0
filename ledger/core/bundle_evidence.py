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
from ledger.core.authority import Authority, Grant
from ledger.core.bundle import AuthorityEvidence, Erasure, Evidence, read_part
from ledger.core.checkpoint import Checkpoint
from ledger.core.errors import IntegrityBroken, ProofRefused, TallystickError, Unauthorized
from ledger.core.event import Envelope, Payload, decode_envelope, decode_payload, record, registry, require_agreement
from ledger.core.event.registry import RegistryChange
from ledger.core.merkle import leaf_hash
from ledger.core.proof import parse_tlog_proof

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


def granted(
    evidence: AuthorityEvidence, known: Authority, envelope: Envelope, index: int, head: TreeHead
) -> tuple[int, Grant]:
    """The index of the agency's admission and the grant that makes the envelope's key good for entry ``index``.

    ``known`` is the authority before any change. Raises a TallystickError that names the part.
    """
    admission, admitted = mirrored(evidence.agency, "authority.agency", registry.AgencyAdmitted, known, head)
    grant_index, change = mirrored(evidence.grant, "authority.grant", registry.KeyGranted, known, head)
    if change.key_id != envelope.key_id or change.agency != admitted.agency:
        raise Unauthorized(
            f"expected a grant of {envelope.key_id} by an agency whose admission is here, "
            f"found a grant of {change.key_id} by {change.agency} and the admission of {admitted.agency}",
            field="authority.grant",
        )
    if not admission < grant_index < index:
        raise Unauthorized(
            f"expected admission, grant and entry in this order, found them at {admission}, {grant_index} and {index}",
            field="authority.grant",
        )
    grant = authorities.grant_of(change, grant_index)
    authorities.require_key(replace(known, grants={grant.key_id: grant}), envelope, index)
    return admission, grant


def revoked_at(evidence: Evidence, grant: Grant, known: Authority, head: TreeHead) -> int:
    """The index of the entry that revoked the grant. Raises a TallystickError that names the part."""
    where = "authority.revocation"
    index, change = mirrored(evidence, where, registry.KeyRevoked, known, head)
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


def mirrored(evidence: Evidence, where: str, change: type[C], known: Authority, head: TreeHead) -> tuple[int, C]:
    """A change of the registry that the ledger's own key mirrored, and the index of its entry."""
    found = included(evidence, where, head)
    body = found.payload.body
    if not isinstance(body, change):
        raise IntegrityBroken(f"expected {change.__name__}, not {found.envelope.event_type}", field=where)
    try:
        authorities.require_key(known, found.envelope, found.index)
    except Unauthorized as error:
        raise Unauthorized(error.message, field=where) from error
    return found.index, body


def included(evidence: Evidence, where: str, head: TreeHead) -> Included:
    """The entry that the evidence is of. Raises IntegrityBroken, naming ``where``."""
    try:
        return _included(bytes(evidence.envelope), bytes(evidence.payload), evidence.proof, head)
    except TallystickError as error:
        raise IntegrityBroken(f"{error.field}: {error.message}", field=where) from error


@lru_cache(maxsize=EVIDENCE_KEPT)
def _included(envelope_part: bytes, payload_part: bytes, proof_text: str, head: TreeHead) -> Included:
    envelope, entry = read_part(envelope_part, decode_envelope, "envelope")
    payload, payload_bytes = read_part(payload_part, decode_payload, "payload")
    require_agreement(envelope, payload, payload_bytes)
    signature.verify_envelope(envelope, head.log_id)
    proof = parse_tlog_proof(proof_text)
    if proof.checkpoint != head.note:
        raise ProofRefused("expected a proof under the checkpoint of the bundle's own proof", field="proof")
    proof.verify_inclusion(leaf_hash(entry), head.checkpoint)
    return Included(proof.index, envelope, payload)
