"""Calls, events and errors of the ledger's contracts by their ABIs, and the digests that are signed for them.

Ids are slugs of 1 to 31 characters; addresses are 0x and lower-case hex.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from msgspec import Struct

from contracts import artifact
from ledger.chain.errors import CallReverted, ChainMismatch, ChainUnavailable, RpcRefused
from ledger.chain.eth import BlockId, Eth, Log
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.contract_changes import ContractChange
from ledger.core.events import SUITE_SECP256K1_EIP712
from ledger.core.messages import Message
from ledger.core.signing.signatures import DOMAIN_NAME, DOMAIN_VERSION, TransactionSigner

HINT_OF_SILENCE = Message("It may be a contract of another version: tally doctor tells.")
HINTS = {
    "NotAdmin": Message("Sign with the key of an agency's admin; /api/v1/agencies names them."),
    "NotProposedAdmin": Message(
        "The admin in office proposes the new one first, who accepts with the key that was proposed."
    ),
    "SlugMalformed": Message(
        "An agency's id has 1 to 31 characters of a-z, 0-9 and hyphens, no hyphen at either end; its kind the same "
        "with underscores."
    ),
    "AgencyUnknown": Message("/api/v1/agencies lists the agencies; a majority of them admits another."),
    "AgencyTaken": Message("Choose another id, or leave it: the agency is admitted."),
    "AccountRefused": Message("Name an account that no agency has in this part already."),
    "KeyTaken": Message("A key is granted once in its life: make a new one and grant that."),
    "KeyUnproven": Message("Ask the key's holder for a request of this very agency and officer: tally key request."),
    "NotYourKey": Message("Ask the agency that granted the key."),
    "KeyRevokedBefore": Message("What was revoked stays so: make a new key and grant that."),
    "RolesRefused": Message("Name at least one of the roles that this ledger knows."),
    "PeriodRefused": Message("The period begins before it ends, both in unix seconds."),
    "WitnessUnknown": Message("/api/v1/agencies names the agencies that have a witness."),
    "QuorumAboveWitnesses": Message("Set witnesses first, or ask for fewer."),
    "QuorumZero": Message("Outside development anchors need a witness at least."),
    "ProcedureZero": Message("A package's digest is never zero: tally procedure list names those that ship."),
    "ApprovalRefused": Message("Ask for the approvals again: each is for one change and one number of a decision."),
    "MajorityMissing": Message("Gather the approvals of more than half of the agencies' admins."),
    "NotSubmitter": Message("A majority of the agencies sets this service's account as a submitter."),
    "NotWitness": Message("A witness signs this very anchor, with the key that the registry has of it."),
    "QuorumMissing": Message("Ask more witnesses to co-sign."),
    "RegistryHashStale": Message("The log mirrors the registry first; it is tried again."),
    "HeadMoved": Message("Another process has anchored; it is tried again."),
}


CONTRACTS = ("AgencyRegistry", "LogAnchor")  # each passes on what the other refuses
ERROR_OF_REQUIRE = {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]}
PANIC = {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]}
_SLUG = re.compile(rb"([a-z0-9_-]{1,31})\x00+")  # in 32 bytes
EXECUTION_ERROR = 3  # what geth and Anvil answer to a call that reverts


class ContractAbi:
    """One compiled contract: encodes its calls and decodes its results, events and errors."""

    def __init__(self, name: str):
        compiled = artifact(name)
        self.name = name
        self._initcode = bytes.fromhex(compiled["bytecode"].removeprefix("0x"))
        deployed = compiled["deployedBytecode"]
        self._immutables = [spot for spots in deployed["immutableReferences"].values() for spot in spots]
        self._code = self._blank(bytes.fromhex(deployed["object"].removeprefix("0x")))
        entries: list[dict[str, Any]] = compiled["abi"]
        self._functions = {entry["name"]: entry for entry in entries if entry["type"] == "function"}
        self._events: dict[str, Any] = {entry["name"]: entry for entry in entries if entry["type"] == "event"}
        self._constructor = next(entry for entry in entries if entry["type"] == "constructor")
        custom_errors = [
            entry for contract in CONTRACTS for entry in artifact(contract)["abi"] if entry["type"] == "error"
        ]
        self._errors = {_selector(entry): entry for entry in [*custom_errors, ERROR_OF_REQUIRE, PANIC]}

    def initcode(self, *arguments: Any) -> bytes:
        """Return the bytes that create the contract: code, then the constructor's arguments."""
        return self._initcode + encode(_types(self._constructor["inputs"]), arguments)

    def is_code(self, code: bytes) -> bool:
        """Return whether a contract's code is this one's, whatever values its constructor has fixed in it."""
        return self._blank(code) == self._code

    def _blank(self, code: bytes) -> bytes:
        """Return the code with zeros for the values that a constructor fixes."""
        blank = bytearray(code)
        for spot in self._immutables:
            start, end = spot["start"], spot["start"] + spot["length"]
            blank[start:end] = bytes(len(blank[start:end]))
        return bytes(blank)

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        entry = self._functions[function]
        return _selector(entry) + encode(_types(entry["inputs"]), arguments)

    def function_of(self, data: bytes) -> str | None:
        """Return the name of the function that call data calls; None if this contract has no such function."""
        return next((name for name, entry in self._functions.items() if _selector(entry) == data[:4]), None)

    def decode_result(self, function: str, data: bytes) -> Any:
        """Decode the single return value; a struct is a tuple. Raises ValueError for other bytes."""
        try:
            (value,) = decode(_types(self._functions[function]["outputs"]), data)
        except (DecodingError, ValueError, OverflowError) as error:
            raise ValueError(f"{self.name}.{function} does not return these {len(data)} bytes") from error
        return value

    def topic(self, event: str) -> bytes:
        """Return the first topic of the event's logs."""
        return keccak256(abi_to_signature(self._events[event]).encode())

    def decode_event(self, event: str, log: Log) -> dict[str, Any]:
        """Decode the event's arguments by name. Raises ValueError for a log of another form."""
        inputs = self._events[event]["inputs"]
        indexed = [entry for entry in inputs if entry["indexed"]]
        plain = [entry for entry in inputs if not entry["indexed"]]
        try:
            values = decode(_types(indexed), b"".join(log.topics[1:]))
            rest = decode(_types(plain), log.data)
        except (DecodingError, ValueError, OverflowError) as error:
            raise ValueError(f"not a log of {self.name}.{event}") from error
        return _named(indexed, values) | _named(plain, rest)

    def reverted(self, error: RpcRefused) -> CallReverted | None:
        """Return the contract's error if the node refused because a call reverted; None for another refusal."""
        data = _revert_data(error)
        if data is None:
            return None
        entry = self._errors.get(data[:4])
        if entry is None:
            return CallReverted("{name} refused the call and gave no reason", name=self.name, hint=HINT_OF_SILENCE)
        try:
            arguments = _named(entry["inputs"], decode(_types(entry["inputs"]), data[4:]))
        except (DecodingError, ValueError, OverflowError):
            undecodable = Message("{contract} refused the call: {reason}", contract=self.name, reason=entry["name"])
            return CallReverted(undecodable, error=entry["name"], hint=HINTS.get(entry["name"]))
        texts: list[str] = []
        for name, value in arguments.items():
            # Bytes that are an agency's id read better as its text.
            slug = _SLUG.fullmatch(value) if isinstance(value, bytes) else None
            hexadecimal = "0x" + value.hex() if isinstance(value, bytes) else None
            texts.append(f"{name} {slug[1].decode() if slug else hexadecimal or value}")
        reason = f"{entry['name']}({', '.join(texts)})"
        message = Message("{contract} refused the call: {reason}", contract=self.name, reason=reason)
        return CallReverted(message, error=entry["name"], arguments=arguments, hint=HINTS.get(entry["name"]))


def read(eth: Eth, abi: ContractAbi, address: str, at: BlockId, function: str, *arguments: Any) -> Any:
    """Return what the contract at ``address`` returns at the block.

    Raises CallReverted, ChainMismatch if there is no such contract, ChainUnavailable.
    """
    try:
        data = eth.call(address, abi.encode_call(function, *arguments), at)
    except RpcRefused as error:
        raise abi.reverted(error) or error from error
    if not data:
        raise ChainMismatch("there is no {abi.name} at {address} on this chain", abi=abi, address=address)
    try:
        return abi.decode_result(function, data)
    except ValueError as error:
        raise ChainUnavailable(str(error), code="chain_garbled") from error


def _revert_data(error: RpcRefused) -> bytes | None:
    """Return the bytes that a call reverted with: anvil and geth give them as data, Hardhat one level deeper."""
    if error.rpc_code != EXECUTION_ERROR and "revert" not in error.rpc_message.lower():
        return None
    data = error.data.get("data") if isinstance(error.data, Mapping) else error.data
    try:
        return bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""


def _selector(entry: Any) -> bytes:
    """Return the first four bytes of a call or an error; ``entry`` is a part of the ABI."""
    return keccak256(abi_to_signature(entry).encode())[:4]


def _types(inputs: Sequence[Any]) -> list[str]:
    return [collapse_if_tuple(entry) for entry in inputs]


def _named(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Any]:
    return {entry["name"]: value for entry, value in zip(inputs, values, strict=True)}


REGISTRY, ANCHOR = map(ContractAbi, CONTRACTS)

# EIP-712 structs of the contracts, in the form of ``eth_signTypedData_v4``: field and type.
_DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
_KEY_REQUEST = {"agency": "bytes32", "officer": "bytes32", "account": "address"}
_CHECKPOINT = {"size": "uint64", "root": "bytes32", "registryHash": "bytes32"}
_DECISION = {
    "number": "uint64",
    "kind": "uint8",
    "agency": "bytes32",
    "agencyKind": "bytes32",
    "account": "address",
    "officer": "bytes32",
    "roles": "uint32",
    "suite": "uint8",
    "validFrom": "uint64",
    "validUntil": "uint64",
    "quorum": "uint16",
    "procedure": "bytes32",
    "profile": "string",
}


class ContractDomain(Struct, frozen=True):
    """The EIP-712 domain of one of the ledger's contracts."""

    log_id: bytes  # 32 bytes
    chain_id: int
    contract: str

    def document(self, struct: str, fields: Mapping[str, str], *values: Any) -> dict[str, Any]:
        """Return the values, in the order of ``fields``, as a document for ``eth_signTypedData_v4``."""
        texts = ("0x" + value.hex() if isinstance(value, bytes) else value for value in values)
        return {
            "types": {
                "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN_FIELDS.items()],
                struct: [{"name": name, "type": kind} for name, kind in fields.items()],
            },
            "primaryType": struct,
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": self.chain_id,
                "verifyingContract": self.contract,
                "salt": "0x" + self.log_id.hex(),
            },
            "message": dict(zip(fields, texts, strict=True)),
        }


class Approval(Struct, frozen=True):
    """An agency admin's signature over ``decision_digest``."""

    admin: str
    signature: bytes  # 65 bytes


class KeyRequest(Struct, frozen=True):
    """The request of a key's holder that an agency grant it to this officer; the contract checks the proof.

    Suite 1: the key's signature of ``key_request_digest``. The contract cannot verify later suites: there the proof is
    the public key, and the key id commits to its agency.
    """

    agency: str
    officer: str
    key_id: str
    proof: bytes
    suite: int = SUITE_SECP256K1_EIP712


def request_key(signer: TransactionSigner, domain: ContractDomain, *, agency: str, officer: str) -> KeyRequest:
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
    return _digest(domain.document("Decision", _DECISION, number, *change_tuple(change)))


def key_request_digest(domain: ContractDomain, *, agency: str, officer: str, key_id: str) -> bytes:
    """Return what the holder of a key signs to ask for its grant, in the domain of AgencyRegistry."""
    return _digest(key_request_document(domain, agency=agency, officer=officer, key_id=key_id))


def key_request_document(domain: ContractDomain, *, agency: str, officer: str, key_id: str) -> dict[str, Any]:
    """Return the key request as a document for ``eth_signTypedData_v4``, for a key in a wallet."""
    return domain.document("KeyRequest", _KEY_REQUEST, id_word(agency), id_word(officer), key_id)


def checkpoint_digest(domain: ContractDomain, size: int, root: bytes, registry_hash: bytes) -> bytes:
    """Return what a witness signs for the contract, in the domain of LogAnchor."""
    return _digest(domain.document("Checkpoint", _CHECKPOINT, size, root, registry_hash))


def change_tuple(change: ContractChange) -> tuple[Any, ...]:
    """Return the change as the contract's ``Change`` struct, which has the same fields in the same order."""
    kind, agency, agency_kind, account, officer, *numbers, procedure, profile = change
    ids = id_word(agency), id_word(agency_kind), f"0x{account:040x}", id_word(officer)
    return (kind, *ids, *numbers, procedure.to_bytes(32, "big"), profile.decode())


def tuple_change(values: tuple[Any, ...]) -> ContractChange:
    """Return the change that the contract's ``Change`` struct holds. Raises ValueError for an id that is none."""
    kind, agency, agency_kind, account, officer, *numbers, procedure, profile = values
    agency, agency_kind, officer = (word.rstrip(b"\0").decode("ascii") for word in (agency, agency_kind, officer))
    ids = agency, agency_kind, int(account, 16), officer
    return ContractChange._make((kind, *ids, *numbers, int.from_bytes(procedure, "big"), profile.encode()))


def id_word(slug: str) -> bytes:
    """Encode an id or a kind of agency as the contract has it: ASCII, zero-padded to 32 bytes."""
    return slug.encode("ascii").ljust(32, b"\0")


def _digest(document: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that are signed of an EIP-712 document whose structs hold no others and no arrays."""
    domain = _struct_hash(document, "EIP712Domain", document["domain"])
    return keccak256(b"\x19\x01" + domain + _struct_hash(document, document["primaryType"], document["message"]))


def _struct_hash(document: Mapping[str, Any], struct: str, values: Mapping[str, Any]) -> bytes:
    """Return ``hashStruct`` of EIP-712: the hash of the struct's type and of a word for each field."""
    fields = document["types"][struct]
    kinds = ",".join(f"{field['type']} {field['name']}" for field in fields)
    words = [_word(field["type"], values[field["name"]]) for field in fields]
    return keccak256(b"".join((keccak256(f"{struct}({kinds})".encode()), *words)))


def _word(kind: str, value: Any) -> bytes:
    """Return ``encodeData`` of EIP-712 for one value: a text counts by its hash, all else as calls encode it."""
    if kind == "string":
        return keccak256(value.encode())
    if kind == "bytes32":
        value = bytes.fromhex(value.removeprefix("0x"))
    return encode([kind], [value])
