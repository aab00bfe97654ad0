"""Recommendations: what a procuratorate advises, the clock of the reply, the reply, and whether it helped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console import clock_views
from api.console.access import LabelsOf, Reads
from api.console.cited import told_life
from api.console.clock_views import ClockView
from api.console.recorded import RecordedQuery, recorded
from api.console.rendering import page
from api.dependencies import Following, Service, ServiceOf, SlugPath, SlugQuery, place
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
from ledger.store.supervision import Wanted

ROWS = 25
LEADS_OFFERED = 50  # confirmed leads that a new recommendation may rest on

router = APIRouter()
SCOPE = "recommendations"


@router.get("/recommendations")
def recommendations(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, after: Following = None
) -> Response:
    """Those that the agency issued or got, each with the clock of its reply."""
    window = Page(ROWS, place(service, SCOPE, after))
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
    """The form of one: to whom, on the ground of which leads, what was found and what should be done."""
    require_governing(reading)
    with service.parts.database.read() as connection:
        first = require_matter(connection, reading, lead, LeadState, field="lead")[0] if lead else None
        wanted = Wanted(procuratorate=reading.agency, statuses=("confirmed", "closed"), model_id=model)
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
        "agencies": sorted(one for one in agencies if one != reading.agency and supervises(own, agencies[one])),
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
    """What it says, until when the reply is in time, the replies, and the forms to reply and to check again."""
    stream_id = STREAM + recommendation_id
    with service.parts.database.read() as connection:
        state, sight = require_matter(connection, reading, stream_id, RecommendationState, field="recommendation_id")
        entries = log.stream(connection, "supervision", stream_id)
        leads = supervision.leads_among(connection, reading.reader, state.issued.leads)
        found = recurrence(connection, state, reading.reader.now, service.authority().agencies)
    reading.record(f"recommendation {recommendation_id}")
    has = reading.session.has_role
    values: dict[str, Any] = {
        "state": state,
        "leads": leads,
        "sight": sight,
        "clock": _clock(service, reading, labels, state.issued_at, state.answered_at),
        "life": told_life(service, labels, entries),
        "found": found,
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
