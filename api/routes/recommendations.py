"""Recommendations: in lists with the time to reply, and singly with their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import (
    Following,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugPath,
    json_response,
    page_response,
    window_of,
)
from api.schemas.openapi import answers, page_of
from api.services.matter_views import RecommendationLine, RecommendationView, recommendation_line, recommendation_view
from api.services.matters import life_of, require_matter
from api.services.recurrence import recurrence
from ledger.core.procedure.deadlines import PeriodEnd
from ledger.core.supervision import RecommendationState, reply_due
from ledger.core.supervision.recommendations import STREAM
from ledger.core.supervision.state import RecommendationStatus
from ledger.store import supervision

router = APIRouter(prefix="/api/v1/recommendations", tags=["supervision"])

State = Annotated[RecommendationStatus | None, Query(description="only those that have come so far")]
Addressee = Annotated[str | None, Query(max_length=64, description="only those to this agency")]


@router.get(
    "",
    summary="List the recommendations",
    responses=answers(page_of("recommendations", RecommendationLine), 400, 401, 503),
)
def list_recommendations(
    *,
    service: ServiceOf,
    reading: Reads,
    state: State = None,
    to_agency: Addressee = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List what your agency issued or received, the latest change last.

    Auditors and analysts also see those of the procuratorates below.
    """
    window = window_of(service, "recommendations", limit, after)
    with service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, reading.reader, window, status=state, agency=to_agency)
    lines = [recommendation_line(row, _due(service, row["issued_at"])) for row in rows]
    reading.record("list of recommendations")
    return page_response(service, "recommendations", lines, window.limit, lambda line: line.updated_index)


@router.get(
    "/{recommendation_id}",
    summary="Show a recommendation",
    responses=answers(RecommendationView, 400, 401, 404, 503),
)
def show_recommendation(service: ServiceOf, reading: Reads, recommendation_id: SlugPath) -> Response:
    """Return the recommendation, the deadline of the reply, and each step since with its signed event."""
    stream_id = STREAM + recommendation_id
    with service.parts.database.read() as connection:
        state, sight = require_matter(connection, reading, stream_id, RecommendationState, field="recommendation_id")
        events = life_of(connection, stream_id, sight)
        own = state.issued.model_id is not None and reading.agency == state.procuratorate
        counts = recurrence(connection, state, reading.reader.now, service.authority().agencies) if own else None
    reading.record(f"recommendation {recommendation_id}")
    return json_response(recommendation_view(state, _due(service, state.issued_at), sight, events, counts))


def _due(service: Service, issued_at: str) -> PeriodEnd | None:
    validator = service.parts.validator
    return reply_due(issued_at, validator.book, validator.calendar)
