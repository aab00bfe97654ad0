"""Recommendations: what a supervising agency advises, the deadline of the reply, the reply, and whether it helped."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.shared import clock_views
from api.console.shared.access import VisitOf
from api.console.shared.cited_events import RecordedQuery, events_of_stream, recorded
from api.console.shared.rendering import language, shown_pdf
from api.dependencies import Following, SlugPath, SlugQuery, WordQuery
from api.services.documents import event_to_print, offered_papers, printed_event
from api.services.governance import require_governing
from api.services.matters import recurrence, reply_deadlines, require_matter
from api.services.service import position_after
from ledger.core.errors import NotFound
from ledger.core.events import terms
from ledger.core.events.supervision import SUPERVISING
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision import LeadState, RecommendationState
from ledger.core.supervision.recommendations import STREAM
from ledger.i18n import label_first_by
from ledger.interchange.papers.paper_text import language_for
from ledger.recording.event_signing import new_id
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.supervision import LeadFilter

ROWS = 25
LEADS_OFFERED = 50  # confirmed leads that a new recommendation may rest on

router = APIRouter()
SCOPE = "recommendations"


@router.get("/recommendations")
def recommendations(visit: VisitOf, after: Following = None) -> Response:
    """Show those that the agency issued or received, each with the deadline of its reply."""
    window = Page(ROWS, position_after(visit.service, SCOPE, after))
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, visit.reading.reader, window)
        ids = [row["recommendation_id"] for row in rows]
        due = reply_deadlines(visit.service.parts.validator, connection, ids, visit.reading.moment)
    visit.reading.record(Message("list of recommendations"))
    clocks = {key: clock_views.view_of(reply, visit.labels) for key, reply in due.items() if reply is not None}
    following = visit.service.cursors.seal(SCOPE, str(rows[-1]["updated_index"])) if len(rows) == ROWS else None
    may_issue = visit.reading.of_supervising_agency and visit.reading.session.has_role(*SUPERVISING)
    return visit.page(
        "supervision/recommendations.html", rows=rows, clocks=clocks, following=following, may_issue=may_issue
    )


@router.get("/recommendations/new")
def new_recommendation(
    visit: VisitOf, lead: SlugQuery = None, model: SlugQuery = None, procedure: SlugQuery = None
) -> Response:
    """Show the form of a recommendation: to whom, based on which leads, the problem and the advice.

    It is of the procedure of the lead's case, or else of the first one in force that has recommendations, unless
    another one is chosen.
    """
    require_governing(visit.reading)
    with visit.service.parts.database.read() as connection:
        first = require_matter(connection, visit.reading, lead, LeadState, field="lead")[0] if lead else None
        wanted = LeadFilter(supervising=visit.reading.agency, statuses=("confirmed", "closed"), model_id=model)
        leads = supervision.list_leads(connection, visit.reading.reader, Page(LEADS_OFFERED), wanted, newest_first=True)
        models = supervision.list_models(connection, Page(1000))
    case_id = first.raised.case_id if first else None
    in_force = visit.service.parts.validator.procedures().current
    possible = {name: book for name, book in in_force.items() if book.recommendations}
    of_case = visit.service.parts.validator.states.of_case(case_id) if case_id else None
    if of_case is not None:
        possible = {of_case.procedure: in_force[of_case.procedure]}
    if not possible:
        raise NotFound("no procedure in force has recommendations", field="procedure")
    book = possible.get(procedure or "") or next(iter(possible.values()))
    label_first_by(book)
    visit.reading.record(Message("form of a recommendation"), *([case_id] if case_id else ()), supervision=True)
    agencies = visit.reading.authority.agencies
    own = agencies[visit.reading.agency]
    supervised = (agency_id for agency_id, agency in agencies.items() if agency != own and supervises(own, agency))
    return visit.page(
        "supervision/new_recommendation.html",
        recommendation_id=new_id("advice"),
        first=first,
        leads=[row for row in leads if first is None or row["lead_id"] != first.lead_id],
        models=models,
        model_id=first.raised.model_id if first else model,
        agencies=sorted(supervised),
        others=sorted(agency_id for agency_id in agencies if agency_id != own.agency_id),
        words=_words(book),
        procedure=book.procedure.id,
        procedures=[other.procedure for other in possible.values()],
    )


@router.get("/recommendations/{recommendation_id}")
def recommendation(visit: VisitOf, recommendation_id: SlugPath, event: RecordedQuery = None) -> Response:
    """Show the recommendation, the deadline of the reply, the replies, and the forms to reply and check again."""
    stream_id = STREAM + recommendation_id
    with visit.service.parts.database.read() as connection:
        state, sight = require_matter(
            connection, visit.reading, stream_id, RecommendationState, field="recommendation_id"
        )
        entries = log.stream(connection, "supervision", stream_id)
        leads = supervision.leads_among(connection, visit.reading.reader, state.issued.leads)
        counts = recurrence(connection, state, visit.reading.reader.now, visit.service.authority().agencies)
    visit.reading.record(Message("recommendation {recommendation_id}", recommendation_id=recommendation_id))
    return visit.page(
        "supervision/recommendation.html",
        state=state,
        leads=leads,
        sight=sight,
        clocks=clock_views.of_recommendation(visit, state),
        replies=state.reply_clock is not None,
        life=events_of_stream(visit.service, visit.labels, entries),
        papers=offered_papers(event_to_print(visit.service, visit.reading, entries[0].event_id), visit.labels),
        found=counts,
        results=terms.choices(terms.RecheckResult),
        reviews=terms.choices(terms.ReviewResult),
        words=_words(visit.service.parts.validator.procedures().current[state.issued.procedure]),
        agencies=sorted(visit.reading.authority.agencies),
        acts=list(acts(state, visit.reading)),
        told=recorded(visit, event),
    )


def acts(state: RecommendationState, reading: Reading) -> Iterator[str]:
    """Yield what the reader may do with the recommendation now, the next step first."""
    if state.is_withdrawn:
        return
    has = reading.session.has_role
    issuer = reading.agency == state.supervising
    addressee = reading.agency == (state.issued.to_agency or state.supervising)
    handles = has("clerk", *SUPERVISING)
    if state.received_at is None and (issuer or addressee) and handles:
        yield "receive"
    if issuer and state.open_objection and has(*SUPERVISING):
        yield "review"
    if addressee and handles:
        yield "reply"
        yield "object"
    if issuer and has(*SUPERVISING):
        yield from ("recheck", "escalate", *(() if state.open_objection else ("review",)))


def _words(book: Rulebook) -> dict[str, list[str]]:
    """Return the words of the procedure that forms of recommendations offer, by their tables."""
    return {table: list(getattr(book, table)) for table in ("recommendations", "escalations", "outsiders", "services")}


@router.get("/recommendations/{recommendation_id}/paper")
def recommendation_paper(visit: VisitOf, recommendation_id: SlugPath, document: WordQuery = None) -> Response:
    """Return the paper that the recommendation is, by the procedure that has one for it."""
    stream_id = STREAM + recommendation_id
    with visit.service.parts.database.read() as connection:
        require_matter(connection, visit.reading, stream_id, RecommendationState, field="recommendation_id")
        (issued,) = log.stream(connection, "supervision", stream_id, limit=1)
    paper_language = language_for(language(visit.request))
    pdf = printed_event(visit.service, visit.reading, issued.event_id, paper_language, name=document)
    return shown_pdf(pdf, recommendation_id)
