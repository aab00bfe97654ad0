"""The model runner: other people's models, read and run in a process that reaches only an export of the views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from msgspec.structs import replace

from ledger.core.errors import IntegrityBroken
from ledger.loggers import get_logger
from ledger.supervision.model_faults import Wording
from ledger.supervision.models.definition import Model
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.procedure_words import UNCHECKED
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.dataset_rows import Registered, table_of, write_table
from ledger.supervision.runs.datasets import TABLE_TAKES, DatasetTable, files_of_table, mapped_table
from ledger.supervision.runs.export_runs import Export, RunResult, result_in_export
from ledger.supervision.runs.query_session import LIMITS, Limits
from ledger.workers.pool import TooCostly, WorkerPool, WorkFailed, WorkLimits
from ledger.workers.sandbox import NO_FILES, Files

DATABASE_SHARE: Final = 2  # what DuckDB counts is not all that it takes: it has half, so that it says what is too much
VALUES_OF_FINDING: Final = 36  # in a result: of one with ten columns that cites an event


@contextmanager
def naming_the_query() -> Iterator[None]:
    """Raise what reading or running a model takes too much of as its query's: nothing else of it can be made less."""
    try:
        yield
    except TooCostly as error:
        message = Wording("run_costly", why=error.text)
        raise TooCostly(message, field="condition", hint=Wording("hint_less")) from error


T = TypeVar("T")
Ts = TypeVarTuple("Ts")

logger = get_logger(__name__)


def query_limits(limits: WorkLimits) -> Limits:
    """Return what one query may take in a process of these limits."""
    return Limits(seconds=limits.seconds, memory_mb=limits.memory_mb // DATABASE_SHARE)


def run_limits(limits: WorkLimits) -> WorkLimits:
    """Return these limits with room in the result for a finding of each row that a query may give."""
    return replace(limits, values=LIMITS.rows * VALUES_OF_FINDING)


class ModelRunner:
    """Reads and runs published models, and reads data sets, for ``agency``: in ``workers``, or in this process.

    ``limits`` are in the place of those of the workers, for work that nobody waits for.
    """

    def __init__(self, workers: WorkerPool | None = None, limits: WorkLimits | None = None, *, agency: str = ""):
        self._workers = workers
        self._limits = limits or (None if workers is None else workers.limits)
        self._agency = agency
        self._query_limits = LIMITS if self._limits is None else query_limits(self._limits)
        self._patience_s = None if limits is None else limits.seconds

    def read(self, definition: str) -> Model:
        """Return the model of a file. Raises ModelRefused, and what ``run`` raises of a process."""
        with naming_the_query():
            return self._do(NO_FILES, parse_model, definition, UNCHECKED)

    def run(self, export: Export, model: Model, parameters: Mapping[str, Any], as_of: datetime) -> RunResult:
        """Run the model over an export of the views.

        Raises:
            MalformedInput: the parameters are out of bounds.
            QueryRefused: the condition cannot be asked, or the run failed by a defect.
            TooCostly: the run came to the end of its limits.
            Unavailable: no worker was free in time, or the machine was too busy.
        """
        files = Files(read=export.files)
        limits = None if self._limits is None else run_limits(self._limits)
        arguments = export, model, parameters, as_of, self._query_limits
        with naming_the_query():
            return self._do(files, result_in_export, *arguments, limits=limits)

    def table(self, path: Path, registered: Registered) -> DatasetTable:
        """Return the view of a data set from its file.

        Raises MalformedInput or IntegrityBroken if it is not the file that was registered, and what ``run`` raises of a
        process.
        """
        if self._workers is None:
            return DatasetTable(registered, table_of(path, registered))
        limits = (self._limits or self._workers.limits).times(TABLE_TAKES)
        with TemporaryDirectory(prefix="tallystick-dataset-") as folder:
            target = Path(folder, "table.arrow")
            files = files_of_table(path, registered.body, target)
            arguments = path, registered.body, registered.digest, target
            if not self._do(files, write_table, *arguments, limits=limits):
                raise IntegrityBroken(
                    "{name} changed while it was read",
                    name=path.name,
                    field="file",
                    hint="Close what writes it, try again.",
                )
            return DatasetTable(registered, mapped_table(target, registered.body.rows))

    def _do(
        self, files: Files, function: Callable[[Unpack[Ts]], T], *arguments: *Ts, limits: WorkLimits | None = None
    ) -> T:
        if self._workers is None:
            return function(*arguments)
        try:
            return self._workers.run(
                function,
                *arguments,
                agency=self._agency,
                field="definition",
                limits=limits or self._limits,
                files=files,
                patience_s=self._patience_s,
            )
        except WorkFailed as failure:  # our defect: told as this run's fault, so that other runs go on
            logger.exception("a model failed for a reason that nobody foresaw")
            raise QueryRefused(Wording("run_failed"), field="definition") from failure
