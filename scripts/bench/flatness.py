"""A submission to cases and to logs of several sizes: what it costs must not grow with either.

python -m scripts.bench.flatness [--events N...] [--entries N...] [--rounds N] [--json FILE]

Each is committed on its own. The sizes take turns, so that a machine that slows down slows all of them; the table has
medians, of each size beside those of the smallest. A submission through HTTP goes to a service that is started on the
ledger: its first one finds no case in memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from msgspec import Struct
from rich.progress import track

from ledger.store.database import attach
from scripts.bench.audit import apart, fill, record
from scripts.bench.events import ROUND, BusyCase, lengthen
from scripts.bench.figures import Figure, show
from scripts.bench.submissions import EVENTS, JSON, post, server
from scripts.campaigns.casework import recording_over

HONEST = 5_000  # entries that are submitted to a ledger at most
FEW = 1_000  # entries of the ledgers that have cases of several sizes
SMALL = 10  # events of the cases in ledgers of several sizes
FLAT = "<= 1.5"


class Cost(Struct, frozen=True):
    """Of one submission, in milliseconds."""

    cpu: float
    wall: float


class Ledger:
    """A writer on a ledger that is there."""

    def __init__(self, url: str):
        self._database = attach(url)
        recording = recording_over(self._database)
        self._validator, self._sequencer = recording.validator, recording.sequencer
        self._sequencer.start()

    def submit_all(self, submissions: Iterable[bytes]) -> None:
        """Judges each, and waits for the receipts; many share a commit."""
        record(self._validator, self._sequencer, submissions)

    def submit(self, submission: bytes) -> Cost:
        """Judges, commits and waits for the receipt."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.submit_all([submission])
        return Cost(1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall))

    def close(self) -> None:
        self._sequencer.stop()
        self._database.close()


class Target(Struct, frozen=True):
    """A case in a ledger."""

    ledger: Ledger
    case: BusyCase


def main() -> None:
    """Measures and shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10, 100, 1_000, 10_000], help="of the cases")
    parser.add_argument("--entries", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="of the logs")
    parser.add_argument("--rounds", type=int, default=25, help=f"of {ROUND} submissions to each")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as directory:
        figures = [
            *by_case(Path(directory), options.events, options.rounds),
            *by_log(Path(directory), options.entries, options.rounds),
        ]
    show("A submission, as case and log grow", figures, options.json)


def by_case(directory: Path, sizes: list[int], rounds: int) -> list[Figure]:
    """To a case that has so many events."""
    url = filled(directory, FEW)
    with closing(Ledger(url)) as ledger:
        cases = {size: case_of(ledger, size) for size in sizes}
        costs = measured({size: Target(ledger, busy) for size, busy in cases.items()}, rounds)
    with server("ours", url) as port:
        served = {size: through_http(port, busy, rounds) for size, busy in cases.items()}
    return figures_of("case of {:,} events", costs, served)


def by_log(directory: Path, sizes: list[int], rounds: int) -> list[Figure]:
    """To a case of a few events in a log of so many entries."""
    urls = {size: filled(directory, size) for size in sizes}
    with ExitStack() as stack:
        ledgers = {size: stack.enter_context(closing(Ledger(url))) for size, url in urls.items()}
        cases = {size: case_of(ledger, SMALL) for size, ledger in ledgers.items()}
        costs = measured({size: Target(ledger, cases[size]) for size, ledger in ledgers.items()}, rounds)
    served = {}
    for size, url in urls.items():
        with server("ours", url) as port:
            served[size] = through_http(port, cases[size], rounds)
    return figures_of("log of {:,} entries", costs, served)


def filled(directory: Path, entries: int) -> str:
    """Make a ledger of so many entries, most of them copies if they are many; return its database URL."""
    file = directory / f"ledger-{len([*directory.iterdir()])}.db"
    apart(fill, f"sqlite:///{file}", min(entries, HONEST))
    if entries > HONEST:
        apart(lengthen, file, entries)
    return f"sqlite:///{file}"


def case_of(ledger: Ledger, size: int) -> BusyCase:
    """Make a case of so many events in this ledger."""
    busy = BusyCase(f"busy-{size}")
    ledger.submit_all(track(busy.take(size), f"a case of {size:,} events", transient=True))
    return busy


def measured(targets: dict[int, Target], rounds: int) -> dict[int, Cost]:
    """Medians over all events of the rounds, of which the first warms up."""
    costs: dict[int, list[Cost]] = {size: [] for size in targets}
    for number in range(rounds + 1):
        for size, target in targets.items():
            taken = [target.ledger.submit(submission) for submission in target.case.take(ROUND)]
            costs[size] += taken if number else []
    return {
        size: Cost(median(cost.cpu for cost in taken), median(cost.wall for cost in taken))
        for size, taken in costs.items()
    }


class Served(Struct, frozen=True):
    """Milliseconds of a submission through HTTP: the first after a start of the service, and each of those after it."""

    first: float
    each: float


def through_http(port: int, busy: BusyCase, rounds: int) -> Served:
    """One after the other over one connection."""
    first, *rest = busy.take(1 + rounds * ROUND)
    cold = post([port], EVENTS, JSON, [first], connections=1)
    warm = post([port], EVENTS, JSON, rest, connections=1)
    return Served(cold.p50_ms, warm.p50_ms)


def figures_of(title: str, costs: dict[int, Cost], served: dict[int, Served]) -> list[Figure]:
    """Compare each size with the smallest."""
    least = min(costs)
    figures = []
    for size in sorted(costs):
        name, beside = title.format(size), title.format(least)
        cost, base = costs[size], costs[least]
        figures += [
            Figure(f"{name}: CPU", cost.cpu, beside, base.cpu, "ms", FLAT),
            Figure(f"{name}: wall", cost.wall, beside, base.wall, "ms", FLAT),
            Figure(f"{name}: through HTTP", served[size].each, beside, served[least].each, "ms", FLAT),
            Figure(f"{name}: first after a start", served[size].first, "limit", 2_000, "ms", "<= 1"),
        ]
    return figures


if __name__ == "__main__":
    main()
