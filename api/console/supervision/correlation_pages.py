"""Correlation: what a case, a thing or a person has in common with others, as a graph to click through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import Query
from starlette.responses import Response

from api.console.shared.access import VisitOf, page_router
from api.console.shared.formats import abridged, in_brief
from api.services.governance import node_named, require_governing
from ledger.core.messages import Message
from ledger.store import cases
from ledger.supervision.correlation import (
    DEEPEST,
    HEIGHT,
    WIDTH,
    Correlation,
    Edge,
    GraphNode,
    NodeKind,
    Place,
    correlate,
    draw,
)
from ledger.timeline.sentences import Names

LISTED_AT_MOST = 300  # rows of the table beside the picture
SHORT = 22  # characters within a box

router = page_router()
NodeName = Annotated[str | None, Query(alias="from", min_length=1, max_length=300)]
Depth = Annotated[int, Query(ge=1, le=DEEPEST)]


@router.get("/correlation")
def correlation(visit: VisitOf, start: NodeName = None, kind: NodeKind | None = None, depth: Depth = 4) -> Response:
    """Show the form, or the graph around a node with its table."""
    own = require_governing(visit.reading)
    values: dict[str, Any] = {
        "kinds": get_args(NodeKind),
        "kind_name": lambda kind: visit.labels.of("node_kind", kind),
        "depth": depth,
        "deepest": DEEPEST,
        "start": None,
    }
    if start is None:
        return visit.page("supervision/correlation.html", **values)
    parts, now, searched_text = visit.service.parts, datetime.fromisoformat(visit.reading.reader.now), start.strip()
    parts.supervisor.views.refresh()
    with parts.supervisor.views.session(jurisdiction=own, now=now) as session:
        # A case is found by its number, too; of another kind what was typed is the id.
        if kind is not None and kind != "case":
            node = GraphNode(kind, searched_text)
        else:
            node = node_named(visit.service, session, searched_text, now)
        graph = correlate(session, node, depth=depth, as_of=now)
    visit.reading.record(
        Message("what {node.name} has in common with others", node=node), *graph.cases(), supervision=True
    )
    with parts.database.read() as connection:
        numbers = cases.numbers_of(connection, graph.cases()[:LISTED_AT_MOST])
    names = visit.agency_names
    values |= {
        "start": graph.start,
        "graph": graph,
        "drawing": draw(graph),
        "box": (WIDTH, HEIGHT),
        "rows": _rows(graph),
        "name": lambda node: _name(node, numbers, names),
        "in_box": lambda node: abridged(in_brief(_name(node, numbers, names)), SHORT),
        "relation": visit.labels.of_relation,
        "listed_at_most": LISTED_AT_MOST,
    }
    return visit.page("supervision/correlation.html", **values)


def _rows(graph: Correlation) -> list[tuple[Place, Edge | None]]:
    """Return the nodes but the start, each with the first edge that leads to it from a nearer one."""
    near = {place.node: place.distance for place in graph.places}
    through: dict[GraphNode, Edge] = {}
    for edge in graph.edges:
        for node, neighbour in ((edge.a, edge.b), (edge.b, edge.a)):
            if near[neighbour] < near[node]:
                through.setdefault(node, edge)
    return [(place, through.get(place.node)) for place in graph.places[1 : LISTED_AT_MOST + 1]]


def _name(node: GraphNode, numbers: Mapping[str, str], agency_name: Names) -> str:
    """Return a case's number, an officer's agency and number, or the id."""
    agency, _, officer = node.id.partition("/")
    if node.kind == "officer" and officer:
        return f"{officer} · {agency_name(agency)}"
    return numbers.get(node.id, node.id) if node.kind == "case" else node.id
