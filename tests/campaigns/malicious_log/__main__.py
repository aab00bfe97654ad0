"""A log service that lies to its client, 10,000 times, each lie in its own way: none may be believed.

python -m tests.campaigns.malicious_log [--count 10000] [--seed N]

Forks, rollbacks, split views, withheld and swapped entries, receipts of other events or under tree heads that nobody
signed, proofs of other logs, hidden revocations, spoiled bundles (those of tests.campaigns.verifiers): `tally`
runs each over HTTP against its own memory of the log. Exit code 1 where a lie was believed, or a client broke on one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.campaigns.malicious_log.campaign import Campaign

SHOWN = 50  # attacks


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
