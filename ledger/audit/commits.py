"""The order of what nobody signed: entries come in batches, each with the size and the time of its commit."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct

from ledger.audit.findings import Finding, finding
from ledger.audit.tree import RootClaim


class _Batch(Struct, frozen=True):
    """The entries ``start <= i < end``, committed ``at`` (unix milliseconds)."""

    start: int
    end: int
    at: int

    def __len__(self) -> int:
        return self.end - self.start


def check_commits(commits: array[int], size: int) -> Iterator[Finding]:
    """The entries whose ``committed_size`` or ``recorded_at`` is not that of their batch.

    ``commits`` are size and time of each entry, one after the other; 0, 0 for one that is missing. Neither is signed:
    what fits all the others passes.
    """
    sizes, times = commits[::2], commits[1::2]
    earliest, waiting = 0, None
    for batch in chain(_batches(sizes, times, size), (None,)):
        if waiting is not None:
            # Of two that are out of order the first is at fault if the second fits what came before, and is no smaller.
            overtakes = batch is not None and earliest <= batch.at < waiting.at and len(batch) >= len(waiting)
            if overtakes or waiting.at < earliest:
                yield finding("entries", waiting.start, "recorded_before", earliest, waiting.at)
            else:
                earliest = waiting.at
        if batch is not None:
            yield from _differing(sizes, times, batch)
        waiting = batch


def check_latest(commits: array[int], claims: Iterable[RootClaim]) -> Iterator[Finding]:
    """The entries that were recorded, as they say, after a tree that has them was published or anchored."""
    times, named = commits[1::2], set[int]()
    for claim in claims:
        index = claim.size - 1
        if claim.until is None or not 0 <= index < len(times) or index in named or times[index] <= claim.until:
            continue
        named.add(index)
        yield finding("entries", index, "recorded_after", claim.until, times[index], **claim.by.slots)


def _batches(sizes: array[int], times: array[int], size: int) -> Iterator[_Batch]:
    start, said = 0, Counter[int]()
    for end in range(1, size + 1):
        if sizes[end - 1]:
            said[sizes[end - 1]] += 1
        if end == size or _ends(said, end, sizes[end]):
            known = Counter(time for time, of in zip(times[start:end], sizes[start:end], strict=True) if of == end)
            if known:
                yield _Batch(start, end, known.most_common(1)[0][0])
            start, said = end, Counter()


def _ends(said: Counter[int], end: int, following: int) -> bool:
    """Whether most entries of the batch say so, or as many as say otherwise and the next entry does not either."""
    if end not in said:
        return False
    others = {of: count for of, count in said.items() if of != end}
    return said[end] > max(others.values(), default=0) or (
        said[end] == max(others.values()) and others.get(following) != said[end]
    )


def _differing(sizes: array[int], times: array[int], batch: _Batch) -> Iterator[Finding]:
    for index in range(batch.start, batch.end):
        if sizes[index] not in (0, batch.end):
            yield finding("entries", index, "differs", batch.end, sizes[index], of="entries", name="committed_size")
        elif times[index] not in (0, batch.at):
            yield finding("entries", index, "differs", batch.at, times[index], of="entries", name="recorded_at")
