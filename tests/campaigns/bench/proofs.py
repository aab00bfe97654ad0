"""Proof checks: the cold start of ``tally proof check``, verification in process, in JavaScript, and bytes by part.

python -m tests.campaigns.bench.proofs [--json FILE]

The chain has 20,000 accounts of others, the registry 300 keys, the contract 300 anchors. Times are of one core, medians
of CPU time. The start of Node is measured by an empty file and taken off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import _lru_cache_wrapper, partial
from pathlib import Path
from typing import Any

from coincurve import PublicKey

from ledger.core.ethereum.trie import node_hash, read_node
from ledger.core.events import decode_envelope
from ledger.core.events.payload import kept_event
from ledger.core.events.terms import Verdict
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.signing.signatures import signing_hash
from ledger.core.trust.trust_file import Trust, encode_trust
from ledger.core.verification.bundle import encode_bundle, kept_entry
from ledger.core.verification.contract_storage import anchor_slots, grant_slots
from ledger.core.verification.evidence import require_signed
from ledger.core.verification.verify import verify_event
from scripts.bench.figures import Figure, children_cpu, in_turn, options, show
from scripts.docs.chain_states import State, packed
from tests.campaigns.verifiers.compare import BATCH as JAVASCRIPT
from tests.campaigns.verifiers.compare import Sample
from tests.campaigns.verifiers.faults import Expected
from tests.testkit import bundles
from tests.testkit.builders import LOG_ID, POLICE, clerk
from tests.testkit.casework import Case

ACCOUNTS = 20_000
RECORDS = KEYS = 300
ROUNDS = 15
BATCH = 100  # verifications a round
NEW_CHECKPOINT = (verify_checkpoint, node_hash, read_node)  # what is forgotten
NEW_LEDGER = (*NEW_CHECKPOINT, require_signed, kept_event, kept_entry)


def main() -> None:
    """Measure and show."""
    args = options(__doc__)
    log = bundles.log_with(Case().open())
    last = len(log.events) - 1
    complete = log.bundle(last, anchor=state_of(log).proving(RECORDS, clerk(POLICE).key_id))
    bundle, without = encode_bundle(complete), encode_bundle(log.bundle(last, anchored=False))
    trust = bundles.naming(complete)
    show("Sizes", sizes(bundle, without), None)
    with tempfile.TemporaryDirectory() as folder:
        processes = [cold_start(Path(folder), bundle, trust), in_javascript(Path(folder), bundle, trust)]
    show("Proof checks", [*processes, *in_process(log.events[-1].entry, bundle, without, trust)], args.json)


def state_of(log: bundles.Log) -> State:
    """Return contracts with much of others, which took the log's tree head as their last record."""
    checkpoint, authority = log.checkpoint(), log.registry.authority
    state = State(bundles.CHAIN, bundles.BLOCK, bundles.ANCHORED_AT + 36, others=ACCOUNTS)
    for number in range(1, RECORDS):
        root, meta = anchor_slots(number)[1:3]
        state.anchor[root] = number << 200
        state.anchor[meta] = packed((1, 64), (7, 64), (1, 64))
    for number in range(KEYS):
        for slot in grant_slots(f"0x{number:040x}"):
            state.registry[slot] = 1 << 200
    state.record(RECORDS, checkpoint.root, checkpoint.size, 9, bundles.ANCHORED_AT)
    state.has(*authority.grants.values())
    return state


def sizes(bundle: bytes, without: bytes) -> list[Figure]:
    """Return the bytes of the parts, beside the whole bundle."""
    fields = json.loads(bundle)
    parts = {name: fields[name] for name in ("entries", "note", "nodes")}
    parts |= {name: fields["anchor"][name] for name in ("header", "state")}
    spelled = {name: len(json.dumps(part, separators=(",", ":"), ensure_ascii=False)) for name, part in parts.items()}
    spelled |= {"bundle without state proof": len(without), "complete bundle": len(bundle)}
    return [Figure(name, size, "bundle", len(bundle), "bytes", "<= 1") for name, size in spelled.items()]


def cold_start(folder: Path, bundle: bytes, trust: Trust) -> Figure:
    """Measure the whole process beside a bare Python: modules are compiled, as an installer leaves them."""
    file, trust_file = folder / "bundle.json", folder / "trust.json"
    file.write_bytes(bundle)
    trust_file.write_bytes(encode_trust(trust))
    check = [Path(sys.executable).with_name("tally"), "proof", "check", file, "--trust", trust_file]
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    run(check, environment)
    actions = (partial(run, check, environment), partial(run, [sys.executable, "-c", "pass"], environment))
    ours, bare = in_turn(ROUNDS, *actions, clock=children_cpu)
    return Figure("tally proof check, cold", ours * 1000, "python -c pass", bare * 1000, "ms", "<= 5")


def in_javascript(folder: Path, bundle: bytes, trust: Trust) -> Figure:
    """Return bundles a second of our verifier, with nothing remembered, beside the stranger's in JavaScript."""
    file, empty = folder / "bundles.jsonl", folder / "none.jsonl"
    sample = Sample("as it is", "whole", bundle, encode_trust(trust), Expected("intact"))
    file.write_text(f"{sample.line}\n" * BATCH)
    empty.write_text("")
    (ours,) = in_turn(ROUNDS, partial(verify, bundle, trust, "intact", NEW_LEDGER), clock=time.process_time)
    theirs, start = in_turn(
        ROUNDS, *(partial(run, ["node", JAVASCRIPT, lines], os.environ) for lines in (file, empty)), clock=children_cpu
    )
    return Figure("bundles verified", BATCH / ours, "in JavaScript", BATCH / (theirs - start), "/s", ">= 1")


def in_process(entry: bytes, bundle: bytes, without: bytes, trust: Trust) -> list[Figure]:
    """Return bundles a second: of a new ledger, of one whose grants are known, and under a known checkpoint."""
    envelope = decode_envelope(entry)
    digest, signature = signing_hash(envelope, LOG_ID), bytes.fromhex(envelope.signature[2:])
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    taken = in_turn(
        ROUNDS,
        *(
            partial(verify, data, trust, verdict, forgotten)
            for data, verdict in ((bundle, "intact"), (without, "not_yet_anchored"))
            for forgotten in (NEW_LEDGER, NEW_CHECKPOINT, ())
        ),
        partial(repeat, lambda: PublicKey.from_signature_and_message(recoverable, digest, hasher=None)),
        clock=time.process_time,
    )
    first, fresh, warmed, bare_first, bare_fresh, bare_warmed, recover = (BATCH / seconds for seconds in taken)
    return [
        Figure("without a state proof, of a new ledger", bare_first, "coincurve recover", recover, "/s", ">= 0.04"),
        Figure("without a state proof, new checkpoint", bare_fresh, "coincurve recover", recover, "/s", ">= 0.3"),
        Figure("without a state proof, checkpoint known", bare_warmed, "coincurve recover", recover, "/s", ">= 0.5"),
        Figure("with a state proof, of a new ledger", first, "without", bare_first, "/s", ">= 0.1"),
        Figure("with a state proof, new checkpoint", fresh, "without", bare_fresh, "/s", ">= 0.1"),
        Figure("with a state proof, checkpoint known", warmed, "without", bare_warmed, "/s", ">= 0.1"),
    ]


def verify(bundle: bytes, trust: Trust, expected: Verdict, forgotten: Iterable[_lru_cache_wrapper[Any]]) -> None:
    """Make ``BATCH`` verifications, which come to the verdict ``expected``; each forgets what it names before."""

    def once() -> None:
        for cached in forgotten:
            cached.cache_clear()
        assert verify_event(bundle, trust).report.verdict == expected

    repeat(once)


def repeat(action: Callable[[], object]) -> None:
    """Do it ``BATCH`` times."""
    for _ in range(BATCH):
        action()


def run(command: list[str | Path], environment: Mapping[str, str]) -> None:
    """Run one process, whose output does not matter."""
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
