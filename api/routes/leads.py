"""Leads: in lists, and singly with their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import (
    Following,
    Limit,
    Reads,
    ServiceOf,
    SlugPath,
    SlugQuery,
    json_response,
    page_response,
    window_of,
)
from api.schemas.openapi import answers, page_of
from api.services.matter_views import LeadLine, LeadView, lead_line, lead_view
from api.services.matters import life_of, require_matter
from ledger.core.supervision import LeadState
from ledger.core.supervision.state import LeadStatus
from ledger.store import supervision
from ledger.store.supervision import LeadFilter

router = APIRouter(prefix="/api/v1/leads", tags=["supervision"])

State = Annotated[LeadStatus | None, Query(description="only those that have come so far")]
Model = Annotated[str | None, Query(max_length=64, description="only those that this model raised")]
Supervised = Annotated[str | None, Query(max_length=64, description="only those that this agency has to answer")]
Having = Annotated[str | None, Query(max_length=64, description="only those that this procuratorate has")]


@router.get("", summary="List the leads", responses=answers(page_of("leads", LeadLine), 400, 401, 503))
def list_leads(
    *,
    service: ServiceOf,
    reading: Reads,
    state: State = None,
    model: Model = None,
    case_id: SlugQuery = None,
    agency: Supervised = None,
    procuratorate: Having = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List the leads that you may see, the latest change last. `resume` is where to continue later.

    A procuratorate sees its own leads, its auditors and analysts also those of the procuratorates below, and an agency
    those that it has to answer, once they were assigned.
    """
    window = window_of(service, "leads", limit, after)
    wanted = LeadFilter(state, model, case_id, agency, procuratorate)
    with service.parts.database.read() as connection:
        rows = supervision.list_leads(connection, reading.reader, window, wanted)
    reading.record("list of leads")
    return page_response(
        service, "leads", [lead_line(row) for row in rows], window.limit, lambda line: line.updated_index, resumes=True
    )


@router.get("/{lead_id}", summary="Show a lead", responses=answers(LeadView, 400, 401, 404, 503))
def show_lead(service: ServiceOf, reading: Reads, lead_id: SlugPath) -> Response:
    """Return the finding, and each step since with its signed event."""
    with service.parts.database.read() as connection:
        state, sight = require_matter(connection, reading, lead_id, LeadState, field="lead_id")
        events = life_of(connection, lead_id, sight)
    reading.record(f"lead {lead_id}")
    return json_response(lead_view(state, sight, events))
