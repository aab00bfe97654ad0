"""Recommendations: what a procuratorate advises, the deadline of the reply, the reply, and whether it helped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console import clock_views
from api.console.access import LabelsOf, Reads
from api.console.cited import events_of_stream
from api.console.clock_views import ClockView
from api.console.recorded import RecordedQuery, recorded
from api.console.rendering import page
from api.dependencies import Following, Service, ServiceOf, SlugPath, SlugQuery, position_after
from api.routes.reports import require_governing
from api.services.matters import require_matter
from api.services.recurrence import recurrence
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.supervision import SUPERVISING
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.supervision import LeadState, RecommendationState, reply_due
from ledger.core.supervision.recommendations import STREAM
from ledger.i18n import Labels
from ledger.recording.signing import new_id
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.supervision import LeadFilter

ROWS = 25
LEADS_OFFERED = 50  # confirmed leads that a new recommendation may rest on

router = APIRouter()
SCOPE = "recommendations"


@router.get("/recommendations")
def recommendations(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, after: Following = None
) -> Response:
    """Show those that the agency issued or received, each with the deadline of its reply."""
    window = Page(ROWS, position_after(service, SCOPE, after))
    with service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, reading.reader, window)
    reading.record("list of recommendations")
    clocks = {
        row["recommendation_id"]: _clock(service, reading, labels, row["issued_at"], row["answered_at"]) for row in rows
    }
    following = service.cursors.seal(SCOPE, str(rows[-1]["updated_index"])) if len(rows) == ROWS else None
    values: dict[str, Any] = {"rows": rows, "clocks": clocks, "following": following, "may_issue": _may_issue(reading)}
    return page(request, service, "recommendations.html", reading.session, **values)


@router.get("/recommendations/new")
def new_recommendation(
    *, request: Request, service: ServiceOf, reading: Reads, lead: SlugQuery = None, model: SlugQuery = None
) -> Response:
    """Show the form of a recommendation: to whom, based on which leads, the problem and the advice."""
    require_governing(reading)
    with service.parts.database.read() as connection:
        first = require_matter(connection, reading, lead, LeadState, field="lead")[0] if lead else None
        wanted = LeadFilter(procuratorate=reading.agency, statuses=("confirmed", "closed"), model_id=model)
        leads = supervision.list_leads(connection, reading.reader, Page(LEADS_OFFERED), wanted, newest_first=True)
        models = supervision.list_models(connection, Page(1000))
    case_id = first.raised.case_id if first else None
    reading.record("form of a recommendation", *([case_id] if case_id else ()), supervision=True)
    agencies = reading.authority.agencies
    own = agencies[reading.agency]
    values: dict[str, Any] = {
        "recommendation_id": new_id("advice"),
        "first": first,
        "leads": [row for row in leads if first is None or row["lead_id"] != first.lead_id],
        "models": models,
        "model_id": first.raised.model_id if first else model,
        "agencies": sorted(
            agency_id for agency_id in agencies if agency_id != reading.agency and supervises(own, agencies[agency_id])
        ),
    }
    return page(request, service, "new_recommendation.html", reading.session, **values)


@router.get("/recommendations/{recommendation_id}")
def recommendation(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    recommendation_id: SlugPath,
    event: RecordedQuery = None,
) -> Response:
    """Show the recommendation, the deadline of the reply, the replies, and the forms to reply and check again."""
    stream_id = STREAM + recommendation_id
    with service.parts.database.read() as connection:
        state, sight = require_matter(connection, reading, stream_id, RecommendationState, field="recommendation_id")
        entries = log.stream(connection, "supervision", stream_id)
        leads = supervision.leads_among(connection, reading.reader, state.issued.leads)
        counts = recurrence(connection, state, reading.reader.now, service.authority().agencies)
    reading.record(f"recommendation {recommendation_id}")
    has = reading.session.has_role
    values: dict[str, Any] = {
        "state": state,
        "leads": leads,
        "sight": sight,
        "clock": _clock(service, reading, labels, state.issued_at, state.answered_at),
        "life": events_of_stream(service, labels, entries),
        "found": counts,
        "results": terms.choices(terms.RecheckResult),
        "may_reply": reading.agency == state.issued.to_agency and has(*HANDLING),
        "may_recheck": reading.agency == state.procuratorate and has(*SUPERVISING),
        "told": recorded(service, reading, labels, event),
    }
    return page(request, service, "recommendation.html", reading.session, **values)


def _clock(
    service: Service, reading: Reading, labels: Labels, issued_at: str, answered_at: str | None
) -> ClockView | None:
    validator = service.parts.validator
    due = reply_due(issued_at, validator.book, validator.calendar)
    return clock_views.of_reply(due, answered_at is not None, reading, labels)


def _may_issue(reading: Reading) -> bool:
    return reading.is_of_procuratorate and reading.session.has_role(*SUPERVISING)
