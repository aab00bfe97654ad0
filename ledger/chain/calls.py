"""What can be asked of AgencyRegistry and LogAnchor, as call data, and what must be signed for it.

Ids are slugs of 1 to 31 characters; addresses 0x and lower-case hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain.contract import contract_abi
from ledger.core.contract_change import ContractChange
from ledger.core.signature import DOMAIN_NAME, DOMAIN_VERSION, keccak256

REGISTRY = contract_abi("AgencyRegistry")

_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
_DECISION_TYPE = (
    "Decision(uint64 number,uint8 kind,bytes32 agency,uint8 agencyKind,address account,bytes32 officer,uint32 roles,"
    "uint8 suite,uint64 validFrom,uint64 validUntil,uint16 quorum,string profile)"
)
_CHECKPOINT_TYPE = "Checkpoint(uint64 size,bytes32 root,bytes32 registryHash)"


@dataclass(frozen=True, slots=True)
class ContractDomain:
    """The EIP-712 domain of one of the ledger's contracts."""

    log_id: bytes  # 32 bytes
    chain_id: int
    contract: str

    def separator(self) -> bytes:
        names = keccak256(DOMAIN_NAME.encode()) + keccak256(DOMAIN_VERSION.encode())
        return keccak256(
            keccak256(_DOMAIN_TYPE.encode())
            + names
            + _word(self.chain_id)
            + _word(int(self.contract, 16))
            + self.log_id
        )


@dataclass(frozen=True, slots=True)
class Approval:
    """An agency admin's signature over ``decision_digest``."""

    admin: str
    signature: bytes  # 65 bytes


def grant_key(account: str, *, officer: str, roles: int, suite: int, valid_from: int, valid_until: int) -> bytes:
    """The caller's agency grants its officer a key. ``roles`` is the contract's bit set, times are unix seconds."""
    return REGISTRY.encode_call("grantKey", account, id_word(officer), roles, suite, valid_from, valid_until)


def revoke_key(account: str) -> bytes:
    """The caller's agency revokes a key that it granted, for good."""
    return REGISTRY.encode_call("revokeKey", account)


def propose_admin(account: str) -> bytes:
    """The caller names the account that may become its agency's admin."""
    return REGISTRY.encode_call("proposeAdmin", account)


def accept_admin(agency: str) -> bytes:
    """The caller becomes the admin of the agency that proposed it."""
    return REGISTRY.encode_call("acceptAdmin", id_word(agency))


def decide(change: ContractChange, approvals: Sequence[Approval]) -> bytes:
    """A change that a majority of the agencies' admins has approved; anybody may send it."""
    signed = [(approval.admin, approval.signature) for approval in approvals]
    return REGISTRY.encode_call("decide", change_tuple(change), signed)


def decision_digest(domain: ContractDomain, number: int, change: ContractChange) -> bytes:
    """What an admin signs to approve the change as decision ``number`` (the contract's count + 1)."""
    struct = keccak256(keccak256(_DECISION_TYPE.encode()) + _word(number) + change.words())
    return keccak256(b"\x19\x01" + domain.separator() + struct)


def checkpoint_digest(domain: ContractDomain, size: int, root: bytes, registry_hash: bytes) -> bytes:
    """What a witness signs for the contract, in the domain of LogAnchor."""
    struct = keccak256(keccak256(_CHECKPOINT_TYPE.encode()) + _word(size) + root + registry_hash)
    return keccak256(b"\x19\x01" + domain.separator() + struct)


def change_tuple(change: ContractChange) -> tuple[Any, ...]:
    """The contract's ``Change`` struct."""
    return (
        change.kind,
        id_word(change.agency),
        change.agency_kind,
        f"0x{change.account:040x}",
        id_word(change.officer),
        change.roles,
        change.suite,
        change.valid_from,
        change.valid_until,
        change.quorum,
        change.profile.decode(),
    )


def id_word(slug: str) -> bytes:
    """An id as the contract has it: ASCII, zero-padded to 32 bytes."""
    return slug.encode("ascii").ljust(32, b"\0")


def id_text(word: bytes) -> str:
    """The id of a word. Raises ValueError for bytes that are none."""
    return word.rstrip(b"\0").decode("ascii")


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")
