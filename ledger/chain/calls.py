"""Calls of AgencyRegistry and LogAnchor as call data, and the digests that are signed for them.

Ids are slugs of 1 to 31 characters; addresses are 0x and lower-case hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain.contract import contract_abi
from ledger.chain.transaction import Signer
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.contract_changes import ContractChange
from ledger.core.signing.signatures import DOMAIN_NAME, DOMAIN_VERSION, SUITE_SECP256K1_EIP712

REGISTRY = contract_abi("AgencyRegistry")

_DOMAIN_FIELDS = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
)
_DOMAIN_TYPE = f"EIP712Domain({','.join(f'{kind} {name}' for name, kind in _DOMAIN_FIELDS)})"
_DECISION_TYPE = (
    "Decision(uint64 number,uint8 kind,bytes32 agency,uint8 agencyKind,address account,bytes32 officer,uint32 roles,"
    "uint8 suite,uint64 validFrom,uint64 validUntil,uint16 quorum,string profile)"
)
_KEY_REQUEST_FIELDS = (("agency", "bytes32"), ("officer", "bytes32"), ("account", "address"))
_KEY_REQUEST_TYPE = f"KeyRequest({','.join(f'{kind} {name}' for name, kind in _KEY_REQUEST_FIELDS)})"
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


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """The request of a key's holder that an agency grant it to this officer; the contract checks the proof.

    Suite 1: the key's signature of ``key_request_digest``. The contract cannot verify later suites: there the proof is
    the public key, and the key id commits to its agency.
    """

    agency: str
    officer: str
    key_id: str
    proof: bytes
    suite: int = SUITE_SECP256K1_EIP712


def request_key(signer: Signer, domain: ContractDomain, *, agency: str, officer: str) -> KeyRequest:
    """Sign the request that the agency grant this key to its officer."""
    proof = signer.sign(key_request_digest(domain, agency=agency, officer=officer, key_id=signer.key_id))
    return KeyRequest(agency, officer, signer.key_id, proof)


def grant_key(request: KeyRequest, *, roles: int, valid_from: int, valid_until: int) -> bytes:
    """Build the call by which an agency's admin grants the key that was asked for.

    ``roles`` is the contract's bit set, times are unix seconds. The contract takes it from the admin of
    ``request.agency`` alone.
    """
    key, officer = request.key_id, id_word(request.officer)
    return REGISTRY.encode_call("grantKey", key, officer, roles, request.suite, valid_from, valid_until, request.proof)


def revoke_key(account: str) -> bytes:
    """Build the call by which the caller's agency revokes, for good, a key that it granted."""
    return REGISTRY.encode_call("revokeKey", account)


def propose_admin(account: str) -> bytes:
    """Build the call by which the caller names the account that may become its agency's admin."""
    return REGISTRY.encode_call("proposeAdmin", account)


def accept_admin(agency: str) -> bytes:
    """Build the call by which the caller becomes the admin of the agency that proposed it."""
    return REGISTRY.encode_call("acceptAdmin", id_word(agency))


def decide(change: ContractChange, approvals: Sequence[Approval]) -> bytes:
    """Build the call of a change that a majority of the agencies' admins has approved; anybody may send it."""
    signed = [(approval.admin, approval.signature) for approval in approvals]
    return REGISTRY.encode_call("decide", change_tuple(change), signed)


def decision_digest(domain: ContractDomain, number: int, change: ContractChange) -> bytes:
    """Return what an admin signs to approve the change as decision ``number`` (the contract's count + 1)."""
    struct = keccak256(keccak256(_DECISION_TYPE.encode()) + _word(number) + change.words())
    return keccak256(b"\x19\x01" + domain.separator() + struct)


def key_request_digest(domain: ContractDomain, *, agency: str, officer: str, key_id: str) -> bytes:
    """Return what the holder of a key signs to ask for its grant, in the domain of AgencyRegistry."""
    fields = id_word(agency) + id_word(officer) + _word(int(key_id, 16))
    struct = keccak256(keccak256(_KEY_REQUEST_TYPE.encode()) + fields)
    return keccak256(b"\x19\x01" + domain.separator() + struct)


def key_request_document(domain: ContractDomain, *, agency: str, officer: str, key_id: str) -> dict[str, Any]:
    """Return the key request as a document for ``eth_signTypedData_v4``, for a key in a wallet."""
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN_FIELDS],
            "KeyRequest": [{"name": name, "type": kind} for name, kind in _KEY_REQUEST_FIELDS],
        },
        "primaryType": "KeyRequest",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
            "salt": "0x" + domain.log_id.hex(),
        },
        "message": {
            "agency": "0x" + id_word(agency).hex(),
            "officer": "0x" + id_word(officer).hex(),
            "account": key_id,
        },
    }


def checkpoint_digest(domain: ContractDomain, size: int, root: bytes, registry_hash: bytes) -> bytes:
    """Return what a witness signs for the contract, in the domain of LogAnchor."""
    struct = keccak256(keccak256(_CHECKPOINT_TYPE.encode()) + _word(size) + root + registry_hash)
    return keccak256(b"\x19\x01" + domain.separator() + struct)


def change_tuple(change: ContractChange) -> tuple[Any, ...]:
    """Return the change as the contract's ``Change`` struct."""
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
    """Encode an id as the contract has it: ASCII, zero-padded to 32 bytes."""
    return slug.encode("ascii").ljust(32, b"\0")


def id_text(word: bytes) -> str:
    """Decode the id of a word. Raises ValueError for bytes that are no id."""
    return word.rstrip(b"\0").decode("ascii")


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")
