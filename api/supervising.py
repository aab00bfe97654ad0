"""Supervising: the views over the log, and what runs models over them, put together out of the other parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ledger.core.authority import Authority
from ledger.core.event.record import DatasetRegistered
from ledger.installation import DataDirectory
from ledger.record import Recorder
from ledger.recount import mark_of
from ledger.registry import Registry
from ledger.settings import Settings
from ledger.store import bindings, log
from ledger.store.database import Database
from ledger.supervision.datasets import DatasetFiles, Datasets, WriteTable, write_table
from ledger.supervision.model.elsewhere import ModelRunner
from ledger.supervision.snapshot import LogSource, Views
from ledger.supervision.standing import Record
from ledger.supervision.supervise import Supervisor
from ledger.system import SystemStream
from ledger.worker_pool import WorkerPool, WorkLimits

OWN_WORK = "the service"  # in the place of an agency
RUN_SECONDS = 4  # on a machine that does other things as well, for a second of computing
TABLE_TAKES = 4  # times as much as looking through its file once, which was done within the limits


class BoundFile:
    """Binds the digest of a file of the data directory (``snapshot.views.LeftWith``)."""

    def __init__(self, database: Database, name: str):
        self._database = database
        self._name = name

    def last(self) -> str | None:
        with self._database.read() as connection:
            return bindings.last_bound(connection, bindings.VIEWS, self._name)

    def keep(self, digest: str) -> None:
        with self._database.write() as connection:
            if bindings.last_bound(connection, bindings.VIEWS, self._name) != digest:
                bindings.bind(connection, bindings.VIEWS, {self._name: digest})


def make_supervisor(
    *,
    settings: Settings,
    path: Path | None,
    database: Database,
    registry: Registry,
    recorder: Recorder,
    system: SystemStream,
    clock: Callable[[], int],
    workers: WorkerPool | None = None,
) -> Supervisor:
    """Not looking yet. ``path`` is where the views are kept, None in memory; ``clock`` gives unix milliseconds."""

    def authority() -> Authority:
        with database.read() as connection:
            return registry.at(connection, log.tree(connection).registry_changes)

    source = LogSource(database, recorder.states, authority)
    mark = mark_of(recorder.book, recorder.calendar)
    known = Datasets(
        DatasetFiles(DataDirectory(settings.data_dir).datasets), None if workers is None else _writing_in(workers)
    )
    views = Views(
        path,
        source,
        recorder.book,
        recorder.calendar,
        mark=mark,
        datasets=lambda size, near: known.tables(source.registered(size), near),
        left_with=None if path is None else BoundFile(database, path.name),
    )
    runner = ModelRunner(workers, model_limits(settings), agency=OWN_WORK)
    record = Record(database, authority, system, source.registered, runner)
    return Supervisor(views, record, interval_s=settings.supervision_interval_s, clock=clock, runner=runner)


def model_limits(settings: Settings) -> WorkLimits:
    """Return what one run of a published model may take."""
    return WorkLimits(
        memory_mb=settings.model_memory_mb, cpu_s=settings.model_cpu_s, seconds=RUN_SECONDS * settings.model_cpu_s
    )


def _writing_in(workers: WorkerPool) -> WriteTable:
    """Makes tables of data sets in worker processes."""
    limits = workers.limits.times(TABLE_TAKES)

    def write(path: Path, registered: DatasetRegistered, evidence: str, target: Path) -> bool:
        return workers.run(write_table, path, registered, evidence, target, agency=OWN_WORK, limits=limits)

    return write
