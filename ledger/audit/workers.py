"""The workers of an audit: this process, or several that each read the database by themselves."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from typing import Protocol

from ledger.audit.entries import Ground, RangeResult, check_range
from ledger.audit.findings import AuditFinding
from ledger.audit.streams import Faulty, Rules, StreamRange, check_part
from ledger.core.procedure.rulebook import Rulebook
from ledger.deadlines.working_days import shipped_calendar
from ledger.recording.case_states import CaseStates
from ledger.store.database import Database, attach

NEW_OBJECTS = 50_000  # of a worker's process, between two garbage collections

Range = tuple[int, int]


class Workers(Protocol):
    """Returns results in the order of the tasks."""

    def entries(self, ranges: Iterable[Range]) -> Iterator[RangeResult]: ...

    def streams(self, parts: Iterable[StreamRange], faulty: Faulty) -> Iterator[list[AuditFinding]]: ...


class Worker:
    """Checks in this process, one task after the other."""

    def __init__(self, database: Database, ground: Ground, book: Rulebook):
        self._database = database
        self._ground = ground
        agencies = None if ground.authority is None else ground.authority.agencies
        self._rules = Rules(CaseStates(database, book), shipped_calendar(), agencies)

    def entries(self, ranges: Iterable[Range]) -> Iterator[RangeResult]:
        for start, end in ranges:
            with self._database.read() as connection:
                result = check_range(connection, self._ground, start, end)
            yield result

    def streams(self, parts: Iterable[StreamRange], faulty: Faulty) -> Iterator[list[AuditFinding]]:
        for part in parts:
            with self._database.read() as connection:
                findings = check_part(connection, part, faulty, self._rules)
            yield findings


class _Pool:
    """Hands the tasks to processes that ``_attach`` has prepared."""

    def __init__(self, executor: ProcessPoolExecutor):
        self._executor = executor

    def entries(self, ranges: Iterable[Range]) -> Iterator[RangeResult]:
        return self._executor.map(_check_range, ranges)

    def streams(self, parts: Iterable[StreamRange], faulty: Faulty) -> Iterator[list[AuditFinding]]:
        return self._executor.map(_check_streams, parts, repeat(faulty))


@contextmanager
def workers(database: Database, ground: Ground, book: Rulebook, processes: int) -> Iterator[Workers]:
    """Start ``processes`` workers; 1 is this process itself."""
    if processes == 1:
        yield Worker(database, ground, book)
        return
    context = multiprocessing.get_context("spawn")  # a copy of this process would share its connections
    arguments = (database.url, ground, book)
    with ProcessPoolExecutor(processes, context, initializer=_attach, initargs=arguments) as executor:
        yield _Pool(executor)


_worker: Worker


def _attach(url: str, ground: Ground, book: Rulebook) -> None:
    global _worker  # noqa: PLW0603 - the one place where a worker process keeps what it was started with
    _worker = Worker(attach(url), ground, book)
    # What lasts as long as the process need not be scanned again, and the objects of a range have no cycles.
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def _check_range(task: Range) -> RangeResult:
    return next(_worker.entries([task]))


def _check_streams(part: StreamRange, faulty: Faulty) -> list[AuditFinding]:
    return next(_worker.streams([part], faulty))
