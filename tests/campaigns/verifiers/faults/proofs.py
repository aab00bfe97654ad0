"""Faults of the inclusion proof."""

from __future__ import annotations

import random
from collections.abc import Callable

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, leaf_hash, node_hash
from ledger.core.log.tlog_proofs import parse_tlog_proof
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, with_proof
from tests.campaigns.verifiers.faults.naming import (
    Mutated,
    extra_line,
    fails,
    fault,
    has,
    original,
    simple,
    size,
    strangers_line,
)
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.bundles import ORIGIN


def hashes(name: str, change: Callable[[tuple[Hash, ...]], tuple[Hash, ...]], *steps: int) -> None:
    simple(name, lambda base: with_proof(base.tree, hashes=change) if long_enough(base) else None, *steps)


def long_enough(base: Base) -> bool:
    return len(parse_tlog_proof(base.tree["proof"]).hashes) > 1


simple("index of the entry before", lambda b: with_proof(b.tree, index=lambda i: i - 1) if b.index else None, 6)

simple("index of the entry after", lambda b: with_proof(b.tree, index=lambda i: i + 1), 6)

simple("index at the size", lambda b: with_proof(b.tree, index=size(b)), 6)

simple("index plus the size", lambda b: with_proof(b.tree, index=b.index + size(b)), 6)

simple("index 2^62", lambda b: with_proof(b.tree, index=2**62 + b.index), 6)

simple("index 2^63", lambda b: with_proof(b.tree, index=2**63), 1)

simple("index 2^64", lambda b: with_proof(b.tree, index=2**64), 1)

simple("index 2^64 more", lambda b: with_proof(b.tree, index=2**64 + b.index), 1)

hashes("proof one hash short", lambda h: h[:-1], 6)

hashes("proof without its first hash", lambda h: h[1:], 6)

hashes("proof one hash long", lambda h: (*h, h[-1]), 6)

hashes("proof with the leaf's neighbour twice", lambda h: (h[0], *h), 6)

hashes("proof without hashes", lambda h: (), 6)

hashes("proof with hashes swapped", lambda h: (h[1], h[0], *h[2:]), 6)

hashes("proof turned round", lambda h: h[::-1], 6)

hashes("proof with a hash of zeros", lambda h: (Hash(bytes(32)), *h[1:]), 6)

hashes("proof with a cut hash", lambda h: (Hash(h[0][:31]), *h[1:]), 1)

hashes("proof with a long hash", lambda h: (Hash(h[0] + b"\0"), *h[1:]), 1)

hashes("proof with an empty hash", lambda h: (*h[:-1], Hash(b"")), 5)

hashes("proof of 63 hashes", lambda h: (h * 63)[:63], 6)

hashes("proof of 64 hashes", lambda h: (h * 64)[:64], 1)


def second_base64(text: str) -> str:
    """Return the first hash with other bits where base64 has bits to spare."""
    head, equal, rest = text.partition("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return head[:-1] + alphabet[alphabet.index(head[-1]) ^ 1] + equal + rest


PROOF_TEXTS: dict[str, tuple[Callable[[str], str], int]] = {
    "another first line": (lambda p: p.replace("@v1", "@v2", 1), 1),
    "an index with a zero before": (lambda p: p.replace("\nindex ", "\nindex 0", 1), 1),
    "an index with a plus": (lambda p: p.replace("\nindex ", "\nindex +", 1), 1),
    "an index with a space": (lambda p: p.replace("\nindex ", "\nindex  ", 1), 1),
    "an index in other digits": (lambda p: p.replace("\nindex ", "\nindex \u0661", 1), 1),
    "no index": (lambda p: p.replace("\nindex ", "\nIndex ", 1), 1),
    "an empty extra line": (lambda p: p.replace("\nindex ", "\nextra \nindex ", 1), 1),
    "two extra lines": (lambda p: extra_line(extra_line(p)), 1),
    "an extra line that is not base64": (lambda p: p.replace("\nindex ", "\nextra ?\nindex ", 1), 1),
    "carriage returns": (lambda p: p.replace("\n", "\r\n"), 1),
    "an empty line before the hashes": (lambda p: p.replace("\nindex ", "\n\nindex ", 1), 1),
    "base64 in a second spelling": (second_base64, 1),
    "base64 for URLs": (lambda p: p.replace("=\n", "\n", 1), 1),
    "no note": (lambda p: p.partition("\n\n")[0] + "\n\n", 1),
    "no empty line": (lambda p: p.replace("\n\n", "\n"), 1),
    "an algorithm of its own": (lambda p: p.replace("\nindex ", "\nalgorithm none\nindex ", 1), 1),
    "a note without its last newline": (lambda p: p[:-1], 5),
    "a newline after the note": (lambda p: p + "\n", 5),
    "a tab in the note": (lambda p: p[:-1] + "\t\n", 5),
}

for _name, (_change, _step) in PROOF_TEXTS.items():
    simple(f"proof with {_name}", lambda base, c=_change: put(base.tree, ("proof",), c), _step)


simple("note of 128 KiB and more", lambda b: put(b.tree, ("proof",), lambda p: p + strangers_line() * 1500), 5)

simple(
    "proof of 256 Ki characters and more", lambda b: put(b.tree, ("proof",), lambda p: p + strangers_line() * 3000), 1
)


@fault("internal node as leaf")
def _node_as_leaf(base: Base, chance: random.Random) -> Mutated | None:
    """Make a log whose entry is the preimage of a node: its two hashes are no envelope, and the prefix differs."""
    entries = base.world.log.entries()
    pair = [leaf_hash(entry) for entry in entries[:2]]
    assert node_hash(*pair) != leaf_hash(pair[0] + pair[1])
    if base.index > 1:
        return None
    return fails(with_proof(base.tree, hashes=lambda h: h[1:], index=0), 6)


@fault("duplicated last leaf")
def _duplicated_leaf(base: Base, chance: random.Random) -> Mutated:
    """Make a root that pairs the last of three leaves with itself, as another ledger's trees do."""
    event = original(base)
    leaf, other = leaf_hash(event.entry), Hash(bytes(32))
    root = node_hash(node_hash(other, other), node_hash(leaf, leaf))
    note = changes.resigned(base.world, Checkpoint(ORIGIN, 3, root).text())
    shown = with_proof(base.tree, index=2, hashes=(leaf, node_hash(other, other)), checkpoint=note)
    return fails(shown, 6, *((11,) if has(base, "anchor") else ()))
