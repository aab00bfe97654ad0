"""The judges of a service: each case goes to one of several processes, which validates what is submitted to it.

What the loop receives for a judge before it runs out of work goes over in one frame, and so do the verdicts.
"""

from __future__ import annotations

import asyncio
import pickle
import re
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast
from zlib import crc32

import structlog
from starlette.concurrency import run_in_threadpool

from ledger.core.errors import TallystickError, Unavailable
from ledger.recording.judge import LENGTH, Docket, JudgeSetup, frame_of
from ledger.recording.sequencer import MAX_WAITING
from ledger.recording.validation import Duplicate
from ledger.store.append import ValidatedSubmission
from ledger.workers.pool import WorkFailed

FRAME = 64  # submissions of a frame at most: what comes behind a bulk request waits for no more than that

COMMAND = ("-m", "ledger.recording.judge")

# Where the canonical spelling has the id of a case: the envelope comes first, and no quote in a text stands bare.
_CASE = re.compile(rb'"stream":\{"id":"([^"\\]{1,200})","kind":"case"\}')
_SEARCHED = 4096  # bytes, more than an envelope has in front of it

Judged: TypeAlias = "asyncio.Future[ValidatedSubmission | Duplicate]"

logger = structlog.get_logger(__name__)


class JudgePool:
    """Judges in ``processes`` processes, each started when its first submission comes, and anew after it was lost.

    ``changes`` is the version of the registry that this process knows. A frame that is not answered within
    ``patience_s`` ends its judge. To be used from one event loop at a time; ``close`` from any thread.
    """

    def __init__(self, setup: JudgeSetup, processes: int, changes: Callable[[], int], patience_s: float):
        self._judges = [_Judge(setup, changes, patience_s) for _ in range(processes)]

    def judge(self, data: bytes, now: int) -> Judged | None:
        """Return a future of the verdict on a posted submission, or None if no judge is there for it.

        It raises the refusal, and Unavailable where there is no verdict: nothing is recorded then.
        """
        if not self._judges or (match := _CASE.search(data, 0, _SEARCHED)) is None:
            return None
        judged: Judged = asyncio.get_running_loop().create_future()
        if sum(judge.waiting for judge in self._judges) >= MAX_WAITING:
            judged.set_exception(Unavailable("too many submissions are waiting", code="busy", retry_after=1))
        else:
            self._judges[crc32(match[1]) % len(self._judges)].queue(data, now, judged)
        return judged

    def close(self) -> None:
        """End the processes."""
        for judge in self._judges:
            judge.stop()


class _Judge(asyncio.Protocol):
    """One process, and this side of its socket."""

    def __init__(self, setup: JudgeSetup, changes: Callable[[], int], patience_s: float):
        self._setup = setup
        self._changes = changes
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._queued: list[tuple[bytes, int, Judged]] = []
        self._sent: deque[tuple[list[Judged], asyncio.TimerHandle]] = deque()
        self._received = bytearray()

    @property
    def waiting(self) -> int:
        """Count the submissions that wait for a verdict."""
        return len(self._queued) + sum(len(judged) for judged, _ in self._sent)

    def queue(self, data: bytes, now: int, judged: Judged) -> None:
        """Queue a submission; it is passed on after whatever the loop has ready."""
        if not self._queued:
            asyncio.get_running_loop().call_soon(self._pass_on)
        self._queued.append((data, now, judged))

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _pass_on(self) -> None:
        if self._transport is None:
            if self._starting is None:
                self._starting = asyncio.get_running_loop().create_task(self._start())
            return
        queued, self._queued = self._queued, []
        for first in range(0, len(queued), FRAME):
            self._send(queued[first : first + FRAME])

    def _send(self, queued: list[tuple[bytes, int, Judged]]) -> None:
        assert self._transport is not None, "it is connected"
        timer = asyncio.get_running_loop().call_later(self._patience_s, self.stop)
        self._sent.append(([judged for _, _, judged in queued], timer))
        docket = Docket(self._changes(), queued[0][1], [data for data, _, _ in queued])
        self._transport.write(frame_of(docket))

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                command = [sys.executable, *COMMAND]
                self._process = await run_in_threadpool(subprocess.Popen, command, stdin=theirs.fileno())
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        except OSError as error:
            ours.close()
            logger.exception("a judge does not start")
            self._end(error)
        finally:
            self._starting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # that of uvloop is of no class of asyncio
        self._received.clear()
        self._transport.write(frame_of(self._setup))
        self._pass_on()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            verdicts = pickle.loads(self._received[LENGTH.size : end])  # noqa: S301 - of our own process
            del self._received[:end]
            waiting, timer = self._sent.popleft()
            timer.cancel()
            for judged, verdict in zip(waiting, verdicts, strict=True):
                _answer(judged, verdict)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _end(self, reason: Exception | None) -> None:
        """Answer what waits; the next submission starts another process."""
        self._transport = None
        self.stop()
        waiting = [judged for _, _, judged in self._queued]
        for sent, timer in self._sent:
            timer.cancel()
            waiting += sent
        self._queued, self._sent = [], deque()
        if waiting:
            logger.warning("a judge ended before its verdicts", submissions=len(waiting), reason=str(reason))
        for judged in waiting:
            hint = "Nothing of this was recorded; submit it again."
            _answer(judged, Unavailable("this was not judged", code="not_recorded", hint=hint, retry_after=1))


def _answer(judged: Judged, verdict: ValidatedSubmission | Duplicate | TallystickError | str) -> None:
    """Resolve the future, unless nobody waits for it any more."""
    if judged.done():
        return
    if isinstance(verdict, TallystickError):
        judged.set_exception(verdict)
    elif isinstance(verdict, str):
        failure = WorkFailed("a judge failed")
        failure.add_note(verdict)
        judged.set_exception(failure)
    else:
        judged.set_result(verdict)
