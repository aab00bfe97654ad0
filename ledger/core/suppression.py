"""Suppression: a table of counts and its totals, made fit to be published.

1. Every count under 5, totals included, is told as "fewer than 5" and no more.
2. Further counts are withheld until none of these can be worked out from what is left: for each there are at least two
   values that agree with everything that is published.

A table with its totals is a circulation: source -> rows (their totals) -> columns (the counts) -> sink (totals of the
columns) -> source (the total of all). What is published is fixed; of what is not, the reader knows bounds. A count can
be another exactly if a cycle leads through it on which every step up or down stays within the bounds (Gusfield, A graph
theoretic approach to statistical data security, 1988). What is withheld for such a cycle is what costs least: small
counts before large ones, totals last. Where there is none, nothing of the table is told.

Nothing is promised to a reader who compares what is published at different times.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

LEAST_TOLD = 5
TOTAL = ""  # the name of the row and of the column of totals

Mark = Literal["fewer", "withheld"]
Cell = tuple[str, str]  # row, column
Counts = Mapping[Cell, int]
_SOURCE, _SINK = ("source", ""), ("sink", "")
_OF_TOTALS = 10_000  # what withholding a total costs beyond its size
_OF_ALL = 100 * _OF_TOTALS
_Node = tuple[str, str]


class Published(Struct, frozen=True):
    """What is told of each count, totals under ``TOTAL``: the count itself, or why it is not told."""

    cells: Mapping[Cell, int | Mark]


class Arc(Struct, frozen=True):
    """A count as a part of the circulation."""

    cell: Cell
    tail: _Node
    head: _Node
    count: int
    cost: int


def publish(counts: Counts) -> Published:
    """What may be told of a table; counts that are missing are 0. Requires counts that are not negative."""
    arcs = {arc.cell: arc for arc in arcs_of(counts)}
    told: dict[Cell, Mark] = {cell: "fewer" for cell, arc in arcs.items() if arc.count < LEAST_TOLD}
    for cell in [cell for cell in told if not can_differ(arcs.values(), told, arcs[cell])]:
        _protect(arcs, told, cell)
    return Published({cell: told.get(cell, arc.count) for cell, arc in arcs.items()})


def _protect(arcs: Mapping[Cell, Arc], told: dict[Cell, Mark], cell: Cell) -> None:
    """Withholds what it takes that the count may be another; where no cycle leads through it, everything."""
    steps = cheapest(arcs.values(), told, arcs[cell], free=False)
    if steps is None:
        told.update(dict.fromkeys(arcs, "withheld"))
    else:
        told.update(dict.fromkeys((arc.cell for arc in steps if arc.cell not in told), "withheld"))


def can_differ(arcs: Iterable[Arc], told: Mapping[Cell, Mark], arc: Arc) -> bool:
    """Whether what is published leaves open what this count is."""
    return cheapest(arcs, told, arc, free=True) is not None


def cheapest(arcs: Iterable[Arc], told: Mapping[Cell, Mark], through: Arc, *, free: bool) -> list[Arc] | None:
    """The arcs of the cycle through this one that costs least to withhold, None where there is no cycle.

    With ``free`` only of what is not told already.
    """
    found: list[tuple[int, list[Arc]]] = []
    ways = [
        (way, arc)
        for arc in arcs
        if arc.cell != through.cell and (arc.cell in told or not free)
        for way in _ways(arc, told.get(arc.cell, "withheld"))
    ]
    for start, end in _ways(through, told.get(through.cell, "withheld")):
        way = _way(end, start, ways, told)
        if way is not None:
            found.append(way)
    return min(found, key=lambda way: way[0])[1] if found else None


def _ways(arc: Arc, mark: Mark) -> Iterator[tuple[_Node, _Node]]:
    """Up along the arc and down against it, as far as the bounds allow that a reader knows."""
    if mark == "withheld" or arc.count < LEAST_TOLD - 1:
        yield arc.tail, arc.head
    if arc.count > (LEAST_TOLD if mark == "withheld" else 0):
        yield arc.head, arc.tail


def _way(
    start: _Node, end: _Node, ways: list[tuple[tuple[_Node, _Node], Arc]], told: Mapping[Cell, Mark]
) -> tuple[int, list[Arc]] | None:
    """The way from ``start`` to ``end`` that costs least: its cost and arcs (Dijkstra)."""
    onward: dict[_Node, list[tuple[_Node, Arc]]] = {}
    for (tail, head), arc in ways:
        onward.setdefault(tail, []).append((head, arc))
    seen: set[_Node] = set()
    queue: list[tuple[int, int, _Node, list[Arc]]] = [(0, 0, start, [])]
    pushed = 0
    while queue:
        cost, _, node, way = heapq.heappop(queue)
        if node == end:
            return cost, way
        if node in seen:
            continue
        seen.add(node)
        for head, arc in onward.get(node, ()):
            pushed += 1
            step = 0 if arc.cell in told else arc.cost
            heapq.heappush(queue, (cost + step, pushed, head, [*way, arc]))
    return None


def arcs_of(counts: Counts) -> Iterator[Arc]:
    """The circulation of a table."""
    rows, columns = (sorted({cell[place] for cell in counts}) for place in (0, 1))
    for row in rows:
        for column in columns:
            count = counts.get((row, column), 0)
            yield Arc((row, column), ("row", row), ("column", column), count, 1 + count)
        total = sum(counts.get((row, column), 0) for column in columns)
        yield Arc((row, TOTAL), _SOURCE, ("row", row), total, _OF_TOTALS + total)
    for column in columns:
        total = sum(counts.get((row, column), 0) for row in rows)
        yield Arc((TOTAL, column), ("column", column), _SINK, total, _OF_TOTALS + total)
    total = sum(counts.values())
    yield Arc((TOTAL, TOTAL), _SINK, _SOURCE, total, _OF_ALL + total)
