"""The worker pool: work whose cost others decide runs in few processes, under limits, and in turns.

A model's file, a data set, a case to be printed: a few bytes of a request can ask for gigabytes and minutes, or attack
what reads them. Each such piece of work is done by ``ledger.workers.process``, in a sandbox
(``ledger.workers.sandbox``). Only so many run at once, and agencies take turns, so that an agency with much work waits
only for itself.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import MalformedInput, TallystickError, Unavailable
from ledger.core.messages import Message
from ledger.loggers import get_logger
from ledger.workers.process import JOB, OUTCOME, Ending
from ledger.workers.results import MOST_CHARACTERS, ResultRefused, declared, decode_result
from ledger.workers.sandbox import NO_FILES, Files

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RETRY_S: Final = 5
# Modules that work needs, loaded before it comes; after a colon, what makes one ready and says what else work reads.
MODULES: Final = (
    "duckdb",
    "pyarrow.ipc",
    "pygal",
    "segno",
    "PIL.Image",
    "ledger.evidence.previews:make_ready",
    "ledger.interchange.papers.typeset:make_ready",
    "ledger.interchange.papers.certificate",
    "ledger.interchange.papers.labels",
    "ledger.interchange.imports.item_table",
    "ledger.interchange.imports.workbooks",
    "ledger.interchange.exports.workbook",
    "ledger.supervision.runs.dataset_rows",
    "ledger.supervision.library.cards",
    "ledger.supervision.runs.export_runs:make_ready",
    "ledger.supervision.runs.example_rows",
    "ledger.supervision.models.editing",
    "ledger.supervision.reports.presentation",
)
# The environment variables by which modules and fonts are found; the service's secrets are not passed on.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "XDG_DATA_HOME", "TMPDIR")
_FRUGAL: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # A thread is in no process that is forked, but what it holds locked is.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_ARENA_MAX": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

logger = get_logger(__name__)


def passed_on() -> dict[str, str]:
    """Return what of this process's environment another process of the service gets: none of its secrets."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


class WorkLimits(Struct, frozen=True):
    """The limits of one piece of work.

    Memory beyond that of an idle worker, seconds of computing, seconds of waiting on a machine that does other things
    as well, and the size of the result in bytes and in values, of which each takes the service some 110 bytes at most.
    """

    memory_mb: int = 256
    cpu_s: int = 4
    seconds: float = 30.0
    result_bytes: int = 64 * 1024 * 1024
    values: int = 512 * 1024

    def times(self, factor: int) -> WorkLimits:
        """Return limits with ``factor`` times the memory and time; the result's size stays the same."""
        memory_mb, cpu_s, seconds = self.memory_mb * factor, self.cpu_s * factor, self.seconds * factor
        return replace(self, memory_mb=memory_mb, cpu_s=cpu_s, seconds=seconds)


class Used(Struct, frozen=True):
    """What a piece of work used: ``memory_kb`` is the peak of its process."""

    memory_kb: int
    cpu_s: float


class TooCostly(MalformedInput):
    """The work reached a limit and was stopped."""

    code = "too_costly"


class WorkFailed(Exception):
    """The work ended with an unexpected error; its traceback is in the notes."""


class WorkerPool:
    """Runs work in at most ``processes`` processes, which are started when first needed.

    Safe to call from several threads.

    An agency has at most ``waiting`` pieces of work here; one that gets no turn within ``patience_s`` is refused.
    """

    def __init__(
        self,
        processes: int = 2,
        limits: WorkLimits = WorkLimits(),  # noqa: B008 - it is frozen
        *,
        waiting: int = 4,
        patience_s: float = 20.0,
        modules: Sequence[str] = MODULES,
    ):
        self.limits = limits
        self._waiting = waiting
        self._patience_s = patience_s
        self._idle = [_Worker(modules) for _ in range(processes)]
        self._workers = tuple(self._idle)
        self._queues: OrderedDict[str, deque[object]] = OrderedDict()  # those next in turn first
        self._present = Counter[str]()
        self._turn = Condition()
        self.last_used: Used | None = None

    def run(
        self,
        function: Callable[[Unpack[Ts]], T],
        *arguments: *Ts,
        agency: str,
        field: str | None = None,
        limits: WorkLimits | None = None,
        files: Files = NO_FILES,
        patience_s: float | None = None,
    ) -> T:
        """Call the function in a process of its own and return its result: of the type that it declares, one of
        ``encode_result``'s kinds. What declares bytes, as a file, comes back as it is.

        Function and arguments must be picklable. The process opens no files but ``files``, and no connections.

        Raises:
            TallystickError: the function raised it.
            TooCostly: the work, about ``field``, takes more than its limits.
            Unavailable: no worker is free within ``patience_s``, or the machine is too busy.
        """
        with self.turn(agency, patience_s) as turn:
            return turn.run(function, *arguments, field=field, limits=limits, files=files)

    @contextmanager
    def turn(self, agency: str, patience_s: float | None = None, *, after: Turn | None = None) -> Iterator[Turn]:
        """Reserve a worker for one agency until the block is left: for all that one request asks of workers, or for
        the rest of it ``after`` an earlier turn. Raises Unavailable."""
        worker = self._wait_for_worker(agency, self._patience_s if patience_s is None else patience_s)
        try:
            yield Turn(self, worker, 0.0 if after is None else after.cpu_s)
        finally:
            with self._turn:
                self._leave(agency)
                self._idle.append(worker)
                self._turn.notify_all()

    def close(self) -> None:
        """End the workers, and with them the work that they are doing."""
        for worker in self._workers:
            worker.stop()

    def _wait_for_worker(self, agency: str, patience_s: float) -> _Worker:
        ticket = object()
        deadline = time.monotonic() + patience_s
        with self._turn:
            if self._present[agency] >= self._waiting:
                raise Unavailable(
                    "{agency} has {waiting} pieces of work under way here",
                    agency=agency,
                    waiting=self._waiting,
                    code="busy",
                    retry_after=RETRY_S,
                )
            self._present[agency] += 1
            self._queues.setdefault(agency, deque()).append(ticket)
            # Next is the oldest ticket of the agency that has waited longest since its last turn.
            while not (self._idle and next(iter(self._queues.values()))[0] is ticket):
                if not self._turn.wait(deadline - time.monotonic()):
                    self._queues[agency].remove(ticket)
                    self._drop_empty_queue(agency)
                    self._leave(agency)
                    self._turn.notify_all()
                    raise Unavailable("all workers of this service are busy", code="busy", retry_after=RETRY_S)
            self._queues[agency].popleft()
            self._queues.move_to_end(agency)
            self._drop_empty_queue(agency)
            self._turn.notify_all()
            return self._idle.pop()

    def _drop_empty_queue(self, agency: str) -> None:
        if not self._queues[agency]:
            del self._queues[agency]

    def _leave(self, agency: str) -> None:
        self._present[agency] -= 1
        if not self._present[agency]:
            del self._present[agency]


class Turn:
    """A reserved worker. Its pieces of work share the seconds of computing: ``cpu_s`` are those that were used."""

    def __init__(self, pool: WorkerPool, worker: _Worker, cpu_s: float = 0.0):
        self._pool = pool
        self._worker = worker
        self.cpu_s = cpu_s

    def run(
        self,
        function: Callable[[Unpack[Ts]], T],
        *arguments: *Ts,
        field: str | None = None,
        limits: WorkLimits | None = None,
        files: Files = NO_FILES,
    ) -> T:
        """Run work as ``WorkerPool.run`` does, without waiting."""
        limits = limits or self._pool.limits
        job = pickle.dumps((function, arguments, files), pickle.HIGHEST_PROTOCOL)
        ending, encoded = Ending.NO_TIME, b""
        if (left := round(limits.cpu_s - self.cpu_s)) > 0:  # the system counts whole seconds
            ending, encoded, used = self._worker.do(job, replace(limits, cpu_s=left))
            self._pool.last_used = used
            self.cpu_s += used.cpu_s
        if ending in (Ending.DONE, Ending.REFUSED, Ending.FAILED):
            kind = {Ending.DONE: declared(function), Ending.REFUSED: TallystickError}.get(ending, str)
            try:
                result: Any = encoded if kind is bytes else decode_result(encoded, kind, limits.values)
            except ResultRefused as error:
                ending, result = Ending.FAILED, f"a worker sent no result: {error}"
            if ending is Ending.DONE:
                done: T = result
                return done
            if ending is Ending.REFUSED:
                raise result
            raise _failure(function, str(result)[-MOST_CHARACTERS:])
        if ending is Ending.LARGE_FILE and not files.most:  # whoever asked for the work can do nothing about it
            raise _failure(function, "it writes a file, which it may not")
        if ending is Ending.NO_TIME and self.cpu_s < limits.cpu_s - 1:
            raise Unavailable(
                "this was not done within {limits.seconds:g} seconds: other work keeps this machine busy",
                limits=limits,
                code="busy",
                retry_after=RETRY_S,
            )
        excess = {
            Ending.NO_MEMORY: Message("this takes more than {limits.memory_mb} MB of memory", limits=limits),
            Ending.NO_TIME: Message("this takes more than {limits.cpu_s} seconds of computing", limits=limits),
            Ending.TOO_LARGE: Message("this makes more than {limits.result_bytes} bytes", limits=limits),
            Ending.TOO_MANY: Message("this makes more than {limits.values} values", limits=limits),
            Ending.LARGE_FILE: Message("this writes a file of more than {files.most} bytes", files=files),
        }
        raise TooCostly(excess[ending], field=field, hint="Ask for less at once.")


def _failure(function: Callable[..., Any], report: str) -> WorkFailed:
    failure = WorkFailed(f"{getattr(function, '__name__', function)} failed in a worker process")
    failure.add_note(report)
    return failure


class _Worker:
    """One worker process, started when needed and restarted when lost. Used by one thread at a time."""

    def __init__(self, modules: Sequence[str]):
        self._modules = modules
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, job: bytes, limits: WorkLimits) -> tuple[Ending, bytes, Used]:
        memory = limits.memory_mb * 1024 * 1024
        header = JOB.pack(len(job), memory, limits.cpu_s, limits.seconds, limits.result_bytes, limits.values)
        process = self._running()
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        try:
            process.stdin.write(header + job)
            process.stdin.flush()
            outcome = process.stdout.read(OUTCOME.size)
            if len(outcome) == OUTCOME.size:
                ending, memory_kb, cpu_s, size = OUTCOME.unpack(outcome)
                result = process.stdout.read(size)
                if len(result) == size:
                    return Ending(ending), result, Used(memory_kb, cpu_s)
        except OSError:
            logger.warning("a worker process cannot be asked", exc_info=True)
        self.stop()
        raise Unavailable("a worker process of this service ended before its work", code="busy", retry_after=1)

    def stop(self) -> None:
        """End the process. Its child, if it has one, ends by its own limits."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ledger.workers.process", *self._modules],  # -P: no working directory
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=passed_on() | _FRUGAL,
            )
        return self._process
