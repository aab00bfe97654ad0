"""Views of logs of several sizes: made whole beside folding the same events alone, grown by a few events, and asked.

python -m scripts.bench.views [--events N...] [--grown N] [--json FILE]

The cases are those of a generated history, under new ids as often as the size asks for. ``--grown`` cases get their
last two events after the views were made, one after the other: the first finds cases at rest, of which nothing is in
memory any more, the second cases at work. What each costs must not grow with the log. Memory is the peak of the
process, DuckDB's own limit (1 GiB) within it; sizes are measured smallest first, in CPU time of this process. Then all
shipped models are run: over everything, and those that look at one case at a time over the grown cases alone. At last
each is run as a service runs it, in a worker process within the limits of a service: computing, and memory beyond that
of a worker which runs nothing.
"""

from __future__ import annotations

import gc
import resource
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from api.wiring import model_limits
from ledger.config.settings import Settings
from ledger.core.errors import TallystickError
from ledger.core.events import Event, Stream
from ledger.procedures import shipped_procedures
from ledger.recording.case_states import GARBAGE_THRESHOLDS
from ledger.supervision.models.definition import Model
from ledger.supervision.models.model_file import parse_model, shipped_models
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.export_runs import Export
from ledger.supervision.runs.findings import find
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.views.case_record import SourceEvent, read_case
from ledger.supervision.views.snapshot import LogHead, Views
from ledger.supervision.views.sources import BundleActs, BundleViewSource
from ledger.workers.pool import Used, WorkerPool
from scripts.bench.figures import Figure, cpu_seconds, options, show
from scripts.histories.history import generate

CASES = 300  # of the history that is repeated
FLAT = "<= 1.5"
LATE = 2  # events of each case that grows
LIMIT_MS = 5  # of one more event in a case at work
AS_OF = datetime(2027, 1, 1, tzinfo=UTC)


class Repeated(BundleViewSource):
    """A log of at least ``size`` events: whole cases one after the other, then the last two events of the first few,
    the last but one of each first."""

    def __init__(self, cases: list[list[Event]], size: int, grown: int):
        super().__init__((), shipped_procedures())
        self._cases: dict[str, tuple[list[Event], int]] = {}
        self._size = 0
        for number in count():
            if self._size >= size:
                break
            events = cases[number % len(cases)]
            self._cases[f"case-{number}"] = events, self._size
            self._size += len(events) - LATE * (number < grown)
        self._late = {f"case-{number}": self._size + number for number in range(grown)}

    def grow(self) -> None:
        """Fold one of the last events of each in."""
        self._size += len(self._late)

    def head(self) -> LogHead:
        return LogHead(self._size, self.digest_at(self._size))

    def digest_at(self, size: int) -> str | None:
        return f"blake3:{size:064x}" if size else None

    def touched(self, start: int, end: int) -> list[str]:
        count = len(self._late)
        late = [
            case_id
            for case_id, index in self._late.items()
            if any(start <= index + each * count < end for each in range(LATE))
        ]
        return sorted({*late, *(case_id for case_id, (_, first) in self._cases.items() if start <= first < end)})

    def case(self, case_id: str, end: int, *, after: int = -1) -> list[SourceEvent]:
        events, first = self._cases[case_id]
        stream, late = Stream(kind="case", id=case_id), self._late.get(case_id)
        indices = [first + number for number in range(len(events))]
        if late is not None:
            indices[-LATE:] = [late + each * len(self._late) for each in range(LATE)]
        return [
            SourceEvent(index, replace(event, stream=stream))
            for index, event in zip(indices, events, strict=True)
            if index < end and event.sequence > after
        ]

    def fold_all(self) -> None:
        """Read and fold the same cases, and make no rows of them."""
        acts = self.acts
        deque((read_case(self.case(case_id, self._size), acts, self._size) for case_id in self._cases), 0)


def cases() -> Iterator[list[Event]]:
    """Return the cases of a history that stand alone, and have more events than come late."""
    for simulated in generate(1, CASES).cases:
        events = [step.event for step in simulated.steps]
        with suppress(TallystickError):
            logged = [SourceEvent(i, event) for i, event in enumerate(events)]
            if len(read_case(logged, BundleActs({}, shipped_procedures(), {}), len(logged)).steps) > LATE:
                yield events


class Measured(NamedTuple):
    """Of a log of one size: microseconds an event of making the views and of folding, milliseconds of each grown case,
    at rest and at work; seconds of all models over everything and over the grown."""

    building: float
    folded: float
    rested: float
    later: float
    whole: float
    small: float


def run_elsewhere(views: Views, models: Iterable[Model]) -> None:
    """Run each model over an export of everything in a worker process, and print what each took."""
    workers = WorkerPool(1)
    runner = ModelRunner(workers, model_limits(Settings()), agency="bench")
    workers.run(abs, 1, agency="bench")
    idle, costs = used_by(workers).memory_kb, list[tuple[float, str]]()
    with ExitStack() as exporting:
        export: list[Export] = []
        exported = cpu_seconds(lambda: export.append(exporting.enter_context(views.export())))
        for model in models:
            try:
                outcome: object = len(runner.run(export[0], model, {}, AS_OF).findings)
            except TallystickError as error:
                outcome = error.message
            used = used_by(workers)
            memory = (used.memory_kb - idle) / 1024
            costs.append((used.cpu_s, f"  {model.model_id}: {used.cpu_s:.1f} s, {memory:,.0f} MB, {outcome}"))
    workers.close()
    lines = [f"  exported for runs in {exported:.1f} s of CPU", *(line for _, line in sorted(costs, reverse=True))]
    print("\n".join(lines), flush=True)


def used_by(workers: WorkerPool) -> Used:
    """Return what the last piece of work took."""
    assert workers.last_used is not None, "there was one"
    return workers.last_used


def ask(views: Views, models: Iterable[Model], cases: frozenset[str] | None) -> None:
    """Run the models as the service does; one whose data set is not there finds nothing."""
    for model in models:
        with views.session(cases, with_datasets=True) as session, suppress(QueryRefused):
            find(model, {}, session, AS_OF)


def measure(histories: list[list[Event]], size: int, grown: int) -> Measured:
    """Measure one log of this size."""
    models = [parse_model(text) for text in shipped_models().values()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "views.duckdb"
        log = Repeated(histories, size, grown)
        views = Views(path, log)
        refreshed, folded = cpu_seconds(views.refresh), cpu_seconds(log.fold_all)
        events = log.head().size
        log.grow()
        rested = cpu_seconds(views.refresh)
        log.grow()
        later = cpu_seconds(views.refresh)
        some = frozenset(f"case-{number}" for number in range(grown))
        whole = cpu_seconds(lambda: ask(views, models, None))
        small = cpu_seconds(lambda: ask(views, [model for model in models if model.scope == "case"], some))
        run_elsewhere(views, models)
        views.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        kept = path.stat().st_size / 2**20
        print(f"{size:,} events: {peak:,.0f} MB at the peak, {kept:,.1f} MB kept", flush=True)
        costs = 1e6 * refreshed / events, 1e6 * folded / events, 1e3 * rested / grown, 1e3 * later / grown
        return Measured(*costs, whole, small)


def main() -> None:
    gc.set_threshold(*GARBAGE_THRESHOLDS)  # as a service does
    args = options(__doc__, events=[10_000, 100_000, 1_000_000], grown=50)
    histories = list(cases())
    figures: list[Figure] = []
    least: Measured | None = None
    for size in sorted(args.events):
        measured = measure(histories, size, args.grown)
        least = least or measured
        cost, smallest = measured.building, "the smallest"
        at_rest, at_work = (f"one more event in a case at {how}, of {size:,}" for how in ("rest", "work"))
        figures += [
            Figure(f"views of {size:,} events, an event", cost, "folding", measured.folded, "µs", "<= 5"),
            Figure(f"views of {size:,} events, an event", cost, smallest, least.building, "µs", FLAT),
            Figure(at_rest, measured.rested, smallest, least.rested, "ms", FLAT),
            Figure(at_work, measured.later, smallest, least.later, "ms", FLAT),
            Figure(at_work, measured.later, "limit", LIMIT_MS, "ms", "<= 1"),
            Figure(
                f"all models over {size:,} events", measured.whole, "making the views", cost * size / 1e6, "s", "<= 0.1"
            ),
            Figure(f"models over {args.grown} cases of these", measured.small, smallest, least.small, "s", "<= 2"),
        ]
    show("Views", figures, args.json)


if __name__ == "__main__":
    main()
