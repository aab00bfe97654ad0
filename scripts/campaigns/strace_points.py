"""Every call by which the writer changes its files fails once: killed right there, or answered with an error.

python -m scripts.campaigns.strace_points [--error SIGKILL EIO ENOSPC] [--every 1] [--events 3 0]

Two benches: a writer that commits, and one that recovers from a kill and closes its files. One run without faults
counts the calls of each thread (strace counts them so); then the writer runs once for each call and kind of fault,
which strace injects at that call. After each run the log is re-derived from its stored bytes and held against what was
acknowledged; once the disk has failed nothing more may be acknowledged; and a run without faults must go through on the
same files, and acknowledge what is still owed an answer. Needs Debian's strace and the right to trace one's children.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.campaigns.books import Books, Client, look
from scripts.campaigns.casework import Casework
from scripts.campaigns.targets import WriterTarget

CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
ERRORS = ("SIGKILL", "EIO", "ENOSPC")
EVENTS = 3  # one after the other: as many commits, beside what starting and stopping write
TRIES = 3  # of an event without an answer, before the client gives up
NEVER = 3600.0  # seconds between two checkpoints: the calls of a run are the same each time
FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")

_CALL = re.compile(rf"^(\d+) +({'|'.join(CALLS)})\(")


@dataclass(frozen=True)
class Point:
    """The ``number``-th call of a name, and what befalls it."""

    call: str
    number: int
    error: str

    def __str__(self) -> str:
        return f"{self.error} at {self.call} {self.number}"

    @property
    def expression(self) -> str:
        injection = f"signal={self.error}" if self.error.startswith("SIG") else f"error={self.error}"
        return f"inject={self.call}:{injection}:when={self.number}"


@dataclass(frozen=True)
class PointResult:
    """What one run came to.

    ``reached`` says that the fault happened: runs differ a little in their calls. ``told`` are the words that were no
    receipts; ``faults`` is empty if it held.
    """

    reached: bool
    told: tuple[str, ...]
    faults: tuple[str, ...]


class Bench:
    """A folder with a founded ledger, copied anew for each run that writes ``events`` of them.

    Without events the ledger is one that was killed: starting recovers its write-ahead log, stopping copies it over.
    """

    def __init__(self, folder: Path, events: int):
        folder.mkdir()
        self._events = events
        self._prepared = folder / "prepared"
        self._data = folder / "data"
        self._trace = folder / "trace"
        self._prepared.mkdir()
        target = WriterTarget(f"sqlite:///{self._prepared / 'ledger.db'}")
        target.start()
        if events:
            target.finish()
        else:
            target.kill()

    def count(self) -> Counter[str]:
        """Count how often each call is made in a run without faults, by the thread that makes it most often."""
        outcome = self._run(["-e", f"trace={','.join(CALLS)}"])
        if outcome.faults:
            raise RuntimeError(f"the run without faults does not hold: {outcome.faults}")
        calls = (_CALL.match(line) for line in self._trace.read_text(errors="replace").splitlines())
        by_thread = Counter((match[2], match[1]) for match in calls if match)
        return Counter({call: max(n for (name, _), n in by_thread.items() if name == call) for call, _ in by_thread})

    def run(self, point: Point) -> PointResult:
        """Run the writer with one fault, then once more without."""
        return self._run(["-e", f"trace={point.call}", "-e", point.expression])

    def _run(self, options: list[str]) -> PointResult:
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(self._prepared, self._data)
        url = f"sqlite:///{self._data / 'ledger.db'}"
        paths = [part for name in FILES for part in ("-P", str(self._data / name))]
        prefix = ("strace", "-f", "-qqq", "-o", str(self._trace), *paths, *options)
        books = Books()
        client = Client(Casework("a"), books)
        target = WriterTarget(url, prefix, publish_every_s=NEVER)
        answers = write(target, client, self._events)
        _, faults = look(target, books)
        if "disk_failed" in answers and "" in answers[answers.index("disk_failed") :]:
            faults.append(f"something was acknowledged after the disk had failed: {answers}")
        if not faults:
            faults = self._go_on(url, client)
        trace = self._trace.read_text(errors="replace")
        happened = "(INJECTED)" in trace or "killed by SIGKILL" in trace
        return PointResult(happened, tuple(word for word in answers if word), tuple(faults))

    def _go_on(self, url: str, client: Client) -> list[str]:
        before = len(client.books.acknowledged)
        target = WriterTarget(url, publish_every_s=NEVER)
        answers = write(target, client, EVENTS)
        _, faults = look(target, client.books)
        if any(answers) or len(client.books.acknowledged) != before + EVENTS:
            faults.append(f"the run after it was told {answers}")
        return faults


def write(target: WriterTarget, client: Client, events: int) -> list[str]:
    """Run a writer's whole life; return what the client was told of each try, nothing where it was a receipt."""
    answers: list[str] = []
    try:
        target.start()
    except RuntimeError:  # it died before it could take anything
        return ["not started"]
    while answers.count("") < events and sum(map(bool, answers)) < TRIES and target.process.poll() is None:
        client.step(target)
        answers.append(client.told)
    target.finish()
    return answers


def points(counts: Counter[str], errors: Sequence[str], every: int) -> list[Point]:
    """Return every ``every``-th call, under each of the errors."""
    numbered = [(call, number) for call in CALLS for number in range(1, counts[call] + 1)]
    return [Point(call, number, error) for error in errors for call, number in numbered[::every]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--error", nargs="+", choices=ERRORS, default=ERRORS)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--events", type=int, nargs="+", default=(EVENTS, 0), help="of each bench")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("there is no strace here: apt-get install strace")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-strace-") as folder:
        failed = 0
        for events in options.events:
            bench = Bench(Path(folder) / f"{events}-events", events)
            counts = bench.count()
            print(f"calls of one thread in a run of {events} events: {dict(counts)}", flush=True)
            failed += campaign(bench, points(counts, options.error, options.every))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def campaign(bench: Bench, chosen: Sequence[Point]) -> int:
    """Run the points, and return how many did not hold."""
    failed, reached, answers = 0, 0, Counter[str]()
    for point in chosen:
        outcome = bench.run(point)
        reached += outcome.reached
        if outcome.reached:
            answers.update(f"{point.error}: {word}" for word in set(outcome.told) or {"every event acknowledged"})
        for fault in outcome.faults:
            print(f"{point}: {fault}", flush=True)
        failed += bool(outcome.faults)
    print(f"{len(chosen)} points, {reached} reached, {failed} did not hold; what clients were told: {dict(answers)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
