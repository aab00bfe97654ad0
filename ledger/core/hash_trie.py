"""A hash trie: a map of which every version shares with the one before all that they have in common.

A node is a leaf, which is a dict, or a branch, which is a tuple of nodes. No function changes a node. What a step costs
grows with the logarithm of the size; a small map is one dict. Nodes hold by this process's hashes: another has others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

V = TypeVar("V")
Node: TypeAlias = "dict[str, V] | tuple[Node[V], ...]"

_BITS = 5  # of the hash that choose a branch's child
_WIDTH = 1 << _BITS
_LEAF = 32  # entries of a leaf; one that has more becomes a branch


def get(node: Node[V], key: str) -> V | None:
    """The entry under ``key``."""
    rest = hash(key)
    while isinstance(node, tuple):
        node, rest = node[rest % _WIDTH], rest >> _BITS
    return node.get(key)


def put(node: Node[V], key: str, value: V) -> Node[V]:
    """The map with this entry."""
    return _put(node, 0, key, value)


def _put(node: Node[V], shift: int, key: str, value: V) -> Node[V]:
    if isinstance(node, tuple):
        slot = _slot(key, shift)
        return (*node[:slot], _put(node[slot], shift + _BITS, key, value), *node[slot + 1 :])
    leaf = node | {key: value}
    return leaf if len(leaf) <= _LEAF else _branch(leaf, shift)


def _branch(leaf: dict[str, V], shift: int) -> Node[V]:
    children: list[dict[str, V]] = [{} for _ in range(_WIDTH)]
    for key, value in leaf.items():
        children[_slot(key, shift)][key] = value
    return tuple(children)


def _slot(key: str, shift: int) -> int:
    return (hash(key) >> shift) % _WIDTH


def without(node: Node[V], key: str, shift: int = 0) -> Node[V]:
    """The map without the entry under ``key``, if it has one."""
    if isinstance(node, tuple):
        slot = _slot(key, shift)
        return (*node[:slot], without(node[slot], key, shift + _BITS), *node[slot + 1 :])
    return {known: value for known, value in node.items() if known != key}


def items(node: Node[V]) -> Iterator[tuple[str, V]]:
    """All entries, in no order."""
    if isinstance(node, tuple):
        for child in node:
            yield from items(child)
    else:
        yield from node.items()


def changes(before: Node[V], after: Node[V]) -> list[tuple[str, V | None, V | None]]:
    """Each key under which the two have not the same object, with both. What they share is not looked at."""
    if isinstance(before, tuple) and isinstance(after, tuple):
        pairs = zip(before, after, strict=True)
        return [change for old, new in pairs if old is not new for change in changes(old, new)]
    earlier = dict(items(before)) if isinstance(before, tuple) else before
    later = dict(items(after)) if isinstance(after, tuple) else after
    changed = [(key, earlier.get(key), new) for key, new in later.items() if earlier.get(key) is not new]
    return changed + [(key, old, None) for key, old in earlier.items() if key not in later]
