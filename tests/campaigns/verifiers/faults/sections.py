"""Faults of sections and of their erasure."""

from __future__ import annotations

from collections.abc import Callable

from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    evidence,
    flip,
    harmless,
    other_tree_head,
    refused,
    simple,
    strangers_line,
)
from tests.campaigns.verifiers.worlds import Base, Tree


def sections(name: str, change: Callable[[Base], Tree], *steps: int) -> None:
    simple(name, lambda base: change(base) if base.name == "registered" else None, *steps)


NARRATIVE = ("sections", "narrative")

sections("section text edited", lambda b: put(b.tree, (*NARRATIVE, "fields", "text"), "another story"), 8)

sections("section salt edited", lambda b: put(b.tree, (*NARRATIVE, "salt"), "00" * 16), 8)

sections("section with one field more said", lambda b: put(b.tree, (*NARRATIVE, "fields", "more"), "x"), 8)

sections("sections swapped", lambda b: put(b.tree, NARRATIVE, b.tree["sections"]["description"]), 8)

sections(
    "section that nobody committed to",
    lambda b: put(b.tree, ("sections", "person:1"), b.tree["sections"]["narrative"]),
    8,
)

sections("section without fields", lambda b: put(b.tree, (*NARRATIVE, "fields"), {}), 1)

sections("section in NFD", lambda b: put(b.tree, (*NARRATIVE, "fields", "text"), "e\u0301"), 1)

sections("section with an unknown field", lambda b: put(b.tree, (*NARRATIVE, "more"), 1), 1)

sections("section null", lambda b: put(b.tree, NARRATIVE, None), 1)

sections("section with a number", lambda b: put(b.tree, (*NARRATIVE, "fields", "text"), 7), 1)


def erased(name: str, change: Callable[[Base], Tree]) -> None:
    """Spoil an erasure: it is told, and the section counts as withheld."""
    harmless(name, lambda base: change(base) if base.name == "section erased" else None)


ENTRY = ("erased", 0, "entry")

erased("erasure of another label", lambda b: put(b.tree, ("erased", 0, "label"), "description"))

erased("erasure by an entry that is none", lambda b: put(b.tree, ENTRY, evidence(b, b.world.index_of(4))))

erased("erasure edited", lambda b: put(b.tree, (*ENTRY, "payload", "body", "label"), "description"))

erased("erasure by a payload of no form", lambda b: put(b.tree, (*ENTRY, "payload"), {}))

erased(
    "erasure signed by nobody",
    lambda b: put(b.tree, (*ENTRY, "envelope", "signature"), lambda s: s[:9] + flip(s[9:])),
)

erased(
    "erasure at another place",
    lambda b: put(b.tree, (*ENTRY, "proof"), lambda p: p.replace("\nindex ", "\nindex 1", 1)),
)

erased("erasure under another tree head", lambda b: put(b.tree, (*ENTRY, "proof"), other_tree_head))

erased("erasure with a stranger's line", lambda b: put(b.tree, (*ENTRY, "proof"), lambda p: p + strangers_line()))

refused("erasure without a proof", lambda b: without(b.tree, (*ENTRY, "proof")) if b.name == "section erased" else None)

refused(
    "erasure without a label", lambda b: without(b.tree, ("erased", 0, "label")) if b.name == "section erased" else None
)
