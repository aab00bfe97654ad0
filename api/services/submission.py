"""Submissions: from posted bytes to a durable receipt, without holding up the event loop.

What memory can judge is judged in the loop; what has to look into the database, and a bulk request as a whole, is
judged in a thread. Receipts come from the sequencer's thread a batch at a time and are handed to the loop in one call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from api.middleware.problems import Problem, problem_of
from api.middleware.rates import RateLimit
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.events import Payload, decode_payload
from ledger.recording.case_states import NeedsDatabase
from ledger.recording.publisher import Publisher, Receipt
from ledger.recording.sequencer import Answer, Sequencer
from ledger.recording.validation import Duplicate, ValidatedSubmission, Validator
from ledger.store.database import Database

LONGEST_GATHERING_S = 0.02  # seconds that an event waits for others to come along, while others come

Fits = Callable[[Payload], None]


class Accepted(Struct, frozen=True):
    """A receipt; ``is_new`` is False where the event was in the log already."""

    receipt: Receipt
    is_new: bool

    @property
    def status(self) -> int:
        return 201 if self.is_new else 200


class LineAnswer(Struct, frozen=True, omit_defaults=True):
    """What became of one line of a bulk request: a receipt, or a problem."""

    status: int
    receipt: Receipt | None = None
    problem: Problem | None = None


class Desk:
    """Takes submissions for one service. ``clock`` gives unix milliseconds."""

    def __init__(
        self,
        validator: Validator,
        sequencer: Sequencer,
        publisher: Publisher,
        database: Database,
        *,
        agencies: RateLimit,
        timeout_s: float,
        clock: Callable[[], int],
    ):
        self._validator = validator
        self._quick_validator = validator.in_memory()
        self._sequencer = sequencer
        self._publisher = publisher
        self._database = database
        self._agencies = agencies
        self._timeout_s = timeout_s
        self._clock = clock
        self._bridge: _Bridge | None = None

    async def take(self, data: bytes, fits: Fits | None = None) -> Accepted:
        """The receipt of a submission; ``fits`` raises where its payload is not for the address that it came to.

        Raises the refusal, or Unavailable where the outcome is not known.
        """
        return await self._accepted(await self._submitted(data, fits))

    async def take_each(self, lines: Sequence[bytes]) -> list[LineAnswer]:
        """Each line judged in its order and answered on its own; a later one may stand on an earlier one."""
        verdicts = await run_in_threadpool(self._judge_each, lines, self._clock() // 1000)
        waiting = [self._carried(verdict) for verdict in verdicts]
        return [await self._line_answer(outcome) for outcome in waiting]

    def _judge_each(self, lines: Sequence[bytes], now: int) -> list[ValidatedSubmission | Duplicate | TallystickError]:
        """The verdict on each line, in a thread: signatures are checked without the interpreter's lock."""
        verdicts: list[ValidatedSubmission | Duplicate | TallystickError] = []
        for line in lines:
            try:
                verdicts.append(self._validator.validate(line, now))
            except TallystickError as refusal:
                verdicts.append(refusal)
        return verdicts

    def _carried(
        self, verdict: ValidatedSubmission | Duplicate | TallystickError
    ) -> asyncio.Future[Answer] | TallystickError:
        if isinstance(verdict, TallystickError):
            return verdict
        try:
            return self._admitted(verdict)
        except TallystickError as refusal:
            return refusal

    async def _line_answer(self, outcome: asyncio.Future[Answer] | TallystickError) -> LineAnswer:
        try:
            if isinstance(outcome, TallystickError):
                raise outcome
            accepted = await self._accepted(outcome)
        except TallystickError as refusal:
            problem = problem_of(refusal)
            return LineAnswer(problem.status, problem=problem)
        return LineAnswer(accepted.status, receipt=accepted.receipt)

    async def _submitted(self, data: bytes, fits: Fits | None) -> asyncio.Future[Answer]:
        """Judges; gives what the sequencer will answer. Raises the refusal."""
        now = self._clock() // 1000
        try:
            judged = self._quick_validator.validate(data, now)
        except NeedsDatabase:
            judged = await run_in_threadpool(self._validator.validate, data, now)
        if fits is not None:
            fits(_payload(judged))
        return self._admitted(judged)

    def _admitted(self, judged: ValidatedSubmission | Duplicate) -> asyncio.Future[Answer]:
        """What the sequencer will answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if isinstance(judged, Duplicate):
            answer.set_result(judged)
            return answer
        self._agencies.take(judged.submitted.envelope.agency)
        self._bridge_here().carry(judged, answer)
        return answer

    async def _accepted(self, answer: asyncio.Future[Answer]) -> Accepted:
        deadline = asyncio.get_running_loop().call_later(self._timeout_s, _give_up, answer)
        try:
            outcome = await answer
        finally:
            deadline.cancel()
        if isinstance(outcome, Receipt):
            return Accepted(outcome, is_new=True)
        receipt = await run_in_threadpool(self._publisher.stored_receipt, self._database, outcome.entry)
        return Accepted(receipt, is_new=False)

    def _bridge_here(self) -> _Bridge:
        loop = asyncio.get_running_loop()
        if self._bridge is None or self._bridge.loop is not loop:
            self._bridge = _Bridge(self._sequencer, loop)
        return self._bridge


class _Bridge:
    """Between the loop and the sequencer's thread: many events go over at a time, and many answers come back.

    What the loop judges before it runs out of work goes over together: each batch costs the sequencer a transaction,
    so one of forty events is ten times as cheap as ten of four.
    """

    def __init__(self, sequencer: Sequencer, loop: asyncio.AbstractEventLoop):
        self._sequencer = sequencer
        self.loop = loop
        self._leaving: list[tuple[ValidatedSubmission, asyncio.Future[Answer]]] = []
        self._landed: deque[_Waiter] = deque()
        self._is_called = False

    def carry(self, judged: ValidatedSubmission, answer: asyncio.Future[Answer]) -> None:
        """Takes an event over, after whatever the loop has ready."""
        if not self._leaving:
            self.loop.call_soon(self._leave, 0, self.loop.time() + LONGEST_GATHERING_S)
        self._leaving.append((judged, answer))

    def _leave(self, seen: int, latest: float) -> None:
        """Waits for one more turn of the loop as long as each turn brings more, until ``latest``."""
        if len(self._leaving) > seen and self.loop.time() < latest:
            self.loop.call_soon(self._leave, len(self._leaving), latest)
            return
        leaving, self._leaving = self._leaving, []
        for judged, answer in leaving:
            self._sequencer.queue(judged, _Waiter(self, answer))

    def land(self, waiter: _Waiter) -> None:
        """Called in the thread that answered."""
        self._landed.append(waiter)
        if not self._is_called:
            self._is_called = True
            self.loop.call_soon_threadsafe(self._fetch)

    def _fetch(self) -> None:
        self._is_called = False  # before the deque is emptied: what lands from here on calls again
        while self._landed:
            self._landed.popleft().wake()


class _Waiter:
    """A ``ledger.recording.sequencer.Taker`` whose answer is given to the loop's own future, in the loop."""

    __slots__ = ("_answer", "_bridge", "_error", "_result")

    def __init__(self, bridge: _Bridge, answer: asyncio.Future[Answer]):
        self._bridge = bridge
        self._answer = answer
        self._result: Answer | None = None
        self._error: BaseException | None = None

    def set_result(self, result: Answer, /) -> None:
        self._result = result
        self._bridge.land(self)

    def set_exception(self, exception: BaseException | None, /) -> None:
        self._error = exception
        self._bridge.land(self)

    def done(self) -> bool:
        return self._result is not None or self._error is not None

    def wake(self) -> None:
        """Called in the loop. Whoever waits no longer is left alone."""
        if self._answer.done():
            return
        if self._result is not None:
            self._answer.set_result(self._result)
        elif self._error is not None:
            self._answer.set_exception(self._error)


def _give_up(answer: asyncio.Future[Answer]) -> None:
    if not answer.done():
        hint = "Submit the same bytes again: they are recorded once, and the answer is the receipt."
        told = "it is not known yet whether the event was recorded"
        answer.set_exception(Unavailable(told, code="not_acknowledged", hint=hint))


def _payload(judged: ValidatedSubmission | Duplicate) -> Payload:
    if isinstance(judged, ValidatedSubmission):
        return judged.submitted.payload
    return decode_payload(judged.entry.payload)
