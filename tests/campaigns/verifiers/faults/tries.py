"""Tries made by hand, as no chain makes them: what a proof of a slot may look like, and what not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import rlp
from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.trie import EMPTY_ROOT
from ledger.core.verification.bundle_format import raw
from ledger.core.verification.trust import TrustedBlock
from scripts.docs.chain_states import (
    account,
    branch,
    deep,
    extension,
    hashed,
    header_rlp,
    hexed,
    leaf,
    other,
    others,
    path,
    quantity,
    secure_trie,
)
from tests.campaigns.verifiers.changes import put
from tests.campaigns.verifiers.faults.naming import Expected, Mutated, fault, trusting, written
from tests.campaigns.verifiers.worlds import NUMBER, Base
from tests.testkit.bundles import CHAIN


def handmade(name: str, nodes: Callable[[str, bytes], list[Any]], *steps: int, value: int = 5) -> None:
    """Make the registry's storage a trie of these nodes, its slot 0 under the path given.

    The key's slots are left out: where the trie holds, the bundle is unverifiable for that alone.
    """

    @fault(f"trie with {name}")
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != "accepted":
            return None
        proof = [rlp.encode(node) for node in nodes(keccak256(bytes(32)).hex(), rlp.encode(quantity(value)))]
        anchor, trust = by_hand(base, proof, value)
        expected = Expected("tampered" if steps else "unverifiable", frozenset(steps))
        return Mutated(written(put(base.tree, ("anchor",), anchor)), expected, trust)


def by_hand(base: Base, proof: list[bytes], value: int, root: bytes | None = None) -> tuple[Any, bytes]:
    """Make an anchor whose registry has this storage, and trust its block."""
    state = base.world.state()
    proven = state.proving(NUMBER)
    roots = {CHAIN.anchor: state_root_of(state.anchor), CHAIN.registry: root or keccak256(proof[0])}
    codes = {CHAIN.anchor: CHAIN.anchor_code_hash, CHAIN.registry: CHAIN.registry_code_hash}
    accounts = {bytes.fromhex(name[2:]): account(root, codes[name]) for name, root in roots.items()}
    trie = secure_trie(others(state.others) | accounts)
    header = hexed(header_rlp(trie.root_hash, state.number, state.timestamp))
    slot = replace(
        proven.registry.storage_proof[0], value=hexed(value.to_bytes(32, "big")), proof=tuple(map(hexed, proof))
    )
    anchor_path, registry_path = (
        tuple(map(hexed, path(trie, bytes.fromhex(name[2:])))) for name in (CHAIN.anchor, CHAIN.registry)
    )
    world = base.world
    anchor = replace(
        proven,
        header_rlp=header,
        anchor=replace(proven.anchor, account_proof=anchor_path),
        registry=replace(proven.registry, account_proof=registry_path, storage_proof=(slot,)),
        block_note=raw(world.block_note(header)) if world.witnesses else UNSET,
    )
    named = TrustedBlock(state.number, hexed(keccak256(bytes.fromhex(header[2:]))))
    chain = replace(CHAIN, trusted_blocks=(named,) if world.names_block else ())
    return json.loads(canonical.encode(anchor)), trusting(replace(world.trust, chains=(chain,)))


def state_root_of(slots: dict[bytes, int]) -> bytes:
    return bytes(
        secure_trie({key: bytes(rlp.encode(quantity(value))) for key, value in slots.items() if value}).root_hash
    )


def nested(levels: int) -> list[Any]:
    return [nested(levels - 1)] if levels else []


handmade("a leaf", lambda p, v: [leaf(p, v)])
handmade("another leaf, so that nothing is there", lambda p, v: [leaf(other(p), v)], value=0)
handmade("an extension elsewhere, so that nothing is there", lambda p, v: [extension(other(p)[:8], bytes(32))], value=0)
handmade("an empty branch, so that nothing is there", lambda p, v: [branch(other(p)[0], bytes(32))], value=0)
handmade("an extension and a leaf", lambda p, v: [extension(p[:7], hashed(leaf(p[7:], v))), leaf(p[7:], v)])
handmade("a branch and a leaf", lambda p, v: [branch(p[0], hashed(leaf(p[1:], v))), leaf(p[1:], v)])
handmade("a leaf that stands in its branch", deep)
handmade("a short leaf by its hash", lambda p, v: deep(p, v, by_hash=True), 12)
handmade("a leaf of a flag unknown", lambda p, v: [[bytes.fromhex("40" + p), v]], 12)
handmade("a leaf with padding", lambda p, v: [[bytes.fromhex("21" + p), v]], 12)
handmade("a leaf that ends too early", lambda p, v: [leaf(p[:-1], v)], 12)
handmade("a leaf that ends too late", lambda p, v: [leaf(p + "0", v)], 12)
handmade("a leaf of another path that ends too early", lambda p, v: [leaf(other(p)[:-1], v)], 12, value=0)
handmade("a leaf without a value", lambda p, v: [leaf(p, b"")], 12, value=0)
handmade("another leaf without a value", lambda p, v: [leaf(other(p), b"")], 12, value=0)
handmade("another leaf with a list", lambda p, v: [leaf(other(p), [b"x"])], value=0)
handmade("a leaf with a list", lambda p, v: [leaf(p, [b"x"])], 12)
handmade("a value with a zero before", lambda p, v: [leaf(p, rlp.encode(b"\0\5"))], 12)
handmade("a value of zero", lambda p, v: [leaf(p, rlp.encode(b""))], 12, value=0)
handmade("a value of 33 bytes", lambda p, v: [leaf(p, rlp.encode(b"\1" * 33))], 12)
handmade("a value that is a list", lambda p, v: [leaf(p, rlp.encode([b"\5"]))], 12)
handmade("a value and more", lambda p, v: [leaf(p, v + b"\5")], 12)
handmade("a value in a second spelling", lambda p, v: [leaf(p, b"\x81\5")], 12)
handmade("an empty part", lambda p, v: [[b"", v]], 12)
handmade("an empty extension", lambda p, v: [extension("", hashed(leaf(p, v))), leaf(p, v)], 12)
handmade("an extension to the end", lambda p, v: [extension(p, v)], 12)
handmade("an extension to nothing", lambda p, v: [extension(p[:8], b"")], 12, value=0)
handmade("another extension to nothing", lambda p, v: [extension(other(p)[:8], b"")], 12, value=0)
handmade("a branch with a value", lambda p, v: [branch(p[0], hashed(leaf(p[1:], v)), b"x"), leaf(p[1:], v)], 12)
handmade("a node of three", lambda p, v: [[*leaf(p, v), b""]], 12)
handmade("a node that is text", lambda p, v: [b"text of a node that is none whatever"], 12)
handmade("a reference of 31 bytes", lambda p, v: [branch(p[0], bytes(31))], 12)
handmade("a long node that stands in another", lambda p, v: [branch(p[0], leaf(p[1:], b"x" * 40))], 12)
handmade("a node of 1025 bytes", lambda p, v: [leaf(p, b"x" * 1100)], 12)
handmade("lists nine deep", lambda p, v: [leaf(p, nested(9))], 12)
handmade("an extension longer than the path", lambda p, v: [extension(other(p) + "00", bytes(32))], 12, value=0)
handmade("an extension as long as the path", lambda p, v: [extension(other(p), bytes(32))], 12, value=0)
handmade(
    "an extension below a branch that is longer than the rest",
    lambda p, v: [branch(p[0], hashed(too_long(p))), too_long(p)],
    12,
    value=0,
)


def too_long(p: str) -> Any:
    return extension(other(p[1:]) + "0", bytes(32))


def empty(name: str, proof: list[bytes], *steps: int) -> None:
    @fault(f"empty trie by {name}")
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != "accepted":
            return None
        anchor, trust = by_hand(base, proof, 0, EMPTY_ROOT)
        expected = Expected("tampered" if steps else "unverifiable", frozenset(steps))
        return Mutated(written(put(base.tree, ("anchor",), anchor)), expected, trust)


empty("nothing", [])
empty("its node", [b"\x80"])
empty("its node twice", [b"\x80", b"\x80"], 12)
empty("another node", [b"\xc0"], 12)
