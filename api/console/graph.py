"""The graph of items, in layers from parents to children. Lengths are in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx
from msgspec import Struct

from ledger.timeline.diagrams import Descent

BOX, TALL = 210, 58  # of an item
ACROSS, DOWN = 110, 18  # between boxes
EDGE = 12
MOST = 120  # items that are drawn


class Box(NamedTuple):
    item_id: str
    x: int
    y: int


class GraphLine(NamedTuple):
    """A line from the right side of the parent to the left side of the child."""

    of: Descent
    path: str
    label_x: int
    label_y: int


class Graph(Struct, frozen=True):
    """Boxes and lines of a graph. ``left_out`` items had no room."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[GraphLine, ...]
    left_out: int


def laid_out(descents: Sequence[Descent]) -> Graph:
    """Return the graph of items that came from others or became others, each right of all that it came from."""
    kin: nx.DiGraph[str] = nx.DiGraph()
    kin.add_edges_from((descent.parent, descent.child) for descent in descents)
    layers = [sorted(layer) for layer in nx.topological_generations(kin)]
    boxes: dict[str, Box] = {}
    for number, layer in enumerate(layers):
        for row, item_id in enumerate(sorted(layer, key=lambda child: _height(kin, boxes, child))):
            if len(boxes) < MOST:
                boxes[item_id] = Box(item_id, EDGE + number * (BOX + ACROSS), EDGE + row * (TALL + DOWN))
    lines = tuple(_line(descent, boxes) for descent in descents if descent.parent in boxes and descent.child in boxes)
    return Graph(
        width=max((box.x for box in boxes.values()), default=0) + BOX + EDGE,
        height=max((box.y for box in boxes.values()), default=0) + TALL + EDGE,
        boxes=tuple(boxes.values()),
        lines=lines,
        left_out=len(kin) - len(boxes),
    )


def _height(kin: nx.DiGraph[str], boxes: dict[str, Box], item_id: str) -> tuple[float, str]:
    """Return a sort key that puts an item beside its parents, so that few lines cross."""
    parents = [boxes[parent].y for parent in kin.predecessors(item_id) if parent in boxes]
    return (sum(parents) / len(parents) if parents else 0.0), item_id


def _line(descent: Descent, boxes: dict[str, Box]) -> GraphLine:
    parent, child = boxes[descent.parent], boxes[descent.child]
    x, y = parent.x + BOX, parent.y + TALL // 2
    x2, y2 = child.x, child.y + TALL // 2
    bend = ACROSS // 2
    path = f"M{x} {y}C{x + bend} {y} {x2 - bend} {y2} {x2 - 2} {y2}"
    return GraphLine(descent, path, (x + x2) // 2, (y + y2) // 2 - 4)
