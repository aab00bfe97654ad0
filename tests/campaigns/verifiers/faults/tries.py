"""Tries made by hand, as no chain makes them: what a proof of a slot may look like, and what not.

The registry's storage is the trie, its slot 0 at the path ``P``. The key's slots are left out: where the trie holds,
the bundle is unverifiable for that alone.
"""

from __future__ import annotations

import json
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.trie import EMPTY_ROOT
from ledger.core.verification.bundle_format import raw
from ledger.core.verification.trust import TrustedBlock, encode_trust
from scripts.docs.chain_states import branch, extension, hashed, hexed, leaf, other, quantity
from tests.campaigns.verifiers.changes import put
from tests.campaigns.verifiers.faults.naming import Mutated, comes_to, fails, fault
from tests.campaigns.verifiers.worlds import NUMBER, Base
from tests.testkit.bundles import CHAIN

P = keccak256(bytes(32)).hex()
V = rlp.encode(quantity(5))


def handmade(name: str, *nodes: Any, fails_by: int = 12, value: int = 5, root: bytes | None = None) -> None:
    """``fails_by`` is the step that fails, 0 where the trie holds."""

    @fault(f"trie with {name}")
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != "accepted":
            return None
        world, state = base.world, base.world.state()
        anchor = state.with_handmade_trie(state.proving(NUMBER), [*nodes], value, root)
        if world.witnesses:
            anchor = replace(anchor, block_note=raw(world.block_note(anchor.header_rlp)))
        named = TrustedBlock(state.number, hexed(keccak256(bytes.fromhex(anchor.header_rlp[2:]))))
        chain = replace(CHAIN, trusted_blocks=(named,) if world.names_block else ())
        trust = encode_trust(replace(world.trust, chains=(chain,)))
        changed = put(base.tree, ("anchor",), json.loads(canonical.encode(anchor)))
        return fails(changed, fails_by, trust=trust) if fails_by else comes_to(changed, "unverifiable", trust)


def nested(levels: int) -> list[Any]:
    return [nested(levels - 1)] if levels else []


handmade("another leaf with a list", leaf(other(P), [b"x"]), value=0, fails_by=0)
handmade("a leaf with padding", [bytes.fromhex("21" + P), V])
handmade("a leaf that ends too early", leaf(P[:-1], V))
handmade("a leaf that ends too late", leaf(P + "0", V))
handmade("a leaf without a value", leaf(P, b""), value=0)
handmade("another leaf without a value", leaf(other(P), b""), value=0)
handmade("a leaf with a list", leaf(P, [b"x"]))
handmade("a value of 33 bytes", leaf(P, rlp.encode(b"\1" * 33)))
handmade("a value that is a list", leaf(P, rlp.encode([b"\5"])))
handmade("a value and more", leaf(P, V + b"\5"))
handmade("an empty part", [b"", V])
handmade("an empty extension", extension("", hashed(leaf(P, V))), leaf(P, V))
handmade("an extension to the end", extension(P, V))
handmade("an extension to nothing", extension(P[:8], b""), value=0)
handmade("another extension to nothing", extension(other(P)[:8], b""), value=0)
handmade("a node of three", [*leaf(P, V), b""])
handmade("a node that is text", rlp.encode(b"text of a node that is none whatever"))
handmade("a reference of 31 bytes", branch(P[0], bytes(31)))
handmade("a long node that stands in another", branch(P[0], leaf(P[1:], b"x" * 40)))
handmade("lists nine deep", leaf(P, nested(9)))
handmade("an extension as long as the path", extension(other(P), bytes(32)), value=0)
handmade("its empty node twice", b"\x80", b"\x80", value=0, root=EMPTY_ROOT)
