"""The workers of an audit: this process, or several, all of which read one snapshot of the database.

The service goes on while its log is audited. If one reader saw what another one does not see yet, a sound log would
look changed.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from threading import Barrier, BrokenBarrierError
from typing import Any, NamedTuple

from ledger.audit.entries import Ground, RangeResult, check_range
from ledger.audit.findings import AuditFinding
from ledger.audit.streams import Faulty, Rules, check_part
from ledger.core.errors import Unavailable
from ledger.core.procedure.adoption import Procedures
from ledger.recording.case_states import CaseStates
from ledger.recording.registry_view import ReadAccess
from ledger.store import audit as rows
from ledger.store import log
from ledger.store.audit import StreamRange
from ledger.store.database import Connection, Database, attach

WORTH_PROCESSES = 50_000  # entries from which starting other processes pays
NEW_OBJECTS = 50_000  # of a worker's process, between two garbage collections
START_S = 120  # seconds within which the processes must have started
LOOK_S = 10  # seconds within which each must have its snapshot: nothing is committed meanwhile


def processes_worth(entries: int) -> int:
    """Return how many processes so many entries are worth: a small log takes less time than starting them."""
    return (os.cpu_count() or 1) if entries >= WORTH_PROCESSES else 1


class Judging(NamedTuple):
    """What entries and streams are judged by."""

    ground: Ground
    procedures: Procedures

    def states(self, database: ReadAccess) -> CaseStates:
        """Return the states of cases as these lead to them."""
        authority = self.ground.authority
        return CaseStates(database, lambda: self.procedures, lambda *_: authority.kinds if authority else {})

    def rules(self, database: ReadAccess, splitting: frozenset[str | None] = frozenset()) -> Rules:
        """Return what streams are judged by; ``splitting`` is as in ``Rules``."""
        agencies = None if self.ground.authority is None else self.ground.authority.agencies
        return Rules(self.states(database), agencies, splitting)


class Snapshot(NamedTuple):
    """The database at one moment, for what reads a database."""

    connection: Connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Return the one connection."""
        yield self.connection


class Worker:
    """Checks one task of an audit after the other."""

    def __init__(self, connection: Connection):
        self._snapshot = Snapshot(connection)
        self._rules: Rules | None = None

    def entries(self, judging: Judging, indices: Sequence[int]) -> RangeResult:
        """Check the entries at rising indices."""
        return check_range(self._snapshot.connection, judging.ground, indices)

    def streams(self, judging: Judging, faulty: Faulty, part: StreamRange) -> list[AuditFinding]:
        """Check a part of the streams."""
        if self._rules is None:
            self._rules = judging.rules(self._snapshot, rows.splitting(self._snapshot.connection))
        return check_part(self._snapshot.connection, part, faulty, self._rules)


class Workers(NamedTuple):
    """What checks entries and a part of the streams; ``apply`` maps either over tasks, in order.

    All see what ``connection`` sees.
    """

    connection: Connection
    apply: Callable[..., Iterator[Any]]
    entries: Callable[[Judging, Sequence[int]], RangeResult]
    streams: Callable[[Judging, Faulty, StreamRange], list[AuditFinding]]


@contextmanager
def workers(database: Database, processes: int) -> Iterator[Workers]:
    """Start ``processes`` workers; 1 is this process itself. Raises Unavailable if they do not start."""
    if processes == 1:
        with database.read() as connection:
            worker = Worker(connection)
            yield Workers(connection, map, worker.entries, worker.streams)
        return
    context = multiprocessing.get_context("spawn")  # a copy of this process would share its connections
    together = context.Barrier(processes + 1)
    arguments = (database.url, together)
    with ExitStack() as stack:
        executor = stack.enter_context(ProcessPoolExecutor(processes, context, initializer=_attach, initargs=arguments))
        try:
            for _ in range(processes):
                executor.submit(_attached)  # each starts a process, for none is idle yet
            together.wait(START_S)
            # Nothing is committed while each of them opens its snapshot, so all see the same.
            with database.write():
                together.wait(LOOK_S)
                connection = stack.enter_context(database.read())
                log.tree(connection)
                together.wait(LOOK_S)
        except BaseException as error:
            together.abort()  # the processes end, instead of waiting for a moment that does not come
            if not isinstance(error, BrokenBarrierError | BrokenProcessPool):
                raise
            raise Unavailable("the processes of the audit did not start", hint="Audit again.") from error
        yield Workers(connection, executor.map, _entries, _streams)


_worker: Worker
_open = ExitStack()  # it ends with the process


def _attach(url: str, together: Barrier) -> None:
    """Open this process's connection at the moment at which the others open theirs."""
    global _worker  # noqa: PLW0603 - the one place where a worker process keeps what it was started with
    database = attach(url)
    together.wait(START_S)
    together.wait(START_S)
    connection = _open.enter_context(database.read())
    log.tree(connection)  # a snapshot begins with its first statement
    together.wait(LOOK_S)
    _worker = Worker(connection)
    # What lasts as long as the process need not be scanned again, and the objects of a range have no cycles.
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def _attached() -> None:
    """Do nothing but start a process."""


def _entries(judging: Judging, indices: Sequence[int]) -> RangeResult:
    return _worker.entries(judging, indices)


def _streams(judging: Judging, faulty: Faulty, part: StreamRange) -> list[AuditFinding]:
    return _worker.streams(judging, faulty, part)
