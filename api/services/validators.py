"""Processes beside the service that validate submissions: each case goes to one of them.

What the loop receives for a process before it runs out of work goes over in one frame, and so do the answers.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias, cast
from zlib import crc32

from starlette.concurrency import run_in_threadpool

from ledger.core.errors import TallystickError, Unavailable
from ledger.loggers import get_logger
from ledger.recording.sequencer import MAX_WAITING
from ledger.recording.validation import Duplicate
from ledger.recording.validation_process import Answer, ValidationRequest, ValidatorSetup, frame_of, messages_of
from ledger.store.append import ValidatedSubmission
from ledger.workers.pool import WorkFailed, passed_on

FRAME = 24  # submissions of a frame at most: the process validates the next while the service writes the last
IN_FLIGHT = 2  # frames that a process has at a time, so that it need not wait for the next
PAUSE_S = 1.0  # after a process that answered nothing before another is started
ENDS_WITHIN_S = 1.0  # a process that was killed
COMMAND = ("-P", "-m", "ledger.recording.validation_process")  # -P: no module of the working directory

# Where the canonical spelling has the id of a case. Nothing nested stands before it in the envelope, which comes first.
_CASE = re.compile(rb'\{"envelope":\{[^{}]*"stream":\{"id":"([^"\\]{1,200})","kind":"case"\}')

PendingValidation: TypeAlias = "asyncio.Future[ValidatedSubmission | Duplicate]"

logger = get_logger(__name__)


def case_of(data: bytes) -> bytes | None:
    """Return the id of the case that a posted submission is of, None if its spelling is not the canonical one."""
    match = _CASE.match(data)
    return None if match is None else match[1]


class Waiting(NamedTuple):
    """A submission that was posted at ``now`` (unix seconds) and waits for its outcome."""

    data: bytes
    now: int
    validation: PendingValidation


class ValidatorPool:
    """Validates in so many ``processes``, each started when its first submission comes, and anew after it was lost.

    ``changes`` is the version of the registry that this process knows. A frame that is not answered within
    ``patience_s`` of its turn ends its process. To be used from one event loop at a time; ``close`` from any thread.
    """

    def __init__(self, setup: ValidatorSetup, processes: int, changes: Callable[[], int], patience_s: float):
        self._processes = [_ValidatorProcess(setup, changes, patience_s) for _ in range(processes)]

    def validate(self, data: bytes, now: int, *, in_bulk: bool = False) -> PendingValidation | None:
        """Return a future of the outcome of a posted submission, or None if no process is there for it.

        What comes ``in_bulk`` leaves half of the places to what comes alone. The future raises the refusal, and
        Unavailable where there is no outcome: nothing is recorded then.
        """
        if not self._processes or (case_id := case_of(data)) is None:
            return None
        validation: PendingValidation = asyncio.get_running_loop().create_future()
        # They are in no batch yet, either: here as many may wait as do behind them, for the sequencer.
        if sum(process.waiting for process in self._processes) >= MAX_WAITING:
            validation.set_exception(Unavailable("too many submissions are waiting", code="busy", retry_after=1))
        else:
            process = self._processes[crc32(case_id) % len(self._processes)]
            process.queue(Waiting(data, now, validation), in_bulk)
        return validation

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.stop()


class _ValidatorProcess(asyncio.Protocol):
    """One process, and this side of its socket."""

    def __init__(self, setup: ValidatorSetup, changes: Callable[[], int], patience_s: float):
        self._setup = setup
        self._changes = changes
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._is_passing_on = False
        self._alone: deque[Waiting] = deque()
        self._bulk: deque[Waiting] = deque()
        self._sent: deque[list[Waiting]] = deque()
        self._patience: asyncio.TimerHandle | None = None  # with the frame that is at its turn
        self._received = bytearray()
        self._has_answered = False
        self._not_before = 0.0  # the loop's time

    @property
    def waiting(self) -> int:
        """Count the submissions that wait for an outcome."""
        return len(self._alone) + len(self._bulk) + sum(map(len, self._sent))

    def queue(self, waiting: Waiting, in_bulk: bool) -> None:
        """Queue a submission; it is passed on after whatever the loop has ready."""
        (self._bulk if in_bulk else self._alone).append(waiting)
        if not self._is_passing_on:
            self._is_passing_on = True
            asyncio.get_running_loop().call_soon(self._pass_on)

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # At once, but for one that a disk holds up: that must not hold up the event loop.
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN_S)

    def _pass_on(self) -> None:
        self._is_passing_on = False
        if self._transport is not None:
            while len(self._sent) < IN_FLIGHT and (self._alone or self._bulk):
                self._send(self._next_frame())
        elif self._starting is None:
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before:
                self._end()
            else:
                self._starting = loop.create_task(self._start())

    def _next_frame(self) -> list[Waiting]:
        """Take the submissions of the next frame, half of it in bulk where others wait too."""
        count = min(len(self._alone), FRAME - min(len(self._bulk), FRAME // 2))
        frame = [self._alone.popleft() for _ in range(count)]
        return frame + [self._bulk.popleft() for _ in range(min(len(self._bulk), FRAME - count))]

    def _send(self, frame: list[Waiting]) -> None:
        assert self._transport is not None, "it is connected"
        self._sent.append(frame)
        if len(self._sent) == 1:
            self._begin_turn()
        request = ValidationRequest(self._changes(), frame[0].now, [waiting.data for waiting in frame])
        self._transport.write(frame_of(request))

    def _begin_turn(self) -> None:
        """Give the first of the frames that were sent its time."""
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(self._patience_s, self.stop) if self._sent else None

    async def _start(self) -> None:
        ours: socket.socket | None = None
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                environment = passed_on() | {name: os.environ[name] for name in os.environ if name.startswith("PG")}
                command = [sys.executable, *COMMAND]
                self._process = await run_in_threadpool(
                    subprocess.Popen, command, stdin=theirs.fileno(), env=environment
                )
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        except Exception:  # whatever it is, what waits is answered
            if ours is not None:
                ours.close()
            logger.exception("a process that validates does not start")
            self._end()
        finally:
            self._starting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the ledger to the process, and pass on what waits."""
        self._transport = cast(asyncio.WriteTransport, transport)  # that of uvloop is of no class of asyncio
        self._received.clear()
        self._has_answered = False
        self._transport.write(frame_of(self._setup))
        self._pass_on()

    def data_received(self, data: bytes) -> None:
        """Take answers."""
        self._received += data
        for answers in messages_of(self._received):
            self._has_answered = True
            frame = self._sent.popleft()
            self._begin_turn()
            self._pass_on()
            for waiting, answer in zip(frame, answers, strict=True):
                _resolve(waiting.validation, answer)

    def connection_lost(self, _reason: Exception | None) -> None:
        """Answer what waits; the next submission starts another process."""
        self._end()

    def _end(self) -> None:
        self._transport = None
        self.stop()
        if not self._has_answered:
            self._not_before = asyncio.get_running_loop().time() + PAUSE_S
        lost = [*self._alone, *self._bulk, *(waiting for frame in self._sent for waiting in frame)]
        self._alone, self._bulk, self._sent = deque(), deque(), deque()
        self._begin_turn()
        if lost:
            logger.warning("a process that validates ended before its answers", submissions=len(lost))
        for waiting in lost:
            hint = "Nothing of this was recorded; submit it again."
            error = Unavailable("this was not validated", code="not_recorded", hint=hint, retry_after=1)
            _resolve(waiting.validation, error)


def _resolve(validation: PendingValidation, answer: Answer) -> None:
    """Resolve the future, unless nobody waits for it any more."""
    if validation.done():
        return
    if isinstance(answer, TallystickError):
        validation.set_exception(answer)
    elif isinstance(answer, str):
        failure = WorkFailed("a process that validates failed")
        failure.add_note(answer)
        validation.set_exception(failure)
    else:
        validation.set_result(answer)
