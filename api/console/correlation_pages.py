"""Correlation: what a case, a thing or a person has in common with others, as a graph to be followed by clicking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.console.abridging import abridged, in_brief
from api.console.access import LabelsOf, Reads
from api.console.rendering import names_of, page
from api.dependencies import Service, ServiceOf
from api.routes.reports import node_named, require_governing
from ledger.i18n import Labels
from ledger.store import cases
from ledger.supervision.correlation import (
    DEEPEST,
    HEIGHT,
    WIDTH,
    Correlation,
    Edge,
    Node,
    NodeKind,
    Place,
    correlate,
    draw,
)
from ledger.timeline.sentences import Names

LISTED_AT_MOST = 300  # rows of the table beside the picture
SHORT = 22  # characters within a box

router = APIRouter()
NodeName = Annotated[str | None, Query(alias="from", min_length=1, max_length=300)]
Depth = Annotated[int, Query(ge=1, le=DEEPEST)]


@router.get("/correlation")
def correlation(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    start: NodeName = None,
    kind: NodeKind | None = None,
    depth: Depth = 4,
) -> Response:
    """The form to begin with, or the graph around a node with its table."""
    own = require_governing(reading)
    values: dict[str, Any] = {
        "kinds": get_args(NodeKind),
        "kind_name": lambda kind: labels.of("node_kind", kind),
        "depth": depth,
        "deepest": DEEPEST,
        "start": None,
    }
    if start is None:
        return page(request, service, "correlation.html", reading.session, **values)
    now, asked = datetime.fromisoformat(reading.reader.now), start.strip()
    service.parts.supervisor.views.refresh()
    with service.parts.supervisor.views.session(jurisdiction=own, now=now) as session:
        # A case is found by its number, too; of another kind what was typed is the id.
        is_id = kind is not None and kind != "case"
        node = Node(kind, asked) if kind and is_id else node_named(service, session, asked, now)
        found = correlate(session, node, depth=depth, as_of=now)
    reading.record(f"what {node.name} has in common with others", *found.cases(), supervision=True)
    values |= _drawn(service, labels, found)
    return page(request, service, "correlation.html", reading.session, **values)


def _drawn(service: Service, labels: Labels, found: Correlation) -> dict[str, Any]:
    """The graph and its table, the cases by their numbers."""
    with service.parts.database.read() as connection:
        numbers = cases.numbers_of(connection, found.cases()[:LISTED_AT_MOST])
    names = names_of(service, labels)
    return {
        "start": found.start,
        "found": found,
        "drawing": draw(found),
        "box": (WIDTH, HEIGHT),
        "rows": _rows(found),
        "name": lambda node: _name(node, numbers, names),
        "in_box": lambda node: abridged(in_brief(_name(node, numbers, names)), SHORT),
        "relation": labels.of_relation,
        "listed_at_most": LISTED_AT_MOST,
    }


def _rows(found: Correlation) -> list[tuple[Place, Edge | None]]:
    """The nodes but the start, each with the first edge that leads to it from one that is nearer."""
    near = {place.node: place.distance for place in found.places}
    through: dict[Node, Edge] = {}
    for edge in found.edges:
        for node, other in ((edge.a, edge.b), (edge.b, edge.a)):
            if near[other] < near[node]:
                through.setdefault(node, edge)
    return [(place, through.get(place.node)) for place in found.places[1 : LISTED_AT_MOST + 1]]


def _name(node: Node, numbers: Mapping[str, str], agency_name: Names) -> str:
    """A case's number, an officer's after the name of his agency, else the id."""
    agency, _, officer = node.id.partition("/")
    if node.kind == "officer" and officer:
        return f"{officer} · {agency_name(agency)}"
    return numbers.get(node.id, node.id) if node.kind == "case" else node.id
