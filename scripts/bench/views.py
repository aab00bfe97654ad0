"""Views of logs of several sizes: made whole beside folding the same events alone, then grown by a few events.

python -m scripts.bench.views [--events N...] [--grown N] [--json FILE]

The cases are those of a generated history, under new ids as often as the size asks for. ``--grown`` cases get their
last event after the views were made: what that costs must not grow with the log. Memory is the peak of the process,
DuckDB's own limit (1 GiB) within it; sizes are measured smallest first, in CPU time of this process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from ledger.core.custody import Act
from ledger.core.errors import TallystickError
from ledger.core.event import Payload, Stream
from ledger.record import shipped_rulebook
from ledger.supervision.snapshot import Acts, Head, Logged, Views, read_case
from ledger.supervision.snapshot.of_case import Row
from ledger.supervision.snapshot.of_matter import MatterRecord
from ledger.workdays import shipped_calendar
from scripts.bench.figures import Figure, show
from scripts.histories.history import generate
from scripts.histories.life import Entry

CASES = 300  # of the history that is repeated
BOOK, CALENDAR = shipped_rulebook(), shipped_calendar()


class Alone:
    """Acts of cases that cite no other."""

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act:
        return Act(payload, digest, signed_at, BOOK)


class Repeated:
    """A log of at least ``size`` events: whole cases one after the other, then the last events of the first few."""

    def __init__(self, lives: list[list[Entry]], size: int, grown: int):
        self.acts: Acts = Alone()
        self._cases: dict[str, tuple[list[Entry], int]] = {}
        self._late: dict[str, int] = {}
        self._size = 0
        for number in count():
            if self._size >= size:
                break
            entries = lives[number % len(lives)]
            self._cases[f"case-{number}"] = entries, self._size
            self._size += len(entries) - (number < grown)
        self._late = {f"case-{number}": self._size + number for number in range(grown)}

    def grow(self) -> None:
        """The last events come in."""
        self._size += len(self._late)

    def head(self) -> Head:
        return Head(self._size, self.digest_at(self._size))

    def digest_at(self, size: int) -> str | None:
        return f"blake3:{size:064x}" if size else None

    def touched(self, start: int, end: int) -> list[str]:
        late = [case_id for case_id, index in self._late.items() if start <= index < end]
        return sorted({*late, *(case_id for case_id, (_, first) in self._cases.items() if start <= first < end)})

    def case(self, case_id: str, end: int) -> list[Logged]:
        entries, first = self._cases[case_id]
        stream, late = Stream(kind="case", id=case_id), self._late.get(case_id)
        indices = [first + number for number in range(len(entries))]
        if late is not None:
            indices[-1] = late
        return [
            Logged(index, entry.digest, entry.recorded_at, replace(entry.payload, stream=stream))
            for index, entry in zip(indices, entries, strict=True)
            if index < end
        ]

    def fold_all(self) -> None:
        """The same cases read and folded, and no rows made of them."""
        deque((read_case(self.case(case_id, self._size), self.acts, BOOK, CALENDAR) for case_id in self._cases), 0)

    def matters(self, _start: int, _end: int) -> list[MatterRecord]:
        return []

    def agencies(self) -> list[Row]:
        return []

    def datasets(self, _end: int) -> list[Row]:
        return []

    def anchors(self, _end: int) -> list[Row]:
        return []


def lives() -> Iterator[list[Entry]]:
    """The cases of a history that stand alone, and have more than one event."""
    for life in generate(1, CASES).lives:
        entries = [step.entry for step in life.steps]
        with suppress(TallystickError):
            logged = [Logged(i, one.digest, one.recorded_at, one.payload) for i, one in enumerate(entries)]
            if len(read_case(logged, Alone(), BOOK, CALENDAR).steps) > 1:
                yield entries


def timed(action: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    action()
    return time.process_time() - began


def measure(known: list[list[Entry]], size: int, grown: int) -> tuple[float, float, float, float, float]:
    """Of a log of this size: microseconds an event of making the views and of folding, milliseconds of each grown case,
    and megabytes: the process at its peak, the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "views.duckdb"
        log = Repeated(known, size, grown)
        views = Views(path, log, BOOK, CALENDAR, mark="bench")
        made, folded = timed(views.refresh), timed(log.fold_all)
        events = log.head().size
        log.grow()
        later = timed(views.refresh)
        views.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return 1e6 * made / events, 1e6 * folded / events, 1e3 * later / grown, peak, path.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--grown", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    known = list(lives())
    figures: list[Figure] = []
    least = None
    for size in sorted(given.events):
        made, folded, later, peak, kept = measure(known, size, given.grown)
        least = least or (made, later)
        print(f"{size:,} events: {peak:,.0f} MB at the peak, {kept:,.1f} MB kept", flush=True)
        figures += [
            Figure(f"views of {size:,} events, an event", made, "folding", folded, "µs", "<= 5"),
            Figure(f"views of {size:,} events, an event", made, "the smallest", least[0], "µs", "<= 1.5"),
            Figure(f"one more event in a case, of {size:,}", later, "the smallest", least[1], "ms", "<= 1.5"),
        ]
    show("Views", figures, given.json)


if __name__ == "__main__":
    main()
