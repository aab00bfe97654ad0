"""Drawing: where the nodes of a correlation stand in a picture, by how far they are from the start.

A column for each step; within a column near those that lead to them, so that few lines cross. Pixels of a picture, no
picture: who shows it draws it. The same correlation gives the same places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ledger.supervision.correlation import Correlation, Edge, Node, Place

DRAWN_AT_MOST: Final = 120  # nodes, the nearest first
WIDTH, HEIGHT, COLUMN, ROW = 190, 44, 236, 62  # pixels: of a node, and from one to the next
_MARGIN: Final = 16


class Spot(Struct, frozen=True):
    """A node with the upper left corner of its box."""

    place: Place
    x: int
    y: int


class Line(Struct, frozen=True):
    """An edge from the middle of a side of one box to that of another."""

    edge: Edge
    x1: int
    y1: int
    x2: int
    y2: int


class Drawing(Struct, frozen=True):
    """``left_out`` counts the nodes that are found and not drawn."""

    width: int
    height: int
    spots: tuple[Spot, ...]
    lines: tuple[Line, ...]
    left_out: int


def draw(found: Correlation) -> Drawing:
    """The nearest nodes and the edges between them."""
    shown = found.places[:DRAWN_AT_MOST]
    columns = _columns(found, shown)
    tallest = max(len(column) for column in columns)
    spots = {
        place.node: Spot(place, _MARGIN + number * COLUMN, _top(row, len(column), tallest))
        for number, column in enumerate(columns)
        for row, place in enumerate(column)
    }
    lines = [_line(edge, spots) for edge in found.edges if edge.a in spots and edge.b in spots]
    width = 2 * _MARGIN + (len(columns) - 1) * COLUMN + WIDTH
    height = 2 * _MARGIN + (tallest - 1) * ROW + HEIGHT
    return Drawing(width, height, tuple(spots.values()), tuple(lines), len(found.places) - len(shown))


def _columns(found: Correlation, shown: tuple[Place, ...]) -> list[list[Place]]:
    """By distance; in each the order of what leads to it from the column before."""
    near: dict[Node, list[Node]] = {}
    for edge in found.edges:
        near.setdefault(edge.a, []).append(edge.b)
        near.setdefault(edge.b, []).append(edge.a)
    rows: dict[Node, int] = {}
    columns: list[list[Place]] = []
    for distance in range(shown[-1].distance + 1):
        column = [place for place in shown if place.distance == distance]
        column.sort(key=lambda place: (_mean(near.get(place.node, []), rows), place.node))
        columns.append(column)
        rows |= {place.node: row for row, place in enumerate(column)}
    return columns


def _mean(nodes: list[Node], rows: Mapping[Node, int]) -> float:
    known = [rows[node] for node in nodes if node in rows]
    return sum(known) / len(known) if known else 0.0


def _top(row: int, many: int, tallest: int) -> int:
    """Columns are centred."""
    return _MARGIN + row * ROW + (tallest - many) * ROW // 2


def _line(edge: Edge, spots: Mapping[Node, Spot]) -> Line:
    left, right = sorted((spots[edge.a], spots[edge.b]), key=lambda spot: (spot.x, spot.y))
    middle = HEIGHT // 2
    end = right.x if right.x > left.x else right.x + WIDTH
    return Line(edge, left.x + WIDTH, left.y + middle, end, right.y + middle)
