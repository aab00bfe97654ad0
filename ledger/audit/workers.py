"""The workers of an audit: this process, or several that each read the database by themselves."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from ledger.audit.chain import kinds_of
from ledger.audit.entries import Ground, RangeResult, check_range
from ledger.audit.findings import AuditFinding
from ledger.audit.streams import Faulty, Rules, StreamRange, check_part
from ledger.core.procedure.adoption import Procedures
from ledger.recording.case_states import CaseStates
from ledger.store import audit as rows
from ledger.store.database import Database, attach

NEW_OBJECTS = 50_000  # of a worker's process, between two garbage collections

Range = tuple[int, int]


class Workers(NamedTuple):
    """What checks the entries of a range and a part of the streams; ``apply`` maps either over tasks, in order."""

    apply: Callable[..., Iterator[Any]]
    entries: Callable[[Range], RangeResult]
    streams: Callable[[StreamRange, Faulty], list[AuditFinding]]


class Worker:
    """Checks one task after the other."""

    def __init__(self, database: Database, ground: Ground, procedures: Procedures):
        self._database = database
        self._ground = ground
        agencies = None if ground.authority is None else ground.authority.agencies
        states = CaseStates(database, lambda: procedures, lambda *_: kinds_of(ground))
        with database.read() as connection:
            self._rules = Rules(states, agencies, rows.split_for(connection))

    def entries(self, task: Range) -> RangeResult:
        with self._database.read() as connection:
            return check_range(connection, self._ground, *task)

    def streams(self, part: StreamRange, faulty: Faulty) -> list[AuditFinding]:
        with self._database.read() as connection:
            return check_part(connection, part, faulty, self._rules)


@contextmanager
def workers(database: Database, ground: Ground, procedures: Procedures, processes: int) -> Iterator[Workers]:
    """Start ``processes`` workers; 1 is this process itself."""
    if processes == 1:
        worker = Worker(database, ground, procedures)
        yield Workers(map, worker.entries, worker.streams)
        return
    context = multiprocessing.get_context("spawn")  # a copy of this process would share its connections
    arguments = (database.url, ground, procedures)
    with ProcessPoolExecutor(processes, context, initializer=_attach, initargs=arguments) as executor:
        yield Workers(executor.map, _entries, _streams)


_worker: Worker


def _attach(url: str, ground: Ground, procedures: Procedures) -> None:
    global _worker  # noqa: PLW0603 - the one place where a worker process keeps what it was started with
    _worker = Worker(attach(url), ground, procedures)
    # What lasts as long as the process need not be scanned again, and the objects of a range have no cycles.
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def _entries(task: Range) -> RangeResult:
    return _worker.entries(task)


def _streams(part: StreamRange, faulty: Faulty) -> list[AuditFinding]:
    return _worker.streams(part, faulty)
