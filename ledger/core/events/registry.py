"""Bodies of ``registry.*`` events: each mirrors one change of the AgencyRegistry contract.

``number`` counts the contract's changes from 1; ``registry_hash`` is its rolling hash after the change. Both are
re-derivable from the bodies alone (``ledger.core.signing.authority``).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events.catalogue import SERVICE, Body, event
from ledger.core.events.terms import (
    AgencyId,
    AgencyKind,
    Bytes32,
    Jurisdiction,
    KeyId,
    Line,
    OfficerId,
    Role,
    SafeInt,
    Value,
)


class ChangeLocation(Value, frozen=True):
    """The block and the transaction of the change on the chain."""

    block_number: SafeInt
    block_hash: Bytes32
    transaction_hash: Bytes32


class RegistryChange(Body, frozen=True):
    """Base of the mirrored changes: number, rolling hash and location of the change."""

    number: SafeInt
    registry_hash: Bytes32
    location: ChangeLocation


class Name(Value, frozen=True):
    """A name in both languages."""

    en: Line
    zh: Line


class Profile(Value, frozen=True):
    """Kept on the chain as these canonical bytes."""

    jurisdiction: Jurisdiction
    name: Name


@event("registry.agency_admitted", streams=("system",), roles=SERVICE)
class AgencyAdmitted(RegistryChange, frozen=True):
    """``admin`` is the account that manages the agency's keys."""

    agency: AgencyId
    kind: AgencyKind
    admin: KeyId
    profile: Profile


@event("registry.admin_changed", streams=("system",), roles=SERVICE)
class AdminChanged(RegistryChange, frozen=True):
    """``admin`` is the account that manages the agency's keys from now on."""

    agency: AgencyId
    admin: KeyId


@event("registry.key_granted", streams=("system",), roles=SERVICE)
class KeyGranted(RegistryChange, frozen=True):
    """``suite`` 1 is secp256k1 with EIP-712; the grant holds for ``valid_from <= signed_at < valid_until`` (unix s)."""

    agency: AgencyId
    key_id: KeyId
    officer: OfficerId
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    suite: Annotated[int, Meta(ge=1, le=255)]
    valid_from: SafeInt
    valid_until: SafeInt


@event("registry.key_revoked", streams=("system",), roles=SERVICE)
class KeyRevoked(RegistryChange, frozen=True):
    """The key is not good for entries after this one."""

    agency: AgencyId
    key_id: KeyId


@event("registry.witness_set", streams=("system",), roles=SERVICE)
class WitnessSet(RegistryChange, frozen=True):
    """``witness`` absent: the agency has no witness any more."""

    agency: AgencyId
    witness: KeyId | None = None


@event("registry.quorum_set", streams=("system",), roles=SERVICE)
class QuorumSet(RegistryChange, frozen=True):
    """How many witnesses must co-sign an anchor."""

    quorum: Annotated[int, Meta(ge=0, le=65535)]


@event("registry.submitter_set", streams=("system",), roles=SERVICE)
class SubmitterSet(RegistryChange, frozen=True):
    """Whether the account ``submitter`` may anchor tree heads."""

    submitter: KeyId
    allowed: bool
