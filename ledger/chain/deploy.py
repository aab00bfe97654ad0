"""Deployment of the two contracts: found where they are already, else made, at one address on any chain with a factory.

All authority is in the constructors' arguments, so nothing depends on who sends the transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.chain.calls import change_tuple
from ledger.chain.contract import ContractAbi, contract_abi, read
from ledger.chain.errors import ChainMismatch
from ledger.chain.eth import NO_ACCOUNT, Eth
from ledger.chain.factory import FACTORY, create2_address, ensure_factory
from ledger.chain.journal import ChainIdentity, ChainWrite, Purpose, WriteState
from ledger.chain.transaction import decode
from ledger.chain.writer import ChainWriter
from ledger.core.contract_change import CHANGE_KINDS, ContractChange
from ledger.core.event import registry
from ledger.core.signature import keccak256

REGISTRY = contract_abi("AgencyRegistry")
ANCHOR = contract_abi("LogAnchor")
NO_PREDECESSOR = (0, NO_ACCOUNT, 0, bytes(32))


@dataclass(frozen=True, slots=True)
class FoundingAgency:
    """``kind`` is the number of ``ledger.core.contract_change.KIND_NUMBERS``, ``profile`` its canonical JSON text."""

    agency_id: str
    kind: int
    admin: str
    profile: bytes
    witness: str | None = None


@dataclass(frozen=True, slots=True)
class Founding:
    """What a ledger starts with. ``quorum`` 0 takes ``development``."""

    log_id: bytes  # 32 bytes
    agencies: tuple[FoundingAgency, ...]
    submitters: tuple[str, ...]
    quorum: int
    development: bool

    def changes(self) -> list[ContractChange]:
        """The registry's first changes, in their order."""
        kinds = CHANGE_KINDS
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
        return [*admitted, *witnesses, *quorum, *submitters]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts of a ledger stand; the code hashes are Keccak-256 of the code on the chain."""

    identity: ChainIdentity
    registry: str
    anchor: str
    registry_code_hash: bytes
    anchor_code_hash: bytes


def deploy(writer: ChainWriter, founding: Founding, *, timeout_seconds: float = 120.0) -> Deployment:
    """The ledger's contracts on the writer's chain; done again, it finds what it made.

    Raises CallReverted where a constructor refuses its arguments, Unavailable while the chain has not confirmed, and
    what ``ChainWriter.submit`` raises.
    """
    place = _Place(writer, founding.log_id, timeout_seconds)
    changes = [change_tuple(change) for change in founding.changes()]
    registry_address = place.put(REGISTRY, REGISTRY.initcode(founding.log_id, changes, founding.development))
    anchor_address = place.put(ANCHOR, ANCHOR.initcode(registry_address, NO_PREDECESSOR, b""))
    return _deployed(writer.chain.eth, writer.chain.chain_id, registry_address, anchor_address)


def require_deployment(eth: Eth, deployment: Deployment) -> None:
    """Raises WrongChain or ChainMismatch unless this is the chain of the deployment and its code stands there."""
    eth.require_chain(deployment.identity.chain_id, deployment.identity)
    expected = {
        deployment.registry: deployment.registry_code_hash,
        deployment.anchor: deployment.anchor_code_hash,
    }
    for address, code_hash in expected.items():
        actual = keccak256(eth.code(address, "latest"))
        if actual != code_hash:
            raise ChainMismatch(f"expected code {code_hash.hex()} at {address}, not {actual.hex()}")


def other_contracts(eth: Eth, deployment: Deployment) -> dict[str, str]:
    """By name, the address of each contract that is not what this release deploys."""
    places = {REGISTRY: deployment.registry, ANCHOR: deployment.anchor}
    return {abi.name: at for abi, at in places.items() if not abi.is_code(eth.code(at, "latest"))}


class _Place:
    """Where the contracts of one ledger go: by the factory if there is one, else by the writer's own creations."""

    def __init__(self, writer: ChainWriter, salt: bytes, timeout_seconds: float):
        self._writer = writer
        self._salt = salt
        self._timeout_seconds = timeout_seconds
        self._by_factory = ensure_factory(writer, timeout_seconds=timeout_seconds)

    def put(self, abi: ContractAbi, initcode: bytes) -> str:
        """The address of the contract, which is there when this returns."""
        if not self._by_factory:
            return self._created(self._settled(abi, None, initcode))
        address = create2_address(self._salt, initcode)
        if not self._writer.chain.eth.code(address, "latest"):
            self._writer.try_out(None, initcode, abi=abi)  # the factory would swallow the constructor's reason
            self._settled(abi, FACTORY, self._salt + initcode)
        return address

    def _settled(self, abi: ContractAbi, to: str | None, data: bytes) -> ChainWrite:
        write = self._journaled(to, data) or self._writer.submit(Purpose.DEPLOYMENT, to, data, abi=abi)
        settled = self._writer.settle(write, timeout_seconds=self._timeout_seconds)
        if settled.state is WriteState.INVALID:
            raise ChainMismatch(f"the deployment of {abi.name} (write {settled.number}) failed on the chain")
        return settled

    def _journaled(self, to: str | None, data: bytes) -> ChainWrite | None:
        """What an earlier, interrupted deployment has signed."""
        for write in self._writer.journal.writes():
            if write.purpose is Purpose.DEPLOYMENT and write.state is not WriteState.INVALID:
                transaction = decode(write.raw_transaction).transaction
                if (transaction.to, transaction.data) == (to, data):
                    return write
        return None

    def _created(self, write: ChainWrite) -> str:
        receipt = self._writer.chain.eth.receipt(write.transaction_hash)
        if receipt is None or receipt.contract is None:
            raise ChainMismatch(f"write {write.number} created no contract", block_number=write.block_number)
        return receipt.contract


def _deployed(eth: Eth, chain_id: int, registry_address: str, anchor_address: str) -> Deployment:
    """The anchor's record 0 names the block that it was created in."""
    head = eth.head().hash
    block_number = int(read(eth, ANCHOR, anchor_address, head, "record", 0)[2])
    block = eth.block(block_number)
    if block is None or read(eth, ANCHOR, anchor_address, head, "registry") != registry_address:
        raise ChainMismatch(f"what stands at {anchor_address} is not this ledger's anchor", block_number=block_number)
    return Deployment(
        identity=ChainIdentity(chain_id, block.number, block.hash),
        registry=registry_address,
        anchor=anchor_address,
        registry_code_hash=keccak256(eth.code(registry_address, head)),
        anchor_code_hash=keccak256(eth.code(anchor_address, head)),
    )
