"""A log service that lies to its client, 10,000 times, each lie in its own way: none may be believed.

python -m tests.campaigns.malicious_log [--count 10000] [--seed N]

Forks, rollbacks, split views, withheld and swapped entries, receipts of other events or under tree heads that nobody
signed, proofs of other logs, hidden revocations, spoiled bundles (those of tests.campaigns.verifiers): `tally`
runs each over HTTP against its own memory of the log. Exit code 1 where a lie was believed, or a client broke on one.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import stamina

from ledger.cli.errors import Exit
from scripts.bench.figures import command_line
from tests.campaigns.malicious_log.attacks import ATTACKS, serve_spoiled
from tests.campaigns.malicious_log.ground import Ground, Words
from tests.campaigns.verifiers.compare import samples
from tests.testkit.faulty_service import Answer, Asked, faulty_service
from tests.testkit.tally import Tally

SHOWN = 50  # attacks


def attacks(chance: random.Random) -> Iterator[tuple[str, Callable[[Ground], Words]]]:
    """Yield attacks without end: in each round each named one, and after it a bundle that must not be believed."""
    spoiled = (
        sample for sample in samples(chance.randrange(2**31)) if sample.expected.verdict in ("tampered", "refused")
    )
    while True:
        for name, attack in ATTACKS.items():
            yield name, attack
            sample = next(spoiled)
            yield f"bundle: {sample.fault}", partial(serve_spoiled, sample=sample)


def run(folder: Path, count: int, chance: random.Random) -> tuple[Counter[str], list[str]]:
    """Return how often each of ``count`` attacks was tried, and those that the client believed or broke on."""
    tally, tried, accepted = Tally(folder), Counter[str](), list[str]()
    grounds: list[Ground] = []

    def answer(asked: Asked) -> Answer:
        return grounds[-1].hostile(asked)

    with faulty_service(answer) as service, stamina.set_testing(True, attempts=1):
        for name, attack in islice(attacks(chance), count):
            grounds[:] = [Ground(tally, chance, service.url)]
            words = attack(grounds[-1])
            status = grounds[-1].run(words)
            tried[name] += 1
            if status not in (Exit.REFUSED, Exit.USAGE, Exit.UNREACHABLE):
                accepted.append(f"{name}: exit code {status} of tally {' '.join(map(str, words))}")
    return tried, accepted


def main() -> int:
    options = command_line(__doc__, count=10_000, seed=1).parse_args()
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        tried, accepted = run(Path(folder), options.count, random.Random(options.seed))
    for believed in accepted[:SHOWN]:
        print(believed)
    print(
        f"{options.count} attacks of {len(tried)} kinds, seed {options.seed}: {len(accepted)} accepted, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main())
