"""A hash trie: a map of which every version shares with the one before all that they have in common.

A node is a leaf, which is a dict, or a branch, which is a tuple of nodes. No function changes a node. What a step costs
grows with the logarithm of the size; a small map is one dict. Nodes hold by this process's hashes: another has others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

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


T = TypeVar("T")
Marks = tuple[str, ...]


class Change(NamedTuple, Generic[T]):
    """An entry that two versions of a register have differently; None where one has it not."""

    key: str
    before: T | None
    after: T | None


class Placed(NamedTuple, Generic[T]):
    """An entry and its place in the order."""

    place: int
    value: T


class Shelves(NamedTuple, Generic[T]):
    """What a version of a register is made of: the entries, and by mark the keys of those that bear it."""

    entries: Node[Placed[T]]
    marked: Node[Node[int]]
    size: int
    next_place: int


def unmarked(_value: object) -> Marks:
    """The marks of what is looked up by its id alone."""
    return ()


class Register(Mapping[str, T]):
    """Immutable; a version shares with the one before what both have, so that a step costs the same in a case of ten
    entries and in one of ten thousand. Entries are found by id, and by the marks that ``marks_of`` reads from them.
    """

    __slots__ = ("_marks_of", "shelves")

    def __init__(self, marks_of: Callable[[T], Marks] = unmarked, shelves: Shelves[T] | None = None) -> None:
        self._marks_of = marks_of
        self.shelves: Shelves[T] = shelves or Shelves({}, {}, 0, 0)

    def __or__(self, entries: Mapping[str, T]) -> Register[T]:
        """This register with these entries; one that is there keeps its place."""
        if not entries:
            return self
        shelves = self.shelves
        for key, value in entries.items():
            shelves = self._put(shelves, key, value)
        return Register(self._marks_of, shelves)

    def without(self, keys: Iterable[str]) -> Register[T]:
        """This register without these entries. Requires that it has them."""
        shelves = self.shelves
        for key in keys:
            marked = _mark(shelves.marked, key, 0, self._marks_of(self[key]), ())
            shelves = Shelves(without(shelves.entries, key), marked, shelves.size - 1, shelves.next_place)
        return Register(self._marks_of, shelves)

    def marked(self, mark: str) -> list[T]:
        """The entries that bear the mark, in order."""
        keys = get(self.shelves.marked, mark)
        return [self[key] for key, _ in sorted(items(keys), key=itemgetter(1))] if keys else []

    def changes(self, before: Register[T] | None) -> list[Change[T]]:
        """What differs from an earlier version, by identity and in order; before the first one there was nothing."""
        if before is self or (before is None and not self.shelves.size):
            return []
        found = changes({} if before is None else before.shelves.entries, self.shelves.entries)
        if len(found) > 1:
            found.sort(key=_place)
        return [Change(key, old and old.value, new and new.value) for key, old, new in found]

    def __getitem__(self, key: str) -> T:
        placed = get(self.shelves.entries, key)
        if placed is None:
            raise KeyError(key)
        return placed.value

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in sorted(items(self.shelves.entries), key=itemgetter(1)))

    def __len__(self) -> int:
        return self.shelves.size

    def __repr__(self) -> str:
        return f"Register({dict(self)})"

    def _put(self, shelves: Shelves[T], key: str, value: T) -> Shelves[T]:
        entries, marked, size, next_place = shelves
        known = get(entries, key)
        place, borne = (next_place, ()) if known is None else (known.place, self._marks_of(known.value))
        entries = put(entries, key, Placed(place, value))
        marked = _mark(marked, key, place, borne, self._marks_of(value))
        is_new = known is None
        return Shelves(entries, marked, size + is_new, next_place + is_new)


def _mark(marked: Node[Node[int]], key: str, place: int, borne: Marks, bears: Marks) -> Node[Node[int]]:
    """``marked`` after the entry at ``place`` bears other marks than it bore."""
    if borne == bears:
        return marked
    for mark in borne:
        if mark not in bears:
            keys = without(get(marked, mark) or {}, key)
            marked = put(marked, mark, keys) if keys else without(marked, mark)
    for mark in bears:
        if mark not in borne:
            keys = get(marked, mark) or {}
            marked = put(marked, mark, put(keys, key, place))
    return marked


def _place(change: tuple[str, Placed[T] | None, Placed[T] | None]) -> int:
    _, old, new = change
    placed = new or old
    assert placed is not None, "an entry stands on one side at least"
    return placed.place
