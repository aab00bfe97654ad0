"""Kill rounds: load a writing process, kill it at a random moment, start it again, look whether the oath was kept.

python -m scripts.campaigns.kill_rounds [--rounds 100] [--target service] [--database-url URL] [--seed N]

The target is the writer alone, or the whole service with HTTP and its embedded chain.
After each kill the log is re-derived from its stored bytes: nothing acknowledged may be missing, no event may stand
twice, the tree must be that of the entries. What had no answer is sent again and must get one. Exit status 0 if every
round held.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ledger.store import log
from ledger.store.opening import open_database
from scripts.campaigns.books import Load, look
from scripts.campaigns.service import ServiceTarget
from scripts.campaigns.targets import Target, WriterTarget

CLIENTS = 16
LONGEST = 0.6  # seconds from the start of the load to the kill


@dataclass(frozen=True)
class RoundsResult:
    """What the rounds came to; ``faults`` is empty if they held."""

    rounds: int
    acknowledged: int
    resolved: int
    entries: int
    seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        verdict = "held" if not self.faults else f"FAILED with {len(self.faults)} faults"
        return (
            f"{self.rounds} kill rounds {verdict}: {self.acknowledged} events acknowledged, {self.resolved} resolved "
            f"by sending them again, {self.entries} entries re-derived, {self.seconds:.0f} s"
        )


def run(target: Target, rounds: int, chance: random.Random) -> RoundsResult:
    """Kill the target ``rounds`` times under load, and stop at the first round that does not hold."""
    began, load, entries = time.monotonic(), Load(CLIENTS, target.log_id, f"{chance.getrandbits(32):08x}"), 0
    faults: list[str] = []
    done = 0
    while done < rounds and not faults:
        target.start()
        load.settle(target)
        load.start(target)
        time.sleep(chance.uniform(0.01, LONGEST))
        target.kill()
        load.stop()
        entries, faults = look(target, load.books)
        done += 1
        print(f"round {done}: {entries} entries, {len(load.books.acknowledged)} acknowledged", flush=True)
    if not faults:
        entries, faults = _settle(target, load)
    books = load.books
    seconds = time.monotonic() - began
    return RoundsResult(done, len(books.acknowledged), books.resolved, entries, seconds, tuple(faults))


def _settle(target: Target, load: Load) -> tuple[int, list[str]]:
    """After the last kill: what is owed an answer gets it, and then nothing stands in the log that nobody was told."""
    target.start()
    load.settle(target)
    target.kill()
    entries, faults = look(target, load.books)
    acknowledged = {signed.envelope.event_id for signed, _ in load.books.acknowledged}
    with closing(open_database(target.database_url)) as database, database.read() as connection:
        stored = {entry.event_id for entry in log.entries(connection, 0, entries) if entry.stream_kind == "case"}
    return entries, [*faults, *(f"nobody was told of the event {name}" for name in sorted(stored - acknowledged))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--target", choices=("writer", "service"), default="writer")
    parser.add_argument("--database-url", help="of the writer: SQLite in a temporary folder, unless given")
    parser.add_argument("--seed", type=int, help="of the moments at which is killed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-kill-") as folder:
        target = target_in(folder, options)
        outcome = run(target, options.rounds, random.Random(options.seed))  # noqa: S311 - moments, not secrets
    print("\n  ".join((str(outcome), *outcome.faults)))
    return 1 if outcome.faults else 0


def target_in(folder: str, options: argparse.Namespace) -> Target:
    if options.target == "writer":
        return WriterTarget(options.database_url or f"sqlite:///{folder}/ledger.db")
    return ServiceTarget(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
