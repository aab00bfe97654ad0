"""Bundles verified a second, by our verifier and by the stranger's in JavaScript: the same files, one core each.

python -m tests.campaigns.bench.verifiers [--json FILE]

Every bundle is complete: admission, grant, witnesses of a quorum of two, anchor and state proof with a trusted block.
The start of Node is measured by an empty file and taken off.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from ledger.core.verification.bundle import verify_bundle
from scripts.bench.figures import Figure, in_turn, options, show
from tests.campaigns.verifiers.compare import BATCH, Sample
from tests.campaigns.verifiers.faults import Expected
from tests.campaigns.verifiers.worlds import World, worlds

ROUNDS = 5
WORLD = "two of three"


def main() -> None:
    """Measure and show."""
    given = options(__doc__)
    world = next(world for world in worlds() if world.name == WORLD)
    show("Verifiers", figures(world, whole_bundles(world)), given.json)


def whole_bundles(world: World) -> list[bytes]:
    """Return one of each entry that is signed by an officer."""
    cases = [index for index, event in enumerate(world.log.events) if event.envelope.stream.kind != "system"]
    return [json.dumps(world.bundle(index)).encode() for index in cases]


def figures(world: World, bundles: list[bytes]) -> list[Figure]:
    """Return bundles a second of both."""
    with tempfile.TemporaryDirectory() as folder:
        file, empty = Path(folder, "bundles.jsonl"), Path(folder, "none.jsonl")
        samples = [Sample("as it is", "whole", data, world.trust_bytes, Expected("intact")) for data in bundles]
        file.write_text("".join(f"{sample.line}\n" for sample in samples))
        empty.write_text("")
        ours, theirs, start = in_turn(
            ROUNDS,
            lambda: [verify_bundle(data, world.trust) for data in bundles],
            lambda: node(file),
            lambda: node(empty),
        )
    python, javascript = len(bundles) / ours, len(bundles) / (theirs - start)
    return [Figure("bundles verified in Python", python, "in JavaScript", javascript, "/s", ">= 1")]


def node(file: Path) -> None:
    """Run the stranger's verifier over a file."""
    subprocess.run(["node", BATCH, file], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
