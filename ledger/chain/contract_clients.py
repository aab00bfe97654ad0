"""The ledger's two contracts: their records, changes and state, and the transactions that add to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain.contract import ContractDomain, contract_abi, id_text, read
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable
from ledger.chain.eth import BlockId, BlockRef, Eth
from ledger.chain.journal import AnchoredHead, ChainWrite, Deployment, Journal, Purpose, StateChange
from ledger.chain.transaction import Transaction, decode
from ledger.chain.writer import ChainWriter
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import NotFound, RuleRefused
from ledger.core.ethereum.contract_changes import ContractChange, registry_body
from ledger.core.events.registry import ChangeLocation, RegistryChange

BLOCKS_PER_QUERY = 2000  # what public nodes let one eth_getLogs span
RELAYED = frozenset({"grantKey", "revokeKey", "proposeAdmin", "acceptAdmin", "decide"})


@dataclass(frozen=True, slots=True)
class AnchorRecord:
    """Record ``number`` of the contract; 0 is its start: the empty log, or its predecessor's last record."""

    number: int
    root: bytes
    size: int
    block_number: int
    timestamp: int  # unix seconds, of that block


@dataclass(frozen=True, slots=True)
class AnchorRequest:
    """The arguments that the contract checks: that ``head`` continues the last record, and who co-signed it."""

    previous_size: int
    previous_root: bytes  # SHA-256("") at size 0
    head: AnchoredHead
    proof: Sequence[bytes] = ()  # RFC 6962 consistency proof, empty from size 0
    cosignatures: Sequence[bytes] = ()  # 65 bytes each: EIP-712 of ``checkpoint_digest``


class AnchorClient:
    """The contract at ``address``, and the journal of what was anchored."""

    def __init__(self, *, address: str, writer: ChainWriter, journal: Journal):
        self.address = address
        self._abi = contract_abi("LogAnchor")
        self._writer = writer
        self._journal = journal

    def record_count(self, at: BlockId) -> int:
        """Return the number of the last record at the block."""
        count: int = self._read("recordCount", at)
        return count

    def record(self, number: int, at: BlockId) -> AnchorRecord:
        """Return a record. Raises NotFound above the last one."""
        # Above the last record the contract reverts, and gives no reason.
        count = self.record_count(at)
        if not 0 <= number <= count:
            raise NotFound(f"expected an anchor record up to {count}, not {number}", field="record")
        root, size, block_number, timestamp = self._read("record", at, number)
        return AnchorRecord(number, root, size, block_number, timestamp)

    def head(self, at: BlockId) -> AnchorRecord:
        """Return the last record at the block."""
        return self.record(self.record_count(at), at)

    def submit(self, request: AnchorRequest) -> ChainWrite:
        """Anchor ``request.head``; the write is in the journal when this returns, and confirmed on the embedded chain.

        Raises CallReverted with the contract's error if it would refuse (HeadMoved, RegistryHashStale,
        QuorumMissing...), and what ``ChainWriter.submit`` raises.
        """
        head = request.head
        data = self._abi.encode_call(
            "anchor",
            request.previous_size,
            request.previous_root,
            head.size,
            head.root,
            head.registry_hash,
            list(request.proof),
            b"".join(request.cosignatures),
        )
        return self._writer.submit(Purpose.ANCHOR, self.address, data, abi=self._abi, anchored=head)

    def refresh(self) -> list[StateChange]:
        """Look up what has become of all chain writes. A stale anchor is sent again."""
        return self._writer.refresh()

    def require_not_ahead(self) -> None:
        """Raise ChainAhead if the chain has an anchor that the journal never signed: the database was rolled back."""
        head = self.head(self._writer.chain.eth.head().hash)
        if head.number == 0:
            return
        roots = {
            write.anchored.root
            for write in self._journal.writes()
            if write.anchored is not None and write.anchored.size == head.size
        }
        if not roots:
            raise ChainAhead(
                f"the chain has anchor {head.number} of size {head.size}, which the journal does not know",
                hint="The database was rolled back. Restore the newest backup; write nothing before.",
            )
        if head.root not in roots:
            raise ChainMismatch(
                f"the chain has another root of size {head.size} (anchor {head.number}) than the journal"
            )

    def _read(self, function: str, at: BlockId, *arguments: object) -> Any:
        return read(self._writer.chain.eth, self._abi, self.address, at, function, *arguments)


@dataclass(frozen=True, slots=True)
class OnChainChange:
    """Change ``number`` (from 1) of the registry, its rolling hash after it, and its place on the chain."""

    number: int
    change: ContractChange
    registry_hash: bytes
    block: BlockRef
    transaction_hash: bytes

    def body(self) -> RegistryChange:
        """Return the ``registry.*`` body that mirrors it."""
        location = ChangeLocation(
            block_number=self.block.number,
            block_hash="0x" + self.block.hash.hex(),
            transaction_hash="0x" + self.transaction_hash.hex(),
        )
        return registry_body(self.change, number=self.number, registry_hash=self.registry_hash, location=location)


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The registry at one block."""

    registry_hash: bytes
    change_count: int
    decision_count: int
    agency_count: int
    witness_count: int
    quorum: int
    development: bool


class RegistryReader:
    """Reads the contract at ``address``."""

    def __init__(self, *, address: str, eth: Callable[[], Eth]):
        self.address = address
        self._abi = contract_abi("AgencyRegistry")
        self._eth = eth

    def state(self, at: BlockId) -> RegistryState:
        return RegistryState(
            registry_hash=self._read("registryHash", at),
            change_count=self._read("changeCount", at),
            decision_count=self._read("decisionCount", at),
            agency_count=self._read("agencyCount", at),
            witness_count=self._read("witnessCount", at),
            quorum=self._read("quorum", at),
            development=self._read("development", at),
        )

    def changes(self, *, after: int, registry_hash: bytes, first_block: int, final: BlockRef) -> list[OnChainChange]:
        """Return the changes above number ``after`` up to the final block.

        The rolling hash at ``after`` was ``registry_hash``; at number 0 it is the ledger's id. ``first_block`` is the
        block of change ``after``, or the deployment's. Nothing is left out: numbers and rolling hash must follow each
        other and end at the contract's state at ``final``.

        Raises:
            ChainMismatch: they do not.
            ChainUnavailable: the node shows fewer changes than there are, or has not reached ``first_block``.
        """
        changes = [change for change in self._logged(first_block, final.number) if change.number > after]
        for change in changes:
            after += 1
            registry_hash = keccak256(registry_hash + change.change.words())
            if (change.number, change.registry_hash) != (after, registry_hash):
                raise ChainMismatch(
                    f"expected change {after} of the registry with hash {registry_hash.hex()}; the chain node shows "
                    f"change {change.number} with {change.registry_hash.hex()}",
                    block_number=change.block.number,
                )
        # The contract's own hash shows whether the node left out logs.
        actual: bytes = self._read("registryHash", final.hash)
        if actual == registry_hash:
            return changes
        if final.number < first_block:
            raise ChainUnavailable(
                f"the log mirrors a change of block {first_block}, the chain node has come to block {final.number}",
                code="chain_behind",
            )
        count: int = self._read("changeCount", final.hash)
        if count <= after:
            raise ChainMismatch(
                f"the log mirrors {after} changes of the registry up to {registry_hash.hex()}; the contract has made "
                f"{count} up to {actual.hex()}",
                hint="Somebody forged a change in the log, or this is another ledger's contract. Run: tally audit",
            )
        raise ChainUnavailable("the chain node leaves out changes of the registry", code="chain_garbled")

    def _logged(self, first: int, last: int) -> Iterator[OnChainChange]:
        topic = self._abi.topic("Changed")
        for start in range(first, last + 1, BLOCKS_PER_QUERY):
            end = min(start + BLOCKS_PER_QUERY - 1, last)
            for log in self._eth().logs(self.address, topic, start, end):
                try:
                    event = self._abi.decode_event("Changed", log)
                    change = _contract_change(event["change"])
                except ValueError as error:
                    raise ChainUnavailable(f"the chain node answers with {error}", code="chain_garbled") from error
                yield OnChainChange(event["number"], change, event["registryHash"], log.block, log.transaction_hash)

    def _read(self, function: str, at: BlockId, *arguments: object) -> Any:
        return read(self._eth(), self._abi, self.address, at, function, *arguments)


class RegistryClient(RegistryReader):
    """The contract at ``address``, and the transactions of agencies' admins."""

    def __init__(self, *, address: str, writer: ChainWriter):
        super().__init__(address=address, eth=lambda: writer.chain.eth)
        self._writer = writer

    def domain(self, log_id: bytes) -> ContractDomain:
        """Return the EIP-712 domain of this contract as the registry of the ledger ``log_id``."""
        return ContractDomain(log_id, self._writer.chain.chain_id, self.address)

    def prepare(self, sender: str, call: bytes) -> Transaction:
        """Return the transaction that an agency's admin signs for a call of ``ledger.chain.contract``.

        Raises CallReverted.
        """
        return self._writer.prepare(sender, self.address, call, abi=self._abi)

    def relay(self, raw_transaction: bytes) -> ChainWrite:
        """Journal and send what an agency's admin has signed; the same bytes again return the same write.

        Raises:
            MalformedInput, SignatureRefused: it is no signed transaction.
            RuleRefused: it is no call of this registry.
            CallReverted: the contract would refuse it now.
            Conflict: its nonce is not the sender's next.
        """
        signed = decode(raw_transaction)
        transaction = signed.transaction
        if (
            transaction.to != self.address
            or transaction.value
            or self._abi.function_of(transaction.data) not in RELAYED
        ):
            raise RuleRefused(
                f"expected a call of the registry {self.address} by an agency's admin",
                field="raw",
                code="not_a_registry_call",
            )
        return self._writer.relay(signed, Purpose.REGISTRY, abi=self._abi)

    def submit(self, call: bytes) -> ChainWrite:
        """Send a call of ``ledger.chain.contract`` with the service's own key: a decision that others have approved."""
        return self._writer.submit(Purpose.REGISTRY, self.address, call, abi=self._abi)


def _contract_change(values: tuple[Any, ...]) -> ContractChange:
    kind, agency, agency_kind, account, officer, roles, suite, valid_from, valid_until, quorum, profile = values
    return ContractChange(
        kind=kind,
        agency=id_text(agency),
        agency_kind=agency_kind,
        account=int(account, 16),
        officer=id_text(officer),
        roles=roles,
        suite=suite,
        valid_from=valid_from,
        valid_until=valid_until,
        quorum=quorum,
        profile=profile.encode(),
    )


class ContractsAt:
    """Registry and anchor contract of a deployment at the block ``at``.

    Reading raises ChainMismatch if they are not there, and ChainUnavailable.
    """

    def __init__(self, eth: Eth, deployment: Deployment, at: BlockRef):
        self._eth = eth
        self._deployment = deployment
        self._at = at

    def count(self) -> int:
        """Return the number of the last record."""
        return int(self._of_anchor("recordCount"))

    def records(self) -> Iterator[AnchorRecord]:
        """Yield all anchors in order, except the record that the contract started with."""
        for number in range(1, self.count() + 1):
            yield self.record(number)

    def head(self) -> AnchorRecord:
        """Return the last record; number 0 is the one that the contract started with."""
        return self.record(self.count())

    def registry(self) -> tuple[int, bytes]:
        """Return how many changes the registry has made, and its rolling hash after them."""
        return self._of_registry("changeCount"), self._of_registry("registryHash")

    def changes(self, log_id: bytes, first_block: int) -> list[RegistryChange]:
        """Return the registry's changes as the log mirrors them, the first of them in ``first_block``.

        Raises ChainMismatch if they do not follow from the ledger's id.
        """
        reader = RegistryReader(address=self._deployment.registry, eth=lambda: self._eth)
        changes = reader.changes(after=0, registry_hash=log_id, first_block=first_block, final=self._at)
        return [change.body() for change in changes]

    def record(self, number: int) -> AnchorRecord:
        root, size, block_number, timestamp = self._of_anchor("record", number)
        return AnchorRecord(number, root, size, block_number, timestamp)

    def _of_anchor(self, function: str, *arguments: object) -> Any:
        return read(self._eth, contract_abi("LogAnchor"), self._deployment.anchor, self._at.hash, function, *arguments)

    def _of_registry(self, function: str) -> Any:
        return read(self._eth, contract_abi("AgencyRegistry"), self._deployment.registry, self._at.hash, function)
