"""Faults of anchors, as far as they are claims."""

from __future__ import annotations

from typing import Any

from tests.bundles import CHAIN
from tests.corpus.changes import put
from tests.corpus.faults.naming import harmless, has, simple


def anchored(name: str, path: tuple[Any, ...], value: Any) -> None:
    simple(name, lambda base: put(base.tree, ("anchors", *path), value) if has(base, "anchors") else None, 11)


anchored("anchor of another size", (0, "size"), lambda size: size + 1)

anchored("anchor of another root", (0, "root"), "0x" + "ab" * 32)

anchored("anchor without a number", (0, "number"), 0)

anchored("anchor before the contract", (0, "anchored_in", "block_number"), 2)

anchored("anchor with a size as text", (0, "size"), "10")

anchored("anchor with a size as a float", (0, "size"), 10.0)

anchored("anchor with a size of 2^53", (0, "size"), 2**53)

anchored("anchor with a size of 2^64", (0, "size"), 2**64)

anchored("anchor with a cut root", (0, "root"), lambda root: root[:-2])

anchored("anchor with an address in upper case", (0, "contract"), lambda text: "0x" + text[2:].upper())

anchored("anchor with an unknown field", (0, "more"), 1)

anchored("anchor with a block too many", (0, "anchored_in", "more"), 1)

simple("anchors null", lambda base: base.tree | {"anchors": None}, 11)

simple("anchors an object", lambda base: base.tree | {"anchors": {}}, 11)

simple("65 anchors", lambda b: put(b.tree, ("anchors",), lambda a: a * 65) if has(b, "anchors") else None, 11)

for _path, _value in {
    ("contract",): CHAIN.registry,
    ("chain", "chain_id"): 1,
    ("chain", "deployment_block_number"): 4,
    ("chain", "deployment_block_hash"): "0x" + "ab" * 32,
}.items():
    harmless(
        f"anchor with another {_path[-1]}",
        lambda base, p=_path, v=_value: put(base.tree, ("anchors", 0, *p), v) if has(base, "anchors") else None,
        "unverifiable",
    )
