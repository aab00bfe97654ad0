"""Faults of sections and of their erasure."""

from __future__ import annotations

from typing import Any

from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    called,
    edited,
    evidence,
    flip,
    harmless,
    other_tree_head,
    refused,
    signed_by_stranger,
    simple,
)

REGISTERED, ERASED = called("registered"), called("section erased")
NARRATIVE, ENTRY = ("sections", "narrative"), ("erased", 0, "entry")

edited("section salt edited", (*NARRATIVE, "salt"), "00" * 16, 8, of=REGISTERED)
edited("section with one field more said", (*NARRATIVE, "fields", "more"), "x", 8, of=REGISTERED)
edited("section in NFD", (*NARRATIVE, "fields", "text"), "e\u0301", 1, of=REGISTERED)
edited("section with a number", (*NARRATIVE, "fields", "text"), 7, 1, of=REGISTERED)
simple("sections swapped", lambda b: put(b.tree, NARRATIVE, b.tree["sections"]["description"]), 8, of=REGISTERED)

# A spoiled erasure is told, and the section counts as withheld.
SPOILED: dict[str, tuple[tuple[Any, ...], Any]] = {
    "by a payload of no form": (("payload",), {}),
    "signed by nobody": (("envelope", "signature"), lambda s: s[:9] + flip(s[9:])),
    "at another place": (("proof",), lambda p: p.replace("\nindex ", "\nindex 1", 1)),
    "under another tree head": (("proof",), other_tree_head),
    "with a stranger's line": (("proof",), signed_by_stranger),
}
for _name, (_path, _value) in SPOILED.items():
    harmless(f"erasure {_name}", lambda b, p=_path, v=_value: put(b.tree, (*ENTRY, *p), v), of=ERASED)
harmless("erasure by an act", lambda b: put(b.tree, ENTRY, evidence(b, b.world.index_of(4))), of=ERASED)
refused("erasure without a proof", lambda b: without(b.tree, (*ENTRY, "proof")), ERASED)
refused("erasure without a label", lambda b: without(b.tree, ("erased", 0, "label")), ERASED)
