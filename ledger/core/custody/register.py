"""Registers: what a case has of one kind, by id and in the order in which it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from ledger.core import hash_trie
from ledger.core.hash_trie import Node

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
            shelves = Shelves(hash_trie.without(shelves.entries, key), marked, shelves.size - 1, shelves.next_place)
        return Register(self._marks_of, shelves)

    def marked(self, mark: str) -> list[T]:
        """The entries that bear the mark, in order."""
        keys = hash_trie.get(self.shelves.marked, mark)
        return [self[key] for key, _ in sorted(hash_trie.items(keys), key=itemgetter(1))] if keys else []

    def changes(self, before: Register[T] | None) -> list[Change[T]]:
        """What differs from an earlier version, by identity and in order; before the first one there was nothing."""
        if before is self or (before is None and not self.shelves.size):
            return []
        found = hash_trie.changes({} if before is None else before.shelves.entries, self.shelves.entries)
        if len(found) > 1:
            found.sort(key=_place)
        return [Change(key, old and old.value, new and new.value) for key, old, new in found]

    def __getitem__(self, key: str) -> T:
        placed = hash_trie.get(self.shelves.entries, key)
        if placed is None:
            raise KeyError(key)
        return placed.value

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in sorted(hash_trie.items(self.shelves.entries), key=itemgetter(1)))

    def __len__(self) -> int:
        return self.shelves.size

    def __repr__(self) -> str:
        return f"Register({dict(self)})"

    def _put(self, shelves: Shelves[T], key: str, value: T) -> Shelves[T]:
        entries, marked, size, next_place = shelves
        known = hash_trie.get(entries, key)
        place, borne = (next_place, ()) if known is None else (known.place, self._marks_of(known.value))
        entries = hash_trie.put(entries, key, Placed(place, value))
        marked = _mark(marked, key, place, borne, self._marks_of(value))
        is_new = known is None
        return Shelves(entries, marked, size + is_new, next_place + is_new)


def _mark(marked: Node[Node[int]], key: str, place: int, borne: Marks, bears: Marks) -> Node[Node[int]]:
    """``marked`` after the entry at ``place`` bears other marks than it bore."""
    if borne == bears:
        return marked
    for mark in borne:
        if mark not in bears:
            keys = hash_trie.without(hash_trie.get(marked, mark) or {}, key)
            marked = hash_trie.put(marked, mark, keys) if keys else hash_trie.without(marked, mark)
    for mark in bears:
        if mark not in borne:
            keys = hash_trie.get(marked, mark) or {}
            marked = hash_trie.put(marked, mark, hash_trie.put(keys, key, place))
    return marked


def _place(change: tuple[str, Placed[T] | None, Placed[T] | None]) -> int:
    _, old, new = change
    placed = new or old
    assert placed is not None, "an entry stands on one side at least"
    return placed.place
