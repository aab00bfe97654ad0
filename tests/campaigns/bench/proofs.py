"""Proof checks: the cold start of ``tally proof check``, and verification in process on one core; both in CPU time.

python -m tests.campaigns.bench.proofs [--json FILE]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from coincurve import PublicKey

from ledger.core.events import decode_envelope
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.signing.signatures import signing_hash
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import encode_bundle
from ledger.core.verification.trust import Trust, encode_trust
from scripts.bench.figures import Figure, children_cpu, in_turn, options, show
from tests.testkit import bundles
from tests.testkit.builders import LOG_ID
from tests.testkit.casework import Case

ROUNDS = 15
BATCH = 200  # verifications a round


def main() -> None:
    """Measure and show."""
    given = options(__doc__)
    log = bundles.log_with(Case().open())
    last = len(log.events) - 1
    complete, without = log.bundle(last), encode_bundle(log.bundle(last, anchored=False))
    trust = bundles.naming(complete)
    show("Proof checks", [cold_start(encode_bundle(complete), trust), *in_process(log, without, trust)], given.json)


def cold_start(bundle: bytes, trust: Trust) -> Figure:
    """Measure the whole process beside a bare Python: modules are compiled, as an installer leaves them."""
    with tempfile.TemporaryDirectory() as directory:
        file, trust_file = Path(directory, "bundle.json"), Path(directory, "trust.json")
        file.write_bytes(bundle)
        trust_file.write_bytes(encode_trust(trust))
        check = [str(Path(sys.executable).with_name("tally")), "proof", "check", str(file), "--trust", str(trust_file)]
        environment = os.environ | {"PYTHONPYCACHEPREFIX": directory}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        nothing = [sys.executable, "-c", "pass"]
        run(check, environment)
        ours, bare = in_turn(
            ROUNDS, lambda: run(check, environment), lambda: run(nothing, environment), clock=children_cpu
        )
    return Figure("tally proof check, cold", ours * 1000, "python -c pass", bare * 1000, "ms", "<= 8")


def in_process(log: bundles.Log, bundle: bytes, trust: Trust) -> list[Figure]:
    """Return bundles without a state proof a second, on one core, beside recovering as many signatures."""

    def verify_anew() -> None:
        verify_checkpoint.cache_clear()
        verify_bundle(bundle, trust)

    envelope = decode_envelope(log.events[-1].entry)
    digest, signature = signing_hash(envelope, LOG_ID), bytes.fromhex(envelope.signature[2:])
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    fresh, warmed, recover = in_turn(
        ROUNDS,
        lambda: repeat(verify_anew),
        lambda: repeat(lambda: verify_bundle(bundle, trust)),
        lambda: repeat(lambda: PublicKey.from_signature_and_message(recoverable, digest, hasher=None)),
        clock=time.process_time,
    )
    per_second = [BATCH / seconds for seconds in (fresh, warmed, recover)]
    name = "coincurve recover"
    return [
        Figure("bundles verified, each checkpoint too", per_second[0], name, per_second[2], "/s", ">= 0.2"),
        Figure("bundles verified, checkpoint known", per_second[1], name, per_second[2], "/s", ">= 0.4"),
    ]


def repeat(action: Callable[[], object]) -> None:
    """Do it ``BATCH`` times."""
    for _ in range(BATCH):
        action()


def run(command: list[str], environment: Mapping[str, str]) -> None:
    """Run one process, whose output does not matter."""
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
