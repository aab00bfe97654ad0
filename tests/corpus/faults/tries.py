"""Tries made by hand, as no chain makes them: what a proof of a slot may look like, and what not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.signature import keccak256
from tests.bundles import CHAIN
from tests.corpus.changes import put
from tests.corpus.faults.naming import (
    Expected,
    Mutated,
    fault,
    written,
)
from tests.corpus.faults.states import NUMBER, untold
from tests.corpus.worlds import Base, World
from tests.states import account, header_rlp, hexed, others, path, quantity, secure_trie


def handmade(name: str, nodes: Callable[[str, bytes], list[Any]], *steps: int, value: int = 5) -> None:
    """The registry's storage is a trie of these nodes, its slot 0 under the path given; for an entry of the ledger."""

    @fault(f"trie with {name}")
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != "proven, admission":
            return None
        proof = [rlp.encode(node) for node in nodes(keccak256(bytes(32)).hex(), rlp.encode(quantity(value)))]
        changed = put(base.tree, ("anchors", 0), base.world.anchor(by_hand(base.world, proof, value)))
        expected = Expected("tampered" if steps else base.verdict, frozenset(steps))
        return Mutated(written(changed), expected, untold(base.world))


def by_hand(world: World, proof: list[bytes], value: int) -> Any:
    state = world.state()
    made = state.proven(NUMBER, None)
    roots = {CHAIN.anchor: state_root_of(state.anchor), CHAIN.registry: keccak256(proof[0])}
    codes = {CHAIN.anchor: CHAIN.anchor_code_hash, CHAIN.registry: CHAIN.registry_code_hash}
    accounts = {bytes.fromhex(name[2:]): account(root, codes[name]) for name, root in roots.items()}
    trie = secure_trie(others(state.others) | accounts)
    header = header_rlp(trie.root_hash, state.number, state.timestamp)
    slot = replace(
        made.registry.storage_proof[0], value=hexed(value.to_bytes(32, "big")), proof=tuple(map(hexed, proof))
    )
    anchor_path, registry_path = (
        tuple(map(hexed, path(trie, bytes.fromhex(name[2:])))) for name in (CHAIN.anchor, CHAIN.registry)
    )
    return replace(
        made,
        block_hash=hexed(keccak256(header)),
        header_rlp=hexed(header),
        anchor=replace(made.anchor, account_proof=anchor_path),
        registry=replace(made.registry, account_proof=registry_path, storage_proof=(slot,)),
    )


def state_root_of(slots: dict[bytes, int]) -> bytes:
    return bytes(
        secure_trie({key: bytes(rlp.encode(quantity(value))) for key, value in slots.items() if value}).root_hash
    )


def nested(levels: int) -> list[Any]:
    return [nested(levels - 1)] if levels else []


def deep(path: str, value: bytes, *, by_hash: bool = False) -> list[Any]:
    """Branches down to a leaf that is so short that it stands in the last of them."""
    split = 60
    below: Any = leaf(path[split + 1 :], value)
    last = branch(path[split], hashed(below) if by_hash else below)
    last[int(other(path[split]), 16)] = bytes(32)  # a neighbour, so that the branch itself is long enough
    return [extension(path[:split], hashed(last)), last, *([below] if by_hash else [])]


def other(path: str) -> str:
    return ("1" if path[0] != "1" else "2") + path[1:]


def hashed(node: Any) -> bytes:
    return keccak256(rlp.encode(node))


def branch(path: str, below: Any, value: bytes = b"") -> list[Any]:
    nodes: list[Any] = [b""] * 16 + [value]
    nodes[int(path, 16)] = below
    return nodes


def extension(path: str, below: Any) -> list[Any]:
    return [part("1" if len(path) % 2 else "0", path), below]


def leaf(path: str, value: Any) -> list[Any]:
    return [part("3" if len(path) % 2 else "2", path), value]


def part(flag: str, nibbles: str) -> bytes:
    """A part of a path: even flags are followed by a nibble of padding."""
    return bytes.fromhex(flag + nibbles if len(nibbles) % 2 else f"{flag}0{nibbles}")


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
