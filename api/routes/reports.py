"""Governance: reports over a period, and what cases have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import LabelsOf, Reads, Service, ServiceOf, json_response
from api.schemas.openapi import answers, problems
from ledger.core.errors import Unauthorized
from ledger.core.events.supervision import BilingualText
from ledger.core.events.terms import BusinessLine
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.visibility import GOVERNING
from ledger.i18n import Labels
from ledger.store import cases, supervision
from ledger.supervision.correlation import DEEPEST, Asked, Edge, Node, Place, correlate, node_called
from ledger.supervision.reports import Report, Scope, make_report
from ledger.supervision.reports.presentation import Called, content_of, set_report, to_html
from ledger.timeline.sentences import names_by_id
from ledger.workers.pool import Turn

router = APIRouter(prefix="/api/v1", tags=["supervision"])

Format = Annotated[Literal["json", "html", "pdf"], Query(alias="format", description="of the report")]
Day = Annotated[str, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="day in Asia/Shanghai")]
Tree = Annotated[
    str | None, Query(pattern=r"^[a-z0-9]{1,16}(?:/[a-z0-9]{1,16}){0,4}$", description="province/city/county")
]
NodeName = Annotated[str, Query(min_length=1, max_length=300, description="KIND:ID, such as seal:S-4711; or a case")]


class CorrelationView(Struct, frozen=True):
    """The graph around ``start``. ``path`` leads to the node that was asked for with ``to``."""

    start: str
    cut: bool
    places: tuple[Place, ...]
    edges: tuple[Edge, ...]
    path: tuple[Edge, ...]
    tree_size: int


@router.get(
    "/report",
    summary="Report what recurs, where and for how long",
    responses={
        **answers(Report, 400, 401, 403, 503),
        200: {
            "description": "The report",
            "content": {"application/json": {}, "text/html": {}, "application/pdf": {}},
        },
        **problems(400, 401, 403, 503),
    },
)
def report(
    *,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    since: Day,
    until: Day,
    jurisdiction: Tree = None,
    business_line: BusinessLine | None = None,
    file_format: Format = "json",
) -> Response:
    """Return a report on the agencies in your procuratorate's jurisdiction, or below it.

    Every row names the events from which it was counted. For a procuratorate's auditors, analysts and supervisors; each
    report is recorded as a read.
    """
    scope = Scope(since, until, within_own(reading, jurisdiction), business_line)
    now = _now(service)
    with service.parts.workers.turn(reading.agency) as turn:
        service.parts.supervisor.views.refresh()
        with service.parts.supervisor.views.session(jurisdiction=scope.jurisdiction, now=now) as session:
            made_report = make_report(session, scope, tree_size=session.size, as_of=now)
        reading.record(f"report from {since} to {until}")
        return _as(service, turn, made_report, file_format=file_format, labels=labels)


@router.get(
    "/correlation",
    summary="Show what a case, a thing or a person has in common with others",
    responses=answers(CorrelationView, 400, 401, 403, 404, 503),
)
def correlation(
    *,
    service: ServiceOf,
    reading: Reads,
    start: Annotated[NodeName, Query(alias="from")],
    depth: Annotated[int, Query(ge=1, le=DEEPEST, description="steps; two cases with one seal are four apart")] = 4,
    to: NodeName | None = None,
) -> Response:
    """Return the graph around a node, up to `depth` steps away. Persons are keyed digests, never names.

    For a procuratorate's auditors, analysts and supervisors: the graph has every case that its auditors see.
    """
    own = require_governing(reading)
    now = _now(service)
    service.parts.supervisor.views.refresh()
    with service.parts.supervisor.views.session(jurisdiction=own, now=now) as session:
        node = node_named(service, session, start, now)
        goal = node_named(service, session, to, now, field="to") if to else None
        graph = correlate(session, node, depth=depth, as_of=now)
    path = graph.path_to(goal) if goal else ()
    reading.record(f"what {node.name} has in common with others", *graph.cases(), supervision=True)
    return json_response(CorrelationView(node.name, graph.cut, graph.places, graph.edges, path, session.size))


def node_named(service: Service, session: Asked, text: str, as_of: datetime, *, field: str = "from") -> Node:
    """Return the node of a reader's text: ``kind:id``, a case id, or a case number."""
    with service.parts.database.read() as connection:
        numbered = cases.with_number(connection, text)
    return node_called(session, text, numbered, as_of=as_of, field=field)


def _as(service: Service, turn: Turn, made_report: Report, *, file_format: str, labels: Labels) -> Response:
    called = called_in(service, labels)
    if file_format == "json":
        return json_response(made_report)
    if file_format == "html":
        return Response(to_html(made_report, labels, called), media_type="text/html; charset=utf-8")
    headers = {
        "Content-Disposition": f'attachment; filename="report-{made_report.scope.since}-{made_report.scope.until}.pdf"'
    }
    content = content_of(made_report, labels, called)
    document = turn.run(set_report, content)
    return Response(document, media_type="application/pdf", headers=headers)


def called_in(service: Service, labels: Labels) -> Called:
    """Return the names of agencies by the registry, and of models by the titles of their newest versions."""
    return Called(
        names_by_id(lambda: service.authority().names(), labels), names_by_id(lambda: _model_titles(service), labels)
    )


def _model_titles(service: Service) -> dict[str, BilingualText]:
    with service.parts.database.read() as connection:
        return supervision.model_titles(connection)


def require_governing(reading: Reading) -> str:
    """Return the jurisdiction of the reader's procuratorate if the reader's role covers all of it.

    Raises Unauthorized.
    """
    reading.require_role(*GOVERNING)
    if not reading.searches_jurisdiction:
        raise Unauthorized("this is for procuratorates", code="not_a_procuratorate")
    return reading.authority.agencies[reading.agency].profile.jurisdiction


def within_own(reading: Reading, jurisdiction: str | None) -> str:
    """Return the requested jurisdiction, or the reader's own. Raises Unauthorized for one that is not below its own."""
    own = require_governing(reading)
    if jurisdiction is not None and not lies_within(jurisdiction, own):
        raise Unauthorized(
            f"your procuratorate's jurisdiction is {own}", field="jurisdiction", code="outside_jurisdiction"
        )
    return jurisdiction or own


def _now(service: Service) -> datetime:
    return datetime.fromtimestamp(service.parts.clock() // 1000, UTC)
