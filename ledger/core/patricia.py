"""Ethereum's Merkle-Patricia trie (Yellow Paper, appendix D): what a root commits to under a key, or that it is absent.

State and storage are secure tries: the path of a key are the 64 nibbles of its Keccak-256. So no node lies below a
whole path, no branch holds a value, and a walk is at most 64 nodes long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.core import rlp
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.rlp import Item
from ledger.core.signature import keccak256

EMPTY_NODE = rlp.encode(b"")
EMPTY_ROOT = keccak256(EMPTY_NODE)
MAX_NODE_LENGTH = 1024  # bytes; a branch of 16 hashes has 532

_HASH = 32  # bytes; a shorter node stands in its parent in place of its hash
_PATH = 64  # nibbles
_BRANCH = 17  # items


def verify_path(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that a trie of this root has under ``key``; None where the proof shows that it has none.

    ``proof`` are the nodes from the root down, as EIP-1186 gives them: none missing, none more. Raises ProofRefused
    where they do not lead from the root, MalformedInput where one is no node.
    """
    if root == EMPTY_ROOT and tuple(proof) in {(), (EMPTY_NODE,)}:
        return None
    nodes = iter(proof)

    def next_node(expected: bytes) -> bytes:
        node = next(nodes, None)
        if node is None:
            raise ProofRefused(f"the proof ends where the node {expected.hex()} should follow", field="proof")
        calculated = keccak256(node)
        if calculated != expected:
            raise ProofRefused(f"expected the node {expected.hex()}, calculated {calculated.hex()}", field="proof")
        return node

    value = walk(root, key, next_node)
    if next(nodes, None) is not None:
        raise ProofRefused("the proof has nodes beyond the end of the path", field="proof")
    return value


def walk(root: bytes, key: bytes, node_of: Callable[[bytes], bytes]) -> bytes | None:
    """The same by nodes that ``node_of`` gives for their hashes, in the order of the path."""
    path = keccak256(key).hex()
    node, walked = _hashed(node_of(root), is_root=True), 0
    while True:
        if len(node) == _BRANCH:
            if walked == _PATH:
                raise _malformed("a branch lies below a whole path")
            child = node[int(path[walked], 16)]
            walked += 1
        else:
            is_leaf, part = _part(node)
            if is_leaf != (walked + len(part) == _PATH):
                raise _malformed("its path has not the length of a key's")
            if not path.startswith(part, walked):
                return None
            child = node[1]
            if is_leaf:
                assert isinstance(child, bytes)
                return child
            walked += len(part)
        if child == b"":
            return None
        node = child if isinstance(child, tuple) else _hashed(node_of(child), is_root=False)


def _hashed(data: bytes, *, is_root: bool) -> tuple[Item, ...]:
    """The node of these bytes."""
    if len(data) > MAX_NODE_LENGTH:
        raise _malformed(f"it has {len(data)} bytes, more than {MAX_NODE_LENGTH}")
    if len(data) < _HASH and not is_root:
        raise _malformed("it is short enough to stand in its parent")
    return _formed(rlp.decode(data))


def _formed(node: Item) -> tuple[Item, ...]:
    """The node, if it and those that stand in it are of their form."""
    if not isinstance(node, tuple) or len(node) not in {2, _BRANCH}:
        raise _malformed("it is no list of 2 or 17")
    if len(node) == _BRANCH:
        for child in node[:-1]:
            _require_reference(child)
        if node[-1] != b"":
            raise _malformed("a branch holds a value")
        return node
    is_leaf, part = _part(node)
    if node[1] == b"" or (not is_leaf and not part):
        raise _malformed("it leads nowhere")
    if not is_leaf:
        _require_reference(node[1])
    elif not isinstance(node[1], bytes):
        raise _malformed("a leaf holds a list")
    return node


def _require_reference(child: Item) -> None:
    if isinstance(child, bytes):
        if len(child) not in {0, _HASH}:
            raise _malformed(f"it refers to a child by {len(child)} bytes")
    elif len(rlp.encode(_formed(child))) >= _HASH:
        raise _malformed("a child stands in it that is too long for that")


def _part(node: tuple[Item, ...]) -> tuple[bool, str]:
    """Whether a node of two items is a leaf or an extension, and its part of the path in hex."""
    if not isinstance(node[0], bytes) or not node[0]:
        raise _malformed("it has no path")
    spelled = node[0].hex()
    flag = spelled[0]
    if flag not in "0123" or (flag in "02" and spelled[1] != "0"):
        raise _malformed("its path has another form")
    return flag in "23", spelled[1 if flag in "13" else 2 :]


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(f"not a node of a trie: {why}", field="proof")
