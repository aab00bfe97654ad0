"""Faults of the inclusion proof."""

from __future__ import annotations

import random
from collections.abc import Callable

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, leaf_hash, node_hash
from ledger.core.log.tlog_proofs import parse_tlog_proof
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import with_proof
from tests.campaigns.verifiers.faults.naming import (
    Mutated,
    anchored,
    edited,
    fails,
    fault,
    original,
    simple,
    strangers_line,
)
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.bundles import ORIGIN

INDICES: dict[str, tuple[Callable[[int, int], int], int]] = {
    "of the entry after": (lambda index, size: index + 1, 6),
    "at the size": (lambda index, size: size, 6),
    "plus the size": (lambda index, size: index + size, 6),
    "2^62": (lambda index, size: 2**62 + index, 6),
    "2^63": (lambda index, size: 2**63, 1),
    "2^64": (lambda index, size: 2**64, 1),
    "2^64 more": (lambda index, size: 2**64 + index, 1),
}
for _name, (_index, _step) in INDICES.items():
    simple(
        f"index {_name}",
        lambda b, index=_index: with_proof(b.tree, index=index(b.index, changes.head_of(b.world).size)),
        _step,
    )

Hashes = tuple[Hash, ...]
HASHES: dict[str, tuple[Callable[[Hashes], Hashes], int]] = {
    "without its first hash": (lambda h: h[1:], 6),
    "with the leaf's neighbour twice": (lambda h: (h[0], *h), 6),
    "without hashes": (lambda h: (), 6),
    "with hashes swapped": (lambda h: (h[1], h[0], *h[2:]), 6),
    "turned round": (lambda h: h[::-1], 6),
    "with a hash of zeros": (lambda h: (Hash(bytes(32)), *h[1:]), 6),
    "with a cut hash": (lambda h: (Hash(h[0][:31]), *h[1:]), 1),
    "with a long hash": (lambda h: (Hash(h[0] + b"\0"), *h[1:]), 1),
    "with an empty hash": (lambda h: (*h[:-1], Hash(b"")), 5),
    "of 63 hashes": (lambda h: (h * 63)[:63], 6),
    "of 64 hashes": (lambda h: (h * 64)[:64], 1),
}
for _name, (_hashes, _step) in HASHES.items():
    simple(
        f"proof {_name}",
        lambda base, change=_hashes: with_proof(base.tree, hashes=change),
        _step,
        of=lambda base: len(parse_tlog_proof(base.tree["proof"]).hashes) > 1,
    )


def second_base64(text: str) -> str:
    """Return the first hash with other bits where base64 has bits to spare."""
    head, equal, rest = text.partition("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return head[:-1] + alphabet[alphabet.index(head[-1]) ^ 1] + equal + rest


INDEX_LINES = {
    "an index with a zero before": "\nindex 0",
    "an index with a plus": "\nindex +",
    "an index with a space": "\nindex  ",
    "an index in other digits": "\nindex \u0661",
    "no index": "\nIndex ",
    "an empty extra line": "\nextra \nindex ",
    "an extra line that is not base64": "\nextra ?\nindex ",
    "an empty line before the hashes": "\n\nindex ",
    "an algorithm of its own": "\nalgorithm none\nindex ",
}
PROOF_TEXTS: dict[str, tuple[Callable[[str], str], int]] = {
    **{name: (lambda p, line=line: p.replace("\nindex ", line, 1), 1) for name, line in INDEX_LINES.items()},
    "another first line": (lambda p: p.replace("@v1", "@v2", 1), 1),
    "carriage returns": (lambda p: p.replace("\n", "\r\n"), 1),
    "base64 in a second spelling": (second_base64, 1),
    "base64 for URLs": (lambda p: p.replace("=\n", "\n", 1), 1),
    "no note": (lambda p: p.partition("\n\n")[0] + "\n\n", 1),
    "no empty line": (lambda p: p.replace("\n\n", "\n"), 1),
    "a newline after the note": (lambda p: p + "\n", 5),
    "a tab in the note": (lambda p: p[:-1] + "\t\n", 5),
    "a note of 128 KiB and more": (lambda p: p + strangers_line() * 1500, 5),
    "256 Ki characters and more": (lambda p: p + strangers_line() * 3000, 1),
}
for _name, (_change, _step) in PROOF_TEXTS.items():
    edited(f"proof with {_name}", ("proof",), _change, _step)


@fault("internal node as leaf")
def _node_as_leaf(base: Base, chance: random.Random) -> Mutated | None:
    """Prove a node in the place of an entry: its two hashes are no envelope, and the prefix differs."""
    return None if base.index > 1 else fails(with_proof(base.tree, hashes=lambda h: h[1:], index=0), 6)


@fault("duplicated last leaf")
def _duplicated_leaf(base: Base, chance: random.Random) -> Mutated:
    """Make a root that pairs the last of three leaves with itself, as another ledger's trees do."""
    leaf, other = leaf_hash(original(base).entry), Hash(bytes(32))
    root = node_hash(node_hash(other, other), node_hash(leaf, leaf))
    note = changes.resigned(base.world, Checkpoint(ORIGIN, 3, root).text())
    shown = with_proof(base.tree, index=2, hashes=(leaf, node_hash(other, other)), checkpoint=note)
    return fails(shown, 6, *((11,) if anchored(base) else ()))
