"""Submissions: from posted bytes to a durable receipt, without blocking the event loop.

What can be validated from memory is validated in the loop, what comes about the same time together. What needs the
database, and a bulk request as a whole, is validated in a thread. Receipts come from the sequencer's thread in batches,
each handed to the loop in one call.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api.middleware.problems import Problem, problem_of
from api.middleware.request_limits import RateLimit
from api.middleware.tracing import TRACE_IN_USE
from api.services.parts import Parts
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.events import Event, Submitted
from ledger.recording.case_states import NeedsDatabase
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import NOT_ALONE, Accepted, Answer, Pair, Sequencer
from ledger.recording.validation import Duplicate, Validator, is_same_event
from ledger.store import log
from ledger.store.append import ValidatedSubmission

AT_A_TIME = 32  # submissions that are validated step by step; of the lines behind a refusal few are looked at
MOST_BYTES = 256 * 1024  # of submissions that the loop validates at a time, but for one that is longer
CREATED = 201  # status of what was recorded by this request
LONGEST_GATHERING_S = 0.02  # seconds that an event waits at most for others to share its batch

RouteCheck = Callable[[Event], None]
Verdict = ValidatedSubmission | Duplicate | TallystickError


class SubmissionResult(Struct, frozen=True):
    """A receipt. ``is_new`` is False if the event was in the log already."""

    receipt: Receipt
    is_new: bool

    @property
    def status(self) -> int:
        return CREATED if self.is_new else 200


class LineAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer to one line of a bulk request: a receipt or a problem."""

    status: int
    receipt: Receipt | None = None
    problem: Problem | None = None


class RefusedLine(NamedTuple):
    """The line, counted from 1, because of which nothing of a bulk request was recorded."""

    line: int
    refusal: TallystickError


class SubmissionService:
    """Takes submissions for one service."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._measures = parts.measures.submissions
        self._agencies = RateLimit(parts.settings.max_events_per_s, "events of one agency", time.monotonic)
        self._bridge: _SequencerBridge | None = None
        self._validations: _OwnValidations | None = None

    async def submit(self, body: bytes, check_route: RouteCheck | None = None) -> SubmissionResult:
        """Validate one submission, wait until it is durable, and return its receipt.

        ``check_route`` raises if the event does not belong to the route that it was posted to.

        Raises:
            TallystickError: the submission was refused; nothing was recorded.
            Unavailable: the outcome is unknown. Submitting the same bytes again returns the receipt if it was recorded.
        """
        # What is of a route of its own is recorded here: the route must know the event.
        if check_route is None and (passed := self._parts.peers.record(body, self._submit_here)) is not None:
            result: SubmissionResult | None = await passed
            if result is not None:
                return result
        return await self._submit_here(body, check_route)

    async def _submit_here(self, body: bytes, check_route: RouteCheck | None = None) -> SubmissionResult:
        began = time.perf_counter()
        try:
            try:
                verdict = await self._verdict(body, self._parts.clock() // 1000)
            except TallystickError:
                self._parts.sequencer.clock()  # by a clock that is not believed nothing is refused either
                raise
            finally:
                judged = time.perf_counter()
                self._measures.validation.note(judged - began)
                _trace_validation(began, judged)
            if check_route is not None:
                check_route(verdict.event if isinstance(verdict, ValidatedSubmission) else log.event_of(verdict.entry))
            (admitted,) = await self._within_rates([verdict])
            result = await self._wait_for_result(self._queue(admitted), admitted)
        except TallystickError as refusal:
            self._measures.outcomes[refusal.code] += 1
            raise
        self._measures.note(is_new=result.is_new)
        self._trace_recording([result], judged)
        return result

    async def submit_each(self, lines: Sequence[bytes]) -> list[LineAnswer]:
        """Submit each line in order and return an answer for each; a later line may build on an earlier one."""
        verdicts = await self._within_rates(await self._verdicts(lines))
        queued = time.perf_counter()
        # All lines are queued before the first answer is awaited, so that they share batches.
        outcomes = [(self._queue(verdict), verdict) for verdict in verdicts]
        answers = [await self._line_answer(outcome, verdict) for outcome, verdict in outcomes]
        self._trace_recording([answer for answer in answers if answer.receipt is not None], queued)
        return answers

    async def submit_together(self, lines: Sequence[bytes]) -> list[SubmissionResult] | RefusedLine:
        """Record all lines in one transaction and return their receipts, or none, and return the first refusal.

        Each line is judged on the state after those before it. A line that is in the log already counts as recorded.

        Raises:
            Unavailable: nothing was recorded, or the outcome is unknown. Submitting the same lines again returns the
                receipts if they were recorded.
        """
        accepted: list[Accepted] = []
        for verdict in await self._verdicts(lines, until_refused=True):
            if isinstance(verdict, TallystickError):
                self._measures.outcomes[verdict.code] += 1
                return RefusedLine(len(accepted) + 1, verdict)
            accepted.append(verdict)
        try:
            self._take_together(accepted)
        except TallystickError:
            recorded = await run_in_threadpool(self._recorded_among, accepted)
            accepted = [recorded.get(place, verdict) for place, verdict in enumerate(accepted)]
            self._take_together(accepted)
        loop = asyncio.get_running_loop()
        outcomes: list[asyncio.Future[Answer]] = [loop.create_future() for _ in accepted]
        queued = time.perf_counter()
        self._bridge_of(loop).queue(*zip(accepted, outcomes, strict=True))
        # All at once, so that the time that a request may take is that of the whole request.
        results = await asyncio.gather(*map(self._wait_for_result, outcomes, accepted), return_exceptions=True)
        receipts: list[SubmissionResult] = []
        refusals: list[RefusedLine] = []
        for line, result in enumerate(results, 1):
            if isinstance(result, TallystickError):
                refusals.append(RefusedLine(line, result))
            elif isinstance(result, BaseException):
                raise result
            else:
                receipts.append(result)
        if not refusals:
            for receipt in receipts:
                self._measures.note(is_new=receipt.is_new)
            self._trace_recording(receipts, queued)
            return receipts
        first = min(refusals, key=lambda refused: refused.refusal.code == NOT_ALONE)
        self._measures.outcomes[first.refusal.code] += 1
        if isinstance(first.refusal, Unavailable):
            raise first.refusal
        return first

    async def _verdict(self, body: bytes, now: int) -> ValidatedSubmission | Duplicate:
        """Validate one submission: in its case's process, or here. Raises the refusal."""
        judged = self._parts.validators.validate(body, now)
        if judged is None:
            return await self._validations_of(asyncio.get_running_loop()).validate(body, now)
        try:
            return await judged
        finally:
            del judged  # a refusal holds this frame: if that held the refusal, the body would stay in memory with it

    async def _verdicts(self, lines: Sequence[bytes], *, until_refused: bool = False) -> list[Verdict]:
        """Return the verdict on each line, in order; ``until_refused``, those up to a refusal may be all."""
        began, now = time.perf_counter(), self._parts.clock() // 1000
        judged = [self._parts.validators.validate(line, now, in_bulk=True) for line in lines]
        own = [line for line, future in zip(lines, judged, strict=True) if future is None]
        rest = iter(await run_in_threadpool(self._validate_each, own, now, until_refused) if own else ())
        verdicts: list[Verdict] = []
        for future in judged:
            try:
                verdict = next(rest, None) if future is None else await future
            except TallystickError as refusal:
                verdict = refusal
            if isinstance(verdict, TallystickError):
                self._parts.sequencer.clock()  # by a clock that is not believed nothing is refused either
            if verdict is None:  # nothing was spent on what comes behind a refusal
                break
            verdicts.append(verdict)
        ended = time.perf_counter()
        self._measures.bulk_validation.note(ended - began)
        _trace_validation(began, ended)
        return verdicts

    def _validate_each(self, lines: Sequence[bytes], now: int, until_refused: bool) -> list[Verdict]:
        """Return the verdict on each line. Runs in a thread: signature checks release the interpreter's lock."""
        verdicts: list[Verdict] = []
        for start in range(0, len(lines), AT_A_TIME):
            for outcome in self._parts.validator.validate_each(lines[start : start + AT_A_TIME], now):
                if isinstance(outcome, Exception) and not isinstance(outcome, TallystickError):
                    raise outcome
                verdicts.append(outcome)
            if until_refused and any(isinstance(verdict, TallystickError) for verdict in verdicts):
                break
        return verdicts

    async def _line_answer(self, outcome: asyncio.Future[Answer], verdict: Verdict) -> LineAnswer:
        try:
            submitted = await self._wait_for_result(outcome, verdict)
        except TallystickError as refusal:
            self._measures.outcomes[refusal.code] += 1
            problem = problem_of(refusal)
            return LineAnswer(problem.status, problem=problem)
        self._measures.note(is_new=submitted.is_new)
        return LineAnswer(submitted.status, receipt=submitted.receipt)

    def _queue(self, verdict: Verdict) -> asyncio.Future[Answer]:
        """Return the future of the sequencer's answer to a validated event; a refusal is its exception."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        if isinstance(verdict, TallystickError):
            answer.set_exception(verdict)
        else:
            self._bridge_of(loop).queue((verdict, answer))
        return answer

    # An agency's rate is taken of after validation, so that nobody uses it up without its signature, and only by what
    # is new, so that nobody does by its recorded events, which others have as well. What only the sequencer tells from
    # new events gives back then what it took.

    async def _within_rates(self, verdicts: list[Verdict]) -> list[Verdict]:
        """Return the verdicts, with a refusal in the place of what is new and over the rate of its agency."""
        over: dict[int, TallystickError] = {}
        for place, verdict in enumerate(verdicts):
            if isinstance(verdict, ValidatedSubmission):
                try:
                    self._agencies.take(verdict.envelope.agency)
                except TallystickError as refusal:
                    over[place] = refusal
        if not over:
            return verdicts
        recorded = await run_in_threadpool(self._recorded_among, verdicts)
        for place in recorded.keys() - over.keys():
            self._agencies.give_back(recorded[place].entry.agency)
        return [recorded.get(place) or over.get(place) or verdict for place, verdict in enumerate(verdicts)]

    def _take_together(self, accepted: Sequence[Accepted]) -> None:
        """Take of each agency's rate what is new of it, or nothing of any."""
        new = Counter(verdict.envelope.agency for verdict in accepted if isinstance(verdict, ValidatedSubmission))
        taken: list[str] = []
        try:
            for agency, count in new.items():
                self._agencies.take(agency, count)
                taken.append(agency)
        except TallystickError:
            for agency in taken:
                self._agencies.give_back(agency, new[agency])
            raise

    def _recorded_among(self, verdicts: Sequence[Verdict]) -> dict[int, Duplicate]:
        """Return, by their places, those of the submissions that the log has already."""
        submitted = {place: each for place, each in enumerate(verdicts) if isinstance(each, ValidatedSubmission)}
        with self._parts.database.read() as connection:
            stored = log.entries_by_event_id(connection, [each.envelope.event_id for each in submitted.values()])
        entries = ((place, each, stored.get(each.envelope.event_id)) for place, each in submitted.items())
        return {place: Duplicate(entry) for place, each, entry in entries if entry and is_same_event(entry, each)}

    def _bridge_of(self, loop: asyncio.AbstractEventLoop) -> _SequencerBridge:
        if self._bridge is None or self._bridge.loop is not loop:
            self._bridge = _SequencerBridge(self._parts.sequencer, loop)
        return self._bridge

    def _validations_of(self, loop: asyncio.AbstractEventLoop) -> _OwnValidations:
        if self._validations is None or self._validations.loop is not loop:
            self._validations = _OwnValidations(self._parts.validator, loop)
        return self._validations

    async def _wait_for_result(self, answer: asyncio.Future[Answer], verdict: Verdict) -> SubmissionResult:
        """Wait until the sequencer has answered, or the time is up, and return the receipt.

        Raises Unavailable after the time that a request may take; the event may be recorded nevertheless.
        """
        deadline = asyncio.get_running_loop().call_later(self._parts.settings.request_timeout_s, _give_up, answer)
        try:
            outcome = await answer
        finally:
            deadline.cancel()
            del answer  # as in ``_verdict``
        if isinstance(outcome, Receipt):
            return SubmissionResult(outcome, is_new=True)
        if isinstance(verdict, ValidatedSubmission):
            self._agencies.give_back(verdict.envelope.agency)
        receipt = await run_in_threadpool(self._parts.publisher.stored_receipt, self._parts.database, outcome.entry)
        return SubmissionResult(receipt, is_new=False)

    def _trace_recording(self, results: Sequence[SubmissionResult | LineAnswer], queued_at: float) -> None:
        """Trace how events got their receipts, if the request is traced: the steps of each batch that they were in."""
        trace = TRACE_IN_USE.get()
        if trace is None:
            return
        measures, answered_at = self._parts.sequencer.measures, time.perf_counter()
        receipts = [result.receipt for result in results if result.status == CREATED and result.receipt is not None]
        batches = {measures.times_of(receipt.index) for receipt in receipts}
        for batch in sorted(filter(None, batches)):
            taken_at = max(queued_at, batch.taken_at)  # what comes while a batch waits for the lock joins it
            trace.step("queue", queued_at, taken_at)
            trace.step("commit", taken_at, batch.durable_at)
            trace.step("publish", batch.durable_at, answered_at)


def _trace_validation(began: float, ended: float) -> None:
    if (trace := TRACE_IN_USE.get()) is not None:
        trace.step("validate", began, ended)


class _OwnValidations:
    """Validates in this process, in batches.

    A batch is what the loop receives before it runs out of work. First all its signatures are verified and then all its
    rules are judged: what a step needs is still in the processor's caches when it comes again. What memory cannot
    answer is looked up in a thread; the states of cases that another process wrote to are read in one query for all who
    wait, one query at a time.
    """

    def __init__(self, validator: Validator, loop: asyncio.AbstractEventLoop):
        self._validator = validator
        self._validator_in_memory = validator.in_memory()
        self.loop = loop
        self._received: deque[_Received] = deque()
        self._lacking: list[Event] = []
        self._next_read: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def validate(self, data: bytes, now: int) -> ValidatedSubmission | Duplicate:
        """Validate a posted submission at ``now`` (unix seconds). Raises the refusal."""
        answer: asyncio.Future[Submitted | Duplicate] = self.loop.create_future()
        if not self._received:
            self.loop.call_soon(self._validate_received, 0, self.loop.time() + LONGEST_GATHERING_S)
        self._received.append(_Received(data, now, answer))
        try:
            submitted = await answer
        finally:
            del answer  # as in ``_verdict``
        if isinstance(submitted, ValidatedSubmission | Duplicate):
            return submitted
        if self._validator_in_memory.lacks_state(submitted):
            await self._prefetch(submitted.event)
            with suppress(NeedsDatabase):
                return self._validator_in_memory.check_rules(submitted, now)
        return await run_in_threadpool(self._validator.check_rules, submitted, now)

    def _validate_received(self, last_count: int, latest: float) -> None:
        """Validate what was received, or wait another turn of the loop as ``_SequencerBridge`` does."""
        if last_count < len(self._received) < AT_A_TIME and self.loop.time() < latest:
            self.loop.call_soon(self._validate_received, len(self._received), latest)
            return
        batch = self._next_batch()
        if self._received:
            self.loop.call_soon(self._validate_received, 0, latest)
        try:
            verified = self._validator_in_memory.verify_signatures(received.data for received in batch)
            outcomes = self._validator_in_memory.check_rules_of_each(verified, batch[0].now) if batch else []
            for received, submitted, outcome in zip(batch, verified, outcomes, strict=True):
                if not isinstance(outcome, Exception):
                    received.answer.set_result(outcome)
                elif isinstance(outcome, NeedsDatabase) and isinstance(submitted, Submitted):
                    received.answer.set_result(submitted)
                else:
                    received.answer.set_exception(outcome)
        finally:
            # Whatever ended it, of these nobody waits for ever.
            for received in batch:
                if not received.answer.done():
                    received.answer.set_exception(RuntimeError("the validation of a batch ended before its answers"))

    def _next_batch(self) -> list[_Received]:
        """Take what is validated next, of what somebody still waits for: the loop does nothing else meanwhile."""
        batch: list[_Received] = []
        size = 0
        while self._received and len(batch) < AT_A_TIME and size < MOST_BYTES:
            received = self._received.popleft()
            if not received.answer.done():
                batch.append(received)
                size += len(received.data)
        return batch

    async def _prefetch(self, event: Event) -> None:
        """Wait until the state that the event follows was looked for."""
        self._lacking.append(event)
        if self._next_read is None:
            self._next_read = self.loop.create_task(self._read())
        await asyncio.shield(self._next_read)  # whoever goes away takes it from nobody else

    async def _read(self) -> None:
        async with self._one_at_a_time:
            events, self._lacking, self._next_read = self._lacking, [], None
            with suppress(Exception):  # each event meets it again by itself
                await run_in_threadpool(self._validator.states.prefetch, events)


class _Received(NamedTuple):
    """A submission that was posted at ``now`` (unix seconds).

    ``answer`` gets what it is validated to, or only what was signed where memory does not suffice to judge that.
    """

    data: bytes
    now: int
    answer: asyncio.Future[Submitted | Duplicate]


class _SequencerBridge:
    """Passes events from the event loop to the sequencer's thread, and its answers back, in batches.

    What the loop validates before it runs out of work goes over together. Each batch costs the sequencer a transaction,
    so one batch of forty events is ten times as cheap as ten of four.
    """

    def __init__(self, sequencer: Sequencer, loop: asyncio.AbstractEventLoop):
        self._sequencer = sequencer
        self.loop = loop
        self._queued: list[tuple[Pair, ...]] = []
        self._answered: deque[_PendingAnswer] = deque()
        self._is_drain_scheduled = False

    def queue(self, *together: tuple[Accepted, asyncio.Future[Answer]]) -> None:
        """Queue an event, or those that are recorded together; passed on after whatever the loop has ready."""
        if not self._queued:
            self.loop.call_soon(self._pass_on, 0, self.loop.time() + LONGEST_GATHERING_S)
        self._queued.append(tuple((validated, _PendingAnswer(self, answer)) for validated, answer in together))

    def _pass_on(self, last_count: int, latest: float) -> None:
        """Pass the queued events on, or wait another turn of the loop if the last one brought more.

        Wait no longer than the loop's time ``latest``.
        """
        if len(self._queued) > last_count and self.loop.time() < latest:
            self.loop.call_soon(self._pass_on, len(self._queued), latest)
            return
        queued, self._queued = self._queued, []
        for together in queued:
            self._sequencer.queue_together(together)

    def deliver(self, pending: _PendingAnswer) -> None:
        """Accept an answer. Called in the thread that answered."""
        self._answered.append(pending)
        if not self._is_drain_scheduled:
            self._is_drain_scheduled = True
            self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before the deque is emptied, so that an answer that arrives from here on schedules the next call.
        self._is_drain_scheduled = False
        while self._answered:
            self._answered.popleft().resolve()


class _PendingAnswer:
    """Receives the sequencer's answer in its thread and passes it to the loop's future, in the loop."""

    __slots__ = ("_answer", "_bridge", "_error", "_result")

    def __init__(self, bridge: _SequencerBridge, answer: asyncio.Future[Answer]):
        self._bridge = bridge
        self._answer = answer
        self._result: Answer | None = None
        self._error: BaseException | None = None

    def set_result(self, result: Answer, /) -> None:
        """Take the sequencer's answer, in its thread."""
        self._result = result
        self._bridge.deliver(self)

    def set_exception(self, exception: BaseException | None, /) -> None:
        """Take the sequencer's error, in its thread."""
        self._error = exception
        self._bridge.deliver(self)

    def done(self) -> bool:
        return self._result is not None or self._error is not None

    def resolve(self) -> None:
        """Resolve the future, unless nobody waits for it any more. Called in the loop."""
        if self._answer.done():
            return
        if self._result is not None:
            self._answer.set_result(self._result)
        elif self._error is not None:
            self._answer.set_exception(self._error)


def _give_up(answer: asyncio.Future[Answer]) -> None:
    if not answer.done():
        hint = "Submit the same bytes again: they are recorded once, and the answer is the receipt."
        message = "it is not known yet whether the event was recorded"
        answer.set_exception(Unavailable(message, code="not_acknowledged", hint=hint))
