"""Correlation: what cases have in common - things, seals, digests, officers, persons - as a graph around one of them.

Persons are the keyed digests that the record has, never names. A node that too many others share (an officer of a busy
counter) is shown with how many there are and is not followed, unless the search starts from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal, Protocol, get_args

import networkx
from msgspec import Struct

from ledger.core.errors import MalformedInput, NotFound

NodeKind = Literal["case", "item", "seal", "digest", "officer", "person"]
FOLLOWED_AT_MOST = 50  # neighbours of a node that is passed through
NODES_AT_MOST = 2_000
DEEPEST = 8

# Every edge at one of the nodes asked about. An officer is told with the agency, since numbers are the agency's own.
_EDGES = """
WITH pairs AS (
    SELECT 'case' AS a_kind, case_id AS a, 'item' AS b_kind, item_id AS b, 'has' AS relation, evidence FROM items
    UNION ALL SELECT 'item', item_id, 'seal', seal_number, 'sealed_with', evidence FROM seals
    UNION ALL SELECT 'item', item_id, 'digest', digest, 'has_digest', evidence FROM item_digests
    UNION ALL SELECT 'case', case_id, 'person', person_id, role, evidence FROM persons
    UNION ALL SELECT 'case', case_id, 'officer', agency || '/' || officer, 'handled_by', evidence FROM officers
    UNION ALL SELECT 'case', case_id, 'case', other_case_id, relation, evidence FROM links
)
SELECT a_kind, a, b_kind, b, relation, evidence FROM pairs
WHERE a_kind || ':' || a IN (SELECT unnest($frontier)) OR b_kind || ':' || b IN (SELECT unnest($frontier))
ORDER BY a_kind, a, b_kind, b, relation
"""
_CALLED = "SELECT case_id FROM cases WHERE case_id IN (SELECT unnest($ids)) ORDER BY case_id"


class Asked(Protocol):
    """Answers a query over the views."""

    def rows(self, sql: str, parameters: Mapping[str, object], as_of: datetime) -> list[dict[str, Any]]: ...


class Node(Struct, frozen=True, order=True):
    """``id`` is what the record calls it: a case id, an item id, a seal number, a digest, agency/officer, a person."""

    kind: NodeKind
    id: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"


class Place(Struct, frozen=True):
    """A node, how many steps it is away from the start, how many neighbours it has, and whether they were followed."""

    node: Node
    distance: int
    neighbours: int
    followed: bool


class Edge(Struct, frozen=True):
    """``relation`` leads from ``a`` to ``b``; ``evidence`` are digests of the events that say so."""

    a: Node
    b: Node
    relation: str
    evidence: tuple[str, ...]


class Correlation(Struct, frozen=True):
    """What was found around ``start``; ``cut`` says that there was more than is shown."""

    start: Node
    places: tuple[Place, ...]
    edges: tuple[Edge, ...]
    cut: bool

    def cases(self) -> tuple[str, ...]:
        """The cases found, nearest first."""
        return tuple(place.node.id for place in self.places if place.node.kind == "case")

    def graph(self) -> networkx.Graph[str]:
        """The same for other programs: paths, GraphML."""
        made: networkx.Graph[str] = networkx.Graph()
        for place in self.places:
            made.add_node(place.node.name, kind=place.node.kind, id=place.node.id, distance=place.distance)
        for edge in self.edges:
            made.add_edge(edge.a.name, edge.b.name, relation=edge.relation, evidence=" ".join(edge.evidence))
        return made

    def path_to(self, node: Node) -> tuple[Edge, ...]:
        """The shortest way from the start, step by step; none where it is the start. Raises NotFound."""
        graph = self.graph()
        if node.name not in graph:
            raise NotFound(f"{node.name} was not found around {self.start.name}", field="to")
        way = networkx.shortest_path(graph, self.start.name, node.name)
        by_ends = {frozenset((edge.a.name, edge.b.name)): edge for edge in self.edges}
        return tuple(by_ends[frozenset(step)] for step in pairwise(way))


def parse_node(text: str, *, field: str = "from") -> Node:
    """The node of ``kind:id``. Raises MalformedInput."""
    kind, colon, told = text.partition(":")
    if kind not in get_args(NodeKind) or not colon or not told:
        kinds = ", ".join(get_args(NodeKind))
        raise MalformedInput(
            f"expected KIND:ID, the kind one of {kinds}", field=field, hint="For example case:case-7f3a"
        )
    return Node(kind, told)  # type: ignore[arg-type]  # one of them


def node_called(session: Asked, text: str, numbered: Iterable[str], *, as_of: datetime, field: str = "from") -> Node:
    """The node of ``kind:id``, or the case whose id the text is, or that is one of ``numbered``: those of the number.

    Only cases of the session count, so that nobody learns of another's number. Raises MalformedInput.
    """
    if ":" in text:
        return parse_node(text, field=field)
    asked = {"ids": [text, *numbered]}
    rows = session.rows(_CALLED, asked, as_of)
    found = [str(row["case_id"]) for row in rows]
    if len(found) > 1:
        raise MalformedInput(
            f"several cases are called {text}: {', '.join(found)}", field=field, hint="Write the id of one of them."
        )
    return Node("case", found[0] if found else text)


def correlate(session: Asked, start: Node, *, depth: int, as_of: datetime) -> Correlation:
    """All nodes up to ``depth`` steps away, out of what the session's cases say. Two cases with a common seal are four
    steps apart.

    Raises NotFound where the record has no such node, MalformedInput for a depth that is none.
    """
    if not 1 <= depth <= DEEPEST:
        raise MalformedInput(f"expected 1 to {DEEPEST} steps, not {depth}", field="depth")
    places: dict[Node, Place] = {}
    edges: dict[tuple[str, ...], Edge] = {}
    frontier, cut = [start], False
    for distance in range(depth + 1):
        found = _around(session, frontier, as_of)
        if distance == 0 and not found[start]:
            raise NotFound(f"the record has no {start.kind} {start.id}", field="from")
        following: set[Node] = set()
        for node in frontier:
            near = {neighbour for neighbour, _ in found[node]}
            followed = distance < depth and (node == start or len(near) <= FOLLOWED_AT_MOST)
            cut = cut or (distance < depth and not followed)
            places[node] = Place(node, distance, len(near), followed)
            edges |= {_ends(edge): edge for _, edge in found[node]}
            following |= near if followed else set()
        frontier = sorted(following - places.keys())
        if len(places) + len(frontier) > NODES_AT_MOST:
            cut, frontier = True, frontier[: NODES_AT_MOST - len(places)]
    kept = tuple(edge for _, edge in sorted(edges.items()) if edge.a in places and edge.b in places)
    return Correlation(start, tuple(places.values()), kept, cut)


def _around(session: Asked, frontier: Iterable[Node], as_of: datetime) -> dict[Node, list[tuple[Node, Edge]]]:
    """The neighbours of each node, with the edges to them."""
    found: dict[Node, list[tuple[Node, Edge]]] = {node: [] for node in frontier}
    if not found:
        return found
    names = [node.name for node in found]
    for row in session.rows(_EDGES, {"frontier": names}, as_of):
        a, b = Node(row["a_kind"], row["a"]), Node(row["b_kind"], row["b"])
        edge = Edge(a, b, row["relation"], tuple(row["evidence"]))
        for node, neighbour in ((a, b), (b, a)):
            if node in found:
                found[node].append((neighbour, edge))
    return found


def _ends(edge: Edge) -> tuple[str, ...]:
    return edge.a.name, edge.b.name, edge.relation


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
