"""Leads, models and recommendations: in lists, and singly with their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import PageOf, Reads, ServiceOf, SlugPath, SlugQuery, json_response, require_agencies
from api.schemas.openapi import Paged, Routes
from api.services import supervision_views as views
from api.services.model_runs import lead_file
from api.services.service import Service
from ledger.core.messages import Message
from ledger.core.supervision import LeadState, RecommendationState
from ledger.core.supervision.recommendations import STREAM
from ledger.core.supervision.state import LeadStatus, RecommendationStatus
from ledger.store import supervision
from ledger.store.supervision import LeadFilter

router = Routes(400, 401, 503, prefix="/api/v1", tags=["supervision"])

LeadStatusQuery = Annotated[LeadStatus | None, Query(description="only those that have come so far")]
Model = Annotated[str | None, Query(max_length=64, description="only those that this model raised")]
Supervised = Annotated[str | None, Query(max_length=64, description="only those that this agency has to answer")]
Having = Annotated[str | None, Query(max_length=64, description="only those that this agency has")]


@router.reads("/leads", "List the leads", Paged("leads", views.LeadLine), 404)
def list_leads(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    state: LeadStatusQuery = None,
    model: Model = None,
    case_id: SlugQuery = None,
    agency: Supervised = None,
    supervising: Having = None,
) -> Response:
    """List the leads that you may see, the latest change last. `resume` is where to continue later.

    A supervising agency sees its own leads, its auditors and analysts also those of agencies below, and an agency
    those that it has to answer, once they were assigned.
    """
    require_agencies(reading, agency=agency, supervising=supervising)
    window, wanted = page.window("leads"), LeadFilter(state, model, case_id, agency, supervising)
    with service.parts.database.read() as connection:
        rows = supervision.list_leads(connection, reading.reader, window, wanted)
    reading.record(Message("list of leads"))
    return page.response("leads", [views.lead_line(row) for row in rows], lambda line: line.updated_index, resumes=True)


@router.reads("/leads/{lead_id}", "Show a lead", views.LeadView, 404)
def show_lead(service: ServiceOf, reading: Reads, lead_id: SlugPath) -> Response:
    """Return the finding, and each step since with its signed event."""
    with service.parts.database.read() as connection:
        state, sight = views.require_supervision_state(connection, reading, lead_id, LeadState, field="lead_id")
        events = views.life_of(connection, reading, lead_id, sight)
    reading.record(Message("lead {lead_id}", lead_id=lead_id))
    return json_response(views.lead_view(state, sight, events))


_LEAD_FILE = {"content": {"application/json": {"schema": {"type": "object", "description": "tallystick/lead@v1"}}}}


@router.files("/leads/{lead_id}/proof", "Get the lead file, which finds a lead again", _LEAD_FILE)
def lead_proof(service: ServiceOf, reading: Reads, lead_id: SlugPath) -> Response:
    """Return the proof bundles of the lead and of those of the cases that it cites which you may see, and the model's
    text: `tally lead verify` finds the lead again from them, offline."""
    return Response(lead_file(service, reading, lead_id), media_type="application/json")


Retired = Annotated[bool | None, Query(description="only those that are retired, or that are not")]
VersionPath = Annotated[int, Path(ge=1, le=1_000_000, description="version of the model")]


@router.reads("/models", "List the models", Paged("models", views.ModelLine))
def list_models(service: ServiceOf, reading: Reads, page: PageOf, retired: Retired = None) -> Response:
    """List all models in the order of their ids; every agency may see them."""
    with service.parts.database.read() as connection:
        rows = supervision.list_models(connection, page.window("models"), retired=retired)
    reading.record(Message("list of models"))
    return page.response("models", [views.model_line(row) for row in rows], lambda line: line.model_id)


@router.reads("/models/{model_id}", "Show a model", views.ModelView, 404)
def show_model(service: ServiceOf, reading: Reads, model_id: SlugPath) -> Response:
    """Return the newest version: its definition, its adopters, and how its leads turned out."""
    return _shown(service, reading, model_id, None)


@router.reads("/models/{model_id}/{version}", "Show a version of a model", views.ModelView, 404)
def show_version(service: ServiceOf, reading: Reads, model_id: SlugPath, version: VersionPath) -> Response:
    """Return one version: its definition, its adopters, and how its leads turned out."""
    return _shown(service, reading, model_id, version)


def _shown(service: Service, reading: Reading, model_id: str, version: int | None) -> Response:
    with service.parts.database.read() as connection:
        state = views.require_model(connection, reading, model_id)
        tally = supervision.tally_of_model(connection, model_id)
    published = views.version_of(state, version)
    reading.record(Message("model {model_id}", model_id=model_id))
    leads = views.leads_of(rest for version_number, *rest in tally if version_number == published.body.version)
    return json_response(views.model_view(state, published, leads if reading.of_supervising_agency else None))


RecommendationStatusQuery = Annotated[
    RecommendationStatus | None, Query(description="only those that have come so far")
]
Addressee = Annotated[str | None, Query(max_length=64, description="only those to this agency")]


@router.reads("/recommendations", "List the recommendations", Paged("recommendations", views.RecommendationLine), 404)
def list_recommendations(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    state: RecommendationStatusQuery = None,
    to_agency: Addressee = None,
) -> Response:
    """List what your agency issued or received, the latest change last.

    Auditors and analysts also see those of the supervising agencies below.
    """
    require_agencies(reading, to_agency=to_agency)
    window = page.window("recommendations")
    with service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, reading.reader, window, status=state, agency=to_agency)
        ids = [row["recommendation_id"] for row in rows]
        due = views.reply_deadlines(service.parts.validator, connection, ids, reading.moment)
    lines = [views.recommendation_line(row, due[row["recommendation_id"]]) for row in rows]
    reading.record(Message("list of recommendations"))
    return page.response("recommendations", lines, lambda line: line.updated_index)


@router.reads("/recommendations/{recommendation_id}", "Show a recommendation", views.RecommendationView, 404)
def show_recommendation(service: ServiceOf, reading: Reads, recommendation_id: SlugPath) -> Response:
    """Return the recommendation, the deadline of the reply, which counts from the receipt, and each signed step."""
    stream_id = STREAM + recommendation_id
    with service.parts.database.read() as connection:
        state, sight = views.require_supervision_state(
            connection, reading, stream_id, RecommendationState, field="recommendation_id"
        )
        events = views.life_of(connection, reading, stream_id, sight)
        zone = service.parts.validator.procedures().current[state.issued.procedure].zone
        own, agencies = reading.agency == state.supervising, service.parts.authority().agencies
        counts = views.recurrence(connection, state, reading.reader.now, agencies, zone) if own else None
    reading.record(Message("recommendation {recommendation_id}", recommendation_id=recommendation_id))
    due = views.reply_deadline(service.parts.validator, state, reading.moment)
    return json_response(views.recommendation_view(state, due, sight, events, counts))
