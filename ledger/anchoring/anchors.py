"""Anchoring: a published checkpoint goes to the chain, where the contract checks that it continues the last one.

Nothing is anchored while the log does not mirror the registry: a revocation blocks anchoring until the log has it.
Where the registry asks for a quorum of witnesses, their co-signatures are gathered first, for a checkpoint that they
have co-signed in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from msgspec import Struct

from ledger.chain.contract import ContractDomain
from ledger.chain.contract_clients import AnchorClient, AnchorRecord, AnchorRequest, RegistryClient
from ledger.chain.errors import CallReverted, OtherContracts
from ledger.chain.eth import Eth
from ledger.chain.journal import SETTLED, AnchoredHead, ChainWrite, WriteState
from ledger.core.errors import Conflict, IntegrityBroken
from ledger.core.log import merkle
from ledger.core.log.tiles import TileNodes
from ledger.core.signing.authority import AuthorityState
from ledger.recording.registry_view import Registry
from ledger.store import checkpoints, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Connection, Database
from ledger.witness.gathering import CosignedCheckpoint, Gatherer


class WaitReason(StrEnum):
    """Why nothing was anchored this time."""

    NOTHING_NEW = "nothing_new"
    TOO_SOON = "too_soon"
    IN_FLIGHT = "in_flight"
    MIRROR_LAGS = "mirror_lags"
    QUORUM_MISSING = "quorum_missing"
    REGISTRY_MOVED = "registry_moved"


# The contract's errors if the registry or the head changed between reading and sending: the next step reads again.
MOVED = frozenset({"RegistryHashStale", "HeadMoved", "NotWitness", "QuorumMissing"})


class AnchorStatus(Struct, frozen=True):
    """How far the chain follows the log: ``size`` is the tree's; the others are the largest anchored tree sizes."""

    size: int
    submitted: int
    confirmed: int


class Anchorer:
    """Anchors at most every ``interval_s`` seconds, and not at all while there is nothing new.

    ``clock`` gives unix seconds; if it was set back by more than the interval, the last anchor is no reason to wait.
    ``eth`` gives the node to read from; ``others`` are contracts of another version, on which nothing is anchored.
    ``seal`` is called with the size of the last anchor and returns the least size that the next one must have.
    ``detail`` explains in one sentence what the last step waits for, if there is more to say than the name of the wait.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        journal: DatabaseJournal,
        anchors: AnchorClient,
        registry_client: RegistryClient,
        *,
        gatherer: Gatherer,
        chain_id: int,
        eth: Callable[[], Eth],
        interval_s: int,
        clock: Callable[[], int],
        others: Mapping[str, str] | None = None,
        seal: Callable[[int], int] = lambda _anchored: 0,
    ):
        self._database = database
        self._registry = registry
        self._journal = journal
        self._anchors = anchors
        self._registry_client = registry_client
        self._gatherer = gatherer
        self._chain_id = chain_id
        self._eth = eth
        self._interval_s = interval_s
        self._clock = clock
        self._others = dict(others or {})
        self._seal = seal
        self.detail: str | None = None

    def require_one_history(self) -> None:
        """Raise IntegrityBroken unless the log continues what the chain has.

        Raises Unavailable if the chain does not answer.
        """
        previous = self._anchors.head(self._eth().head().hash)
        with self._database.read() as connection:
            _require_one_history(connection, previous)

    def step(self) -> ChainWrite | WaitReason:
        """Refresh what was sent, then anchor the latest published checkpoint if it is time.

        Raises:
            Unavailable: the chain does not answer, or its contracts are of another version (OtherContracts).
            CallReverted: the contract refused the anchor.
            IntegrityBroken: the chain has another history than the log.
        """
        self.detail = None
        self._anchors.refresh()
        if self._others:
            raise OtherContracts(self._others)
        last = self._journal.last_anchor()
        # One anchor at a time: the contract checks that each continues the one before.
        if last is not None and last.state not in SETTLED and last.block_number is None:
            return WaitReason.IN_FLIGHT
        with self._database.read() as connection:
            published = checkpoints.last_published(connection)
            authority = self._registry.at(connection, log.tree(connection).registry_changes)
        if published is None or last_size(last) >= published.size:
            return WaitReason.NOTHING_NEW
        if last is not None and abs(self._clock() - last.timestamp) < self._interval_s:
            return WaitReason.TOO_SOON
        at = self._eth().head().hash
        # A revocation on the chain must be in the log before the chain vouches for more of the log.
        if not self._is_mirrored(authority, published, at):
            return WaitReason.MIRROR_LAGS
        if published.size < self._seal(last_size(last)):  # the seal is published within a moment
            return WaitReason.TOO_SOON
        previous = self._anchors.head(at)
        with self._database.read() as connection:
            _require_one_history(connection, previous)
            if previous.size >= published.size:
                return WaitReason.NOTHING_NEW
            cosigned: CosignedCheckpoint | None = None
            if authority.quorum:
                # A checkpoint must cover the mirrored registry change, and continue the contract's last record.
                above = max(previous.size, authority.last_index)
                cosigned = self._gatherer.cosigned_by_quorum(connection, authority, above)
                if cosigned is None:
                    self.detail = self._gatherer.why_not_cosigned(authority)
                    return WaitReason.QUORUM_MISSING
                published = cosigned.published
            request = _request(connection, previous, published, authority.registry_hash)
        return self._submit(request, authority, cosigned)

    def _submit(
        self, request: AnchorRequest, authority: AuthorityState, cosigned: CosignedCheckpoint | None
    ) -> ChainWrite | WaitReason:
        """Send the anchor with a quorum's co-signatures.

        If the registry changed meanwhile, the next step starts anew.
        """
        # The contract counts co-signatures of the very head that is anchored, bound to chain and address.
        if cosigned is not None:
            domain = ContractDomain(authority.log_id, self._chain_id, self._anchors.address)
            gathered = self._gatherer.gather(domain, request.head, authority, cosigned)
            if not gathered.is_enough:
                self.detail = gathered.missing
                return WaitReason.QUORUM_MISSING
            request = replace(request, cosignatures=gathered.signatures)
        try:
            return self._anchors.submit(request)
        except Conflict:  # another service on this ledger was first
            return WaitReason.IN_FLIGHT
        except CallReverted as refused:
            if refused.error not in MOVED:
                raise
            self.detail = refused.message
            return WaitReason.REGISTRY_MOVED

    def status(self) -> AnchorStatus:
        """Return how far the chain follows the log, by the journal."""
        submitted = last_size(self._journal.last_anchor())
        confirmed = last_size(self._journal.last_anchor(WriteState.CONFIRMED))
        with self._database.read() as connection:
            return AnchorStatus(log.tree(connection).size, submitted, confirmed)

    def _is_mirrored(self, authority: AuthorityState, published: PublishedCheckpoint, at: bytes) -> bool:
        """Return whether the published tree has every change of the contract's registry."""
        state = self._registry_client.state(at)
        return state.registry_hash == authority.registry_hash and authority.last_index < published.size


def _require_one_history(connection: Connection, previous: AnchorRecord) -> None:
    """Raise IntegrityBroken unless the log has the root that the chain has at that size."""
    size = log.tree(connection).size
    if previous.size > size:
        raise IntegrityBroken(
            f"the chain has an anchor of size {previous.size}, this log has {size} entries",
            hint="The database was rolled back. Restore the newest backup; write nothing before.",
        )
    ours = merkle.frontier_at(previous.size, TileNodes(size, log.tile_reader(connection))).root()
    if ours != previous.root:
        raise IntegrityBroken(
            f"the chain has the root {previous.root.hex()} at size {previous.size}, this log {ours.hex()}",
            hint="The log's history was changed, or this is another ledger's contract. Run: tally audit",
        )


def _request(
    connection: Connection, previous: AnchorRecord, published: PublishedCheckpoint, registry_hash: bytes
) -> AnchorRequest:
    """Build the anchor that continues the chain's last record. Requires ``previous.size <= published.size``."""
    nodes = TileNodes(published.size, log.tile_reader(connection))
    root = merkle.frontier_at(published.size, nodes).root()
    proof = merkle.consistency_proof(previous.size, published.size, nodes) if previous.size else ()
    return AnchorRequest(previous.size, previous.root, AnchoredHead(published.size, root, registry_hash), proof)


def last_size(write: ChainWrite | None) -> int:
    """Return the tree size that a write anchors; 0 for a write that anchors nothing."""
    return write.anchored.size if write is not None and write.anchored is not None else 0
