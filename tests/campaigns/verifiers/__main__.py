"""Two verifiers over a corpus of bundles made from a seed: they must agree with the protocol and with each other.

python -m tests.campaigns.verifiers [--count 10000] [--seed N] [--keep FILE]

In each round every fault of tests/campaigns/verifiers is made once, of a bundle that it fits. Compared are the
verdict and the status of each step, of the Python verifier and of scripts/verify, which was written from
docs/protocol/ alone. Exit code 1 where anything differs.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.bench.figures import command_line
from tests.campaigns.verifiers.compare import compared, our_answer, samples

SHOWN = 50  # differences


def main() -> int:
    parser = command_line(__doc__, count=10_000, seed=1)
    parser.add_argument("--keep", type=Path, help="write the corpus and the answers to this file, a line of JSON each")
    options = parser.parse_args()
    began = time.monotonic()
    corpus = list(islice(samples(options.seed), options.count))
    with TemporaryDirectory() as folder:
        differences = compared(corpus, Path(folder) / "corpus.jsonl")
    if options.keep:
        options.keep.write_text("".join(f"{sample.line_with(our_answer(sample))}\n" for sample in corpus))
    for difference in differences[:SHOWN]:
        print(difference)
    faults = len({sample.fault for sample in corpus})
    print(
        f"{len(corpus)} bundles, {faults} faults, seed {options.seed}: {len(differences)} differences, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
