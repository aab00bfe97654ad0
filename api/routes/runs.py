"""Runs of models: what a model would find now, before it is published, and the state of the published models' runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Reads, Service, ServiceOf, json_response, read_json
from api.routes.reports import require_governing
from api.schemas.openapi import answers, takes
from api.services.matters import require_matter
from ledger.core.encoding.decoding import decoder_of
from ledger.core.events.terms import Instant
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.procedure.legal_days import spelled
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.supervision.models.definition import Model, fill_text
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.runs.findings import Finding
from ledger.supervision.runs.model_runner import RunAsked, found_in_export, query_limits
from ledger.supervision.runs.supervisor import RunState

router = APIRouter(prefix="/api/v1", tags=["supervision"])

FOUND_AT_MOST = 1000
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


class FoundView(Struct, frozen=True):
    """A finding. ``lead_id`` is the id of its lead, ``known`` whether that lead was raised."""

    lead_id: str
    known: bool
    case_id: str | None
    supervised: str
    says_en: str
    says_zh: str
    key: Mapping[str, str]
    values: Mapping[str, str]
    evidence: tuple[str, ...]


class RunView(Struct, frozen=True):
    """The result of a run: ``total`` findings, of which at most a page is shown."""

    model_id: str
    version: int
    model_digest: str
    parameters: Mapping[str, Any]
    tree_size: int
    as_of: str
    total: int
    findings: tuple[FoundView, ...]


_run_request = decoder_of(RunRequest)
_widen_request = decoder_of(WidenRequest)


@router.post(
    "/models/run",
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
    return json_response(run(service, reading, run_request.definition, run_request.parameters, run_request.as_of))


@router.post(
    "/leads/{lead_id}/kind",
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
    return json_response(run(service, reading, definition, parameters, widen_request.as_of))


@router.get("/supervision", summary="Say how it stands with the runs", responses=answers(RunsView, 400, 401, 503))
def show_runs(service: ServiceOf, reading: Reads) -> Response:
    """Return when all models were last run over everything, how long that took, and what prevents a model's run."""
    reading.record("runs of models")
    return json_response(_runs_view(service.parts.supervisor.state))


def _runs_view(state: RunState) -> RunsView:
    faults = tuple(FaultView(fault.model_id, fault.procuratorate, str(fault.says)) for fault in state.faults)
    return RunsView(state.looked_at, state.size, state.took_ms, state.raised, faults)


def run(
    service: Service, reading: Reading, definition: str, parameters: Mapping[str, object], as_of: str | None
) -> RunView:
    """Return what a model's file finds in the reader's jurisdiction now, and record the read.

    It runs in a process of its own, over an export of what the reader may see. Raises Unauthorized for a reader without
    such a role, ModelRefused, MalformedInput for parameters, QueryRefused, TooCostly, and Unavailable.
    """
    own = require_governing(reading)
    views, workers = service.parts.supervisor.views, service.parts.workers
    now = datetime.fromtimestamp(service.parts.clock() // 1000, UTC)
    at = datetime.fromisoformat(as_of) if as_of else now
    views.refresh()
    views.read_datasets(own)
    with workers.turn(reading.agency) as turn:
        model = turn.run(parse_model, definition, field="definition")
        values = model.parameters_of(parameters)
        with views.export(jurisdiction=own, now=now) as export:
            run_input = RunAsked(export, model, parameters, at, query_limits(workers.limits))
            all_findings = turn.run(found_in_export, run_input, field="definition")
    findings = [finding for finding in all_findings if _lies_within(reading, finding, own)]
    page_findings = findings[: min(service.limit(FOUND_AT_MOST), FOUND_AT_MOST)]
    raised_ids = service.parts.supervisor.record.known(finding.lead_id for finding in page_findings)
    cases = sorted({finding.case_id for finding in page_findings if finding.case_id is not None})
    reading.record(f"run of the model {model.model_id}", *cases, supervision=True)
    return RunView(
        model_id=model.model_id,
        version=model.version,
        model_digest=model.digest,
        parameters=values,
        tree_size=export.size,
        as_of=spelled(at),
        total=len(findings),
        findings=tuple(
            _finding_view(model, finding, values, is_raised=finding.lead_id in raised_ids) for finding in page_findings
        ),
    )


def _finding_view(model: Model, finding: Finding, values: Mapping[str, object], *, is_raised: bool) -> FoundView:
    says = fill_text(model.lead.says, finding.values, values)
    return FoundView(
        finding.lead_id,
        is_raised,
        finding.case_id,
        finding.supervised,
        says.en,
        says.zh,
        finding.key,
        finding.values,
        finding.evidence,
    )


def _lies_within(reading: Reading, finding: Finding, jurisdiction: str) -> bool:
    agency = reading.authority.agencies.get(finding.supervised)
    return agency is not None and lies_within(agency.profile.jurisdiction, jurisdiction)
