"""A submission to cases and to logs of several sizes: what it costs must not grow with either.

python -m scripts.bench.flatness [--events N...] [--entries N...] [--rounds N] [--json FILE]

``--events`` are of the cases, ``--entries`` of the logs, ``--rounds`` of eight submissions to each. Each is committed
on its own. The sizes take turns, so that a machine that slows down slows all of them; the table has medians, of each
size beside those of the smallest. A submission through HTTP goes to a service that is started on the ledger: its first
one finds no case in memory.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.progress import track

from api.services.parts import RecordingParts
from scripts.bench.audit import apart, fill, record
from scripts.bench.events import ROUND, busy_case, lengthen
from scripts.bench.figures import Figure, options, show
from scripts.bench.submissions import EVENTS, JSON, post, server
from scripts.campaigns.casework import recording_into

HONEST = 5_000  # entries that are submitted to a ledger at most
FEW = 1_000  # entries of the ledgers that have cases of several sizes
SMALL = 10  # events of the cases in ledgers of several sizes
FLAT = "<= 1.5"


class Cost(NamedTuple):
    """Of one submission, in milliseconds; ``first`` is that through HTTP after a start of the service."""

    cpu: float
    wall: float
    http: float
    first: float


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, events=[10, 100, 1_000, 10_000], entries=[1_000, 100_000, 1_000_000], rounds=25)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as directory:
        figures = [
            *by_case(Path(directory), args.events, args.rounds),
            *by_log(Path(directory), args.entries, args.rounds),
        ]
    show("A submission, as case and log grow", figures, args.json)


def by_case(directory: Path, sizes: list[int], rounds: int) -> list[Figure]:
    """To a case that has so many events."""
    url = filled(directory, FEW)
    with recording_into(url) as ledger:
        cases = {size: case_of(ledger, size) for size in sizes}
        costs = measured(cases, dict.fromkeys(sizes, ledger), rounds)
    with server("ours", url) as (port, _):
        served = {size: through_http(port, busy, rounds) for size, busy in cases.items()}
    return figures_of("case of {:,} events", {size: Cost(*costs[size], *served[size]) for size in sizes})


def by_log(directory: Path, sizes: list[int], rounds: int) -> list[Figure]:
    """To a case of a few events in a log of so many entries."""
    urls = {size: filled(directory, size) for size in sizes}
    with ExitStack() as stack:
        ledgers = {size: stack.enter_context(recording_into(url)) for size, url in urls.items()}
        cases = {size: case_of(ledger, SMALL) for size, ledger in ledgers.items()}
        costs = measured(cases, ledgers, rounds)
    served = {}
    for size, url in urls.items():
        with server("ours", url) as (port, _):
            served[size] = through_http(port, cases[size], rounds)
    return figures_of("log of {:,} entries", {size: Cost(*costs[size], *served[size]) for size in sizes})


def filled(directory: Path, entries: int) -> str:
    """Make a ledger of so many entries, most of them copies if they are many; return its database URL."""
    file = directory / f"ledger-{len([*directory.iterdir()])}.db"
    apart(fill, f"sqlite:///{file}", min(entries, HONEST))
    if entries > HONEST:
        apart(lengthened, file, entries)
    return f"sqlite:///{file}"


def lengthened(file: Path, entries: int) -> None:
    """Copy the cases of a ledger until it has so many entries."""
    deque(lengthen(file, [entries]), maxlen=0)


def case_of(ledger: RecordingParts, size: int, name: str = "busy") -> Iterator[bytes]:
    """Make a case of so many events in this ledger; return the submissions that follow."""
    busy = busy_case(f"{name}-{size}")
    record(ledger, track([*islice(busy, size)], f"a case of {size:,} events", transient=True))
    return busy


def measured(
    cases: dict[int, Iterator[bytes]], ledgers: dict[int, RecordingParts], rounds: int
) -> dict[int, tuple[float, float]]:
    """CPU and wall: medians over all events of the rounds, of which the first warms up."""
    costs: dict[int, list[tuple[float, float]]] = {size: [] for size in cases}
    for number in range(rounds + 1):
        for size, busy in cases.items():
            for submission in islice(busy, ROUND):
                cpu, wall = time.process_time(), time.perf_counter()
                record(ledgers[size], [submission])
                taken = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)
                costs[size] += [taken] if number else []
    return {size: (median(cpu for cpu, _ in taken), median(wall for _, wall in taken)) for size, taken in costs.items()}


def through_http(port: int, busy: Iterator[bytes], rounds: int) -> tuple[float, float]:
    """Post one after the other over one connection: each of those after the first, and the first after a start."""
    cold = post([port], EVENTS, JSON, [next(busy)], connections=1)
    warm = post([port], EVENTS, JSON, [*islice(busy, rounds * ROUND)], connections=1)
    return warm.p50_ms, cold.p50_ms


def figures_of(title: str, costs: dict[int, Cost]) -> list[Figure]:
    """Compare each size with the smallest."""
    least = min(costs)
    figures = []
    for size in sorted(costs):
        name, beside = title.format(size), title.format(least)
        compared = zip(("CPU", "wall", "through HTTP"), costs[size], costs[least], strict=False)
        figures += [Figure(f"{name}: {kind}", cost, beside, base, "ms", FLAT) for kind, cost, base in compared]
        figures.append(Figure(f"{name}: first after a start", costs[size].first, "limit", 2_000, "ms", "<= 1"))
    return figures


if __name__ == "__main__":
    main()
