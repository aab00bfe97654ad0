"""Deployment of the ledger's contracts, by the deterministic deployment factory where the chain has it.

The factory gives the same code and arguments one address on every chain. It has the same address everywhere because
the transaction that creates it was signed once, with nobody's key: anybody may fund that account and send it.
Sources: EIP-1014 (CREATE2); the factory's own published bytes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from msgspec import Struct

from ledger.chain.contract import ANCHOR, REGISTRY, ContractAbi, change_tuple, read
from ledger.chain.errors import ChainMismatch, RpcRefused
from ledger.chain.eth import NO_ACCOUNT, Eth
from ledger.chain.journal import ChainFingerprint, ChainWrite, Deployment, Purpose, WriteState
from ledger.chain.transaction import decode
from ledger.chain.writer import ChainWriter
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.contract_changes import CHANGE_KINDS, ContractChange, adoption_of
from ledger.core.events import registry

_log = logging.getLogger(__name__)

FACTORY = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
FACTORY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020823780358282"
    "34f58015156039578182fd5b8082525050506014600cf3"
)
MAKER = "0x3fab184622dc19b6109349b94811493bf2a45362"
MAKING = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    + FACTORY_CODE.hex()
    + "1ba0"
    + "22" * 32
    + "a0"
    + "22" * 32
)
MAKING_COST = 10**16  # wei: 100,000 gas at 100 gwei
POLL_SECONDS = 0.2
NO_PREDECESSOR = (0, NO_ACCOUNT, 0, bytes(32))


def has_factory(eth: Eth) -> bool:
    """Return whether the factory is at its address, with its own code."""
    return eth.code(FACTORY, "latest") == FACTORY_CODE


def ensure_factory(writer: ChainWriter, *, timeout_seconds: float) -> bool:
    """Create the factory if the chain lacks it, for up to 0.01 of the writer's coins; return whether it is there.

    It cannot be created if the writer has no coins, or if transactions must name their chain or cost more.
    """
    eth = writer.chain.eth
    if has_factory(eth):
        return True
    missing = MAKING_COST - eth.balance(MAKER, "latest")
    if missing > 0:
        # As much again stays for the deployment itself.
        if eth.balance(writer.account, "latest") < 2 * missing:
            return False
        gift = writer.submit(Purpose.FACTORY, MAKER, b"", value=missing)
        writer.settle(gift, timeout_seconds=timeout_seconds)
    try:
        eth.send(MAKING)
    except RpcRefused as error:
        _log.info("the chain takes no deployment factory: %s", error)
        return False
    deadline = time.monotonic() + timeout_seconds
    while not has_factory(eth):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


class RegistryAgency(Struct, frozen=True):
    """An agency at the start; ``profile`` is canonical JSON."""

    agency_id: str
    kind: str
    admin: str
    profile: bytes
    witness: str | None = None


@dataclass(frozen=True, slots=True)
class RegistryFounding:
    """The initial content of a ledger's registry. ``quorum`` 0 requires ``development``.

    ``procedures`` are digests of packages, in the order of their adoption.
    """

    log_id: bytes  # 32 bytes
    agencies: tuple[RegistryAgency, ...]
    submitters: tuple[str, ...]
    quorum: int
    development: bool
    procedures: tuple[str, ...] = ()

    def changes(self) -> list[ContractChange]:
        """Return the registry's first changes, in order."""
        kinds = CHANGE_KINDS
        procedures = [adoption_of(digest) for digest in self.procedures]
        admitted = [
            ContractChange(
                kinds[registry.AgencyAdmitted],
                agency.agency_id,
                agency_kind=agency.kind,
                account=int(agency.admin, 16),
                profile=agency.profile,
            )
            for agency in self.agencies
        ]
        witnesses = [
            ContractChange(kinds[registry.WitnessSet], agency.agency_id, account=int(agency.witness, 16))
            for agency in self.agencies
            if agency.witness
        ]
        quorum = [ContractChange(kinds[registry.QuorumSet], quorum=self.quorum)] if self.quorum else []
        submitters = [
            ContractChange(kinds[registry.SubmitterSet], account=int(account, 16), roles=1)
            for account in self.submitters
        ]
        return [*admitted, *witnesses, *quorum, *submitters, *procedures]


def deploy(writer: ChainWriter, founding: RegistryFounding, *, timeout_seconds: float = 120.0) -> Deployment:
    """Deploy the ledger's contracts on the writer's chain; called again, it finds what it deployed.

    Raises CallReverted if a constructor refuses its arguments, Unavailable while the chain has not confirmed, and what
    ``ChainWriter.submit`` raises.
    """
    place = _Place(writer, founding.log_id, timeout_seconds)
    changes = [change_tuple(change) for change in founding.changes()]
    registry_address = place.put(REGISTRY, REGISTRY.initcode(founding.log_id, changes, founding.development))
    anchor_address = place.put(ANCHOR, ANCHOR.initcode(registry_address, NO_PREDECESSOR, b""))
    eth = writer.chain.eth
    head = eth.head().hash
    # The anchor's record 0 names the block that it was created in.
    block_number = int(read(eth, ANCHOR, anchor_address, head, "record", 0)[2])
    block = eth.block(block_number)
    if block is None or read(eth, ANCHOR, anchor_address, head, "registry") != registry_address:
        raise ChainMismatch(
            "what stands at {anchor_address} is not this ledger's anchor",
            anchor_address=anchor_address,
            block_number=block_number,
        )
    return Deployment(
        identity=ChainFingerprint(writer.chain.chain_id, block.number, block.hash),
        registry=registry_address,
        anchor=anchor_address,
        registry_code_hash=keccak256(eth.code(registry_address, head)),
        anchor_code_hash=keccak256(eth.code(anchor_address, head)),
    )


def require_deployment(eth: Eth, deployment: Deployment) -> None:
    """Raise WrongChain or ChainMismatch unless this is the deployment's chain and has its code."""
    eth.require_chain(deployment.identity.chain_id, deployment.identity)
    expected = {deployment.registry: deployment.registry_code_hash, deployment.anchor: deployment.anchor_code_hash}
    # The address alone proves little: on a reset chain other code may be there.
    for address, code_hash in expected.items():
        actual = keccak256(eth.code(address, "latest"))
        if actual != code_hash:
            raise ChainMismatch(
                "expected code {code_hash} at {address}, not {actual}",
                code_hash=code_hash.hex(),
                address=address,
                actual=actual.hex(),
            )


def other_contracts(eth: Eth, deployment: Deployment) -> dict[str, str]:
    """Return, by name, the address of each contract that is not what this release deploys."""
    places = {REGISTRY: deployment.registry, ANCHOR: deployment.anchor}
    return {abi.name: at for abi, at in places.items() if not abi.is_code(eth.code(at, "latest"))}


@dataclass(eq=False, repr=False)
class _Place:
    """Deploys a ledger's contracts: by the factory if there is one, else by transactions of the writer."""

    writer: ChainWriter
    salt: bytes
    timeout_seconds: float

    def __post_init__(self) -> None:
        self._by_factory = ensure_factory(self.writer, timeout_seconds=self.timeout_seconds)

    def put(self, abi: ContractAbi, initcode: bytes) -> str:
        """Return the address of the contract, deployed if it was not."""
        if not self._by_factory:
            write = self._settled(abi, None, initcode)
            receipt = self.writer.chain.eth.receipt(write.transaction_hash)
            if receipt is None or receipt.contract_address is None:
                raise ChainMismatch(
                    "write {write.number} created no contract", write=write, block_number=write.block_number
                )
            return receipt.contract_address.lower()
        # The address at which the factory creates the contract (EIP-1014).
        address = "0x" + keccak256(b"\xff" + bytes.fromhex(FACTORY[2:]) + self.salt + keccak256(initcode))[12:].hex()
        if not self.writer.chain.eth.code(address, "latest"):
            self.writer.prepare(self.writer.account, None, initcode, abi=abi)  # the factory would swallow the reason
            self._settled(abi, FACTORY, self.salt + initcode)
        return address

    def _settled(self, abi: ContractAbi, to: str | None, data: bytes) -> ChainWrite:
        write = self._journaled(to, data) or self.writer.submit(Purpose.DEPLOYMENT, to, data, abi=abi)
        settled = self.writer.settle(write, timeout_seconds=self.timeout_seconds)
        if settled.state is WriteState.INVALID:
            raise ChainMismatch(
                "the deployment of {abi.name} (write {settled.number}) failed on the chain", abi=abi, settled=settled
            )
        return settled

    def _journaled(self, to: str | None, data: bytes) -> ChainWrite | None:
        """Return the write of an earlier, interrupted deployment, or None."""
        for write in self.writer.journal.writes():
            if write.purpose is Purpose.DEPLOYMENT and write.state is not WriteState.INVALID:
                transaction = decode(write.raw_transaction).transaction
                if (transaction.to, transaction.data) == (to, data):
                    return write
        return None
