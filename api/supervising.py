"""Supervising: the views over the log, and what runs models over them, put together out of the other parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ledger.core.authority import Authority
from ledger.installation import DataDirectory
from ledger.record import Recorder
from ledger.recount import mark_of
from ledger.registry import Registry
from ledger.settings import Settings
from ledger.store import log
from ledger.store.database import Database
from ledger.supervision.datasets import DatasetFiles, Datasets
from ledger.supervision.snapshot import LogSource, Views
from ledger.supervision.standing import Record
from ledger.supervision.supervise import Supervisor
from ledger.system import SystemStream


def make_supervisor(
    *,
    settings: Settings,
    path: Path | None,
    database: Database,
    registry: Registry,
    recorder: Recorder,
    system: SystemStream,
    clock: Callable[[], int],
) -> Supervisor:
    """Not looking yet. ``path`` is where the views are kept, None in memory; ``clock`` gives unix milliseconds."""

    def authority() -> Authority:
        with database.read() as connection:
            return registry.at(connection, log.tree(connection).registry_changes)

    source = LogSource(database, recorder.states, authority)
    mark = mark_of(recorder.book, recorder.calendar)
    known = Datasets(DatasetFiles(DataDirectory(settings.data_dir).datasets))
    views = Views(
        path,
        source,
        recorder.book,
        recorder.calendar,
        mark=mark,
        datasets=lambda size: known.tables(source.registered(size)),
    )
    record = Record(database, authority, system, source.registered)
    return Supervisor(views, record, interval_s=settings.supervision_interval_s, clock=clock)
