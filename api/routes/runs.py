"""Runs: what a model would find now, before anybody publishes it, and how it stands with the runs of the published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Reads, Service, ServiceOf, answer, posted
from api.routes.reports import require_governing
from api.schemas.openapi import answers, takes
from api.services.matters import require_matter
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.instants import spelled
from ledger.core.events.terms import Instant
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.supervision.models.parse import parse_model
from ledger.supervision.models.saying import said
from ledger.supervision.models.values import Model
from ledger.supervision.runs.findings import Finding
from ledger.supervision.runs.isolated import RunAsked, found_in_export, query_limits
from ledger.supervision.runs.supervisor import RunState

router = APIRouter(prefix="/api/v1", tags=["supervision"])

FOUND_AT_MOST = 1000
MAX_BODY = 256 * 1024  # bytes
LeadPath = Annotated[str, Path(pattern=r"^lead-[0-9a-f]{32}$", description="id of the lead")]


class RunRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``definition`` is the model's file; ``parameters`` are those that are not to have their defaults."""

    definition: Annotated[str, Meta(min_length=1, max_length=32_000)]
    parameters: dict[str, Any] = {}
    as_of: Instant | None = None


class WidenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters in the place of those that the lead was found with."""

    parameters: dict[str, Any] = {}
    as_of: Instant | None = None


class FaultView(Struct, frozen=True):
    """What keeps a procuratorate's run of a model from being done, or from raising all that it finds."""

    model_id: str
    procuratorate: str
    message: str


class RunsView(Struct, frozen=True):
    """When everything was looked at last (unix milliseconds), at which tree size, how long that took, and how many
    leads were raised since the service started."""

    looked_at: int | None
    size: int
    took_ms: int
    raised: int
    faults: tuple[FaultView, ...]


class FoundView(Struct, frozen=True):
    """A finding: ``lead_id`` is the lead that it would be, ``known`` whether that was raised."""

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
    """What a run found: ``total`` findings, of which at most so many are shown as a page has."""

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
    """Nothing is raised. For a procuratorate's auditors, analysts and supervisors, over the agencies in its
    jurisdiction; each run is recorded as a read."""
    require_governing(reading)
    asked = await posted(request, service, _run_request, limit=MAX_BODY)
    return await run_in_threadpool(_run_asked, service, reading, asked)


def _run_asked(service: Service, reading: Reading, asked: RunRequest) -> Response:
    return answer(run(service, reading, asked.definition, asked.parameters, asked.as_of))


@router.post(
    "/leads/{lead_id}/kind",
    summary="Find all of a lead's kind",
    responses=answers(RunView, 400, 401, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=takes(WidenRequest),
)
async def find_kind(request: Request, service: ServiceOf, reading: Reads, lead_id: LeadPath) -> Response:
    """Runs the model that raised the lead over all history, with its parameters as they were, or others."""
    require_governing(reading)
    asked = await posted(request, service, _widen_request, limit=MAX_BODY)
    return await run_in_threadpool(_run_again, service, reading, lead_id, asked)


def _run_again(service: Service, reading: Reading, lead_id: str, asked: WidenRequest) -> Response:
    with service.parts.database.read() as connection:
        lead, _ = require_matter(connection, reading, lead_id, LeadState, field="lead_id")
        stream = MODEL_STREAM + lead.raised.model_id
        model, _ = require_matter(connection, reading, stream, ModelState, field="model_id")
    definition = next(one.body.definition for one in model.versions if one.body.version == lead.raised.model_version)
    parameters = {**lead.raised.parameters, **asked.parameters}
    return answer(run(service, reading, definition, parameters, asked.as_of))


@router.get("/supervision", summary="Say how it stands with the runs", responses=answers(RunsView, 400, 401, 503))
def show_runs(service: ServiceOf, reading: Reads) -> Response:
    """When all models were run over everything, how long that took, and what keeps a model from being run."""
    reading.record("runs of models")
    return answer(_runs_view(service.parts.supervisor.state))


def _runs_view(state: RunState) -> RunsView:
    faults = tuple(FaultView(one.model_id, one.procuratorate, str(one.says)) for one in state.faults)
    return RunsView(state.looked_at, state.size, state.took_ms, state.raised, faults)


def run(
    service: Service, reading: Reading, definition: str, parameters: Mapping[str, object], as_of: str | None
) -> RunView:
    """What the model of a file finds in the record as it is now, within the reader's jurisdiction; recorded as a read.
    It is run in a process of its own, over an export of what the reader may see.

    Raises Unauthorized for who does not govern one, ModelRefused, MalformedInput for parameters, QueryRefused,
    TooCostly, Unavailable.
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
            asked = RunAsked(export, model, parameters, at, query_limits(workers.limits))
            everything = turn.run(found_in_export, asked, field="definition")
    found = [one for one in everything if _lies_within(reading, one, own)]
    shown = found[: min(service.limit(FOUND_AT_MOST), FOUND_AT_MOST)]
    known = service.parts.supervisor.record.known(one.lead_id for one in shown)
    cases = sorted({one.case_id for one in shown if one.case_id is not None})
    reading.record(f"run of the model {model.model_id}", *cases, supervision=True)
    return RunView(
        model_id=model.model_id,
        version=model.version,
        model_digest=model.digest,
        parameters=values,
        tree_size=export.size,
        as_of=spelled(at),
        total=len(found),
        findings=tuple(_found(model, one, values, known=one.lead_id in known) for one in shown),
    )


def _found(model: Model, one: Finding, values: Mapping[str, object], *, known: bool) -> FoundView:
    says = said(model.lead.says, one.values, values)
    return FoundView(
        one.lead_id, known, one.case_id, one.supervised, says.en, says.zh, one.key, one.values, one.evidence
    )


def _lies_within(reading: Reading, one: Finding, jurisdiction: str) -> bool:
    agency = reading.authority.agencies.get(one.supervised)
    return agency is not None and lies_within(agency.profile.jurisdiction, jurisdiction)
