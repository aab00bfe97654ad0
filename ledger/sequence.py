"""Sequence: one writer gives each judged event its place in the log. Many submissions, one transaction, one sync.

Under the writer's lock only this is checked: the event id is unused, the stream stands where the event says, new items
belong to no other case, and the registry is still the one that the verdict was given by. A loser gets its own refusal,
the batch survives. The receipts go out after the commit, never before.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread

import structlog
from msgspec import Struct

from ledger.core import authority as authorities
from ledger.core.authority import Authority
from ledger.core.errors import RuleRefused, TallystickError, Unavailable
from ledger.core.event.registry import RegistryChange
from ledger.core.merkle import Hash, leaf_hash
from ledger.core.proof import TlogProof
from ledger.core.tiles import Appended, RightEdge
from ledger.publish import Publisher, Receipt
from ledger.record import Duplicate, Judged, Registry, off_head, require_same_event
from ledger.store import cases, log
from ledger.store.append import NewEntry, NewTree, write_batch
from ledger.store.database import Connection, Database, DiskFailed
from ledger.store.log import Head, StoredEntry, TreeState

MAX_BATCH = 512  # events of one transaction
MAX_WAITING = 20_000  # events; above this a submission is turned away

logger = structlog.get_logger(__name__)

Answer = Receipt | Duplicate


class Waiting(Struct, frozen=True):
    """A judged event and whoever waits for its receipt."""

    judged: Judged
    future: Future[Answer]


class Placed(Struct, frozen=True):
    """What a batch comes to: the entries with their places, and who waits for which."""

    entries: list[NewEntry]
    leaves: list[Hash]
    takers: list[list[Future[Answer]]]
    registry_changes: int


class Sequencer:
    """The one writer. ``clock`` gives unix milliseconds."""

    def __init__(self, database: Database, registry: Registry, publisher: Publisher, clock: Callable[[], int]):
        self._database = database
        self._registry = registry
        self._publisher = publisher
        self._clock = clock
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._edge: tuple[int, bytes, RightEdge] | None = None
        self._failure: Unavailable | None = None
        self._thread = Thread(target=self._run, name="sequencer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commits what waits, then ends."""
        self._waiting.put(None)
        self._thread.join()

    @property
    def failure(self) -> Unavailable | None:
        """Why this writer stopped for good, if it did."""
        return self._failure

    def halt(self, reason: TallystickError) -> None:
        """Nothing is committed from now on: every submission is answered with this reason."""
        hint = reason.hint or "Ask the operator of this ledger."
        self._failure = Unavailable(f"nothing is written any more: {reason}", code=reason.code, hint=hint)

    def submit(self, judged: Judged) -> Future[Answer]:
        """Queues an event. The future gives its receipt once it is durable, a Duplicate, or raises the refusal."""
        future: Future[Answer] = Future()
        if self._failure is not None:
            future.set_exception(self._failure)
        elif self._waiting.qsize() >= MAX_WAITING:
            future.set_exception(Unavailable("too many submissions are waiting", code="busy", retry_after=1))
        else:
            self._waiting.put(Waiting(judged, future))
        return future

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = self._gather(first)
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - the writer outlives a batch that cannot be answered
                _fail(batch, _as_unavailable(error, "The outcome is unknown: submit the same event again."))
            if ended:
                return

    def _gather(self, first: Waiting) -> tuple[list[Waiting], bool]:
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return batch, True
            batch.append(waiting)
        return batch, False

    def _commit(self, batch: list[Waiting]) -> None:
        """One batch from judged to answered."""
        if self._failure is not None:
            _fail(batch, self._failure)
            return
        placed: Placed | None = None
        grown: Appended | None = None
        at = 0
        try:
            with self._database.write() as connection:
                tree = log.tree(connection)
                at = max(self._clock(), tree.recorded_at)
                placed = self._place(connection, batch, tree)
                if placed.entries:
                    grown = self._right_edge(connection, tree).append(placed.leaves)
                    new = NewTree(grown.size, grown.root, placed.registry_changes, at)
                    write_batch(connection, self._database, placed.entries, grown.tiles, new)
            # -- commit point: the block above has left without an error, so the batch is durable --------------------
        except DiskFailed as error:
            self._failure = error
            logger.exception("sequencer stopped")
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcome is looked up, not guessed
            if placed is None or grown is None or not self._is_stored(placed):
                self._edge = None
                _fail(batch, _as_unavailable(error))
                return
        if grown is not None:
            self._edge = (grown.size, grown.root, grown.edge)
            self._answer(placed, grown, at)

    def _right_edge(self, connection: Connection, tree: TreeState) -> RightEdge:
        """The edge kept from the last batch if the tree still ends there, else read anew."""
        if self._edge is not None and self._edge[:2] == (tree.size, tree.root):
            return self._edge[2]
        return RightEdge.read(tree.size, log.tile_reader(connection))

    def _place(self, connection: Connection, batch: Sequence[Waiting], tree: TreeState) -> Placed:
        view = _View.read(connection, batch, self._registry.at(connection, tree.registry_changes))
        placed = Placed([], [], [], 0)
        taken: dict[str, int] = {}
        for waiting in batch:
            submitted = waiting.judged.submitted
            event_id = submitted.envelope.event_id
            try:
                if event_id in taken:  # the same event twice in one batch: both get the one receipt
                    require_same_event(placed.entries[taken[event_id]].envelope, submitted)
                    placed.takers[taken[event_id]].append(waiting.future)
                    continue
                if event_id in view.stored:
                    require_same_event(view.stored[event_id], submitted)
                    waiting.future.set_result(Duplicate(view.stored[event_id]))
                    continue
                index = tree.size + len(placed.entries)
                view.admit(waiting.judged, index)
            except TallystickError as refusal:
                waiting.future.set_exception(refusal)
                continue
            taken[event_id] = len(placed.entries)
            placed.entries.append(_new_entry(waiting.judged, index))
            placed.leaves.append(leaf_hash(submitted.envelope_bytes))
            placed.takers.append([waiting.future])
        return Placed(placed.entries, placed.leaves, placed.takers, view.authority.changes)

    def _is_stored(self, placed: Placed) -> bool:
        """Whether the batch is in the log although the commit reported an error."""
        try:
            with self._database.read() as connection:
                last = placed.entries[-1]
                found = log.identities(connection, [last.envelope.event_id]).get(last.envelope.event_id)
                return found is not None and found.envelope == last.envelope_bytes
        except TallystickError:
            return False

    def _answer(self, placed: Placed, grown: Appended, at: int) -> None:
        note = self._publisher.checkpoint(grown.size, grown.root)
        proofs = grown.inclusion_proofs()
        for entry, leaf, hashes, takers in zip(placed.entries, placed.leaves, proofs, placed.takers, strict=True):
            proof = TlogProof(entry.log_index, hashes, note)
            receipt = self._publisher.receipt(entry.envelope.event_id, leaf, proof, entry.flags, at)
            for future in takers:
                future.set_result(receipt)


class _View:
    """What the log says under the lock, moved on by each event that is admitted."""

    def __init__(
        self,
        stored: dict[str, StoredEntry],
        heads: dict[tuple[str, str], Head],
        owners: dict[str, str],
        authority: Authority,
    ):
        self.stored = stored
        self.heads = heads
        self.owners = owners
        self.authority = authority

    @classmethod
    def read(cls, connection: Connection, batch: Sequence[Waiting], authority: Authority) -> _View:
        envelopes = [waiting.judged.submitted.envelope for waiting in batch]
        new_items = {item for waiting in batch for item in waiting.judged.new_items}
        return cls(
            log.identities(connection, [envelope.event_id for envelope in envelopes]),
            log.heads(connection, [(envelope.stream.kind, envelope.stream.id) for envelope in envelopes]),
            cases.owners(connection, new_items) if new_items else {},
            authority,
        )

    def admit(self, judged: Judged, index: int) -> None:
        """Raises Conflict, RuleRefused, Unauthorized or IntegrityBroken; else the event has the index."""
        envelope, payload = judged.submitted.envelope, judged.submitted.payload
        stream = (envelope.stream.kind, envelope.stream.id)
        self._require_head(envelope.sequence, envelope.previous, self.heads.get(stream))
        for item_id in judged.new_items:
            owner = self.owners.get(item_id)
            if owner is not None and owner != envelope.stream.id:
                raise RuleRefused(
                    f"item {item_id} belongs to another case", code="foreign_item", field="payload.body.item_id"
                )
        if judged.registry_changes != self.authority.changes:
            authorities.require_key(self.authority, envelope, index)
        if isinstance(payload.body, RegistryChange):
            self.authority = authorities.fold(self.authority, payload.body, index)
        self.heads[stream] = Head(envelope.sequence, envelope.payload_digest)
        self.owners.update(dict.fromkeys(judged.new_items, envelope.stream.id))

    @staticmethod
    def _require_head(sequence: int, previous: str | None, head: Head | None) -> None:
        expected = (0, None) if head is None else (head.sequence + 1, head.digest)
        if (sequence, previous) != expected:
            raise off_head(head.sequence if head else None, head.digest if head else None)


def _new_entry(judged: Judged, index: int) -> NewEntry:
    submitted, outcome = judged.submitted, judged.outcome
    return NewEntry(
        index,
        submitted.envelope,
        submitted.payload,
        submitted.envelope_bytes,
        submitted.payload_bytes,
        submitted.section_bytes,
        outcome.flags if outcome else (),
        judged.before,
        outcome.state if outcome else None,
    )


def _fail(batch: Sequence[Waiting], error: Unavailable) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)


def _as_unavailable(error: Exception, hint: str = "Nothing of this was recorded; submit it again.") -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    logger.error("a batch failed", exc_info=error)
    return Unavailable(f"the batch failed: {type(error).__name__}", code="not_acknowledged", hint=hint)
