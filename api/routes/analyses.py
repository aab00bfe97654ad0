"""Analyses of a procuratorate: reports over a period, what cases have in common, and runs of models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Day, LabelsOf, Reads, ServiceOf, Tree, json_response, read_json
from api.schemas.openapi import answers, problems, takes
from api.services.governance import node_named, report_file, require_governing, within_own
from api.services.matters import require_matter
from api.services.model_runs import RunView, run_model_file
from api.services.service import Service
from ledger.core.encoding.decoding import decoder_of
from ledger.core.events.terms import BusinessLine, Instant
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.supervision.correlation import DEEPEST, Edge, Place, correlate
from ledger.supervision.reports.questions import ReportScope, SupervisionReport
from ledger.supervision.runs.supervisor import RunState

router = APIRouter(prefix="/api/v1")

MEDIA_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8", "pdf": "application/pdf"}
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
    tags=["supervision"],
    summary="Report what recurs, where and for how long",
    responses={
        **answers(SupervisionReport, 400, 401, 403, 503),
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
    scope = ReportScope(since, until, within_own(reading, jurisdiction), business_line)
    content = report_file(service, reading, labels, scope, file_format)
    headers = {"Content-Disposition": f'attachment; filename="report-{since}-{until}.pdf"'}
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers if file_format == "pdf" else {})


@router.get(
    "/correlation",
    tags=["supervision"],
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
    now = datetime.fromisoformat(reading.reader.now)
    service.parts.supervisor.views.refresh()
    with service.parts.supervisor.views.session(jurisdiction=own, now=now) as session:
        node = node_named(service, session, start, now)
        goal = node_named(service, session, to, now, field="to") if to else None
        graph = correlate(session, node, depth=depth, as_of=now)
    path = graph.path_to(goal) if goal else ()
    reading.record(f"what {node.name} has in common with others", *graph.cases(), supervision=True)
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
    """What prevents a procuratorate's run of a model, or the raising of everything that it finds."""

    model_id: str
    procuratorate: str
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


_run_request = decoder_of(RunRequest)
_widen_request = decoder_of(WidenRequest)


@router.post(
    "/models/run",
    tags=["supervision"],
    summary="Say what a model would find now",
    responses=answers(RunView, 400, 401, 403, 408, 413, 415, 422, 503),
    openapi_extra=takes(RunRequest),
)
async def run_model(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """Run a model without raising leads.

    For a procuratorate's auditors, analysts and supervisors, over the agencies in its jurisdiction. Each run is
    recorded as a read.
    """
    require_governing(reading)
    run_request = await read_json(request, service, _run_request, limit=MAX_BODY)
    return await run_in_threadpool(_run_requested, service, reading, run_request)


def _run_requested(service: Service, reading: Reading, run_request: RunRequest) -> Response:
    return json_response(
        run_model_file(service, reading, run_request.definition, run_request.parameters, run_request.as_of)
    )


@router.post(
    "/leads/{lead_id}/kind",
    tags=["supervision"],
    summary="Find all of a lead's kind",
    responses=answers(RunView, 400, 401, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=takes(WidenRequest),
)
async def find_kind(request: Request, service: ServiceOf, reading: Reads, lead_id: LeadPath) -> Response:
    """Run the model that raised the lead over all history, with its parameters or with others."""
    require_governing(reading)
    widen_request = await read_json(request, service, _widen_request, limit=MAX_BODY)
    return await run_in_threadpool(_run_again, service, reading, lead_id, widen_request)


def _run_again(service: Service, reading: Reading, lead_id: str, widen_request: WidenRequest) -> Response:
    with service.parts.database.read() as connection:
        lead, _ = require_matter(connection, reading, lead_id, LeadState, field="lead_id")
        stream = MODEL_STREAM + lead.raised.model_id
        model, _ = require_matter(connection, reading, stream, ModelState, field="model_id")
    definition = next(
        version.body.definition for version in model.versions if version.body.version == lead.raised.model_version
    )
    parameters = {**lead.raised.parameters, **widen_request.parameters}
    return json_response(run_model_file(service, reading, definition, parameters, widen_request.as_of))


@router.get(
    "/supervision",
    tags=["supervision"],
    summary="Say how it stands with the runs",
    responses=answers(RunsView, 400, 401, 503),
)
def show_runs(service: ServiceOf, reading: Reads) -> Response:
    """Return when all models were last run over everything, how long that took, and what prevents a model's run."""
    reading.record("runs of models")
    return json_response(_runs_view(service.parts.supervisor.state))


def _runs_view(state: RunState) -> RunsView:
    faults = tuple(FaultView(fault.model_id, fault.procuratorate, str(fault.says)) for fault in state.faults)
    return RunsView(state.looked_at, state.size, state.took_ms, state.raised, faults)
