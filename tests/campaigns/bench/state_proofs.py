"""State proofs: bytes of a complete bundle by part, and verifications a second with step 12 and without.

python -m tests.campaigns.bench.state_proofs [--json FILE]

The chain has 20,000 accounts of others, the registry 300 keys, the contract 300 anchors. One core, medians.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import encode_bundle, raw, read_anchor
from ledger.core.verification.contract_storage import anchor_slots, read_anchor_state, read_grant_state, registry_slots
from ledger.core.verification.trust import Trust
from scripts.bench.figures import Figure, in_turn, options, show
from scripts.docs.chain_states import State, packed
from tests.testkit import bundles
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case

ACCOUNTS = 20_000
RECORDS = KEYS = 300
ROUNDS = 15
BATCH = 100  # verifications a round


def main() -> None:
    """Measure and show."""
    given = options(__doc__)
    bundle, without, trust = encoded_bundles()
    show("Sizes", sizes(bundle, without), None)
    show("Verification", [*per_second(bundle, without, trust)], given.json)


def encoded_bundles() -> tuple[bytes, bytes, Trust]:
    """Return a complete bundle, the same without its state proof, and the trust file that names the block."""
    log = bundles.log_with(Case().open())
    checkpoint, authority = log.checkpoint(), log.registry.authority
    state = State(bundles.CHAIN, bundles.BLOCK, bundles.ANCHORED_AT + 36, others=ACCOUNTS)
    for number in range(1, RECORDS):
        root, meta = anchor_slots(number)[1:3]
        state.anchor[root] = number << 200
        state.anchor[meta] = packed((1, 64), (7, 64), (1, 64))
    for number in range(KEYS):
        for slot in registry_slots(f"0x{number:040x}")[1:]:
            state.registry[slot] = 1 << 200
    state.record(RECORDS, checkpoint.root, checkpoint.size, 9, bundles.ANCHORED_AT)
    state.has(authority.registry_hash, *authority.grants.values())
    last = len(log.events) - 1
    complete = log.bundle(last, anchor=raw(state.proving(RECORDS, clerk(POLICE).key_id)))
    without = log.bundle(last, anchored=False)
    return encode_bundle(complete), encode_bundle(without), bundles.naming(complete)


def sizes(bundle: bytes, without: bytes) -> list[Figure]:
    """Return the bytes of the parts, beside the whole bundle."""
    fields = json.loads(bundle)
    proven = fields["anchor"]
    parts = {name: fields[name] for name in ("envelope", "payload", "proof", "authority")}
    parts |= {"header": proven["header_rlp"]}
    for name in ("anchor", "registry"):
        parts[f"{name}: account"] = proven[name]["account_proof"]
        parts[f"{name}: {len(proven[name]['storage_proof'])} slots"] = proven[name]["storage_proof"]
    spelled = {name: len(json.dumps(part, separators=(",", ":"), ensure_ascii=False)) for name, part in parts.items()}
    spelled |= {"bundle without state proof": len(without), "complete bundle": len(bundle)}
    return [Figure(name, size, "bundle", len(bundle), "bytes", "<= 1") for name, size in spelled.items()]


def per_second(bundle: bytes, without: bytes, trust: Trust) -> list[Figure]:
    """Return bundles a second: nothing remembered; checkpoints, anchors and states remembered as in a case's bundle."""
    fresh, warmed, none_fresh, none_known = in_turn(
        ROUNDS,
        partial(repeat, lambda: verify(bundle, trust, "intact", forget=True)),
        partial(repeat, lambda: verify(bundle, trust, "intact", forget=False)),
        partial(repeat, lambda: verify(without, trust, "not_yet_anchored", forget=True)),
        partial(repeat, lambda: verify(without, trust, "not_yet_anchored", forget=False)),
    )
    return [
        Figure("with a state proof, new", BATCH / fresh, "without", BATCH / none_fresh, "/s", ">= 0.1"),
        Figure("with a state proof, seen before", BATCH / warmed, "without", BATCH / none_known, "/s", ">= 0.4"),
    ]


def verify(bundle: bytes, trust: Trust, verdict: str, *, forget: bool) -> None:
    """Make one verification, which must come to the verdict."""
    if forget:
        read_anchor_state.cache_clear()
        read_grant_state.cache_clear()
        read_anchor.cache_clear()
        verify_checkpoint.cache_clear()
    assert verify_bundle(bundle, trust).verdict == verdict


def repeat(action: Callable[[], object]) -> None:
    """Do it ``BATCH`` times."""
    for _ in range(BATCH):
        action()


if __name__ == "__main__":
    main()
