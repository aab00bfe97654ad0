"""A log service that lies to its client, 10,000 times, each lie in its own way: none may be believed.

python -m tests.campaigns.malicious_log [--count 10000] [--seed N]

Forks, rollbacks, split views, withheld and swapped entries, receipts of other events or under tree heads that nobody
signed, proofs of other logs, hidden revocations, spoiled bundles (those of tests.campaigns.verifiers): `tally`
runs each over HTTP against its own memory of the log. Exit code 1 where a lie was believed, or a client broke on one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import stamina

from ledger.cli.errors import Exit
from tests.campaigns.malicious_log.attacks import ATTACKS, serve_spoiled
from tests.campaigns.malicious_log.ground import Ground, Words
from tests.campaigns.malicious_log.service import Hostile
from tests.campaigns.verifiers.compare import samples
from tests.testkit.bundles import Log
from tests.testkit.faulty_service import Answer, Asked, faulty_service
from tests.testkit.tally import Tally

SHOWN = 50  # attacks


@dataclass
class Outcome:
    """How often each attack was tried; ``accepted`` are those that a client believed or broke on."""

    tried: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.tried.total()


class Campaign:
    """A client's machine in ``folder``, and a service that is whatever the present ground makes of it."""

    def __init__(self, folder: Path, seed: int):
        self.tally = Tally(folder)
        self.chance = random.Random(seed)
        self._hostile: Ground | None = None

    def answer(self, asked: Asked) -> Answer:
        hostile = self._hostile.hostile if self._hostile else Hostile(Log(), 0)
        return hostile(asked)

    def run(self, count: int) -> Outcome:
        """Make ``count`` attacks: rounds of each named one, and as many bundles that must not be believed."""
        outcome = Outcome()
        spoiled = (
            sample
            for sample in samples(self.chance.randrange(2**31))
            if sample.expected.verdict in ("tampered", "refused")
        )
        with faulty_service(self.answer) as service, stamina.set_testing(True, attempts=1):
            while outcome.count < count:
                for name, attack in ATTACKS.items():
                    ground = self._hostile = Ground(self.tally, self.chance, service.url)
                    self._judge(outcome, name, ground, attack(ground))
                    sample = next(spoiled)
                    ground = self._hostile = Ground(self.tally, self.chance, service.url)
                    self._judge(outcome, f"bundle: {sample.fault}", ground, serve_spoiled(ground, sample))
                    if outcome.count >= count:
                        break
        return outcome

    def _judge(self, outcome: Outcome, name: str, ground: Ground, words: Words) -> None:
        status = ground.run(words)
        outcome.tried[name] += 1
        if status not in (Exit.REFUSED, Exit.USAGE, Exit.UNREACHABLE):
            outcome.accepted.append(f"{name}: exit code {status} of tally {' '.join(map(str, words))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        outcome = Campaign(Path(folder), options.seed).run(options.count)
    for believed in outcome.accepted[:SHOWN]:
        print(believed)
    kinds, accepted = len(outcome.tried), len(outcome.accepted)
    seconds = time.monotonic() - began
    print(f"{outcome.count} attacks of {kinds} kinds, seed {options.seed}: {accepted} accepted, {seconds:.0f} s")
    return 1 if outcome.accepted else 0


if __name__ == "__main__":
    sys.exit(main())
