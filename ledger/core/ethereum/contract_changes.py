"""Changes of the registry as the contract represents them: its numbers, its words, its rolling hash."""

from __future__ import annotations

from typing import NamedTuple, cast

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput
from ledger.core.events import registry
from ledger.core.events.registry import AgencyProfile, RegistryChange
from ledger.core.events.terms import Role, choices

# The contract's numbers: roles are bits in the order of the vocabulary.
ROLE_BITS: dict[str, int] = {role: 1 << bit for bit, role in enumerate(choices(Role))}
BLAKE3 = "blake3:"  # the algorithm of a package's digest, which the contract does not name
CHANGE_KINDS: dict[type[RegistryChange], int] = {
    registry.AgencyAdmitted: 1,
    registry.AdminChanged: 2,
    registry.KeyGranted: 3,
    registry.KeyRevoked: 4,
    registry.WitnessSet: 5,
    registry.QuorumSet: 6,
    registry.SubmitterSet: 7,
    registry.ProcedureAdopted: 8,
}


class ContractChange(NamedTuple):
    """A change under the contract's field names. Fields that a kind of change lacks are zero or empty.

    ``account`` is the address as a number, ``procedure`` the package's digest.
    """

    kind: int
    agency: str = ""
    agency_kind: str = ""
    account: int = 0
    officer: str = ""
    roles: int = 0
    suite: int = 0
    valid_from: int = 0
    valid_until: int = 0
    quorum: int = 0
    procedure: int = 0
    profile: bytes = b""

    def words(self) -> bytes:
        """Return the fields in order, each as one 32-byte word: texts left-aligned, the profile by its Keccak hash."""
        words = (
            field.to_bytes(32, "big") if isinstance(field, int) else field.encode().ljust(32, b"\0")
            for field in self[:-1]
            if isinstance(field, int | str)
        )
        return b"".join(words) + keccak256(self.profile)


def registry_hash(previous: bytes, change: RegistryChange) -> bytes:
    """Compute the contract's rolling hash: Keccak-256 of the previous one and the change's words."""
    return keccak256(previous + contract_change(change).words())


def profile_bytes(profile: AgencyProfile) -> bytes:
    """Encode an agency's profile as the contract keeps it."""
    return canonical.encode(profile)


def adoption_of(digest: str) -> ContractChange:
    """Return the change by which a package is adopted, whose digest is of BLAKE3."""
    return ContractChange(CHANGE_KINDS[registry.ProcedureAdopted], procedure=int(digest.removeprefix(BLAKE3), 16))


def contract_change(change: RegistryChange) -> ContractChange:
    """Convert a ``registry.*`` body to the contract's representation of the change."""
    common = ContractChange(CHANGE_KINDS[type(change)], getattr(change, "agency", ""))
    match change:
        case registry.AgencyAdmitted(admin=account):
            common = common._replace(agency_kind=change.kind, profile=profile_bytes(change.profile))
        case registry.KeyGranted(key_id=account):
            roles = sum(ROLE_BITS[role] for role in set(change.roles))
            common = common._replace(officer=change.officer, roles=roles, suite=change.suite)
            common = common._replace(valid_from=change.valid_from, valid_until=change.valid_until)
        case registry.AdminChanged(admin=account) | registry.KeyRevoked(key_id=account):
            pass
        case registry.WitnessSet():
            account = change.witness or "0x0"
        case registry.QuorumSet():
            return common._replace(quorum=change.quorum)
        case registry.ProcedureAdopted():
            return adoption_of(change.digest)
        case _:
            assert isinstance(change, registry.SubmitterSet)
            account, common = change.submitter, common._replace(roles=int(change.allowed))
    return common._replace(account=int(account, 16))


def registry_body(
    change: ContractChange, *, number: int, registry_hash: bytes, location: registry.ChangeLocation
) -> RegistryChange:
    """Convert a contract's change to the ``registry.*`` body that mirrors it, the inverse of ``contract_change``.

    Raises MalformedInput for a kind of change that this version does not define.
    """
    common = (number, "0x" + registry_hash.hex(), location)
    account = f"0x{change.account:040x}"
    match change.kind:
        case 1:
            profile = canonical.decode(change.profile, decoder_of(AgencyProfile), where="profile")
            agency, kind = change.agency, change.agency_kind
            return registry.AgencyAdmitted(*common, agency=agency, kind=kind, admin=account, profile=profile)
        case 2:
            return registry.AdminChanged(*common, agency=change.agency, admin=account)
        case 3:
            return registry.KeyGranted(
                *common,
                agency=change.agency,
                key_id=account,
                officer=change.officer,
                roles=tuple(cast(Role, role) for role, bit in ROLE_BITS.items() if change.roles & bit),
                suite=change.suite,
                valid_from=change.valid_from,
                valid_until=change.valid_until,
            )
        case 4:
            return registry.KeyRevoked(*common, agency=change.agency, key_id=account)
        case 5:
            # The contract writes the zero address where there is no witness any more.
            return registry.WitnessSet(*common, agency=change.agency, witness=account if change.account else None)
        case 6:
            return registry.QuorumSet(*common, quorum=change.quorum)
        case 7:
            return registry.SubmitterSet(*common, submitter=account, allowed=bool(change.roles))
        case 8:
            return registry.ProcedureAdopted(*common, digest=f"{BLAKE3}{change.procedure:064x}")
    raise MalformedInput("the registry has a change of kind {change.kind}, unknown here", change=change, field="kind")
