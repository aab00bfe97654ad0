"""Runs over an export of the views: what a worker process does with a model of others, which reaches nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.procedure.zones import Zone
from ledger.supervision import view_catalogue
from ledger.supervision.models import conditions, sql_guard
from ledger.supervision.models.definition import Model
from ledger.supervision.runs.findings import ModelFinding, UnfitRow, find
from ledger.supervision.runs.query_session import (
    Limits,
    QuerySession,
    SessionDataset,
    prepare_database,
    register_under_random_name,
)
from ledger.supervision.views.snapshot_tables import ExportedTables, map_table, views_of

# Whenever DuckDB is opened, it asks how many processors and how much memory there are, also where it is told.
ASKED_OF_THE_SYSTEM: Final = ("/proc/self/cgroup", "/sys/fs/cgroup", "/sys/devices/system/cpu")


def make_ready() -> list[str]:
    """Open and read what each run needs, in a process of which those of the runs are forked; return what it reads then.

    A run has a database of its own nevertheless: the one that it inherits was asked nothing, and ends with it.
    """
    view_catalogue.views()
    conditions.make_ready()
    sql_guard.make_ready()
    prepare_database()
    return [*ASKED_OF_THE_SYSTEM]


class ExportedDataset(Struct, frozen=True):
    """The Arrow file of a data set, what a session has to know of it, and the agency that registered it."""

    path: str
    for_session: SessionDataset
    agency: str = ""


class Export(Struct, frozen=True):
    """A folder of ``tables.export``, the size of its log, and the Arrow files of data sets by the names of their
    views."""

    folder: str
    size: int
    datasets: Mapping[str, ExportedDataset]
    zone: Zone

    @property
    def files(self) -> tuple[str, ...]:
        """Return the folder, and the files that are elsewhere: what a session over the export opens."""
        return (self.folder, *(dataset.path for dataset in self.datasets.values()))


@contextmanager
def exported_session(export: Export, limits: Limits, procedures: Collection[str] = ()) -> Iterator[QuerySession]:
    """Open a session over an export; it answers as one of ``Views`` does.

    With ``procedures`` only over the cases of these.
    """
    tables = ExportedTables(Path(export.folder), limits)
    with tables.connection as connection:
        if procedures:
            tables.open_for("kept.cases")
        own = views_of(connection, None, procedures=procedures)
        datasets = {
            name: replace(
                dataset.for_session, table=register_under_random_name(connection, map_table(Path(dataset.path)))
            )
            for name, dataset in export.datasets.items()
        }
        yield QuerySession(
            connection, own, tables.open_for, zone=export.zone, size=export.size, datasets=datasets, limits=limits
        )


class RunResult(Struct, frozen=True):
    """What a model found, and why its first row that is no finding is none."""

    findings: list[ModelFinding]
    refused_row: UnfitRow | None


def found_in_export(
    export: Export, model: Model, parameters: Mapping[str, Any], as_of: datetime, limits: Limits
) -> list[ModelFinding]:
    """Return what the model finds. Raises what ``find`` raises."""
    with exported_session(export, limits, model.procedures) as session:
        return find(model, parameters, session, as_of)


def result_in_export(
    export: Export, model: Model, parameters: Mapping[str, Any], as_of: datetime, limits: Limits
) -> RunResult:
    """Run the model; a row that is no finding stops no other. Raises what ``find`` raises."""
    refused: list[UnfitRow] = []
    with exported_session(export, limits, model.procedures) as session:
        findings = find(model, parameters, session, as_of, refused=refused.append)
    return RunResult(findings, refused[0] if refused else None)
