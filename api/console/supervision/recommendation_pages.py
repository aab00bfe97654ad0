"""Recommendations: what a supervising agency advises, the deadline of the reply, the reply, and whether it helped."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from starlette.responses import Response

from api.auth.reading import Reading
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, events_of_stream, recorded
from api.console.shared.formats import brief, minute
from api.console.shared.rendering import language
from api.console.supervision.supervision_acts import Offers, act_to_do, agencies_offered
from api.dependencies import Following, SlugPath, SlugQuery, WordQuery, shown_pdf
from api.services.documents import event_to_print, offered_papers, printed_event
from api.services.governance import require_governing
from api.services.supervision_views import Recurrence, recurrence, reply_deadlines, require_supervision_state
from ledger.core.custody.clocks import running
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import NotFound
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.supervision import SUPERVISING, BilingualText
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.supervision import LeadState, RecommendationState
from ledger.core.supervision.recommendations import STREAM
from ledger.i18n import label_first_by
from ledger.interchange.papers.paper_text import language_for
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.supervision import LeadFilter

ROWS = 25
LEADS_OFFERED = 50  # confirmed leads that a new recommendation may rest on

router = page_router()
SCOPE = "recommendations"
COUNTED = Message(
    "Counted are the leads of its model about this agency by the day on which they were raised: on the days after the "
    "day of issue, and on as many up to and with that day. The model is not run anew. If you counted otherwise, "
    "correct the numbers and state that they are yours."
)
NOT_COUNTED = Message(
    "The service counts the leads of a model about an agency, from the day after the day of issue on. Count yourself, "
    "and say in which days."
)
RUNS_FROM = Message(
    "The model was published on {day} only: what it raised then, it had found in all the time before. Run it for the "
    "period before and count by hand."
)


@router.get("/recommendations")
def recommendations(visit: VisitOf, after: Following = None) -> Response:
    """Show those that the agency issued or received, each with the deadline of its reply."""
    window = Page(ROWS, visit.service.cursors.position(SCOPE, after))
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, visit.reading.reader, window)
        ids = [row["recommendation_id"] for row in rows]
        due = reply_deadlines(visit.service.parts.validator, connection, ids, visit.reading.moment)
    visit.reading.record(Message("list of recommendations"))
    clocks = {key: clock_views.view_of(reply, visit.labels) for key, reply in due.items() if reply is not None}
    following = visit.service.cursors.following(SCOPE, rows, ROWS, itemgetter("updated_index"))
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
        first = require_supervision_state(connection, visit.reading, lead, LeadState, field="lead")[0] if lead else None
        wanted = LeadFilter(supervising=visit.reading.agency, statuses=("confirmed", "closed"), model_id=model)
        leads = supervision.list_leads(connection, visit.reading.reader, Page(LEADS_OFFERED), wanted, newest_first=True)
        models = supervision.list_models(connection, Page(1000))
    # A model may state any case; the lead rests on those of the events that it cites.
    case_id = first.raised.case_id if first and first.raised.case_id in first.raised.cases else None
    in_force = visit.service.parts.validator.procedures_in_force()
    possible = {book.procedure.id: book for book in in_force if book.recommendations}
    of_case = visit.service.parts.validator.states.of_case(case_id) if case_id else None
    if of_case is not None and of_case.procedure in possible:
        possible = {of_case.procedure: possible[of_case.procedure]}
    if not possible:
        raise NotFound("no procedure in force has recommendations", field="procedure")
    book = possible.get(procedure or "") or next(iter(possible.values()))
    label_first_by(book)
    visit.reading.record(Message("form of a recommendation"), *([case_id] if case_id else ()), supervision=True)
    agencies = visit.reading.authority.agencies
    own = agencies[visit.reading.agency]
    others = {agency_id: agency for agency_id, agency in agencies.items() if agency != own}
    chosen = ([] if first is None else [(first.lead_id, first.raised.says, first.raised.case_id)]) + [
        (row["lead_id"], BilingualText(row["says_zh"], row["says_en"]), row["case_id"])
        for row in leads
        if first is None or row["lead_id"] != first.lead_id
    ]
    offers: Offers = {
        "procedure": [(book.procedure.id, visit.labels.in_language(book.procedure.title))],
        "to_agency": agencies_offered(visit, (name for name, agency in others.items() if supervises(own, agency))),
        "copies_to": agencies_offered(visit, others),
        "leads": [(lead_id, brief(visit.labels.in_language(says), of_case)) for lead_id, says, of_case in chosen],
        "model_id": [(row["model_id"], row[f"title_{visit.labels.suffix}"]) for row in models],
    }
    filled_in = {"leads": lead, "to_agency": first and first.raised.supervised}
    filled_in["model_id"] = first.raised.model_id if first else model
    act = "recommendation.issued"
    return visit.page(
        "supervision/new_recommendation.html",
        act=act_to_do(
            visit, act, offers, book=book, filled_in={name: text for name, text in filled_in.items() if text}
        ),
        model_id=filled_in["model_id"],
        procedure=book.procedure.id,
        procedures=[possible_book.procedure for possible_book in possible.values()],
    )


@router.get("/recommendations/{recommendation_id}")
def recommendation(visit: VisitOf, recommendation_id: SlugPath, event: RecordedQuery = ()) -> Response:
    """Show the recommendation, the deadline of the reply, the replies, and the forms to reply and check again."""
    stream_id = STREAM + recommendation_id
    with visit.service.parts.database.read() as connection:
        state, _ = require_supervision_state(
            connection, visit.reading, stream_id, RecommendationState, field="recommendation_id"
        )
        entries = log.stream(connection, "supervision", stream_id)
        leads = supervision.leads_among(connection, visit.reading.reader, state.issued.leads)
        book = visit.service.parts.validator.procedures().current[state.issued.procedure]
        now, agencies = visit.reading.reader.now, visit.reading.authority.agencies
        counts = recurrence(connection, state, now, agencies, book.zone)
        size = log.tree(connection).size
    visit.reading.record(Message("recommendation {recommendation_id}", recommendation_id=recommendation_id))
    return visit.page(
        "supervision/recommendation.html",
        state=state,
        leads=leads,
        clocks=clock_views.of_recommendation(visit, state),
        replies=state.reply_clock is not None,
        life=events_of_stream(visit.service, visit.labels, entries),
        papers=offered_papers(event_to_print(visit.service, visit.reading, entries[0].event_id), visit.labels),
        stream_id=stream_id,
        acts=[
            act_to_do(
                visit,
                act,
                _offers(visit, state, act),
                book=book,
                filled_in=_counted(state, counts, size) if act == "recommendation.rechecked" else {},
                notes=_notes(visit, counts) if act == "recommendation.rechecked" else (),
                is_next=place == 0,
            )
            for place, act in enumerate(acts(state, visit.reading))
        ],
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        recorded_events=recorded(visit, event),
    )


def acts(state: RecommendationState, reading: Reading) -> Iterator[str]:
    """Yield the types of the events that the reader may sign of the recommendation now, the next step first."""
    if state.is_withdrawn:
        return
    has = reading.session.has_role
    issuer = reading.agency == state.supervising
    addressee = reading.agency == state.addressee
    handles = has("clerk", *SUPERVISING)
    reviews = issuer and has(*SUPERVISING)
    if state.received_at is None and (issuer or addressee) and handles:
        yield "recommendation.received"
    if reviews and state.open_objection:
        yield "recommendation.reviewed"
    if reviews and state.answers:
        yield "recommendation.rechecked"
    if addressee and handles:
        yield "recommendation.answered"
        yield "recommendation.objected"
    if addressee and has(*HANDLING) and state.timing is not None and running(state.timing):
        yield "deadline.extended"
    if reviews:
        if not state.answers:
            yield "recommendation.rechecked"
        yield "recommendation.escalated"
        if not state.open_objection:
            yield "recommendation.reviewed"


def _offers(visit: Visit, state: RecommendationState, act: str) -> Offers:
    """Return what the form of an act on the recommendation offers to choose from."""
    match act:
        case "recommendation.reviewed":
            results = (word for word in terms.choices(terms.ReviewResult) if state.open_objection or word != "upheld")
            return {"result": [(word, visit.labels.of("review_result", word)) for word in results]}
        case "recommendation.escalated":
            return {"to_agency": agencies_offered(visit, visit.reading.authority.agencies)}
        case "recommendation.rechecked" if state.issued.model_id is not None:
            with visit.service.parts.database.read() as connection:
                titles = supervision.model_titles(connection)
            return {"model_id": [(state.issued.model_id, visit.labels.in_language(titles[state.issued.model_id]))]}
        case "deadline.extended" if state.timing is not None:
            clocks = running(state.timing)
            rows = [(clock.rule.name, extension.name) for clock in clocks for extension in clock.rule.extensions]
            return {
                "deadline_id": [(clock.deadline_id, visit.labels.of_clock(clock.rule.name)) for clock in clocks],
                "extension": [(name, visit.labels.of_extension(clock, name)) for clock, name in rows],
            }
    return {}


def _counted(state: RecommendationState, counts: Recurrence | None, size: int) -> dict[str, str]:
    """Return what the form of a re-check has filled in: the counts of both periods, where the service makes them."""
    own = {"model_id": state.issued.model_id} if state.issued.model_id else {}
    if counts is None:
        return own | {"counted_by": "officer"} | {f"{name}.tree_size": str(size) for name in ("before", "after")}
    periods = counts.periods().items()
    return (
        own
        | {"counted_by": "service"}
        | {
            f"{name}.{field}": str(getattr(period, field))
            for name, period in periods
            for field in ("count", "period_from", "period_until", "tree_size")
        }
    )


def _notes(visit: Visit, counts: Recurrence | None) -> Iterator[str]:
    """Yield how the numbers of a re-check were counted."""
    if counts is None:
        yield visit.labels.translate(NOT_COUNTED)
        return
    yield visit.labels.translate(COUNTED)
    if counts.runs_from is not None:
        yield visit.labels.translate(Message(RUNS_FROM, day=counts.runs_from))


@router.get("/recommendations/{recommendation_id}/paper")
def recommendation_paper(visit: VisitOf, recommendation_id: SlugPath, document: WordQuery = None) -> Response:
    """Return the paper that the recommendation is, by the procedure that has one for it."""
    stream_id = STREAM + recommendation_id
    with visit.service.parts.database.read() as connection:
        require_supervision_state(connection, visit.reading, stream_id, RecommendationState, field="recommendation_id")
        (issued,) = log.stream(connection, "supervision", stream_id, limit=1)
    paper_language = language_for(language(visit.request))
    pdf = printed_event(visit.service, visit.reading, issued.event_id, paper_language, name=document)
    return shown_pdf(pdf, recommendation_id)
