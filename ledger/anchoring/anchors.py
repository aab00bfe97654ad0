"""Anchoring: a published checkpoint goes to the chain, where the contract checks that it continues the last one.

Nothing is anchored while the log does not mirror the registry: a revocation blocks anchoring until the log has it.
Where the registry asks for a quorum of witnesses, their co-signatures are gathered first, for a checkpoint that they
have co-signed in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import StrEnum

from ledger.chain.contract_clients import AnchorClient, AnchorRecord, AnchorRequest
from ledger.chain.errors import CallReverted, OtherContracts
from ledger.chain.journal import SETTLED, AnchoredHead, ChainWrite
from ledger.core.errors import Conflict, IntegrityBroken
from ledger.core.log import merkle
from ledger.core.log.tiles import TileNodes
from ledger.core.signing.authority import AuthorityState
from ledger.recording.registry_view import Registry
from ledger.store import checkpoints, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection, Database
from ledger.witness.gathering.quorum import CosignedCheckpoint, Gatherer


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


@dataclass(eq=False, repr=False)
class Anchorer:
    """Anchors at most every ``interval_s`` seconds, and not at all while there is nothing new.

    ``clock`` gives unix seconds; if it was set back by more than the interval, the last anchor is no reason to wait.
    ``others`` are contracts of another version, on which nothing is anchored.
    ``complete`` is called with the size of the last anchor before there is another: it appends what the log itself has
    to say of its entries, and returns the least size that the next anchor must have. That alone calls for no anchor.
    ``prepare`` is called while an anchor is not due yet, and leaves ``complete`` little to do.
    ``detail`` explains in one sentence what the last step waits for, if there is more to say than the name of the wait.
    """

    database: Database
    registry: Registry
    journal: DatabaseJournal
    anchors: AnchorClient
    _: KW_ONLY
    gatherer: Gatherer
    interval_s: int
    clock: Callable[[], int]
    others: Mapping[str, str] = field(default_factory=dict)
    complete: Callable[[int], int] = lambda _anchored: 0
    prepare: Callable[[], None] = lambda: None
    detail: str | None = field(default=None, init=False)

    def require_one_history(self) -> None:
        """Raise IntegrityBroken unless the log continues what the chain has.

        Raises Unavailable if the chain does not answer.
        """
        previous = self.anchors.now().head()
        with self.database.read() as connection:
            _require_one_history(connection, previous)

    def step(self) -> ChainWrite | WaitReason:
        """Refresh what was sent, then anchor the latest published checkpoint if it is time.

        Raises:
            Unavailable: the chain does not answer, or its contracts are of another version (OtherContracts).
            CallReverted: the contract refused the anchor.
            IntegrityBroken: the chain has another history than the log.
        """
        self.detail = None
        self.anchors.refresh()
        if self.others:
            raise OtherContracts(self.others)
        last = self.journal.last_anchor()
        # One anchor at a time: the contract checks that each continues the one before.
        if last is not None and last.state not in SETTLED and last.block_number is None:
            return WaitReason.IN_FLIGHT
        with self.database.read() as connection:
            published = checkpoints.last_published(connection)
            authority = self.registry.at(connection, log.tree(connection).registry_changes)
            if published is None or not log.has_acts(connection, last_size(last), published.size):
                return WaitReason.NOTHING_NEW
        if last is not None and abs(self.clock() - last.timestamp) < self.interval_s:
            self.prepare()
            return WaitReason.TOO_SOON
        least = self.complete(last_size(last))
        if published.size < least:  # what was appended is published within a moment
            return WaitReason.TOO_SOON
        contracts = self.anchors.now()
        # A revocation on the chain must be in the log, and published, before the chain vouches for more of the log.
        is_mirrored = contracts.registry_hash() == authority.registry_hash
        if not is_mirrored or authority.last_index >= published.size:
            return WaitReason.MIRROR_LAGS
        previous = contracts.head()
        with self.database.read() as connection:
            _require_one_history(connection, previous)
            if previous.size >= published.size:
                return WaitReason.NOTHING_NEW
            cosigned: CosignedCheckpoint | None = None
            if authority.quorum:
                # A checkpoint must cover the mirrored registry change, and continue the contract's last record.
                above = max(previous.size, authority.last_index, least - 1)
                cosigned = self.gatherer.cosigned_by_quorum(connection, authority, above)
                if cosigned is None:
                    self.detail = self.gatherer.why_not_cosigned(authority)
                    return WaitReason.QUORUM_MISSING
                published = cosigned.published
            nodes = TileNodes(published.size, log.tile_reader(connection))
            head = AnchoredHead(
                published.size, merkle.frontier_at(published.size, nodes).root(), authority.registry_hash
            )
            proof = merkle.consistency_proof(previous.size, head.size, nodes) if previous.size else ()
        request = AnchorRequest(previous.size, previous.root, head, proof)
        return self._submit(request, authority, cosigned)

    def _submit(
        self, request: AnchorRequest, authority: AuthorityState, cosigned: CosignedCheckpoint | None
    ) -> ChainWrite | WaitReason:
        """Send the anchor with a quorum's co-signatures.

        If the registry changed meanwhile, the next step starts anew.
        """
        # The contract counts co-signatures of the very head that is anchored, bound to chain and address.
        if cosigned is not None:
            domain = self.anchors.domain(authority.log_id)
            gathered = self.gatherer.gather(domain, request.head, authority, cosigned)
            if gathered.missing:
                self.detail = gathered.missing
                return WaitReason.QUORUM_MISSING
            request = replace(request, cosignatures=gathered.signatures)
        try:
            return self.anchors.submit(request)
        except Conflict:  # another service on this ledger was first
            return WaitReason.IN_FLIGHT
        except CallReverted as refused:
            if refused.error not in MOVED:
                raise
            self.detail = refused.text
            return WaitReason.REGISTRY_MOVED


def _require_one_history(connection: Connection, previous: AnchorRecord) -> None:
    """Raise IntegrityBroken unless the log has the root that the chain has at that size."""
    ours = log.root_at(connection, previous.size)
    if ours is None:
        raise IntegrityBroken(
            "the chain has an anchor of size {previous.size}, this log has {size} entries",
            previous=previous,
            size=log.tree(connection).size,
            hint="The database was rolled back. Restore the newest backup; write nothing before.",
        )
    if ours != previous.root:
        raise IntegrityBroken(
            "the chain has the root {root} at size {previous.size}, this log {ours}",
            root=previous.root.hex(),
            previous=previous,
            ours=ours.hex(),
            hint="The log's history was changed, or this is another ledger's contract. Run: tally audit",
        )


def last_size(write: ChainWrite | None) -> int:
    """Return the tree size that a write anchors; 0 for a write that anchors nothing."""
    return write.anchored.size if write is not None and write.anchored is not None else 0
