"""A ledger as it grows to ten million entries: time, memory and disk, at each size beside a small ledger.

python -m scripts.bench.growth [--entries N...] [--rounds N] [--folder DIRECTORY] [--json FILE]

``--entries`` are the sizes, the smallest first, which is also that of the ledger beside. At each size both get eight
submissions in each of the ``--rounds``, in turn, so that a machine that slows down slows both; then a service is
started on each and gets submissions over HTTP. The first thousands of the entries are recorded, all others are copies
of these with ids of their own. ``--folder`` needs 2.6 KB an entry: ten million take 26 GB.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select

from ledger.core.encoding.instants import instant_text
from ledger.core.log.merkle import inclusion_proof
from ledger.core.log.tiles import TileNodes
from ledger.core.visibility import Reader
from ledger.store import cases, clocks, feed, log, search
from ledger.store.database import Connection, attach
from ledger.store.tables import ITEMS
from scripts.bench.at_rest import memory
from scripts.bench.audit import apart, fill
from scripts.bench.events import lengthen
from scripts.bench.figures import Figure, options, show
from scripts.bench.flatness import HONEST, SMALL, case_of, measured, through_http
from scripts.bench.submissions import server
from scripts.campaigns.casework import POLICE, recording_into

FLAT = "<= 1.15"
READS = 15  # of each kind at each size


class Cost(Struct, frozen=True):
    """What a ledger of so many entries costs.

    A submission's processor time and wall time in process, and through HTTP, in milliseconds; the first one after a
    start; seconds from the start to ready, with the interpreter's; MiB resident after some submissions; bytes of the
    log's file. ``reads`` are milliseconds of each read that people wait for.
    """

    entries: int
    cpu: float
    wall: float
    http: float
    first: float
    ready: float
    resident: float
    disk: int
    reads: dict[str, float]


class Stage(Struct, frozen=True):
    """A size, and the small ledger measured beside it."""

    grown: Cost
    small: Cost


def main() -> None:
    """Measures and shows."""
    args = options(
        __doc__,
        entries=[10_000, 100_000, 1_000_000, 10_000_000],
        rounds=25,
        folder=tempfile.gettempdir(),
    )
    stages: list[Stage] = []
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=args.folder) as directory:
        # Shown and written after each size, because the last ones take long.
        for stage in measure(Path(directory), args.entries, args.rounds):
            stages.append(stage)
            show(f"{stage.grown.entries:,} entries", figures_of(stage), None)
            if args.json is not None:
                args.json.write_bytes(msgspec.json.format(msgspec.json.encode(stages)) + b"\n")


def measure(directory: Path, sizes: list[int], rounds: int) -> Iterator[Stage]:
    """Yield what each size costs, and the smallest beside it."""
    small, grown = directory / "small.db", directory / "grown.db"
    for file in (small, grown):
        apart(fill, f"sqlite:///{file}", min(sizes[0], HONEST))
    for _ in lengthen(small, sizes[:1]):
        pass
    for number, _ in enumerate(lengthen(grown, sizes)):
        yield Stage(*costs_of([grown, small], number, rounds))


def costs_of(files: list[Path], number: int, rounds: int) -> Iterator[Cost]:
    """Yield the costs of these ledgers, measured in turn; ``number`` makes the ids of the cases new."""
    urls = [f"sqlite:///{file}" for file in files]
    with recording_into(urls[0]) as first, recording_into(urls[1]) as second:
        ledgers = dict(enumerate((first, second)))
        busy = {place: case_of(ledger, SMALL, f"busy-{number}") for place, ledger in ledgers.items()}
        in_process = measured(busy, ledgers, rounds)
    ready: list[float] = []
    with ExitStack() as stack:
        services: list[tuple[int, int]] = []
        for url in urls:
            began = time.perf_counter()
            services.append(stack.enter_context(server("ours", url)))
            ready.append(time.perf_counter() - began)
        cold = [through_http(port, busy[place], 0)[1] for place, (port, _) in enumerate(services)]
        turns = [
            [through_http(port, busy[place], 1)[0] for place, (port, _) in enumerate(services)] for _ in range(rounds)
        ]
        resident = [memory(pid)[0] for _, pid in services]
    http = [median(times) for times in zip(*turns, strict=True)]
    for place, (file, url) in enumerate(zip(files, urls, strict=True)):
        entries, reads = read_times(url)
        served = (http[place], cold[place], ready[place], resident[place])
        yield Cost(entries, *in_process[place], *served, file.stat().st_size, reads)


def read_times(url: str) -> tuple[int, dict[str, float]]:
    """Return the entries of a ledger, and the median milliseconds of each kind of read, spread over the ledger."""
    database = attach(url)
    reader = Reader(POLICE.agency, frozenset(), instant_text(int(time.time())))
    taken: dict[str, list[float]] = {}
    with database.read() as connection:
        size = log.tree(connection).size
    for number in range(READS):
        # A fifteenth of the log further on each time, so that nothing is found where the last read has been.
        index = size * (2 * number + 1) // (2 * READS)
        with database.read() as connection:
            for kind, read in reads_at(connection, reader, index, size).items():
                began = time.perf_counter()
                read()
                taken.setdefault(kind, []).append(1000 * (time.perf_counter() - began))
    database.close()
    return size, {kind: median(times) for kind, times in taken.items()}


def reads_at(connection: Connection, reader: Reader, index: int, size: int) -> dict[str, Callable[[], Any]]:
    """Return what is read about the entry at ``index``: what a program asks for, and what somebody looks up."""
    entry = log.entry(connection, index)
    item_id = connection.execute(select(ITEMS.c.item_id).where(ITEMS.c.case_id == entry.stream_id)).scalar()
    nodes = TileNodes(size, log.tile_reader(connection))
    wanted = clocks.DeadlineFilter(reader.now)
    return {
        "proof of inclusion": lambda: inclusion_proof(index, size, nodes),
        "its case": lambda: cases.require_sight(connection, entry.stream_id, reader),
        "search for an item": lambda: search.search(connection, reader, item_id or entry.stream_id, 20),
        "page of cases": lambda: cases.list_cases(connection, reader, cases.Page(50, entry.stream_id)),
        "page of the feed": lambda: feed.page(connection, reader.agency, feed.Cursor(index), 100),
        "page of deadlines": lambda: clocks.list_deadlines(connection, reader, wanted, limit=50),
    }


def figures_of(stage: Stage) -> list[Figure]:
    """Compare a size with the small ledger."""
    grown, small = stage.grown, stage.small
    beside = f"{small.entries:,} entries"
    rows = [
        ("submission, processor", grown.cpu, small.cpu, "ms", FLAT),
        ("submission, wall", grown.wall, small.wall, "ms", FLAT),
        ("submission, through HTTP", grown.http, small.http, "ms", FLAT),
        ("first after a start", grown.first, small.first, "ms", FLAT),
        ("ready after", grown.ready, small.ready, "s", FLAT),
        ("memory", grown.resident, small.resident, "MiB", FLAT),
        ("disk an entry", grown.disk / grown.entries, small.disk / small.entries, "B", FLAT),
        *((read, time_ms, small.reads[read], "ms", "<= 1.5") for read, time_ms in grown.reads.items()),
    ]
    return [Figure(title, ours, beside, theirs, unit, bound) for title, ours, theirs, unit, bound in rows]


if __name__ == "__main__":
    main()
