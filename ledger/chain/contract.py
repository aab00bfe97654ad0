"""Calls, events and errors of the ledger's contracts, encoded and decoded by their ABIs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from contracts import artifact
from ledger.chain.errors import CallReverted, ChainMismatch, ChainUnavailable, RpcRefused
from ledger.chain.eth import BlockId, Eth, Log
from ledger.chain.recursion_limit import kept_recursion_limit
from ledger.core.encoding.digests import keccak256

with kept_recursion_limit():
    from eth_abi.exceptions import DecodingError
    from eth_utils.abi import collapse_if_tuple
    from web3 import Web3

abi_codec = Web3().codec

HINT_OF_SILENCE = "It may be a contract of another version: tally doctor tells."
HINTS = {
    "NotAdmin": "Sign with the key of an agency's admin; /api/v1/agencies names them.",
    "NotProposedAdmin": "The admin in office proposes the new one first, who accepts with the key that was proposed.",
    "SlugMalformed": "An agency's id has 1 to 31 characters of a-z, 0-9 and hyphens, no hyphen at either end.",
    "AgencyUnknown": "/api/v1/agencies lists the agencies; a majority of them admits another.",
    "AgencyTaken": "Choose another id, or leave it: the agency is admitted.",
    "AccountRefused": "Name an account that the agency does not have in this part already.",
    "KeyTaken": "A key is granted once in its life: make a new one and grant that.",
    "KeyUnproven": "Ask the key's holder for a request of this very agency and officer: tally key request.",
    "NotYourKey": "Ask the agency that granted the key.",
    "KeyRevokedBefore": "What was revoked stays so: make a new key and grant that.",
    "RolesRefused": "Name at least one of the roles that this ledger knows.",
    "PeriodRefused": "The period begins before it ends, both in unix seconds.",
    "WitnessUnknown": "/api/v1/agencies names the agencies that have a witness.",
    "QuorumAboveWitnesses": "Set witnesses first, or ask for fewer.",
    "QuorumZero": "Outside development anchors need a witness at least.",
    "ApprovalRefused": "Ask for the approvals again: each is for one change and one number of a decision.",
    "MajorityMissing": "Gather the approvals of more than half of the agencies' admins.",
    "NotSubmitter": "A majority of the agencies sets this service's account as a submitter.",
    "NotWitness": "A witness signs this very anchor, with the key that the registry has of it.",
    "QuorumMissing": "Ask more witnesses to co-sign.",
    "RegistryHashStale": "The log mirrors the registry first; it is tried again.",
    "HeadMoved": "Another process has anchored; it is tried again.",
}


CONTRACTS = ("AgencyRegistry", "LogAnchor")  # each passes on what the other refuses
ERROR_OF_REQUIRE = {"name": "Error", "inputs": [{"name": "message", "type": "string"}]}
PANIC = {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]}
_SLUG = re.compile(rb"([a-z0-9-]{1,31})\x00+")  # in 32 bytes
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
        self._events = {entry["name"]: entry for entry in entries if entry["type"] == "event"}
        self._constructor = next(entry for entry in entries if entry["type"] == "constructor")
        custom_errors = [
            entry for contract in CONTRACTS for entry in artifact(contract)["abi"] if entry["type"] == "error"
        ]
        self._errors = {_selector(entry): entry for entry in [*custom_errors, ERROR_OF_REQUIRE, PANIC]}

    def initcode(self, *arguments: Any) -> bytes:
        """Return the bytes that create the contract: code, then the constructor's arguments."""
        return self._initcode + abi_codec.encode(_types(self._constructor["inputs"]), arguments)

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
        return _selector(entry) + abi_codec.encode(_types(entry["inputs"]), arguments)

    def function_of(self, data: bytes) -> str | None:
        """Return the name of the function that call data calls; None if this contract has no such function."""
        return next((name for name, entry in self._functions.items() if _selector(entry) == data[:4]), None)

    def decode_result(self, function: str, data: bytes) -> Any:
        """Decode the single return value; a struct is a tuple. Raises ValueError for other bytes."""
        try:
            (value,) = abi_codec.decode(_types(self._functions[function]["outputs"]), data)
        except (DecodingError, ValueError, OverflowError) as error:
            raise ValueError(f"{self.name}.{function} does not return these {len(data)} bytes") from error
        return value

    def topic(self, event: str) -> bytes:
        """Return the first topic of the event's logs."""
        return keccak256(_signature(self._events[event]))

    def decode_event(self, event: str, log: Log) -> dict[str, Any]:
        """Decode the event's arguments by name. Raises ValueError for a log of another form."""
        inputs = self._events[event]["inputs"]
        indexed = [entry for entry in inputs if entry["indexed"]]
        plain = [entry for entry in inputs if not entry["indexed"]]
        try:
            values = abi_codec.decode(_types(indexed), b"".join(log.topics[1:]))
            rest = abi_codec.decode(_types(plain), log.data)
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
            return CallReverted(f"{self.name} refused the call and gave no reason", hint=HINT_OF_SILENCE)
        try:
            arguments = _named(entry["inputs"], abi_codec.decode(_types(entry["inputs"]), data[4:]))
        except (DecodingError, ValueError, OverflowError):
            undecodable = f"{self.name} refused the call: {entry['name']}"
            return CallReverted(undecodable, error=entry["name"], hint=HINTS.get(entry["name"]))
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in arguments.items())
        message = f"{self.name} refused the call: {entry['name']}({shown})"
        return CallReverted(message, error=entry["name"], arguments=arguments, hint=HINTS.get(entry["name"]))


@lru_cache
def contract_abi(name: str) -> ContractAbi:
    """Return the ABI of "AgencyRegistry" or "LogAnchor"."""
    return ContractAbi(name)


def read(eth: Eth, abi: ContractAbi, address: str, at: BlockId, function: str, *arguments: Any) -> Any:
    """Return what the contract at ``address`` returns at the block.

    Raises CallReverted, ChainMismatch if there is no such contract, ChainUnavailable.
    """
    try:
        data = eth.call(address, abi.encode_call(function, *arguments), at)
    except RpcRefused as error:
        raise abi.reverted(error) or error from error
    if not data:
        raise ChainMismatch(f"there is no {abi.name} at {address} on this chain")
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


def _signature(entry: Mapping[str, Any]) -> bytes:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})".encode()


def _selector(entry: Mapping[str, Any]) -> bytes:
    return keccak256(_signature(entry))[:4]


def _types(inputs: Sequence[Any]) -> list[str]:
    return [collapse_if_tuple(entry) for entry in inputs]


def _named(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Any]:
    return {entry["name"]: value for entry, value in zip(inputs, values, strict=True)}


def _shown(value: object) -> str:
    """Format a value for a message; bytes that are an agency's id as its text."""
    if not isinstance(value, bytes):
        return str(value)
    slug = _SLUG.fullmatch(value)
    return slug[1].decode() if slug else "0x" + value.hex()
