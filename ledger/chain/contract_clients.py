"""The ledger's two contracts: their records, changes and state, and the transactions that add to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import Struct

from ledger.chain.contract import ANCHOR, REGISTRY, ContractDomain, read, tuple_change
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import AnchoredHead, ChainWrite, Deployment, Purpose
from ledger.chain.transaction import Transaction, decode
from ledger.chain.writer import ChainWriter
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.ethereum import contract_changes
from ledger.core.events.registry import ChangeLocation, RegistryChange

BLOCKS_PER_QUERY = 2000  # what public nodes let one eth_getLogs span
ABOUT_ACCOUNTS = frozenset({"grantKey", "revokeKey", "proposeAdmin"})
RELAYED = frozenset({"grantKey", "revokeKey", "proposeAdmin", "acceptAdmin", "decide"})


class ChangeAct(NamedTuple):
    """What a change of the registry does, which is the same when it is handed in anew.

    ``about`` is the account or agency that it is about; of a decision, all that was signed.
    """

    function: str
    about: bytes

    def __str__(self) -> str:
        return f"{self.function} 0x{self.about[-20:].hex()}" if self.function in ABOUT_ACCOUNTS else self.function


def act_of(write: ChainWrite) -> ChangeAct:
    """Return what a write with the purpose of the registry does."""
    data = decode(write.raw_transaction).transaction.data
    function = REGISTRY.function_of(data) or ""
    return ChangeAct(function, data[4:] if function == "decide" else data[4:36])


class AnchorRecord(Struct, frozen=True):
    """Record ``number`` of the contract; 0 is its start: the empty log, or its predecessor's last record."""

    number: int
    root: bytes
    size: int
    block_number: int
    timestamp: int  # unix seconds, of that block


class RegistryState(Struct, frozen=True):
    """The registry at one block."""

    registry_hash: bytes
    change_count: int
    decision_count: int
    agency_count: int
    witness_count: int
    quorum: int
    development: bool


class ContractsAt(Struct, frozen=True):
    """Registry and anchor contract of a deployment at the block ``at``.

    Reading raises ChainMismatch if they are not there, and ChainUnavailable.
    """

    eth: Eth
    deployment: Deployment
    at: BlockRef

    def count(self) -> int:
        """Return the number of the last record."""
        return int(self._of_anchor("recordCount"))

    def records(self, first: int = 1) -> Iterator[AnchorRecord]:
        """Yield the anchors from number ``first`` on, in order, except the record that the contract started with."""
        for number in range(max(1, first), self.count() + 1):
            yield self._record(number)

    def head(self) -> AnchorRecord:
        """Return the last record; number 0 is the one that the contract started with."""
        return self._record(self.count())

    def registry_hash(self) -> bytes:
        """Return the hash over all changes of the registry."""
        return bytes(self._of_registry("registryHash"))

    def registry(self) -> tuple[int, bytes]:
        """Return how many changes the registry has made, and its rolling hash after them."""
        return int(self._of_registry("changeCount")), self.registry_hash()

    def registry_state(self) -> RegistryState:
        names = ["registryHash", "changeCount", "decisionCount", "agencyCount", "witnessCount", "quorum", "development"]
        return RegistryState(*map(self._of_registry, names))

    def changes(self, *, after: int, registry_hash: bytes, first_block: int) -> list[RegistryChange]:
        """Return the registry's changes above number ``after``, as the log mirrors them.

        The rolling hash at ``after`` was ``registry_hash``; at number 0 it is the ledger's id. ``first_block`` is the
        block of change ``after``, or the deployment's. Nothing is left out: numbers and rolling hash must follow each
        other and end at the contract's state at the block.

        Raises:
            ChainMismatch: they do not.
            ChainUnavailable: the node shows fewer changes than there are, or has not reached ``first_block``.
        """
        actual = self.registry_hash()
        if actual == registry_hash:  # as mostly, and without reading the logs again
            return []
        changes = [change for change in self._logged(first_block, self.at.number) if change.number > after]
        for change in changes:
            after += 1
            registry_hash = contract_changes.registry_hash(registry_hash, change)
            if (change.number, change.registry_hash) != (after, "0x" + registry_hash.hex()):
                raise ChainMismatch(
                    "expected change {after} of the registry with hash {expected}; the chain node shows "
                    "change {change.number} with {actual}",
                    after=after,
                    expected=registry_hash.hex(),
                    change=change,
                    actual=change.registry_hash[2:],
                    block_number=change.location.block_number,
                )
        if actual == registry_hash:  # the contract's own hash shows whether the node left out logs
            return changes
        if self.at.number < first_block:
            raise ChainUnavailable(
                "the log mirrors a change of block {first_block}, the chain node has come to block {final.number}",
                first_block=first_block,
                final=self.at,
                code="chain_behind",
            )
        count, _ = self.registry()
        if count <= after:
            raise ChainMismatch(
                "the log mirrors {after} changes of the registry up to {registry_hash}; the contract has "
                "made {count} up to {actual}",
                after=after,
                registry_hash=registry_hash.hex(),
                count=count,
                actual=actual.hex(),
                hint="Somebody forged a change in the log, or this is another ledger's contract. Run: tally audit",
            )
        raise ChainUnavailable("the chain node leaves out changes of the registry", code="chain_garbled")

    def _logged(self, first: int, last: int) -> Iterator[RegistryChange]:
        topic = REGISTRY.topic("Changed")
        for start in range(first, last + 1, BLOCKS_PER_QUERY):
            end = min(start + BLOCKS_PER_QUERY - 1, last)
            for log in self.eth.logs(self.deployment.registry, topic, start, end):
                place = ChangeLocation(log.block.number, "0x" + log.block.hash.hex(), "0x" + log.transaction_hash.hex())
                try:
                    event = REGISTRY.decode_event("Changed", log)
                    yield contract_changes.registry_body(
                        tuple_change(event["change"]),
                        number=event["number"],
                        registry_hash=event["registryHash"],
                        location=place,
                    )
                except (ValueError, MalformedInput) as error:
                    raise ChainUnavailable(
                        "the chain node answers with {error}", error=error, code="chain_garbled"
                    ) from error

    def _record(self, number: int) -> AnchorRecord:
        return AnchorRecord(number, *self._of_anchor("record", number))

    def _of_anchor(self, function: str, *arguments: Any) -> Any:
        return read(self.eth, ANCHOR, self.deployment.anchor, self.at.hash, function, *arguments)

    def _of_registry(self, function: str) -> Any:
        return read(self.eth, REGISTRY, self.deployment.registry, self.at.hash, function)


@dataclass(frozen=True, slots=True)
class AnchorRequest:
    """The arguments that the contract checks: that ``head`` continues the last record, and who co-signed it."""

    previous_size: int
    previous_root: bytes  # SHA-256("") at size 0
    head: AnchoredHead
    proof: Sequence[bytes] = ()  # RFC 6962 consistency proof, empty from size 0
    cosignatures: Sequence[bytes] = ()  # 65 bytes each: EIP-712 of ``checkpoint_digest``


class AnchorClient:
    """The anchor contract of a deployment, and the journal of what was anchored."""

    def __init__(self, *, deployment: Deployment, writer: ChainWriter):
        self._deployment = deployment
        self._writer = writer

    def at(self, block: BlockRef) -> ContractsAt:
        """Return the contracts at a block, to be read there."""
        return ContractsAt(self._writer.chain.eth, self._deployment, block)

    def now(self) -> ContractsAt:
        """Return the contracts at the newest block."""
        return self.at(self._writer.chain.eth.head().ref)

    def domain(self, log_id: bytes) -> ContractDomain:
        """Return the EIP-712 domain of this contract as the anchor of the ledger ``log_id``."""
        return ContractDomain(log_id, self._writer.chain.chain_id, self._deployment.anchor)

    def submit(self, request: AnchorRequest) -> ChainWrite:
        """Anchor ``request.head``; the write is in the journal when this returns, and confirmed on the embedded chain.

        Raises CallReverted with the contract's error if it would refuse (HeadMoved, RegistryHashStale,
        QuorumMissing...), and what ``ChainWriter.submit`` raises.
        """
        head = request.head
        data = ANCHOR.encode_call(
            "anchor",
            request.previous_size,
            request.previous_root,
            head.size,
            head.root,
            head.registry_hash,
            list(request.proof),
            b"".join(request.cosignatures),
        )
        return self._writer.submit(Purpose.ANCHOR, self._deployment.anchor, data, abi=ANCHOR, anchored=head)

    def refresh(self) -> None:
        """Look up what has become of all chain writes. A stale anchor is sent again."""
        self._writer.refresh()

    def require_not_ahead(self) -> None:
        """Raise ChainAhead if the chain has an anchor that the journal never signed: the database was rolled back."""
        head = self.now().head()
        if head.number == 0:
            return
        roots = {
            write.anchored.root
            for write in self._writer.journal.writes()
            if write.anchored is not None and write.anchored.size == head.size
        }
        if not roots:
            raise ChainAhead(
                "the chain has anchor {head} of size {head_size}, which the journal does not know",
                head=head.number,
                head_size=head.size,
                hint="The database was rolled back. Restore the newest backup; write nothing before.",
            )
        if head.root not in roots:
            raise ChainMismatch(
                "the chain has another root of size {head_size} (anchor {head}) than the journal",
                head_size=head.size,
                head=head.number,
            )


class RegistryClient:
    """The contract at ``address``, and the transactions of agencies' admins."""

    def __init__(self, *, address: str, writer: ChainWriter):
        self.address = address
        self._writer = writer

    def domain(self, log_id: bytes) -> ContractDomain:
        """Return the EIP-712 domain of this contract as the registry of the ledger ``log_id``."""
        return ContractDomain(log_id, self._writer.chain.chain_id, self.address)

    def prepare(self, sender: str, call: bytes) -> Transaction:
        """Return the transaction that an agency's admin signs for a call of ``ledger.chain.contract``.

        Raises CallReverted.
        """
        return self._writer.prepare(sender, self.address, call, abi=REGISTRY)

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
        called = REGISTRY.function_of(transaction.data)
        if transaction.to != self.address or transaction.value or called not in RELAYED:
            raise RuleRefused(
                "expected a call of the registry {address} by an agency's admin",
                address=self.address,
                field="raw",
                code="not_a_registry_call",
            )
        return self._writer.relay(signed, Purpose.REGISTRY, abi=REGISTRY)

    def submit(self, call: bytes) -> ChainWrite:
        """Send a call of ``ledger.chain.contract`` with the service's own key: a decision that others have approved."""
        return self._writer.submit(Purpose.REGISTRY, self.address, call, abi=REGISTRY)
