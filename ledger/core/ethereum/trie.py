"""Ethereum's Merkle-Patricia trie (Yellow Paper, appendix D), and the RLP of its nodes (appendix B).

State and storage are secure tries: the path of a key is the 64 nibbles of its Keccak-256. Of RLP only the canonical
spelling is accepted, so that bytes which hash to a root have exactly one meaning. Of a node only what leads on is read:
a root that is trusted is that of a trie which a chain made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, ProofRefused

MAX_DEPTH = 512  # lists within lists: more than the longest node has room for

_LIST = 0xC0
_STRING = 0x80
_SHORT = 55  # bytes; a length up to it is part of the first byte
_HASH = 32  # bytes; a node shorter than this is embedded in its parent instead of its hash
_NOTHING, _HASH_FOLLOWS = _STRING, _STRING + _HASH  # first bytes of strings of no bytes, and of a hash

Item: TypeAlias = "bytes | tuple[Item, ...]"


def decode_rlp(data: bytes) -> Item:
    """Decode one item. Raises MalformedInput for every non-canonical spelling, and for lists nested too deep."""
    item, end = _item(data, 0, len(data), MAX_DEPTH)
    if end != len(data):
        raise _refused(f"{len(data) - end} bytes stand after the end")
    return item


def encode_rlp(item: bytes | Sequence[Item]) -> bytes:
    """Encode an item."""
    if isinstance(item, bytes):
        alone = len(item) == 1 and item[0] < _STRING
        return item if alone else _head(len(item), _STRING) + item
    body = b"".join(map(encode_rlp, item))
    return _head(len(body), _LIST) + body


def _item(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    """Decode the item at ``start``, which must end at or before ``limit``; return it and its end."""
    if start >= limit:
        raise _refused("an item is missing")
    first = data[start]
    if first < _STRING:
        return data[start : start + 1], start + 1
    if first < _LIST:
        body, end = _bounds(data, start, limit, first - _STRING)
        # A second spelling of one byte would be a second node with another hash.
        if end - body == 1 and data[body] < _STRING:
            raise _refused("a byte that stands for itself has a length before it")
        return data[body:end], end
    # The input decides how deep the recursion goes, unless it is bounded.
    if depth == 0:
        raise _refused(f"lists are nested more than {MAX_DEPTH} deep")
    at, end = _bounds(data, start, limit, first - _LIST)
    items: list[Item] = []
    while at < end:
        # Nearly all that a node has are hashes and nothing: they need no look at bounds and spellings.
        if data[at] == _NOTHING:
            items.append(b"")
            at += 1
        elif data[at] == _HASH_FOLLOWS and at + _HASH < end:
            items.append(data[at + 1 : at + 1 + _HASH])
            at += 1 + _HASH
        else:
            item, at = _item(data, at, end, depth - 1)
            items.append(item)
    return tuple(items), end


def _bounds(data: bytes, start: int, limit: int, stated: int) -> tuple[int, int]:
    """Return where the body of the item at ``start`` begins and ends.

    ``stated`` is its first byte without the kind: the length itself, or 55 more than the number of bytes that spell it.
    """
    body, length = start + 1, stated
    if stated > _SHORT:
        body += stated - _SHORT
        spelled = data[start + 1 : body]
        length = int.from_bytes(spelled, "big")
        if length <= _SHORT or spelled[0] == 0:
            raise _refused("a length is spelled longer than it need be")
    if body + length > limit:
        raise _refused("an item is cut")
    return body, body + length


def _head(length: int, kind: int) -> bytes:
    if length <= _SHORT:
        return bytes((kind + length,))
    spelled = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + _SHORT + len(spelled),)) + spelled


def _refused(why: str) -> MalformedInput:
    return MalformedInput("not RLP in its one spelling: {why}", why=why, field="rlp")


EMPTY_ROOT = keccak256(encode_rlp(b""))
MAX_NODE_LENGTH = 1024  # bytes; a branch of 16 hashes has 532
NODES_KEPT = 512  # nodes remembered: what bundles show of one state has the upper nodes in common

_BRANCH = 17  # items


def walk(root: bytes, key: bytes, node_of: Callable[[bytes], bytes]) -> bytes | None:
    """Return the value that the trie with this root has under ``key``, or None if it has none.

    Each node of the path is read by its hash from ``node_of``. Raises MalformedInput for bytes that are not a node,
    ProofRefused for a node of another hash, and what ``node_of`` raises.
    """
    # An empty trie is known by its root.
    reference: Item = b"" if root == EMPTY_ROOT else root
    path = keccak256(key).hex()
    while reference:
        node = _node(reference, node_of)
        if len(node) == _BRANCH and path:
            reference, path = node[int(path[0], 16)], path[1:]
            continue
        is_leaf, part, rest = _taken_apart(node)
        if is_leaf:
            return _bytes(rest) if part == path else None
        if not path.startswith(part):
            return None
        reference, path = rest, path.removeprefix(part)
    return None


def _node(reference: Item, node_of: Callable[[bytes], bytes]) -> tuple[Item, ...]:
    """Return the node that stands here itself, or that has this hash."""
    if not isinstance(reference, bytes):
        return reference
    if len(reference) != _HASH:
        raise _malformed(f"it is referred to by {len(reference)} bytes")
    data = node_of(reference)
    if len(data) > MAX_NODE_LENGTH:
        raise _malformed(f"it has {len(data)} bytes, more than {MAX_NODE_LENGTH}")
    if node_hash(data) != reference:
        raise ProofRefused("the node is not {name}", name=reference.hex(), field="proof")
    return read_node(data)


@lru_cache(maxsize=NODES_KEPT)
def node_hash(data: bytes) -> bytes:
    """Compute the hash by which a node is referred to."""
    return keccak256(data)


@lru_cache(maxsize=NODES_KEPT)
def read_node(data: bytes) -> tuple[Item, ...]:
    """Return the items of a node. Raises MalformedInput for bytes that are none."""
    node = decode_rlp(data)
    if not isinstance(node, tuple):
        raise _malformed("it is no list")
    return node


def _taken_apart(node: tuple[Item, ...]) -> tuple[bool, str, Item]:
    """Return of a two-item node whether it is a leaf (else an extension), its part of the path in hex, and the rest."""
    if len(node) != 2:
        raise _malformed(f"it has {len(node)} items")
    spelled = _bytes(node[0]).hex()
    if not spelled.startswith(("00", "1", "20", "3")):
        raise _malformed("its path has another form")
    return spelled[0] in "23", spelled[1 if spelled[0] in "13" else 2 :], node[1]


def _bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise _malformed("it holds something else than bytes")
    return item


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("not a node of a trie: {why}", why=why, field="proof")
