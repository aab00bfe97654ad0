"""Persistent maps (a hash trie): every version shares with the one before it all that they have in common.

A node is a leaf, which is a dict, or a branch, which is a tuple of nodes. No function changes a node. The cost of a
step grows with the logarithm of the size; a small map is a single dict. The layout depends on this process's string
hashes, so nodes must not be passed to another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, overload

V = TypeVar("V")
Node: TypeAlias = "dict[str, V] | tuple[Node[V], ...]"

_BITS = 5  # bits of the hash that choose a child of a branch
_WIDTH = 1 << _BITS
_LEAF = 32  # entries at most in a leaf; a larger one becomes a branch


def get(node: Node[V], key: str) -> V | None:
    """Return the entry under ``key``, or None."""
    if not isinstance(node, tuple):
        return node.get(key)
    rest = hash(key)
    while isinstance(node, tuple):
        node, rest = node[rest % _WIDTH], rest >> _BITS
    return node.get(key)


def put(node: Node[V], entries: dict[str, V], shift: int = 0) -> Node[V]:
    """Return the map with these entries."""
    if isinstance(node, tuple):
        branch = list(node)
        for key, value in entries.items():
            slot = _slot(key, shift)
            branch[slot] = put(branch[slot], {key: value}, shift + _BITS)
        return tuple(branch)
    # A copy: older versions of the register still show the old leaf.
    leaf = node | entries
    if len(leaf) <= _LEAF:
        return leaf
    children: list[dict[str, V]] = [{} for _ in range(_WIDTH)]
    for key, entry in leaf.items():
        children[_slot(key, shift)][key] = entry
    return tuple(children)


def _slot(key: str, shift: int) -> int:
    return (hash(key) >> shift) % _WIDTH


def without(node: Node[V], keys: Iterable[str], shift: int = 0) -> Node[V]:
    """Return the map without the entries under ``keys``, as far as it has them."""
    if isinstance(node, tuple):
        branch = list(node)
        for key in keys:
            slot = _slot(key, shift)
            branch[slot] = without(branch[slot], (key,), shift + _BITS)
        return tuple(branch)
    leaf = node.copy()
    for key in keys:
        leaf.pop(key, None)
    return leaf


def items(node: Node[V]) -> Iterator[tuple[str, V]]:
    """Yield all entries, in no particular order."""
    if isinstance(node, tuple):
        for child in node:
            yield from items(child)
    else:
        yield from node.items()


def changes(before: Node[V], after: Node[V]) -> list[tuple[str, V | None, V | None]]:
    """Return each key whose entries in the two maps are not the same object, with both.

    Shared nodes are skipped, so the cost depends on the difference, not on the size.
    """
    if isinstance(before, tuple) and isinstance(after, tuple):
        pairs = zip(before, after, strict=True)
        return [change for old, new in pairs if old is not new for change in changes(old, new)]
    earlier = dict(items(before)) if isinstance(before, tuple) else before
    later = dict(items(after)) if isinstance(after, tuple) else after
    # By identity: an entry that a rule wrote again is a new object.
    changed = [(key, earlier.get(key), new) for key, new in later.items() if earlier.get(key) is not new]
    return changed + [(key, old, None) for key, old in earlier.items() if key not in later]


_BY_VALUE = itemgetter(1)


def _in_order(node: Node[Any]) -> list[tuple[str, Any]]:
    """Return the entries of a map, whose values begin with their places, by these."""
    return sorted(items(node) if isinstance(node, tuple) else node.items(), key=_BY_VALUE)


T = TypeVar("T")
D = TypeVar("D")
Marks = tuple[str, ...]
_UNMARKED: Marks = ()


class RegisterChange(NamedTuple, Generic[T]):
    """An entry that differs between two versions of a register; None if a version does not have it."""

    key: str
    before: T | None
    after: T | None


class PlacedEntry(NamedTuple, Generic[T]):
    """An entry and its place in the order of insertion."""

    place: int
    value: T


class Contents(NamedTuple, Generic[T]):
    """The contents of one version of a register: the entries, and for each mark the keys that bear it."""

    entries: Node[PlacedEntry[T]]
    marked: Node[Node[int]]
    size: int
    next_place: int


def unmarked(_value: object) -> Marks:
    """Return no marks: for entries that are looked up only by id."""
    return ()


class Register(Mapping[str, T]):
    """An immutable map in order of insertion that also finds entries by the marks that ``marks_of`` reads from them.

    A version shares with the one before it what both have, so a step costs about the same in a case of ten entries and
    in one of ten thousand.
    """

    __slots__ = ("_marks_of", "contents")

    def __init__(self, marks_of: Callable[[T], Marks] = unmarked, contents: Contents[T] | None = None) -> None:
        self._marks_of = marks_of
        self.contents: Contents[T] = contents or Contents({}, {}, 0, 0)

    def __or__(self, entries: Mapping[str, T]) -> Register[T]:
        """Return this register with these entries; an existing one keeps its place."""
        if not entries:
            return self
        node, marked, size, next_place = self.contents
        placed: dict[str, PlacedEntry[T]] = {}
        bearing: dict[str, Node[int]] = {}
        place_of_new = next_place
        for key, value in entries.items():
            existing = get(node, key)
            if existing is None:
                place, borne = place_of_new, _UNMARKED
                place_of_new += 1
            else:
                # A written entry keeps its place, so that the order stays that of insertion.
                place, borne = existing.place, self._marks_of(existing.value)
            placed[key] = PlacedEntry(place, value)
            bears = self._marks_of(value)
            if borne != bears:
                _mark(marked, bearing, {key: place}, borne, bears)
        marked = _written(marked, bearing) if bearing else marked
        size += place_of_new - next_place
        return Register(self._marks_of, Contents(put(node, placed), marked, size, place_of_new))

    def without(self, keys: Iterable[str]) -> Register[T]:
        """Return this register without these entries. Requires that it has them."""
        node, marked, size, next_place = self.contents
        gone = [*keys]
        bearing: dict[str, Node[int]] = {}
        for key in gone:
            _mark(marked, bearing, {key: 0}, self._marks_of(self[key]), _UNMARKED)
        marked = _written(marked, bearing)
        return Register(self._marks_of, Contents(without(node, gone), marked, size - len(gone), next_place))

    def marked(self, mark: str) -> list[T]:
        """Return the entries that bear the mark, in order."""
        keys = get(self.contents.marked, mark)
        return [self[key] for key, _ in _in_order(keys)] if keys else []

    def is_marked(self, mark: str) -> bool:
        """Tell whether entries may bear the mark; if not, none does. It costs the same however many there are."""
        return get(self.contents.marked, mark) is not None

    def changes(self, before: Register[T] | None) -> list[RegisterChange[T]]:
        """Return what differs from an earlier version, by identity and in order; without one, all entries."""
        if before is self or (before is None and not self.contents.size):
            return []
        changed = changes({} if before is None else before.contents.entries, self.contents.entries)
        # The trie has the order of hashes, which differs from process to process.
        if len(changed) > 1:
            changed.sort(key=_place)
        return [RegisterChange(key, old and old.value, new and new.value) for key, old, new in changed]

    def __getitem__(self, key: str) -> T:
        placed = get(self.contents.entries, key)
        if placed is None:
            raise KeyError(key)
        return placed.value

    # What a Mapping would do by catching an error, which costs more: most keys that are asked for are new.

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and get(self.contents.entries, key) is not None

    @overload
    def get(self, key: str, /) -> T | None: ...

    @overload
    def get(self, key: str, /, default: T | D) -> T | D: ...

    def get(self, key: str, /, default: T | D | None = None) -> T | D | None:
        placed = get(self.contents.entries, key)
        return default if placed is None else placed.value

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in _in_order(self.contents.entries))

    def values(self) -> ValuesView[T]:
        """Return the entries in order."""
        return {key: placed.value for key, placed in _in_order(self.contents.entries)}.values()

    def __len__(self) -> int:
        return self.contents.size

    def __repr__(self) -> str:
        return f"Register({dict(self)})"


def _mark(
    marked: Node[Node[int]], bearing: dict[str, Node[int]], entry: dict[str, int], borne: Marks, bears: Marks
) -> None:
    """Put into ``bearing`` which keys bear the marks that an ``entry``, a key with its place, has lost or got.

    It had the marks ``borne`` and has ``bears``. Of what ``bearing`` does not have yet, ``marked`` has the keys.
    """
    for mark in borne:
        if mark not in bears:
            bearing[mark] = without(bearing[mark] if mark in bearing else get(marked, mark) or {}, entry)
    for mark in bears:
        if mark not in borne:
            keys = bearing[mark] if mark in bearing else get(marked, mark)
            bearing[mark] = put(keys, entry) if keys else entry


def _written(marked: Node[Node[int]], bearing: dict[str, Node[int]]) -> Node[Node[int]]:
    """Return ``marked`` with the marks of ``bearing``, each written once however many entries got or lost it."""
    # A mark without keys is dropped, so that old marks do not pile up.
    dropped = [mark for mark, keys in bearing.items() if not keys]
    if not dropped:
        return put(marked, bearing)
    marked = without(marked, dropped)
    kept = {mark: keys for mark, keys in bearing.items() if keys}
    return put(marked, kept) if kept else marked


def _place(change: tuple[str, PlacedEntry[T] | None, PlacedEntry[T] | None]) -> int:
    _, old, new = change
    placed = new or old
    assert placed is not None, "an entry stands on one side at least"
    return placed.place
