"""Leads: the board of open leads, each lead with its evidence, and a form for every act."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Query
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.cited_events import CitedPage, RecordedQuery, cited, events_of_stream, recorded
from api.console.shared.formats import minute
from api.console.shared.forms import FormOf, whole_number
from api.console.supervision.supervision_acts import FOR_MANY, Offers, act_to_do, agencies_offered
from api.dependencies import Following, SlugPath, download, known_agency
from api.services.case_reading import names_of_finding
from api.services.documents import OfferedPaper, event_to_print, offered_papers
from api.services.model_runs import lead_file, lead_report
from api.services.supervision_views import LeadLine, lead_line, require_supervision_state, version_of
from ledger.core.encoding.instants import spelled, unix_seconds
from ledger.core.errors import NotFound
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.supervision import SUPERVISING
from ledger.core.events.terms import BusinessLine, Severity
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import in_line, may_supervise, supervises
from ledger.core.procedure.rulebook import Rulebook, rows_of
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as ADVICE
from ledger.core.supervision.state import OPEN
from ledger.i18n import words_in_use
from ledger.store import cases, log, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection, Row
from ledger.store.supervision import LeadFilter
from ledger.supervision.library.cards import card_of

OF_COLUMN = 6  # leads of a column of the board
ROWS = 25  # of a page of a list
LATE_DAYS = 15  # that a lead is open without a decision: marked on its card
CHOICES = 200  # recommendations that a lead may be closed with: the newest

Column = Literal["raised", "assigned", "answered", "decided", "closed"]
COLUMNS: dict[Column, tuple[str, ...]] = {
    "raised": ("raised",),
    "assigned": ("assigned",),
    "answered": ("answered",),
    "decided": ("confirmed", "dismissed"),
    "closed": ("closed",),
}

router = page_router()


class Filters(Struct, frozen=True):
    """The filters of the board, as in its form."""

    model: Annotated[str | None, Query(max_length=64)] = None
    business_line: BusinessLine | Literal[""] | None = None
    severity: Severity | Literal[""] | None = None
    mine: bool = False
    overdue: bool = False

    def wanted(self, reading: Reading, statuses: tuple[str, ...] = ()) -> LeadFilter:
        """Return the filters for the store."""
        late = datetime.fromisoformat(reading.reader.now) - timedelta(days=LATE_DAYS)
        return LeadFilter(
            model_id=self.model or None,
            business_line=self.business_line or None,
            severity=self.severity or None,
            handler=reading.session.grant.officer if self.mine else None,
            supervising=reading.agency if self.mine else None,
            raised_before=spelled(late) if self.overdue else None,
            statuses=statuses or (OPEN if self.overdue else ()),
        )

    @property
    def query(self) -> dict[str, str]:
        """Return the filters as query parameters."""
        chosen = {name: getattr(self, name) for name in ("model", "business_line", "severity")}
        flags = {name: "true" for name in ("mine", "overdue") if getattr(self, name)}
        return {name: value for name, value in chosen.items() if value} | flags


class LeadCard(NamedTuple):
    """A lead on the board, and for how many days it has been open; ``late`` if for too many.

    The number of its case is shown only to readers who may see the case.
    """

    lead: LeadLine
    case_number: str | None
    days: int
    late: bool


@router.get("/leads")
def board(
    visit: VisitOf, filters: Annotated[Filters, Depends()], column: Column | None = None, after: Following = None
) -> Response:
    """Show the leads in columns by progress, or one ``column`` a page at a time."""
    shown_columns = [column] if column is not None else list(COLUMNS)
    limit, cursors = OF_COLUMN if column is None else ROWS, visit.service.cursors
    with visit.service.parts.database.read() as connection:
        counts = supervision.count_leads(connection, visit.reading.reader, filters.wanted(visit.reading))
        window = Page(limit, cursors.position("board", after))
        columns = {name: _cards(connection, visit.reading, filters, name, window) for name in shown_columns}
        models = supervision.list_models(connection, Page(1000))
    shown = {
        card.lead.case_id for cards in columns.values() for card in cards if card.lead.case_id and card.case_number
    }
    visit.reading.record(Message("board of leads"), *sorted(shown), supervision=True)
    return visit.page(
        "supervision/leads.html",
        filters=filters,
        columns=columns,
        acts=FOR_MANY,
        picks=visit.reading.of_supervising_agency and visit.reading.session.has_role(*SUPERVISING),
        officers=officers(visit, visit.reading.agency),
        reasons=terms.choices(terms.DismissalReason),
        column=column,
        totals={name: sum(counts.get(status, 0) for status in statuses) for name, statuses in COLUMNS.items()},
        models=models,
        following=cursors.following("board", columns[column], ROWS, attrgetter("lead.updated_index"))
        if column
        else None,
        lines=words_in_use("business_line"),
        severities=terms.choices(terms.Severity),
        late_days=LATE_DAYS,
    )


@router.get("/leads/{lead_id}")
def lead(visit: VisitOf, lead_id: SlugPath, event: RecordedQuery = ()) -> Response:
    """Show the lead with its evidence, what must be checked by whom, and what the reader may do with it."""
    with visit.service.parts.database.read() as connection:
        state, _ = require_supervision_state(connection, visit.reading, lead_id, LeadState, field="lead_id")
        numbers = cases.numbers_of(connection, [state.raised.case_id or ""], visit.reading.reader)
        model, _ = require_supervision_state(
            connection, visit.reading, MODEL_STREAM + state.raised.model_id, ModelState, field="model_id"
        )
        entries = log.stream(connection, "supervision", lead_id)
        advice = supervision.newest_recommendations(connection, visit.reading.reader, state.supervising, CHOICES)
        names = names_of_finding(connection, visit.service, visit.reading, state.raised.case_id, state.raised.values)
        numbers = cases.numbers_of(connection, state.raised.cases, visit.reading.reader) | numbers
    # A model may state any case: that of no event which the lead cites was not read.
    of_case = [case_id for case_id in state.raised.cases if case_id == state.raised.case_id]
    visit.reading.record(Message("lead {lead_id}", lead_id=lead_id), *of_case, supervision=True)
    card = card_of(version_of(model, state.raised.model_version).body.definition)
    cited_events = cited(visit, [ref.payload_digest for ref in state.raised.events])
    offers = _offers(visit, state, cited_events, advice)
    return visit.page(
        "supervision/lead.html",
        state=state,
        meanings={parameter.name: parameter.meaning for parameter in card.parameters} if card else {},
        model=model,
        life=events_of_stream(visit.service, visit.labels, entries),
        cited=cited_events,
        stream_id=lead_id,
        papers=_papers(visit, state),
        acts=[
            act_to_do(visit, act, offers.get(act, {}), is_next=is_next) for act, is_next in acts(state, visit.reading)
        ],
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        recorded_events=recorded(visit, event),
        case_number=numbers.get(state.raised.case_id or ""),
        other_cases={case_id: number for case_id, number in numbers.items() if case_id != state.raised.case_id},
        names=names,
        governs=visit.reading.searches_jurisdiction,
        runs_models=visit.reading.runs_models,
    )


@router.get("/leads/{lead_id}/cited")
def more_cited(visit: VisitOf, lead_id: SlugPath, first: Annotated[int, Query(ge=0, le=1000)] = 0) -> Response:
    """Return a part of the lead's page: the cited events from index ``first`` on."""
    with visit.service.parts.database.read() as connection:
        state, _ = require_supervision_state(connection, visit.reading, lead_id, LeadState, field="lead_id")
    page_events = cited(visit, [ref.payload_digest for ref in state.raised.events], first=first)
    return visit.page("supervision/cited.html", cited=page_events, stream_id=lead_id)


@router.post("/cited")
def cited_of(visit: VisitOf, form: FormOf) -> Response:
    """Return a part of a page: the events of the digests that a finding or a number of a report rests on."""
    digests = (form.get("digest") or "").split()
    page_events = cited(visit, digests, first=whole_number(form.get("first")) or 0)
    return visit.page("supervision/cited.html", cited=page_events, digests=" ".join(digests))


@router.post("/leads/{lead_id}/rederive")
def rederive(visit: VisitOf, lead_id: SlugPath) -> Response:
    """Return a part of the lead's page: whether the model finds it again in the events that it cites."""
    report = lead_report(visit.service, visit.reading, lead_id)
    return visit.page("supervision/rederived.html", report=report, lead_id=lead_id)


@router.get("/leads/{lead_id}/proof")
def lead_proof(visit: VisitOf, lead_id: SlugPath) -> Response:
    """Return the file from which anybody finds the lead again, for download."""
    return download(lead_file(visit.service, visit.reading, lead_id), f"{lead_id}.lead.json")


def acts(state: LeadState, reading: Reading) -> Iterator[tuple[str, bool]]:
    """Yield the types of the events that the reader may sign of the lead now, and whether each is the next step."""
    has = reading.session.has_role
    if reading.agency == state.raised.supervised and state.status in ("assigned", "answered") and has(*HANDLING):
        yield "lead.answered", state.status == "assigned"
    agencies = reading.authority.agencies
    own = reading.agency == state.supervising
    if own and has("clerk", *SUPERVISING):
        if state.status in ("confirmed", "dismissed"):
            yield "lead.closed", True
        if state.status in ("assigned", "answered"):
            yield "lead.confirmed", state.status == "answered"
            yield "lead.dismissed", False
    if own and state.status in (*OPEN, "confirmed") and has(*SUPERVISING):
        yield "lead.assigned", state.status == "raised"
    may_transfer = own or supervises(agencies[reading.agency], agencies[state.supervising])
    if may_transfer and state.status in OPEN and has(*SUPERVISING):
        yield "lead.transferred", False


def _papers(visit: Visit, state: LeadState) -> list[OfferedPaper]:
    """Return the papers of the recommendation that came of the lead, if the reader may see it."""
    if state.closed is None or state.closed.recommendation_id is None:
        return []
    with visit.service.parts.database.read() as connection:
        (issued,) = log.stream(connection, "supervision", f"{ADVICE}{state.closed.recommendation_id}", limit=1)
    with suppress(NotFound):
        return offered_papers(event_to_print(visit.service, visit.reading, issued.event_id), visit.labels)
    return []


def _offers(visit: Visit, state: LeadState, shown: CitedPage, advice: Collection[Row]) -> dict[str, Offers]:
    """Return what the forms of acts on the lead offer to choose from, by the types of their events.

    ``shown`` are the cited events that the page shows, ``advice`` the recommendations that it may be closed with.
    """
    named = visit.agency_names
    outcomes = outcomes_of(state, visit.service.parts.validator.procedures_in_force())
    sent = ((row, named(row["to_agency"]) if row["to_agency"] else row["to_outside"]) for row in advice)
    numbered = [(row["recommendation_id"], f"{row['document_number']} → {to}") for row, to in sent]
    return {
        "lead.assigned": {"handler": officers(visit, state.supervising)},
        "lead.transferred": {"to_agency": agencies_offered(visit, in_line_with(visit.reading, state.supervising))},
        "lead.answered": {"events": [(each.entry.event_id, each.sentence) for each in shown.events if each.entry]},
        "lead.closed": {
            "to_agency": agencies_offered(visit, visit.reading.authority.agencies),
            "outcome": [(word, visit.labels.of("lead_outcome", word)) for word in outcomes],
            "recommendation_id": numbered,
        },
    }


def outcomes_of(state: LeadState, books: Collection[Rulebook]) -> list[str]:
    """Return the outcomes that the lead may be closed with, as the procedures in force have them."""
    rows = rows_of(books, "outcomes")
    return [word for word, row in rows.items() if row.nothing or state.status != "dismissed"]


def waiting(connection: Connection, reading: Reading, limit: int) -> list[LeadLine]:
    """Return the newest leads on which the reader's agency must act next, the latest change first."""
    if reading.of_supervising_agency:
        statuses = ("raised", "answered", "confirmed", "dismissed")
        wanted = LeadFilter(supervising=reading.agency, statuses=statuses)
    else:
        wanted = LeadFilter(agency=reading.agency, statuses=("assigned",))
    return [
        lead_line(row)
        for row in supervision.list_leads(connection, reading.reader, Page(limit), wanted, newest_first=True)
    ]


def officers(visit: Visit, agency: str) -> list[tuple[str, str]]:
    """Return the officers of an agency whose keys are valid now, each with his roles, the reader last."""
    roles = defaultdict[str, set[str]](set)
    for grant in visit.reading.authority.valid_grants(agency, unix_seconds(visit.reading.reader.now)):
        roles[grant.officer].update(grant.roles)
    own = visit.reading.session.grant.officer if agency == visit.reading.agency else None

    def called(officer: str) -> str:
        of_roles = (visit.labels.of("role", role) for role in sorted(roles[officer]))
        myself = [visit.labels.translate(Message("yourself"))] if officer == own else []
        return " · ".join((officer, *of_roles, *myself))

    having = (officer for officer, of_officer in roles.items() if of_officer)
    return [(officer, called(officer)) for officer in sorted(having, key=lambda officer: (officer == own, officer))]


def in_line_with(reading: Reading, supervising: str) -> list[str]:
    """Return the supervising agencies above and below one."""
    agencies = reading.authority.agencies
    having = known_agency(reading.authority, supervising, field="supervising")
    others = (agency for agency in agencies.values() if may_supervise(agency) and agency.agency_id != supervising)
    return sorted(agency.agency_id for agency in others if in_line(having, agency))


def _cards(connection: Connection, reading: Reading, filters: Filters, column: Column, window: Page) -> list[LeadCard]:
    """Return the cards of one column, the latest change first."""
    wanted = filters.wanted(reading, COLUMNS[column])
    rows = supervision.list_leads(connection, reading.reader, window, wanted, newest_first=True)
    lines = [lead_line(row) for row in rows if not filters.overdue or row["status"] in OPEN]
    numbers = cases.numbers_of(connection, {line.case_id for line in lines if line.case_id}, reading.reader)
    cards, now = [], datetime.fromisoformat(reading.reader.now)
    for line in lines:
        days = max(0, (now - datetime.fromisoformat(line.raised_at)).days)
        late = line.status in OPEN and days >= LATE_DAYS
        cards.append(LeadCard(line, numbers.get(line.case_id or ""), days, late))
    return cards
