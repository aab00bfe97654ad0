"""Which key may sign what, derived from the ``registry.*`` entries of the log and nothing else.

A key is good for the entry at index i iff it was granted at an index below i, not revoked at an index below i, and the
envelope's ``signed_at`` lies in the grant's ``valid_from <= signed_at < valid_until``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import IntegrityBroken, Unauthorized
from ledger.core.ethereum.contract_changes import registry_hash
from ledger.core.events import EVENT_TYPES, SUITE_SECP256K1_EIP712, Envelope, registry
from ledger.core.events.registry import AgencyProfile, Name, RegistryChange
from ledger.core.events.terms import AgencyKind, KeyId, Role, SafeInt, Trait
from ledger.core.messages import Message, Term, joined

SERVICE_AGENCY = "ledger"  # the agency in the envelope of entries that the service signs
SERVICE_OFFICER = "service"


class Agency(Struct, frozen=True):
    """An admitted agency; ``index`` is the log index of its admission, ``traits`` are those of its kind."""

    agency_id: str
    kind: AgencyKind
    profile: AgencyProfile
    admin: str
    index: int
    witness: str | None = None
    traits: frozenset[Trait] = frozenset()


class Grant(Struct, frozen=True):
    """The rights of a key; ``granted`` and ``revoked`` are log indices, the validity is in unix seconds."""

    key_id: str
    agency_id: str
    officer: str
    roles: tuple[Role, ...]
    suite: int
    valid_from: int
    valid_until: int
    granted: int
    revoked: int | None = None

    def covers(self, at: int) -> bool:
        """Return whether the validity includes ``at`` (unix seconds)."""
        return self.valid_from <= at < self.valid_until

    def is_valid(self, at: int) -> bool:
        """Return whether the key is not revoked, and its validity includes ``at`` (unix seconds)."""
        return self.revoked is None and self.covers(at)


class EarlierServiceKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A former key of the service, which signed entries below index ``until``."""

    key_id: KeyId
    until: SafeInt


class ServiceKeys(Struct, frozen=True):
    """The service's keys: the current one, and its predecessors with their ``until`` ascending.

    ``suites`` are those of the signatures that it takes, of its own keys and of others.
    """

    current: str
    earlier: tuple[EarlierServiceKey, ...] = ()
    suites: tuple[int, ...] = (SUITE_SECP256K1_EIP712,)

    def at(self, index: int) -> str:
        """Return the id of the key that signs entry ``index``."""
        return next((key.key_id for key in self.earlier if index < key.until), self.current)


class AdoptedProcedure(Struct, frozen=True):
    """A procedure package that the agencies adopted at entry ``index``, by its digest."""

    digest: str
    index: int


class AuthorityState(Struct, frozen=True, dict=True):
    """The registry after ``changes`` mirrored changes.

    The last of them is in block ``last_block`` of the chain and at ``last_index`` of the log. ``traits`` are those of
    the kinds of agencies: what the procedures say of them, not the registry. ``procedures`` are the adopted packages in
    the order of their adoption; what a digest stands for is not known here.
    """

    log_id: bytes
    service: ServiceKeys
    registry_hash: bytes
    changes: int = 0
    last_block: int = 0
    last_index: int = -1
    quorum: int = 0
    agencies: dict[str, Agency] = msgspec.field(default_factory=dict)
    grants: dict[str, Grant] = msgspec.field(default_factory=dict)
    submitters: frozenset[str] = frozenset()
    traits: Mapping[str, frozenset[Trait]] = {}
    procedures: tuple[AdoptedProcedure, ...] = ()

    @cached_property
    def kinds(self) -> dict[str, AgencyKind]:
        """Return the kinds of the agencies by their ids."""
        return {agency.agency_id: agency.kind for agency in self.agencies.values()}

    def names(self) -> dict[str, Name]:
        """Return the names of the agencies by their ids."""
        return {agency.agency_id: agency.profile.name for agency in self.agencies.values()}

    def valid_grants(self, agency: str, at: int, officer: str | None = None) -> list[Grant]:
        """Return the grants of the agency, or of one officer of it, that are valid at ``at`` (unix seconds)."""
        return [
            grant
            for grant in self.grants.values()
            if grant.agency_id == agency and officer in (None, grant.officer) and grant.is_valid(at)
        ]


def initial(
    log_id: bytes, service: ServiceKeys | str, traits: Mapping[str, frozenset[Trait]] | None = None
) -> AuthorityState:
    """Return the registry before the first change, whose rolling hash starts at the ledger's id.

    A key id in place of ``ServiceKeys`` means that the service never had another key. ``traits`` are those of the kinds
    of agencies; who checks signatures alone needs none.
    """
    keys = ServiceKeys(service) if isinstance(service, str) else service
    return AuthorityState(log_id, keys, registry_hash=log_id, traits=traits or {})


def with_traits(authority: AuthorityState, traits: Mapping[str, frozenset[Trait]]) -> AuthorityState:
    """Return the registry with other traits of the kinds of agencies: those of the procedures in force now."""
    agencies = {
        agency_id: replace(agency, traits=traits.get(agency.kind, frozenset()))
        for agency_id, agency in authority.agencies.items()
    }
    return replace(authority, traits=traits, agencies=agencies)


def require_key(authority: AuthorityState, envelope: Envelope, index: int) -> Grant | None:
    """Return the grant that makes the envelope's key good for entry ``index``; None for the service's own key.

    The signature itself is not checked here. Raises Unauthorized.
    """
    grant = require_signer(authority, envelope, index)
    require_role(envelope.event_type, grant)
    return grant


def require_signer(authority: AuthorityState, envelope: Envelope, index: int) -> Grant | None:
    """Return the grant by which the envelope's key may sign for its agency at entry ``index``, whatever the event type.

    None for the service's own key. Raises Unauthorized.
    """
    if envelope.suite not in authority.service.suites:
        raise Unauthorized(
            "this ledger takes signatures of suite {suites}, not {envelope.suite}",
            suites=", ".join(map(str, authority.service.suites)),
            envelope=envelope,
            field="envelope.suite",
            code="suite_not_taken",
        )
    if envelope.agency == SERVICE_AGENCY:
        if envelope.key_id != authority.service.at(index):
            raise Unauthorized("only the service's own key signs this", field="envelope.key_id", code="service_only")
        return None
    grant = standing_grant(authority, envelope.key_id, index, field="envelope.key_id")
    # Else a clerk of one agency could sign in the name of another.
    if grant.agency_id != envelope.agency:
        raise Unauthorized("the key is of {grant.agency_id}", grant=grant, field="envelope.agency", code="wrong_agency")
    require_suite(grant, envelope)
    require_valid(grant, envelope.signed_at, field="envelope.signed_at")
    return grant


def require_suite(grant: Grant, envelope: Envelope) -> None:
    """Accept an envelope of the suite that its key was granted for. Raises Unauthorized."""
    if grant.suite != envelope.suite:
        raise Unauthorized(
            "the key is granted for suite {grant.suite}, and signs by suite {envelope.suite}",
            grant=grant,
            envelope=envelope,
            field="envelope.suite",
            code="wrong_suite",
        )


def require_role(event_type: str, grant: Grant | None) -> None:
    """Accept a grant with a role that may sign events of this type; None is the service's own key.

    Raises Unauthorized, also for a type that is not known.
    """
    row = EVENT_TYPES.get(event_type)
    if row is None:
        raise Unauthorized("no such event type: {event_type}", event_type=event_type, field="envelope.event_type")
    if not row.roles and grant is not None:
        raise Unauthorized("only the service's own key signs this", field="envelope.key_id", code="service_only")
    # One of the roles is enough: an event type lists alternatives.
    if row.roles and not set(row.roles) & set(grant.roles if grant else ()):
        raise Unauthorized(
            "expected a key with the role {roles}",
            roles=joined([Term("role", role) for role in row.roles], by=" or "),
            field="envelope.key_id",
            code="role_missing",
        )


def standing_grant(authority: AuthorityState, key_id: str, index: int, *, field: str) -> Grant:
    """Return the key's grant if it was granted, and not revoked, before entry ``index``. Raises Unauthorized."""
    grant = authority.grants.get(key_id)
    # Strictly below: the grant must be in the log before the entry that relies on it.
    if grant is None or grant.granted >= index:
        raise Unauthorized(
            "the key {key_id} is not granted to any agency",
            key_id=key_id,
            field=field,
            code="key_unknown",
            hint="The agency's admin grants it on the chain; it counts once the grant stands in the log.",
        )
    # Strictly below here too: the entry of the revocation itself is the service's.
    if grant.revoked is not None and grant.revoked < index:
        raise Unauthorized(
            "the key was revoked at entry {grant.revoked}",
            grant=grant,
            field=field,
            code="key_revoked",
            hint="Sign with a key that the agency has not revoked.",
        )
    return grant


def require_valid(grant: Grant, at: int, *, field: str) -> None:
    """Accept a grant whose validity includes ``at`` (unix seconds). Raises Unauthorized."""
    if not grant.covers(at):
        raise Unauthorized(
            "the grant holds from {grant.valid_from} until {grant.valid_until} (unix seconds)",
            grant=grant,
            field=field,
            code="key_not_valid",
            hint="Act by a key that is granted for this (--profile); tally agency show AGENCY lists keys and roles.",
        )


def require_officer(grant: Grant | None, officer: str) -> None:
    """Accept the officer of a payload if the key was granted to him. Raises Unauthorized."""
    expected = grant.officer if grant else SERVICE_OFFICER
    if officer != expected:
        raise Unauthorized("the key is of {officer}", officer=expected, field="payload.officer", code="wrong_officer")


# -- folding the mirror ------------------------------------------------------------------------------------------------


def fold(authority: AuthorityState, change: RegistryChange, index: int) -> AuthorityState:
    """Return the registry after the change mirrored at entry ``index``.

    Raises IntegrityBroken if its number or rolling hash does not follow from the change before, and for a change that
    the contract would have refused.
    """
    if change.number != authority.changes + 1:
        raise IntegrityBroken("expected change {number} of the registry", number=authority.changes + 1, index=index)
    # The rolling hash commits to every earlier change, so none can be left out or reordered.
    calculated = registry_hash(authority.registry_hash, change)
    if change.registry_hash != "0x" + calculated.hex():
        raise IntegrityBroken("expected the registry hash 0x{calculated}", calculated=calculated.hex(), index=index)
    return replace(
        _apply(authority, change, index),
        changes=change.number,
        registry_hash=calculated,
        last_block=change.location.block_number,
        last_index=index,
    )


def _apply(authority: AuthorityState, change: RegistryChange, index: int) -> AuthorityState:
    match change:
        case registry.AgencyAdmitted():
            _require(
                change.agency not in authority.agencies,
                Message("the registry admits {id} a second time"),
                index,
                change.agency,
            )
            agency = Agency(change.agency, change.kind, change.profile, change.admin, index)
            agency = replace(agency, traits=authority.traits.get(change.kind, frozenset()))
            return replace(authority, agencies=authority.agencies | {change.agency: agency})
        case registry.AdminChanged():
            return _with_agency(authority, change.agency, index, admin=change.admin)
        case registry.WitnessSet():
            return _with_agency(authority, change.agency, index, witness=change.witness)
        case registry.KeyGranted():
            _require(change.agency in authority.agencies, NEVER_ADMITTED, index, change.agency)
            # A key id is granted once for all time, so that an old signature always has one meaning.
            _require(
                change.key_id not in authority.grants,
                Message("the registry grants {id} a second time"),
                index,
                change.key_id,
            )
            grant = grant_of(change, index)
            return replace(authority, grants=authority.grants | {change.key_id: grant})
        case registry.KeyRevoked():
            revoked = authority.grants.get(change.key_id)
            if revoked is None or revoked.agency_id != change.agency:
                text = Message("the registry revokes {change.key_id}, never granted by {change.agency}", change=change)
                raise IntegrityBroken(text, index=index)
            _require(revoked.revoked is None, Message("the registry revokes {id} a second time"), index, change.key_id)
            grants = authority.grants | {change.key_id: replace(revoked, revoked=index)}
            return replace(authority, grants=grants)
        case registry.QuorumSet():
            return replace(authority, quorum=change.quorum)
        case registry.ProcedureAdopted():
            adopted = AdoptedProcedure(change.digest, index)
            return replace(authority, procedures=(*authority.procedures, adopted))
    assert isinstance(change, registry.SubmitterSet)
    others = authority.submitters - {change.submitter}
    return replace(authority, submitters=others | {change.submitter} if change.allowed else others)


NEVER_ADMITTED = Message("the registry changes {id}, which it never admitted")


def _require(possible: bool, otherwise: Message, index: int, of: str) -> None:
    if not possible:
        raise IntegrityBroken(Message(otherwise, id=of), index=index)


def grant_of(change: registry.KeyGranted, index: int) -> Grant:
    """Return the grant that the change mirrored at entry ``index`` gives its key."""
    validity = change.valid_from, change.valid_until
    return Grant(change.key_id, change.agency, change.officer, change.roles, change.suite, *validity, granted=index)


def _with_agency(authority: AuthorityState, agency_id: str, index: int, **changes: str | None) -> AuthorityState:
    _require(agency_id in authority.agencies, NEVER_ADMITTED, index, agency_id)
    agency = replace(authority.agencies[agency_id], **changes)
    return replace(authority, agencies=authority.agencies | {agency_id: agency})
