"""Admit: whether a judged event still stands, by what the log says once the writer has the lock."""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import copy
from threading import Lock, Thread
from typing import Protocol

import structlog
from msgspec import Struct

from ledger.core.errors import Conflict, IntegrityBroken, TallystickError, Unavailable
from ledger.core.events import Payload
from ledger.core.events.case import CaseSplit
from ledger.core.events.registry import RegistryChange
from ledger.core.log import merkle
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.tiles import Appended, RightEdge, TileNodes
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import Authority
from ledger.recording.case_states import READ_ON_AT_MOST, States, new_case_of, off_head, require_free_id
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.registry_view import Registry
from ledger.recording.validation import Duplicate, Judged, require_same_event
from ledger.store import log, splits
from ledger.store.append import NewEntry, NewTree, write_batch
from ledger.store.database import Connection, Database, DiskFailed
from ledger.store.log import Head, StoredEntry, TreeState


class LogView:
    """What the log says under the lock, moved on by each event that is admitted."""

    def __init__(
        self,
        stored: dict[str, StoredEntry],
        heads: dict[tuple[str, str], Head],
        authority: Authority,
        splitting: dict[str, str],
    ):
        self.stored = stored
        self.heads = heads
        self.splitting = splitting  # agencies, by the id of the unopened case that they split something off for
        self.authority = authority

    @classmethod
    def read(cls, connection: Connection, batch: Sequence[Judged], authority: Authority) -> LogView:
        envelopes = [judged.submitted.envelope for judged in batch]
        new_cases = {new_case for judged in batch if (new_case := new_case_of(judged.submitted.payload)) is not None}
        streams = [(envelope.stream.kind, envelope.stream.id) for envelope in envelopes]
        return cls(
            log.identities(connection, [envelope.event_id for envelope in envelopes]),
            log.heads(connection, [*streams, *(("case", new_case) for new_case in new_cases)]),
            authority,
            splits.splitting_agencies(connection, new_cases) if new_cases else {},
        )

    def admit(self, judged: Judged, index: int) -> None:
        """Raises Conflict, RuleRefused or Unauthorized; else the event has the index."""
        envelope, payload = judged.submitted.envelope, judged.submitted.payload
        stream = (envelope.stream.kind, envelope.stream.id)
        self._require_head(envelope.sequence, envelope.previous, self.heads.get(stream))
        if judged.registry_changes != self.authority.changes:
            grant = authorities.require_key(self.authority, envelope, index)
            authorities.require_officer(grant, payload)
        require_free_id(payload, self.splitting)
        if isinstance(payload.body, RegistryChange):
            self._require_next_change(payload.body)
            self.authority = authorities.fold(self.authority, payload.body, index)
        self.heads[stream] = Head(envelope.sequence, envelope.payload_digest)
        self._follow_split(payload)

    def _follow_split(self, payload: Payload) -> None:
        if isinstance(payload.body, CaseSplit) and ("case", payload.body.new_case_id) not in self.heads:
            self.splitting[payload.body.new_case_id] = payload.agency
        elif (opened := new_case_of(payload)) is not None:
            self.splitting.pop(opened, None)

    @staticmethod
    def _require_head(sequence: int, previous: str | None, head: Head | None) -> None:
        expected = (0, None) if head is None else (head.sequence + 1, head.digest)
        if (sequence, previous) != expected:
            raise off_head(head.sequence if head else None, head.digest if head else None)

    def _require_next_change(self, change: RegistryChange) -> None:
        if change.number <= self.authority.changes:
            raise Conflict(
                f"the log has {self.authority.changes} changes of the registry, number {change.number} among them",
                field="payload.body.number",
                code="already_mirrored",
            )


MAX_BATCH = 512  # events of one transaction
MAX_WAITING = 20_000  # events; above this a submission is turned away
STOPPED_FOR = 3600  # seconds until it is worth asking again once the writer has stopped for good

logger = structlog.get_logger(__name__)

Answer = Receipt | Duplicate


class Taker(Protocol):
    """Takes one answer, in the sequencer's thread; a ``concurrent.futures.Future`` is one."""

    def set_result(self, result: Answer, /) -> None: ...

    def set_exception(self, exception: BaseException | None, /) -> None: ...

    def done(self) -> bool: ...


class Waiting(Struct, frozen=True):
    """A judged event and whoever waits for its receipt."""

    judged: Judged
    taker: Taker


class Placed(Struct, frozen=True):
    """What a batch comes to: the entries with their places, who waits for which, and what the others are told."""

    entries: list[NewEntry]
    leaves: list[Hash]
    takers: list[list[Taker]]
    told: list[tuple[Taker, Duplicate | TallystickError]]
    registry_changes: int


class Written(Struct, frozen=True):
    """A batch in its transaction at ``at`` (unix milliseconds); ``grown`` is None where it adds nothing, ``others`` are
    entries of other processes since the last batch."""

    placed: Placed
    grown: Appended | None
    at: int
    others: list[StoredEntry]


class Sequencer:
    """The one writer. ``clock`` gives unix milliseconds; ``states`` learn what other processes write."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        publisher: Publisher,
        clock: Callable[[], int],
        states: States | None = None,
    ):
        self._database = database
        self._states = states
        self._registry = registry
        self._publisher = publisher
        self._clock = clock
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._edge: tuple[int, bytes, RightEdge] | None = None
        self._failure: Unavailable | None = None
        self._door = Lock()
        self._closed = False
        self._is_ending = False
        self._thread = Thread(target=self._run, name="sequencer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commits what waits, then ends; what comes later is turned away."""
        with self._door:
            self._closed = True
            self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def failure(self) -> Unavailable | None:
        """Why this writer stopped for good, if it did."""
        return self._failure

    @property
    def is_running(self) -> bool:
        """Whether what is submitted now will be committed."""
        return self._failure is None and self._thread.is_alive()

    def halt(self, reason: TallystickError) -> None:
        """Nothing is committed from now on: every submission is answered with this reason."""
        self._stop_for_good(reason)

    def _stop_for_good(self, reason: TallystickError) -> Unavailable:
        hint = reason.hint or "Ask the operator of this ledger."
        self._failure = Unavailable(
            f"nothing is written any more: {reason}", code=reason.code, hint=hint, retry_after=STOPPED_FOR
        )
        return self._failure

    def submit(self, judged: Judged) -> Future[Answer]:
        """Queues an event. The future gives its receipt once it is durable, a Duplicate, or raises the refusal."""
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()  # nobody who stops waiting may cancel what the batch will answer
        self.queue(judged, future)
        return future

    def queue(self, judged: Judged, taker: Taker) -> None:
        """The same for whoever brings his own taker; one that is turned away is told at once."""
        with self._door:
            refusal = self._turned_away()
            if refusal is None:
                self._waiting.put(Waiting(judged, taker))
        if refusal is not None:
            taker.set_exception(refusal)

    def _turned_away(self) -> Unavailable | None:
        if self._failure is not None:
            return copy(self._failure)
        if self._closed:
            return Unavailable("the service is stopping", code="stopping")
        if self._waiting.qsize() >= MAX_WAITING:
            return Unavailable("too many submissions are waiting", code="busy", retry_after=1)
        return None

    def _run(self) -> None:
        while not self._is_ending and (first := self._waiting.get()) is not None:
            batch = [first]
            self._gather(batch)
            try:
                self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - the writer outlives a batch that cannot be answered
                if not isinstance(error, Exception):  # somebody ends this thread: all who come are told so
                    self._stop_for_good(Unavailable("the writer was ended", code="writer_ended"))
                _fail(batch, _unknown(error))
                logger.critical("a batch was not answered", trace=_trace(error))

    def _gather(self, batch: list[Waiting]) -> None:
        """Adds what waits."""
        while len(batch) < MAX_BATCH and not self._is_ending:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return
            if waiting is None:
                self._is_ending = True
            else:
                batch.append(waiting)

    def _commit(self, batch: list[Waiting]) -> None:
        """One batch from judged to answered."""
        if self._failure is not None:
            _fail(batch, self._failure)
            return
        written: Written | None = None
        try:
            with self._database.write() as connection:
                written = self._write(connection, batch)
            # -- commit point: the block above has left without an error, so the batch is durable ------------------
        except (DiskFailed, IntegrityBroken) as error:
            _fail(batch, self._stop_for_good(error))
            logger.critical("sequencer stopped", trace=_trace(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcome is looked up, not guessed
            self._edge = None
            if written is None or written.grown is None or not self._is_stored(written.grown):
                _fail(batch, _not_recorded(error))
                logger.warning("a batch came to nothing", trace=_trace(error))
                return
        self._answer(written)
        if self._states is not None:  # after the answers, and out of the lock: it takes time, and nobody waits for it
            self._states.take_in(written.others)

    def _written_by_others(self, connection: Connection, tree: TreeState) -> list[StoredEntry]:
        if self._states is None or self._edge is None:
            return []
        return list(log.entries(connection, max(self._edge[0], tree.size - READ_ON_AT_MOST), tree.size))

    def _write(self, connection: Connection, batch: list[Waiting]) -> Written:
        """Puts the batch into the open transaction, and with it what came while another process held the lock."""
        self._gather(batch)
        tree = log.tree(connection)
        others = self._written_by_others(connection, tree)
        at = max(self._clock(), tree.recorded_at)
        placed = self._place(connection, batch, tree)
        if not placed.entries:
            return Written(placed, None, at, others)
        grown = self._right_edge(connection, tree).append(placed.leaves)
        new = NewTree(grown.size, grown.root, placed.registry_changes, at)
        write_batch(connection, self._database, placed.entries, grown.tiles, new)
        return Written(placed, grown, at, others)

    def _right_edge(self, connection: Connection, tree: TreeState) -> RightEdge:
        """The edge kept from the last batch if the tree still ends there, else read anew.

        Raises IntegrityBroken where the stored tiles are not those of the tree: nothing is built on them.
        """
        if self._edge is not None and self._edge[:2] == (tree.size, tree.root):
            return self._edge[2]
        edge = RightEdge.read(tree.size, log.tile_reader(connection))
        if edge.frontier.root() != tree.root:
            raise IntegrityBroken(
                f"the tiles at size {tree.size} lead to the root {edge.frontier.root().hex()}, not {tree.root.hex()}",
                hint="Somebody changed the database. Run: tally audit",
            )
        return edge

    def _place(self, connection: Connection, batch: Sequence[Waiting], tree: TreeState) -> Placed:
        authority = self._registry.at(connection, tree.registry_changes)
        view = LogView.read(connection, [waiting.judged for waiting in batch], authority)
        placed = Placed([], [], [], [], 0)
        taken: dict[str, int] = {}
        for waiting in batch:
            submitted = waiting.judged.submitted
            event_id = submitted.envelope.event_id
            try:
                if event_id in taken:  # the same event twice in one batch: both get the one receipt
                    require_same_event(placed.entries[taken[event_id]].envelope, submitted)
                    placed.takers[taken[event_id]].append(waiting.taker)
                    continue
                if event_id in view.stored:
                    require_same_event(view.stored[event_id], submitted)
                    placed.told.append((waiting.taker, Duplicate(view.stored[event_id])))
                    continue
                index = tree.size + len(placed.entries)
                view.admit(waiting.judged, index)
            except TallystickError as refusal:
                placed.told.append((waiting.taker, refusal))
                continue
            taken[event_id] = len(placed.entries)
            placed.entries.append(_new_entry(waiting.judged, index))
            placed.leaves.append(leaf_hash(submitted.envelope_bytes))
            placed.takers.append([waiting.taker])
        return Placed(placed.entries, placed.leaves, placed.takers, placed.told, view.authority.changes)

    def _is_stored(self, grown: Appended) -> bool:
        """Whether the log holds the batch although its commit reported an error: its tree is a part of the log's.

        Waits for the writer's lock, and with it for a transaction of ours that the server may still be ending. Raises
        Unavailable where that cannot be looked up.
        """
        with self._database.write() as connection:
            if log.tree(connection).size < grown.size:
                return False
            nodes = TileNodes(grown.size, log.tile_reader(connection))
            return merkle.frontier_at(grown.size, nodes).root() == grown.root

    def _answer(self, written: Written) -> None:
        for taker, told in written.placed.told:
            if isinstance(told, Duplicate):
                taker.set_result(told)
            else:
                taker.set_exception(told)
        if written.grown is not None:
            self._edge = (written.grown.size, written.grown.root, written.grown.edge)
            self._hand_out(written.placed, written.grown, written.at)

    def _hand_out(self, placed: Placed, grown: Appended, at: int) -> None:
        note = self._publisher.checkpoint(grown.size, grown.root)
        proofs = grown.inclusion_proofs()
        for entry, leaf, hashes, takers in zip(placed.entries, placed.leaves, proofs, placed.takers, strict=True):
            proof = TlogProof(entry.log_index, hashes, note)
            receipt = self._publisher.receipt(entry.envelope.event_id, leaf, proof, entry.flags, at)
            for taker in takers:
                taker.set_result(receipt)


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
        judged.clock_lines,
        judged.move,
    )


def _fail(batch: Sequence[Waiting], error: Unavailable) -> None:
    """Each gets an error of his own: one that is raised again and again gathers the frames of all who raised it."""
    for waiting in batch:
        if not waiting.taker.done():
            waiting.taker.set_exception(copy(error))


def _not_recorded(error: Exception) -> Unavailable:
    """For a batch that is not in the log: a fault of the database as it is, else what kind of fault it was."""
    if isinstance(error, Unavailable):
        return error
    hint = "Nothing of this was recorded; submit it again."
    return Unavailable(f"the batch failed: {type(error).__name__}", code="not_recorded", hint=hint)


def _unknown(error: BaseException) -> Unavailable:
    """For a batch that may or may not be in the log."""
    hint = "Submit the same event again: if it was recorded, its receipt comes back."
    reason = str(error) if isinstance(error, TallystickError) else type(error).__name__
    return Unavailable(f"the outcome is unknown: {reason}", code="outcome_unknown", hint=hint)


def _trace(error: BaseException) -> str:
    """Where it went wrong, as plain text: a renderer that shows local variables would show payloads."""
    return "".join(traceback.format_exception(error))
