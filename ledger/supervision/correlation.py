"""Correlation: what cases have in common - items, seals, digests, officers, persons - as a graph around one node.

Persons are the keyed digests that the record has, never names. A node with too many neighbours (an officer of a busy
counter) is shown with their number and is not followed, unless the search starts from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct

from ledger.core.errors import MalformedInput, NotFound
from ledger.supervision.view_catalogue import ViewQueries

if TYPE_CHECKING:
    import networkx

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
DRAWN_AT_MOST: Final = 120  # nodes, the nearest first
_MARGIN: Final = 16


class GraphNode(Struct, frozen=True, order=True):
    """``id`` is what the record calls it: a case id, an item id, a seal number, a digest, agency/officer, a person."""

    kind: NodeKind
    id: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"


class Place(Struct, frozen=True):
    """A node, how many steps it is away from the start, how many neighbours it has, and whether they were followed."""

    node: GraphNode
    distance: int
    neighbours: int
    followed: bool


class Edge(Struct, frozen=True):
    """``relation`` leads from ``a`` to ``b``; ``evidence`` are digests of the events that say so."""

    a: GraphNode
    b: GraphNode
    relation: str
    evidence: tuple[str, ...]


class Correlation(Struct, frozen=True):
    """What was found around ``start``; ``cut`` says that there was more than is shown."""

    start: GraphNode
    places: tuple[Place, ...]
    edges: tuple[Edge, ...]
    cut: bool

    def cases(self) -> tuple[str, ...]:
        """Return the ids of the cases in the graph, nearest first."""
        return tuple(place.node.id for place in self.places if place.node.kind == "case")

    def graph(self) -> networkx.Graph[str]:
        """Return the correlation as a networkx graph, for path searches and GraphML."""
        import networkx

        graph: networkx.Graph[str] = networkx.Graph()
        for place in self.places:
            graph.add_node(place.node.name, kind=place.node.kind, id=place.node.id, distance=place.distance)
        for edge in self.edges:
            graph.add_edge(edge.a.name, edge.b.name, relation=edge.relation, evidence=" ".join(edge.evidence))
        return graph

    def path_to(self, node: GraphNode) -> tuple[Edge, ...]:
        """Return the edges of the shortest path from the start; empty for the start itself. Raises NotFound."""
        import networkx

        graph = self.graph()
        if node.name not in graph:
            raise NotFound("{node.name} was not found around {start}", node=node, start=self.start.name, field="to")
        way = networkx.shortest_path(graph, self.start.name, node.name)
        by_ends = {frozenset((edge.a.name, edge.b.name)): edge for edge in self.edges}
        return tuple(by_ends[frozenset(step)] for step in pairwise(way))


def parse_node(text: str, *, field: str = "from") -> GraphNode:
    """Parse ``kind:id``. Raises MalformedInput."""
    kind, colon, node_id = text.partition(":")
    if kind not in get_args(NodeKind) or not colon or not node_id:
        kinds = ", ".join(get_args(NodeKind))
        raise MalformedInput(
            "expected KIND:ID, the kind one of {kinds}", kinds=kinds, field=field, hint="For example case:case-7f3a"
        )
    return GraphNode(kind, node_id)  # type: ignore[arg-type]  # one of them


def node_called(session: ViewQueries, text: str, numbered: Iterable[str], *, as_of: datetime, field: str) -> GraphNode:
    """Return the node of ``kind:id``, of a case id, or of the one case whose id is in ``numbered``.

    ``numbered`` are the ids of the cases with that case number. Only cases of the session count, so that nobody learns
    of another's number. Raises MalformedInput if several match.
    """
    if ":" in text:
        return parse_node(text, field=field)
    case_ids = [str(row["case_id"]) for row in session.rows(_CALLED, {"ids": [text, *numbered]}, as_of)]
    if len(case_ids) > 1:
        raise MalformedInput(
            "several cases are called {text}: {case_ids}",
            text=text,
            case_ids=", ".join(case_ids),
            field=field,
            hint="Write the id of one of them.",
        )
    return GraphNode("case", case_ids[0] if case_ids else text)


def correlate(session: ViewQueries, start: GraphNode, *, depth: int, as_of: datetime) -> Correlation:
    """Return all nodes up to ``depth`` steps away from ``start``, from what the session's cases say.

    Two cases with a common seal are four steps apart. Raises NotFound if the record has no such node, MalformedInput if
    ``depth`` is not 1 to 8.
    """
    if not 1 <= depth <= DEEPEST:
        raise MalformedInput("expected 1 to {limit} steps, not {depth}", limit=DEEPEST, depth=depth, field="depth")
    places: dict[GraphNode, Place] = {}
    edges: dict[tuple[str, ...], Edge] = {}
    frontier, cut = [start], False
    for distance in range(depth + 1):
        neighbours = _around(session, frontier, as_of)
        if distance == 0 and not neighbours[start]:
            raise NotFound("the record has no {start.kind} {start.id}", start=start, field="from")
        following: set[GraphNode] = set()
        for node in frontier:
            adjacent = {neighbour for neighbour, _ in neighbours[node]}
            followed = distance < depth and (node == start or len(adjacent) <= FOLLOWED_AT_MOST)
            # A busy officer would connect everything with everything.
            cut = cut or (distance < depth and not followed)
            places[node] = Place(node, distance, len(adjacent), followed)
            edges |= {(edge.a.name, edge.b.name, edge.relation): edge for _, edge in neighbours[node]}
            following |= adjacent if followed else set()
        frontier = sorted(following - places.keys())
        if len(places) + len(frontier) > NODES_AT_MOST:
            cut, frontier = True, frontier[: NODES_AT_MOST - len(places)]
    kept = tuple(edge for _, edge in sorted(edges.items()) if edge.a in places and edge.b in places)
    return Correlation(start, tuple(places.values()), kept, cut)


def _around(
    session: ViewQueries, frontier: Iterable[GraphNode], as_of: datetime
) -> dict[GraphNode, list[tuple[GraphNode, Edge]]]:
    """Return the neighbours of each node, with the edges to them."""
    neighbours: dict[GraphNode, list[tuple[GraphNode, Edge]]] = {node: [] for node in frontier}
    names = [node.name for node in neighbours]
    for row in session.rows(_EDGES, {"frontier": names}, as_of) if names else ():
        a, b = GraphNode(row["a_kind"], row["a"]), GraphNode(row["b_kind"], row["b"])
        edge = Edge(a, b, row["relation"], tuple(row["evidence"]))
        for node, neighbour in ((a, b), (b, a)):
            if node in neighbours:
                neighbours[node].append((neighbour, edge))
    return neighbours


WIDTH, HEIGHT, COLUMN, ROW = 190, 44, 236, 62  # pixels: of a node, and from one to the next


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


def draw(correlation: Correlation) -> Drawing:
    """Lay out the nearest nodes and the edges between them, in centred columns."""
    shown = correlation.places[:DRAWN_AT_MOST]
    columns = _columns(correlation, shown)
    tallest = max(len(column) for column in columns)
    spots = {
        place.node: Spot(place, _MARGIN + number * COLUMN, _MARGIN + row * ROW + (tallest - len(column)) * ROW // 2)
        for number, column in enumerate(columns)
        for row, place in enumerate(column)
    }
    lines = []
    for edge in correlation.edges:
        if edge.a in spots and edge.b in spots:
            left, right = sorted((spots[edge.a], spots[edge.b]), key=lambda spot: (spot.x, spot.y))
            end = right.x if right.x > left.x else right.x + WIDTH
            lines.append(Line(edge, left.x + WIDTH, left.y + HEIGHT // 2, end, right.y + HEIGHT // 2))
    width = 2 * _MARGIN + (len(columns) - 1) * COLUMN + WIDTH
    height = 2 * _MARGIN + (tallest - 1) * ROW + HEIGHT
    return Drawing(width, height, tuple(spots.values()), tuple(lines), len(correlation.places) - len(shown))


def _columns(correlation: Correlation, shown: tuple[Place, ...]) -> list[list[Place]]:
    """Group the places by distance, each column ordered by the rows of its neighbours in the columns before."""
    near: dict[GraphNode, list[GraphNode]] = {}
    for edge in correlation.edges:
        near.setdefault(edge.a, []).append(edge.b)
        near.setdefault(edge.b, []).append(edge.a)
    rows: dict[GraphNode, int] = {}
    columns: list[list[Place]] = []
    for distance in range(shown[-1].distance + 1):
        order = []
        for place in (place for place in shown if place.distance == distance):
            above = [rows[node] for node in near.get(place.node, ()) if node in rows]
            order.append((sum(above) / len(above) if above else 0.0, place.node, place))
        columns.append([place for *_, place in sorted(order, key=lambda entry: entry[:2])])
        rows |= {place.node: row for row, place in enumerate(columns[-1])}
    return columns
