"""Signed checkpoints and receipts of what is committed.

Each commit has a checkpoint of its own, which its receipts prove against. The public checkpoint advances at most once
a second; only those sizes are co-signed and anchored.
"""

from __future__ import annotations

from msgspec import Struct

from ledger.core.custody import Flag
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import EVENT_TYPES
from ledger.core.log import merkle
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.cose_receipts import sign_receipt
from ledger.core.log.merkle import Hash, NodeReader
from ledger.core.log.notes import NoteSigner
from ledger.core.log.tiles import TileNodes
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.visibility import visible_flags
from ledger.recording.case_states import CaseStates
from ledger.store import checkpoints, log
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Database
from ledger.store.log import StoredEntry, TreeState

INTERVAL_MS = 1000  # between two published checkpoints, unless set otherwise


class Receipt(Struct, frozen=True):
    """The service's promise that an event is in the log: its index, and a C2SP tlog-proof to a signed checkpoint.

    ``leaf_hash`` is ``sha256:<hex>``, ``recorded_at`` unix milliseconds by this service's clock.
    """

    event_id: str
    index: int
    leaf_hash: str
    recorded_at: int
    flags: tuple[Flag, ...]
    proof: str


class Publisher:
    """Signs checkpoints with the log's key; publishes one every ``interval_ms`` at most.

    ``states`` are those of the cases whose events get receipts. ``own_keys`` are ``Installation.own_keys``, or None
    where nothing replaces them.
    """

    def __init__(
        self, signer: NoteSigner, states: CaseStates, interval_ms: int = INTERVAL_MS, own_keys: str | None = None
    ):
        self._signer = signer
        self._states = states
        self._interval_ms = interval_ms
        self._own_keys = own_keys
        self.origin = signer.verifying_key.name
        self._durable = 0  # size of the largest tree that is known to be durable

    def checkpoint(self, size: int, root: bytes) -> str:
        """Return the signed note of a tree."""
        return sign_checkpoint(Checkpoint(self.origin, size, Hash(root)), self._signer)

    def require_newest_keys(self, tree: TreeState) -> None:
        """Require that no rotation has replaced the keys of this service before it signs this tree.

        Raises IntegrityBroken: a rotation is refused while services run, but one may have lost its lock.
        """
        if self._own_keys is not None and tree.own_keys not in (None, self._own_keys):
            raise IntegrityBroken(
                "the keys of this service were replaced while it ran",
                code="keys_replaced",
                hint="Stop it, copy keys/ and installation.json from the data directory where tally key rotate was "
                "run, and start it again.",
            )

    def note_durable(self, size: int) -> None:
        """Note that the tree of this size was committed, and so is as durable as its receipts promise."""
        self._durable = max(self._durable, size)

    def require_durable(self, database: Database, size: int, root: Hash) -> None:
        """Wait until a tree that was read from the database is as durable as a new entry.

        Call it before giving out a note of that tree. SQLite needs no wait: what a killed process left is synced at
        start-up, and later commits are synced before they can be read.

        Raises:
            Unavailable: the database was exchanged for one that has another tree.
        """
        if database.is_sqlite or size <= self._durable:
            return
        with database.lock() as connection:
            if log.root_at(connection, size) != root:
                raise Unavailable("the log that was read is not there any more", code="log_exchanged", retry_after=1)
            log.make_durable(connection, database)
            size = log.tree(connection).size
        self.note_durable(size)

    def receipt(self, event_id: str, leaf: Hash, proof: TlogProof, flags: tuple[Flag, ...], at: int) -> Receipt:
        """Return the receipt of one entry; ``at`` is in unix milliseconds."""
        return Receipt(event_id, proof.index, f"sha256:{leaf.hex()}", at, flags, proof.to_text())

    def cose_receipt(self, entry: bytes, index: int, checkpoint: Checkpoint, nodes: NodeReader) -> bytes:
        """Return the COSE receipt of an entry in the tree of a checkpoint that the log has signed.

        Raises ProofRefused if the nodes do not lead from the entry to the root.
        """
        hashes = merkle.inclusion_proof(index, checkpoint.size, nodes)
        return sign_receipt(entry, index, checkpoint, hashes, self._signer).encode()

    def stored_receipt(self, database: Database, entry: StoredEntry) -> Receipt:
        """Rebuild the receipt that the entry got when it was committed: the same size, the same bytes."""
        with database.read() as connection:
            self.require_newest_keys(log.tree(connection))
            nodes = TileNodes(entry.committed_size, log.tile_reader(connection))
            hashes = merkle.inclusion_proof(entry.log_index, entry.committed_size, nodes)
            root = merkle.frontier_at(entry.committed_size, nodes).root()
            flags = log.flags(connection, entry.log_index)
        body = EVENT_TYPES[entry.event_type].body
        of_event = visible_flags(body, flags, sees_case=False)
        # By who was a party then: an agency that has become one since had a receipt without them.
        if of_event != flags and entry.agency not in self._states.after(entry).agencies:
            flags = of_event
        proof = TlogProof(entry.log_index, hashes, self.checkpoint(entry.committed_size, root))
        return self.receipt(entry.event_id, merkle.leaf_hash(entry.envelope), proof, flags, entry.recorded_at)

    def publish(self, database: Database, now_ms: int) -> str | None:
        """Publish the log's present size, unless it is published already or the last publication is too recent.

        Return the new note. ``published_at`` never runs backwards, and is never before the last entry's
        ``recorded_at``: if the clock was set back, it stays the same.
        """
        with database.read() as connection:
            tree = log.tree(connection)
            last = checkpoints.last_published(connection)
        self.require_newest_keys(tree)
        if last is not None:
            # The distance counts, not the order: a clock that was set back far must not stop publication.
            if tree.size <= last.size or abs(now_ms - last.published_at) < self._interval_ms:
                return None
            now_ms = max(now_ms, last.published_at)
        # A checkpoint is never dated before an entry that it covers: the audit compares the two.
        now_ms = max(now_ms, tree.recorded_at)
        self.require_durable(database, tree.size, Hash(tree.root))
        note = self.checkpoint(tree.size, tree.root)
        return note if checkpoints.store(database, PublishedCheckpoint(tree.size, note, now_ms)) else None
