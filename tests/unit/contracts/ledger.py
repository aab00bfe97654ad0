"""The contract tests' ledger: its contracts, on an Anvil under the oldest rules that they are compiled for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError

import contracts
from scripts import compile_contracts
from tests.oracles.merkle_reference import consistency_proof, mth
from tests.unit.chain.external import running_anvil

CHAIN_ID = 31337


@contextmanager
def running_node() -> Iterator[Web3]:
    """A fresh chain that mines each transaction at once, takes any sender, and charges nothing."""
    free = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--auto-impersonate")
    with running_anvil(*free, hardfork="london") as node:
        yield Web3(HTTPProvider(node.url))


LOG_ID = Web3.keccak(text="log id")
EMPTY_ROOT = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
NOBODY = "0x" + "00" * 20
KIND = b"a_kind_no_procedure_knows".ljust(32, b"\0")
PROFILE = '{"jurisdiction":"cn-11","name":{"en":"Agency","zh":"机关"}}'

AGENCY_ADMITTED, ADMIN_CHANGED, KEY_GRANTED, KEY_REVOKED, WITNESS_SET, QUORUM_SET, SUBMITTER_SET, PROCEDURE = range(
    1, 9
)
CHANGE_FIELDS = {
    "kind": ("uint8", 0),
    "agency": ("bytes32", bytes(32)),
    "agencyKind": ("bytes32", bytes(32)),
    "account": ("address", NOBODY),
    "officer": ("bytes32", bytes(32)),
    "roles": ("uint32", 0),
    "suite": ("uint8", 0),
    "validFrom": ("uint64", 0),
    "validUntil": ("uint64", 0),
    "quorum": ("uint16", 0),
    "procedure": ("bytes32", bytes(32)),
    "profile": ("string", ""),
}
DECISION = {"number": "uint64"} | {name: kind for name, (kind, _) in CHANGE_FIELDS.items()}
CHECKPOINT = {"size": "uint64", "root": "bytes32", "registryHash": "bytes32"}
KEY_REQUEST = {"agency": "bytes32", "officer": "bytes32", "account": "address"}
SUCCESSION = {"chainId": "uint256", "anchor": "address", "size": "uint64", "root": "bytes32"}

Change = dict[str, Any]
Approval = tuple[str, bytes]


def slug(text: str) -> bytes:
    return text.encode("ascii").ljust(32, b"\0")


def person(name: str) -> LocalAccount:
    """The key of `name`, always the same."""
    account: LocalAccount = Account.from_key(Web3.keccak(text=name))
    return account


@dataclass(frozen=True)
class Party:
    """An agency of the tests, with the keys of its admin and its witness."""

    name: str

    @property
    def id(self) -> bytes:
        return slug(self.name)

    @property
    def admin(self) -> LocalAccount:
        return person(f"{self.name} admin")

    @property
    def witness(self) -> LocalAccount:
        return person(f"{self.name} witness")


POLICE, PROCURATORATE, COURT, JUDICIAL = PARTIES = tuple(
    Party(name) for name in ("haidian-police", "haidian-procuratorate", "haidian-court", "beijing-judicial-bureau")
)
NEWCOMER = Party("forensic-lab")
MAJORITY = (POLICE.admin, PROCURATORATE.admin, COURT.admin)
SUBMITTER = person("submitter")
STRANGER = person("stranger")


def change(kind: int, **values: Any) -> Change:
    """A change with all fields that are not given zero or empty."""
    assert values.keys() <= CHANGE_FIELDS.keys()
    return {name: default for name, (_, default) in CHANGE_FIELDS.items()} | {"kind": kind} | values


def fields(value: Any) -> Any:
    """The fields of a change in their order; any other value as it is."""
    return tuple(value.values()) if isinstance(value, dict) else value


def admission(party: Party) -> Change:
    return change(AGENCY_ADMITTED, agency=party.id, agencyKind=KIND, account=party.admin.address, profile=PROFILE)


def witnessing(party: Party) -> Change:
    return change(WITNESS_SET, agency=party.id, account=party.witness.address)


def submitting(account: LocalAccount, *, allowed: bool = True) -> Change:
    return change(SUBMITTER_SET, account=account.address, roles=int(allowed))


def founding(
    *, agencies: Sequence[Party] = PARTIES, witnesses: Sequence[Party] = PARTIES, quorum: int = 0
) -> list[Change]:
    """All agencies, the witnesses of some, one submitter, and the quorum."""
    return [
        *map(admission, agencies),
        *map(witnessing, witnesses),
        submitting(SUBMITTER),
        change(QUORUM_SET, quorum=quorum),
    ]


def chained(previous: bytes, proposal: Change) -> bytes:
    """The registry hash after the change, computed apart from the contract."""
    kinds = [kind if name != "profile" else "bytes32" for name, (kind, _) in CHANGE_FIELDS.items()]
    values = [proposal[name] for name in CHANGE_FIELDS if name != "profile"]
    return Web3.keccak(encode(["bytes32", *kinds], [previous, *values, Web3.keccak(text=proposal["profile"])]))


def domain(contract: Contract) -> dict[str, Any]:
    return {
        "name": "Tallystick",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": contract.address,
        "salt": LOG_ID,
    }


def signed(signer: LocalAccount, contract: Contract, struct: str, types: dict[str, str], **values: Any) -> bytes:
    """The EIP-712 signature by eth-account, which shares no code with the contracts."""
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    return bytes(signer.sign_typed_data(domain(contract), {struct: fields}, values).signature)


def with_high_s(signature: bytes) -> bytes:
    """The other signature of the same message and key, which a careless check would take."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([27 + 28 - signature[64]])


def deploy(web3: Web3, name: str, *arguments: Any) -> Contract:
    """The committed contract `name`, deployed by a stranger."""
    compiled = contracts.artifact(name)
    arguments = tuple(list(map(fields, value)) if isinstance(value, list) else value for value in arguments)
    factory = web3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
    return created(web3, factory.constructor(*arguments), compiled["abi"])


def created(web3: Web3, constructor: Any, abi: Any) -> Contract:
    """The contract that a stranger's transaction creates."""
    sent = constructor.transact({"from": STRANGER.address, "gasPrice": 0})
    receipt = web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.001)
    return contract_at(web3, receipt["contractAddress"], abi)


def contract_at(web3: Web3, address: Any, abi: Any) -> Contract:
    """The contract at `address`; web3 types this as a contract or a class of them."""
    return cast(Contract, web3.eth.contract(address, abi=abi))


class Ledger:
    """A registry and an anchor of one ledger, and what its parties do with them."""

    def __init__(self, web3: Web3, changes: list[Change], *, development: bool = True):
        self.web3 = web3
        self.registry = deploy(web3, "AgencyRegistry", LOG_ID, changes, development)
        self.anchor = deploy(web3, "LogAnchor", self.registry.address, (0, NOBODY, 0, bytes(32)), b"")

    def send(self, sender: LocalAccount, call: Any) -> Any:
        """The receipt of `call`, sent by `sender`; its refusal is raised before anything is sent."""
        transaction = call.transact({"from": sender.address, "gasPrice": 0})
        return self.web3.eth.wait_for_transaction_receipt(transaction, poll_latency=0.001)

    def approval(self, admin: LocalAccount, proposal: Change, *, number: int | None = None) -> Approval:
        """The signature of `admin` under the change as the next decision, or as decision `number`."""
        if number is None:
            number = self.registry.functions.decisionCount().call() + 1
        return admin.address, signed(admin, self.registry, "Decision", DECISION, number=number, **proposal)

    def decide(self, proposal: Change, *admins: LocalAccount) -> Any:
        """The receipt of the decision, approved by `admins`, sent by a stranger."""
        approvals = [self.approval(admin, proposal) for admin in admins]
        return self.send(STRANGER, self.registry.functions.decide(fields(proposal), approvals))

    def grant(self, party: Party, key: LocalAccount, **terms: Any) -> Any:
        """The receipt of a grant of `key` by the party's admin."""
        terms = {"officer": slug("li-ming"), "roles": 1, "suite": 1, "validFrom": 100, "validUntil": 200} | terms
        proof = self.key_request(party, key, terms["officer"])
        return self.send(party.admin, self.registry.functions.grantKey(key.address, *terms.values(), proof))

    def key_request(self, party: Party, key: LocalAccount, officer: bytes, /, **changes: Any) -> bytes:
        """The signature by which `key` asks the agency to grant it to the officer, or what `other` says."""
        values = {"agency": party.id, "officer": officer, "account": key.address} | changes
        return signed(key, self.registry, "KeyRequest", KEY_REQUEST, **values)

    def changed(self, receipt: Any) -> Any:
        """The one `Changed` event of a transaction."""
        (event,) = self.registry.events.Changed().process_receipt(receipt)
        return event["args"]

    def cosignature(self, witness: LocalAccount, size: int, root: bytes, **changes: Any) -> bytes:
        registry_hash = self.registry.functions.registryHash().call()
        values = {"size": size, "root": root, "registryHash": registry_hash} | changes
        return signed(witness, self.anchor, "Checkpoint", CHECKPOINT, **values)

    def anchor_entries(self, size: int, entries: Sequence[bytes], *witnesses: Party) -> Any:
        """The receipt of anchoring the first ``size`` entries, co-signed by these witnesses."""
        previous, tree = self.anchor.functions.head().call()[1], entries[:size]
        cosignatures = [self.cosignature(party.witness, size, mth(tree)) for party in witnesses]
        proof = consistency_proof(previous, tree) if previous else ()
        return self.send(SUBMITTER, self.anchoring(size, mth(tree), proof=proof, cosignatures=cosignatures))

    def anchoring(
        self, size: int, root: bytes, *, proof: Sequence[bytes] = (), cosignatures: Sequence[bytes] = (), **changes: Any
    ) -> Any:
        """The call that anchors (size, root) on the head as it is now, or on what `other` says."""
        head = self.anchor.functions.head().call()
        arguments = {
            "previousSize": head[1],
            "previousRoot": head[0],
            "size": size,
            "root": root,
            "registryHash": self.registry.functions.registryHash().call(),
            "proof": list(proof),
            "cosignatures": b"".join(cosignatures),
        } | changes
        return self.anchor.functions.anchor(*arguments.values())


@contextmanager
def refused(*error: Any) -> Iterator[None]:
    """The block must be refused by the custom error `error` of one of the contracts: its name, then its arguments."""
    try:
        yield
    except ContractCustomError as refusal:
        raised = _decoded(HexBytes(str(refusal.data)))
    else:
        raise AssertionError(f"{error[0]} was not raised")
    assert raised == error


def _decoded(data: bytes) -> tuple[Any, ...]:
    for entry in [*contracts.artifact("AgencyRegistry")["abi"], *contracts.artifact("LogAnchor")["abi"]]:
        if entry["type"] == "error" and function_signature_to_4byte_selector(abi_to_signature(entry)) == data[:4]:
            values = decode([argument["type"] for argument in entry["inputs"]], data[4:])
            return entry["name"], *map(_comparable, values)
    raise AssertionError(f"no contract has the error {data[:4].hex()}")


def _comparable(value: Any) -> Any:
    return Web3.to_checksum_address(value) if isinstance(value, str) and value.startswith("0x") else value


@cache
def _harness() -> dict[str, Any]:
    folder = compile_contracts.CONTRACTS
    sources = [folder / "src" / "RFC6962.sol", folder / "test" / "RFC6962Harness.sol"]
    compiled = compile_contracts.compile_sources(sources, ["RFC6962Harness"])
    return dict(compiled["test/RFC6962Harness.sol"]["RFC6962Harness"])


def deploy_harness(web3: Web3) -> Contract:
    """contracts/test/RFC6962Harness.sol, deployed."""
    compiled = _harness()
    factory = web3.eth.contract(abi=compiled["abi"], bytecode=compiled["evm"]["bytecode"]["object"])
    return created(web3, factory.constructor(), compiled["abi"])
