"""The sequencer: the one writer of the log.

Submissions are validated outside the writer's lock (``recording.validation``). Under the lock this module checks only
what may have changed since: the stream's head, the registry and the event id. It then writes a batch in one
transaction and hands out the receipts. The commit point is marked in ``Sequencer._commit``.
"""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import copy
from functools import cache
from threading import Lock, Thread
from typing import Protocol

from msgspec import Struct

from ledger.core.custody.cases import OpenSplit
from ledger.core.custody.references import require_new
from ledger.core.errors import Conflict, IntegrityBroken, TallystickError, Unavailable
from ledger.core.events.case import CaseClosed, CaseSplit
from ledger.core.events.registry import RegistryChange
from ledger.core.events.stocktake import StocktakeRecorded
from ledger.core.events.streams import StreamHead, require_next
from ledger.core.log import merkle
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.tiles import Appended, RightEdge, TileNodes, TileReader
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.messages import Message
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import AuthorityState
from ledger.loggers import get_logger
from ledger.recording.case_states import new_case_of, require_free_id, require_taken_over
from ledger.recording.measures import RecordingMeasures
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.registry_view import Registry
from ledger.recording.validation import Duplicate, require_same_event
from ledger.store import cases, log, stocktakes
from ledger.store.append import NewEntry, ValidatedSubmission, write_batch
from ledger.store.connections import DiskFailed
from ledger.store.database import CHANGED, Connection, Database
from ledger.store.log import TreeState

# A duplicate is answered by itself, once all that the log has is durable.
Accepted = ValidatedSubmission | Duplicate


class LogView:
    """What the log holds under the lock, updated by each event of the batch that is admitted."""

    def __init__(self, connection: Connection, batch: Sequence[Accepted], authority: AuthorityState):
        new = [accepted for accepted in batch if not isinstance(accepted, Duplicate)]
        again = [accepted.entry.event_id for accepted in batch if isinstance(accepted, Duplicate)]
        envelopes = [validated.envelope for validated in new]
        new_cases = {new_case for validated in new if (new_case := new_case_of(validated.event)) is not None}
        streams = [(envelope.stream.kind, envelope.stream.id) for envelope in envelopes]
        self.stored = log.entries_by_event_id(connection, [*again, *(envelope.event_id for envelope in envelopes)])
        payloads = log.references(connection, [envelope.payload_digest for envelope in envelopes])
        self.payloads = {digest for _, digest in payloads}
        self.heads = log.heads(connection, [*streams, *(("case", new_case) for new_case in new_cases)])
        # Agencies, by the id of the unopened case that they split something off for.
        self.splitting = cases.splitting_agencies(connection, new_cases) if new_cases else {}
        closing = {validated.event.stream.id for validated in new if isinstance(validated.event.body, CaseClosed)}
        # Of the cases that are to be closed, for cases that are not opened yet, by the split's event id.
        open_splits = cases.open_splits(connection, closing, for_unopened=True) if closing else []
        self.open_splits = {split.event_id: split for split in open_splits}
        counts = {
            (event.agency, event.body.stocktake_id)
            for event in (validated.event for validated in new)
            if isinstance(event.body, StocktakeRecorded)
        }
        # The stocktakes of this batch that are recorded already, as (agency, stocktake id).
        self.recorded_counts = stocktakes.recorded_among(connection, counts) if counts else set[tuple[str, str]]()
        # Of those that are open, how many codes were scanned, and how many of these scans were taken back. A scan takes
        # the writer's lock too, so these cannot change now.
        self.open_counts = stocktakes.scans_among(connection, counts) if counts else {}
        self.authority = authority

    def admit(self, validated: ValidatedSubmission, index: int) -> None:
        """Admit the event at ``index``, or raise Conflict, RuleRefused or Unauthorized."""
        event = validated.event
        # By its payload's digest, evidence names one event: a second one would make it say both, or neither.
        if event.payload_digest in self.payloads:
            raise Conflict(
                "the payload of this event stands in the log already, as another event",
                field="envelope.payload_digest",
                code="payload_repeated",
                hint="Make the payload anew, with a new salt.",
            )
        stream = (event.stream.kind, event.stream.id)
        require_next(self.heads.get(stream), event)
        # The registry has changed since validation: the key may have been revoked.
        if validated.registry_changes != self.authority.changes:
            grant = authorities.require_key(self.authority, validated.envelope, index)
            authorities.require_officer(grant, event.officer)
            self._require_same_procedures(validated)
        require_free_id(event, self.splitting)
        require_taken_over(event, self.open_splits.values())
        if isinstance(event.body, StocktakeRecorded):
            # Both may have been validated before one of them was recorded.
            taken = [stocktake_id for agency, stocktake_id in self.recorded_counts if agency == event.agency]
            require_new(taken, event.body.stocktake_id, "stocktake")
            # What was scanned after the draft would be lost with the open stocktake, and the item it found would be
            # reported missing.
            counted = self.open_counts.get((event.agency, event.body.stocktake_id))
            stocktakes.require_as_counted(event.body, counted)
            self.recorded_counts.add((event.agency, event.body.stocktake_id))
        if isinstance(event.body, RegistryChange):
            if event.body.number <= self.authority.changes:
                raise Conflict(
                    "change {event.body.number} of the registry is in the log already",
                    event=event,
                    field="payload.body.number",
                    code="already_mirrored",
                )
            self.authority = authorities.fold(self.authority, event.body, index)
        self.payloads.add(event.payload_digest)
        self.heads[stream] = StreamHead(event.sequence, event.leaf_hash)
        # The id is the splitting agency's until the case is opened; then it is nobody's any more.
        if isinstance(event.body, CaseSplit) and ("case", event.body.new_case_id) not in self.heads:
            self.splitting[event.body.new_case_id] = event.agency
            if event.body.person_ids or event.body.item_ids:
                gave_up = len(event.body.person_ids), len(event.body.item_ids)
                split = OpenSplit(event.event_id, event.stream.id, event.body.new_case_id, event.agency, *gave_up)
                self.open_splits[event.event_id] = split
        elif (opened := new_case_of(event)) is not None:
            self.splitting.pop(opened, None)
            for split in [split for split in self.open_splits.values() if split.new_case_id == opened]:
                del self.open_splits[split.event_id]

    def fork(self) -> LogView:
        """Return a view of the same log that is updated on its own."""
        view = copy(self)
        view.heads, view.splitting, view.open_splits = dict(self.heads), dict(self.splitting), dict(self.open_splits)
        view.payloads, view.recorded_counts = set(self.payloads), set(self.recorded_counts)
        return view

    def _require_same_procedures(self, validated: ValidatedSubmission) -> None:
        """Turn an act away (procedure_changed) that was judged before the adoption of a procedure that precedes it."""
        adopted = self.authority.procedures
        if validated.adopted is not None and adopted and adopted[-1].index != validated.adopted:
            raise Unavailable("a procedure was adopted at this moment", code="procedure_changed", retry_after=1)


MAX_BATCH = 512  # events of one transaction, and of what is recorded together; at most these two beside each other
NOT_ALONE = "not_alone"  # code of the answer to what was to be recorded together with something that was refused
MAX_WAITING = 20_000  # events that are in no batch yet; above this a submission is turned away
STOPPED_FOR = 3600  # seconds until it is worth asking again once the writer has stopped for good

logger = get_logger(__name__)

Answer = Receipt | Duplicate


class AnswerSink(Protocol):
    """Receives one answer, in the sequencer's thread; a ``concurrent.futures.Future`` is one."""

    def set_result(self, result: Answer, /) -> None: ...

    def set_exception(self, exception: BaseException | None, /) -> None: ...

    def done(self) -> bool: ...


# Builds the submission for the next free index, while the writer's lock is held.
Maker = Callable[[Connection, int], ValidatedSubmission]
Pair = tuple[Accepted, AnswerSink]
Queued = tuple[tuple[Accepted | Maker, AnswerSink], ...]  # what is recorded together or not at all


class Batch(Struct):
    """A batch with its places in the log, written at ``at`` (unix milliseconds), or why nothing new is recorded now.

    ``sinks[i]`` wait for the receipt of ``entries[i]``; ``replies`` are the answers to submissions that add no entry.
    ``grown`` is None if the batch adds nothing. ``before`` is the tree that it was written behind.
    """

    at: int = 0
    refusal: Unavailable | None = None
    entries: list[NewEntry] = []
    leaves: list[Hash] = []
    sinks: list[list[AnswerSink]] = []
    replies: list[tuple[AnswerSink, Duplicate | TallystickError]] = []
    grown: Appended | None = None
    before: TreeState | None = None


class Sequencer:
    """Writes batches of submissions, in a thread of its own.

    ``clock`` gives unix milliseconds, or raises Unavailable: then nothing new is recorded.
    """

    def __init__(self, database: Database, registry: Registry, publisher: Publisher, clock: Callable[[], int]):
        self._database = database
        self._registry = registry
        self._publisher = publisher
        self.clock = clock
        self._queue: queue.SimpleQueue[tuple[float, Queued] | None] = queue.SimpleQueue()
        self._edge: tuple[int, bytes, RightEdge] | None = None
        self._acknowledged: tuple[int, Hash] | None = None  # size and root of the largest tree with a receipt
        self.failure: Unavailable | None = None  # why this writer stopped for good
        self._door = Lock()
        self._waiting = 0  # events that are queued and in no batch yet
        self.measures = RecordingMeasures()
        self._closed = False
        self._is_ending = False
        self._thread = Thread(target=self._run, name="sequencer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, then end; later submissions are refused."""
        # Under the door, so that nothing is queued behind the None that ends the writer.
        with self._door:
            self._closed = True
            # Everything queued before this is still committed.
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_running(self) -> bool:
        """Return whether a submission would be committed now."""
        return self.failure is None and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Return how many events are queued and in no batch yet."""
        return self._waiting

    def halt(self, reason: TallystickError) -> Unavailable:
        """Stop committing for good; return the refusal, for this reason, of every submission from now on."""
        hint = reason.hint or "Ask the operator of this ledger."
        self.failure = Unavailable(
            "nothing is written any more: {reason}", reason=reason, code=reason.code, hint=hint, retry_after=STOPPED_FOR
        )
        return self.failure

    def submit(self, submission: Accepted | Maker) -> Future[Answer]:
        """Queue a submission, or what builds it once its index is certain.

        Return a future of its receipt once that is durable, or of a Duplicate; the future raises the refusal.
        """
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()  # nobody who stops waiting may cancel what the batch will answer
        self.queue(submission, future)
        return future

    def queue(self, submission: Accepted | Maker, sink: AnswerSink) -> None:
        """Queue a submission whose answer goes to ``sink`` in the sequencer's thread, a refusal at once."""
        self._put(((submission, sink),))

    def queue_together(self, pairs: Sequence[Pair]) -> None:
        """Queue at most MAX_BATCH submissions that are recorded together, in one transaction, or not at all.

        Each may follow those before it. The first that is refused gets its refusal, all others Conflict (NOT_ALONE).
        """
        assert len(pairs) <= MAX_BATCH, "the caller bounds what is recorded together"
        if pairs:
            self._put(tuple(pairs))

    def _put(self, queued: Queued) -> None:
        with self._door:
            refusal = self._refusal()
            if refusal is None:
                self._waiting += len(queued)
                self._queue.put((time.perf_counter(), queued))
        if refusal is not None:
            _fail([queued], refusal)

    def _refusal(self) -> Unavailable | None:
        if self.failure is not None:
            return copy(self.failure)
        if self._closed:
            return Unavailable("the service is stopping", code="stopping")
        if self._waiting >= MAX_WAITING:
            return Unavailable("too many submissions are waiting", code="busy", retry_after=1)
        return None

    def _run(self) -> None:
        while not self._is_ending and (first := self._queue.get()) is not None:
            batch = [self._dequeued(*first)]
            self._gather(batch)
            try:
                self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - the writer outlives a batch that cannot be answered
                if not isinstance(error, Exception):  # the thread is being ended: later submissions get this error
                    self.halt(Unavailable("the writer was ended", code="writer_ended"))
                self.measures.failed_batches += 1
                _fail(batch, _unknown(error))
                logger.critical("a batch was not answered", trace=_trace(error))

    def _dequeued(self, queued_at: float, queued: Queued) -> Queued:
        """Return what was queued, and free its places in the queue.

        They are free before it is answered, so that a client may submit again as soon as it has its answer.
        """
        with self._door:
            self._waiting -= len(queued)
        self.measures.queue_wait.note(time.perf_counter() - queued_at)
        return queued

    def _gather(self, batch: list[Queued]) -> None:
        """Add what is queued to the batch."""
        count = sum(map(len, batch))
        while count < MAX_BATCH and not self._is_ending:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                return
            # ``stop`` has put it: what came before is still committed.
            if following is None:
                self._is_ending = True
            else:
                batch.append(queued := self._dequeued(*following))
                count += len(queued)

    def _commit(self, batch: list[Queued]) -> None:
        """Write one batch and answer its submissions."""
        if self.failure is not None:
            _fail(batch, self.failure)
            return
        written: Batch | None = None
        began = time.perf_counter()
        try:
            with self._database.write() as connection:
                written = self._write(connection, batch)
            # -- commit point: the block above has left without an error, so the batch is durable ------------------
        except (DiskFailed, IntegrityBroken) as error:
            self.measures.failed_batches += 1
            _fail(batch, self.halt(error))
            logger.critical("sequencer stopped", trace=_trace(error))
            return
        except Exception as error:  # noqa: BLE001 - after any error the outcome is looked up, not guessed
            # The transaction may have been committed although the connection failed, so the log itself decides.
            self._edge = None
            if written is None or written.grown is None or not self._is_stored(written.grown):
                self.measures.failed_batches += 1
                of_duplicates, new = _divided(batch)
                _fail(of_duplicates, _unknown(error))  # they are in the log
                _fail(new, _not_recorded(error))
                logger.warning("a batch came to nothing", trace=_trace(error))
                return
        self._database.is_full &= written.grown is None  # what was written had room
        end = 0 if written.grown is None else written.grown.size
        self.measures.note_batch(len(written.entries), end, began, time.perf_counter())
        if any(isinstance(new.submission.event.body, RegistryChange) for new in written.entries):
            # Before the answers: what is judged after them is judged by the registry as it is now.
            with self._database.read() as connection:
                self._registry.at(connection, log.tree(connection).registry_changes)
        if written.before is not None and any(isinstance(reply, Duplicate) for _, reply in written.replies):
            self._acknowledged = written.before.size, Hash(written.before.root)
        for sink, reply in written.replies:
            if isinstance(reply, Duplicate):
                sink.set_result(reply)
            else:
                sink.set_exception(reply)
        if written.grown is not None:
            self._edge = (written.grown.size, written.grown.root, written.grown.edge)
            self._acknowledged = written.grown.size, written.grown.root
            self._hand_out(written, written.grown)

    def _write(self, connection: Connection, queued: list[Queued]) -> Batch:
        """Write the batch into the open transaction, with what was queued while another process held the lock."""
        # Other processes may have held the lock for long: what was queued meanwhile joins this batch.
        self._gather(queued)
        tree = log.tree(connection)
        self._publisher.require_newest_keys(tree)
        read_tile = cache(log.tile_reader(connection))  # both below read the right edge if another process moved it
        self._require_acknowledged(read_tile, tree)
        batch = Batch(before=tree)
        try:
            # recorded_at never runs backwards, even if the clock was set back.
            batch.at = max(self.clock(), tree.recorded_at)
        except Unavailable as refusal:
            batch.refusal = refusal
        authority = self._registry.at(connection, tree.registry_changes)
        submissions = _in_order(queued, connection, tree.size, batch)
        view = LogView(connection, [accepted for pairs in submissions for accepted, _ in pairs], authority)
        view = _place(submissions, view, tree.size, batch)
        if batch.entries:
            batch.grown = grown = self._right_edge(read_tile, tree).append(batch.leaves)
            new = TreeState(tree.log_id, grown.size, grown.root, view.authority.changes, batch.at)
            write_batch(connection, self._database, batch.entries, grown.tiles, new)
        elif any(isinstance(reply, Duplicate) for _, reply in batch.replies):
            log.make_durable(connection, self._database)
        return batch

    def _require_acknowledged(self, read_tile: TileReader, tree: TreeState) -> None:
        """Require that the log has all that was acknowledged here.

        Raises IntegrityBroken: the database was exchanged for one that had not received all of it, as a standby is that
        lagged behind.
        """
        if self._acknowledged is None or self._acknowledged == (tree.size, tree.root):
            return
        size, root = self._acknowledged
        if tree.size < size or merkle.frontier_at(size, TileNodes(tree.size, read_tile)).root() != root:
            raise IntegrityBroken(
                "the database lacks entries that were acknowledged, of a log of {size}",
                size=size,
                hint="Was another server promoted? Bring back the one that has them, then start the service again.",
            )

    def _right_edge(self, read_tile: TileReader, tree: TreeState) -> RightEdge:
        """Return the edge kept from the last batch if the tree still ends there, else read it.

        Raises:
            IntegrityBroken: the stored tiles do not lead to the tree's root; nothing is built on them.
        """
        # Another process may have appended since: size and root tell whether the cached edge still holds.
        if self._edge is not None and self._edge[:2] == (tree.size, tree.root):
            return self._edge[2]
        edge = RightEdge.read(tree.size, read_tile)
        if edge.frontier.root() != tree.root:
            raise IntegrityBroken(
                "the tiles at size {size} do not lead to the root {root}",
                size=tree.size,
                root=tree.root.hex(),
                hint=CHANGED,
            )
        return edge

    def _is_stored(self, grown: Appended) -> bool:
        """Return whether the log holds the batch although its commit reported an error.

        It does if the batch's tree is a prefix of the log's. This waits for the writer's lock, and so for a transaction
        of ours that the server may still be ending.

        Raises:
            Unavailable: the database cannot be read.
        """
        with self._database.write() as connection:
            is_stored = log.root_at(connection, grown.size) == grown.root
            log.make_durable(connection, self._database)
        return is_stored

    def _hand_out(self, batch: Batch, grown: Appended) -> None:
        self._publisher.note_durable(grown.size)
        note = self._publisher.checkpoint(grown.size, grown.root)
        proofs = grown.inclusion_proofs()
        for entry, leaf, hashes, sinks in zip(batch.entries, batch.leaves, proofs, batch.sinks, strict=True):
            proof = TlogProof(entry.log_index, hashes, note)
            receipt = self._publisher.receipt(
                entry.submission.event.event_id, leaf, proof, entry.submission.receipt_flags, batch.at
            )
            for sink in sinks:
                sink.set_result(receipt)


def _in_order(queued: Sequence[Queued], connection: Connection, size: int, batch: Batch) -> list[tuple[Pair, ...]]:
    """Return the groups to place, the one built for index ``size`` first.

    A builder that fails, and every builder after the first, is answered here.
    """
    first: list[tuple[Pair, ...]] = []
    others: list[tuple[Pair, ...]] = []
    for together in queued:
        pairs = tuple((submission, sink) for submission, sink in together if isinstance(submission, Accepted))
        if pairs:
            others.append(pairs)
            continue
        for make, sink in together:
            assert not isinstance(make, Accepted), "nothing is made together with others"
            if first:
                batch.replies.append((sink, Unavailable("another was made for this place", code="busy", retry_after=1)))
                continue
            try:
                first.append(((make(connection, size), sink),))
            except TallystickError as refusal:
                batch.replies.append((sink, refusal))
    return first + others


def _place(queued: Sequence[tuple[Pair, ...]], view: LogView, size: int, batch: Batch) -> LogView:
    """Give each submission its place behind the ``size`` entries of the log, or its answer; return the log's view then.

    What is recorded together is placed on a fork of the view, which is kept only if all of it is admitted.
    """
    taken: dict[str, int] = {}
    for pairs in queued:
        trial, first = view if len(pairs) == 1 else view.fork(), len(batch.entries)
        places: list[int | Duplicate] = []
        try:
            for validated, _ in pairs:
                places.append(_place_of(validated, trial, size, batch, taken))
        except TallystickError as refusal:
            for new in batch.entries[first:]:
                del taken[new.submission.envelope.event_id]
            for placed in (batch.entries, batch.leaves, batch.sinks):
                del placed[first:]
            for number, (_, sink) in enumerate(pairs):
                batch.replies.append((sink, refusal if number == len(places) else _not_alone(len(places) + 1)))
            continue
        view = trial
        for (_, sink), place in zip(pairs, places, strict=True):
            if isinstance(place, Duplicate):
                batch.replies.append((sink, place))
            else:
                batch.sinks[place].append(sink)
    return view


def _place_of(validated: Accepted, view: LogView, size: int, batch: Batch, taken: dict[str, int]) -> int | Duplicate:
    """Return the place in the batch of a submission, which it gets unless it has one, or where the log has it."""
    if isinstance(validated, Duplicate):
        stored = view.stored.get(validated.entry.event_id)
        if stored is None:  # it was read in a database that another has replaced since
            raise Unavailable("the event is not in the log any more", code="not_recorded", hint=_AGAIN, retry_after=1)
        return Duplicate(stored)
    event_id = validated.envelope.event_id
    if event_id in taken:  # the same event twice in one batch: both get the one receipt
        require_same_event(batch.entries[taken[event_id]].submission.envelope, validated)
        return taken[event_id]
    # Before the rules: a repeated submission gets its receipt whatever has happened since.
    if event_id in view.stored:
        require_same_event(view.stored[event_id], validated)
        return Duplicate(view.stored[event_id])
    if batch.refusal is not None:
        raise copy(batch.refusal)
    index = size + len(batch.entries)
    view.admit(validated, index)
    taken[event_id] = len(batch.entries)
    batch.entries.append(NewEntry(index, validated))
    batch.leaves.append(leaf_hash(validated.envelope_bytes))
    batch.sinks.append([])
    return taken[event_id]


def _not_alone(number: int) -> Conflict:
    """Return what is answered of a submission that was to be recorded together with one that was refused."""
    hint = "Mend what is refused, then submit all of them again."
    return Conflict(
        "submission {number} of those that are recorded together was refused",
        number=number,
        code=NOT_ALONE,
        hint=hint,
    )


def _divided(batch: Sequence[Queued]) -> tuple[list[Queued], list[Queued]]:
    """Return the duplicates of a batch, and what is new."""
    pairs = [pair for together in batch for pair in together]
    again: list[Queued] = [(pair,) for pair in pairs if isinstance(pair[0], Duplicate)]
    return again, [(pair,) for pair in pairs if not isinstance(pair[0], Duplicate)]


_AGAIN = Message("Nothing of this was recorded; submit it again.")


def _fail(batch: Sequence[Queued], error: Unavailable) -> None:
    """Answer each submission with a copy of the error.

    A shared one would collect the frames of every place that raises it.
    """
    for together in batch:
        for _, sink in together:
            if not sink.done():
                sink.set_exception(copy(error))


def _not_recorded(error: Exception) -> Unavailable:
    """Return the error for a batch that is not in the log.

    A fault of the database is passed on as it is; of any other only the type is named.
    """
    if isinstance(error, Unavailable):
        return error
    return Unavailable("the batch failed: {name}", name=type(error).__name__, code="not_recorded", hint=_AGAIN)


def _unknown(error: BaseException) -> Unavailable:
    """Return the error for a batch that may or may not be in the log."""
    hint = Message("Submit the same event again: if it was recorded, its receipt comes back.")
    reason: str = type(error).__name__
    if isinstance(error, TallystickError):
        reason = error.message
        hint = Message("{first} {then}", first=error.hint, then=hint) if error.hint else hint
    return Unavailable("the outcome is unknown: {reason}", reason=reason, code="outcome_unknown", hint=hint)


def _trace(error: BaseException) -> str:
    """Return the traceback as plain text: a renderer that shows local variables would show payloads."""
    return "".join(traceback.format_exception(error))
