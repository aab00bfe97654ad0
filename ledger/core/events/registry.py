"""Bodies of ``registry.*`` events: each mirrors one change of the AgencyRegistry contract.

``number`` counts the contract's changes from 1; ``registry_hash`` is its rolling hash after the change. Both are
re-derivable from the bodies alone (``ledger.core.signing.authority``).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import SERVICE, Body, event


class ChangeLocation(terms.Value, frozen=True):
    """The block and the transaction of the change on the chain."""

    block_number: terms.SafeInt
    block_hash: terms.Bytes32
    transaction_hash: terms.Bytes32


class RegistryChange(Body, frozen=True):
    """Base of the mirrored changes: number, rolling hash and location of the change."""

    number: terms.SafeInt
    registry_hash: terms.Bytes32
    location: ChangeLocation


# A name in each language that it has, one at least.
Name = Annotated[dict[terms.Language, terms.Line], Meta(min_length=1, max_length=16)]


def names_of(name: Name) -> tuple[str, str]:
    """Return a name in Chinese and in English, in the first language that it has for one that it lacks."""
    first = next(iter(name.values()))
    return name.get("zh", first), name.get("en", first)


class AgencyProfile(terms.Value, frozen=True):
    """Kept on the chain as these canonical bytes."""

    jurisdiction: terms.Jurisdiction
    name: Name


@event("registry.agency_admitted", streams=("system",), roles=SERVICE)
class AgencyAdmitted(RegistryChange, frozen=True):
    """``admin`` is the account that manages the agency's keys."""

    agency: terms.AgencyId
    kind: terms.AgencyKind
    admin: terms.KeyId
    profile: AgencyProfile


@event("registry.admin_changed", streams=("system",), roles=SERVICE)
class AdminChanged(RegistryChange, frozen=True):
    """``admin`` is the account that manages the agency's keys from now on."""

    agency: terms.AgencyId
    admin: terms.KeyId


@event("registry.key_granted", streams=("system",), roles=SERVICE)
class KeyGranted(RegistryChange, frozen=True):
    """A grant for signatures of ``suite``; it holds for ``valid_from <= signed_at < valid_until`` (unix s)."""

    agency: terms.AgencyId
    key_id: terms.KeyId
    officer: terms.OfficerId
    roles: Annotated[tuple[terms.Role, ...], Meta(min_length=1)]
    suite: terms.Suite
    valid_from: terms.SafeInt
    valid_until: terms.SafeInt


@event("registry.key_revoked", streams=("system",), roles=SERVICE)
class KeyRevoked(RegistryChange, frozen=True):
    """The key is not good for entries after this one."""

    agency: terms.AgencyId
    key_id: terms.KeyId


@event("registry.witness_set", streams=("system",), roles=SERVICE)
class WitnessSet(RegistryChange, frozen=True):
    """``witness`` absent: the agency has no witness any more."""

    agency: terms.AgencyId
    witness: terms.KeyId | None = None


@event("registry.quorum_set", streams=("system",), roles=SERVICE)
class QuorumSet(RegistryChange, frozen=True):
    """How many witnesses must co-sign an anchor."""

    quorum: Annotated[int, Meta(ge=0, le=65535)]


@event("registry.submitter_set", streams=("system",), roles=SERVICE)
class SubmitterSet(RegistryChange, frozen=True):
    """Whether the account ``submitter`` may anchor tree heads."""

    submitter: terms.KeyId
    allowed: bool


@event("registry.procedure_adopted", streams=("system",), roles=SERVICE)
class ProcedureAdopted(RegistryChange, frozen=True):
    """The agencies adopt the procedure package whose canonical form has this digest, perhaps once more."""

    digest: terms.Blake3
