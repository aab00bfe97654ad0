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

from ledger.core.log.notes import VerifyingKey
from ledger.store import log
from ledger.store.database import open_database
from scripts.campaigns import casework
from scripts.campaigns.books import Load, check
from scripts.campaigns.targets import Target, WriterTarget

CLIENTS = 16
LONGEST = 0.6  # seconds from the start of the load to the kill


@dataclass(frozen=True)
class Campaign:
    """What is killed, on which data, under whose log key."""

    target: Target
    database_url: str
    log_id: bytes
    log_key: VerifyingKey


@dataclass(frozen=True)
class Outcome:
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


def run(campaign: Campaign, rounds: int, chance: random.Random) -> Outcome:
    """Kill the target ``rounds`` times under load, and stop at the first round that does not hold."""
    began, load, entries = time.monotonic(), Load(CLIENTS, campaign.log_id, f"{chance.getrandbits(32):08x}"), 0
    faults: list[str] = []
    done = 0
    while done < rounds and not faults:
        campaign.target.start()
        load.settle(campaign.target)
        load.start(campaign.target)
        time.sleep(chance.uniform(0.01, LONGEST))
        campaign.target.kill()
        load.stop()
        entries, faults = _look(campaign, load)
        done += 1
        print(f"round {done}: {entries} entries, {len(load.books.acknowledged)} acknowledged", flush=True)
    if not faults:
        entries, faults = _settle(campaign, load)
    books = load.books
    seconds = time.monotonic() - began
    return Outcome(done, len(books.acknowledged), books.resolved, entries, seconds, tuple(faults))


def _settle(campaign: Campaign, load: Load) -> tuple[int, list[str]]:
    """After the last kill: what is owed an answer gets it, and then nothing stands in the log that nobody was told."""
    campaign.target.start()
    load.settle(campaign.target)
    campaign.target.kill()
    entries, faults = _look(campaign, load)
    acknowledged = {signed.envelope.event_id for signed, _ in load.books.acknowledged}
    with closing(open_database(campaign.database_url)) as database, database.read() as connection:
        stored = {entry.event_id for entry in log.entries(connection, 0, entries) if entry.stream_kind == "case"}
    return entries, [*faults, *(f"nobody was told of the event {name}" for name in sorted(stored - acknowledged))]


def _look(campaign: Campaign, load: Load) -> tuple[int, list[str]]:
    with closing(open_database(campaign.database_url)) as database:
        entries, faults = check(database, campaign.log_key, load.books.acknowledged)
    return entries, [*faults, *load.books.faults]


def main() -> int:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="tallystick-kill-") as folder:
        campaign = of_service(Path(folder)) if options.target == "service" else of_writer(Path(folder), options)
        outcome = run(campaign, options.rounds, random.Random(options.seed))  # noqa: S311 - moments, not secrets
    print(outcome)
    for fault in outcome.faults:
        print(f"  {fault}")
    return 1 if outcome.faults else 0


def of_writer(folder: Path, options: argparse.Namespace) -> Campaign:
    url = options.database_url or f"sqlite:///{folder / 'ledger.db'}"
    return Campaign(WriterTarget(url), url, casework.LOG_ID, casework.LOG_SIGNER.verifying_key)


def of_service(folder: Path) -> Campaign:
    from scripts.campaigns.service import ServiceTarget  # noqa: PLC0415 - brings in the chain

    target = ServiceTarget(folder)
    return Campaign(target, target.database_url, target.installation.log_id_bytes, target.log_key)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--target", choices=("writer", "service"), default="writer")
    parser.add_argument("--database-url", help="of the writer: SQLite in a temporary folder, unless given")
    parser.add_argument("--seed", type=int, help="of the moments at which is killed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
