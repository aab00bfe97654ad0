"""Analyses of a supervising agency: reports over a period, what cases have in common, and runs of models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from msgspec import Meta, Struct
from starlette.responses import Response

from api.dependencies import Day, LabelsOf, Models, Reads, ServiceOf, Tree, json_body, json_response
from api.schemas.answers import view_of
from api.schemas.openapi import OF_A_BODY, Routes, answers
from api.services.governance import node_named, report_file, require_governing, within_own
from api.services.model_runs import RunView, run_model_file
from api.services.supervision_views import require_model, require_supervision_state
from ledger.core.events.terms import BusinessLine, Instant
from ledger.core.messages import Message
from ledger.core.supervision import LeadState
from ledger.supervision.correlation import DEEPEST, Edge, Place, correlate
from ledger.supervision.reports.questions import ReportScope, SupervisionReport

router = Routes(400, 401, 503, prefix="/api/v1", tags=["supervision"])

MEDIA_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8", "pdf": "application/pdf"}
_FILES: dict[str, Any] = {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()}
Format = Annotated[Literal["json", "html", "pdf"], Query(alias="format", description="of the report")]
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
    responses=answers(SupervisionReport, 400, 401, 403, 503) | {200: {"description": "The report", "content": _FILES}},
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
    """Return a report on the agencies in your agency's jurisdiction, or below it.

    Every row names the events from which it was counted. For auditors, analysts and supervisors of
    an agency that supervises; each report is recorded as a read.
    """
    scope = ReportScope(since, until, within_own(reading, jurisdiction), business_line)
    content = report_file(service, reading, labels, scope, file_format)
    headers = {"Content-Disposition": f'attachment; filename="report-{since}-{until}.pdf"'}
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers if file_format == "pdf" else {})


@router.reads(
    "/correlation", "Show what a case, a thing or a person has in common with others", CorrelationView, 403, 404
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

    For auditors, analysts and supervisors of an agency that supervises: the graph has every case that its auditors see.
    """
    own = require_governing(reading)
    now = datetime.fromisoformat(reading.reader.now)
    service.parts.supervisor.views.refresh()
    with service.parts.supervisor.views.session(jurisdiction=own, now=now) as session:
        node = node_named(service, session, start, now)
        goal = node_named(service, session, to, now, field="to") if to else None
        graph = correlate(session, node, depth=depth, as_of=now)
    path = graph.path_to(goal) if goal else ()
    reading.record(Message("what {node.name} has in common with others", node=node), *graph.cases(), supervision=True)
    return json_response(CorrelationView(node.name, graph.cut, graph.places, graph.edges, path, session.size))


MAX_BODY = 256 * 1024  # bytes
LeadPath = Annotated[str, Path(pattern=r"^lead-[0-9a-f]{32}$", description="id of the lead")]


class RunRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's file, and the parameters that are to differ from their defaults."""

    definition: Annotated[str, Meta(min_length=1, max_length=32_000)]
    parameters: dict[str, Any] = {}
    as_of: Instant | None = None


class WidenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters that replace those of the lead."""

    parameters: dict[str, Any] = {}
    as_of: Instant | None = None


class FaultView(Struct, frozen=True):
    """What prevents a supervising agency's run of a model, or the raising of everything that it finds."""

    model_id: str
    supervising: str
    message: str


class RunsView(Struct, frozen=True):
    """The last look at everything: its time (unix milliseconds), tree size and duration.

    ``raised`` counts the leads that were raised since the service started.
    """

    looked_at: int | None
    size: int
    took_ms: int
    raised: int
    faults: tuple[FaultView, ...]


RunRequestBody = Annotated[RunRequest, json_body(RunRequest, limit=MAX_BODY)]
WidenRequestBody = Annotated[WidenRequest, json_body(WidenRequest, limit=MAX_BODY)]


@router.posts("/models/run", "Say what a model would find now", RunRequest, RunView, 403, *OF_A_BODY, 422)
def run_model(service: ServiceOf, reading: Models, asked: RunRequestBody) -> Response:
    """Run a model without raising leads.

    For clerks, auditors, analysts and supervisors of an agency that supervises, over the agencies in its jurisdiction.
    Each run is recorded as a read.
    """
    return json_response(run_model_file(service, reading, asked.definition, asked.parameters, asked.as_of))


@router.posts("/leads/{lead_id}/kind", "Find all of a lead's kind", WidenRequest, RunView, 403, 404, *OF_A_BODY, 422)
def find_kind(service: ServiceOf, reading: Models, lead_id: LeadPath, asked: WidenRequestBody) -> Response:
    """Run the model that raised the lead over all history, with its parameters or with others."""
    with service.parts.database.read() as connection:
        lead, _ = require_supervision_state(connection, reading, lead_id, LeadState, field="lead_id")
        model = require_model(connection, reading, lead.raised.model_id)
    definition = model.versions[lead.raised.model_version - 1].body.definition
    parameters = {**lead.raised.parameters, **asked.parameters}
    return json_response(run_model_file(service, reading, definition, parameters, asked.as_of))


@router.reads("/supervision", "Say how it stands with the runs", RunsView)
def show_runs(service: ServiceOf, reading: Reads) -> Response:
    """Return when all models were last run over everything, how long that took, and what prevents a model's run."""
    reading.record(Message("runs of models"))
    state = service.parts.supervisor.state
    faults = tuple(FaultView(fault.model_id, fault.supervising, str(fault.says)) for fault in state.faults)
    return json_response(view_of(RunsView, state, faults=faults))
