"""A case: what is to be done in it and its parts, a tab each; and the forms of items and handovers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.cases.case_forms import NEW_PERSONS, asked_persons
from api.console.cases.case_tasks import agenda, free_items
from api.console.cases.item_rows import form_table
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.shared.formats import minute
from api.console.shared.rendering import PATH, narrator_of
from api.dependencies import After, Following, SlugPath
from api.services.case_reading import known_persons, require_handover, timeline_builder
from api.services.documents import PAPERS, offered_papers, papers_of_case, place_of_paper
from ledger.core.custody import CaseState, Handover
from ledger.core.custody.state import MeasureState
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import Conflict, NotFound
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.hold import HOLDING
from ledger.core.messages import Message, Term
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.visibility import Sight
from ledger.i18n import label_first_by
from ledger.interchange.papers.events_to_print import events_of
from ledger.recording.event_signing import new_id
from ledger.store import cases, phones

ROWS = 50
Tab = Literal["items", "persons", "handovers", "deadlines", "timeline", "documents"]
Kind = Literal["items", "handovers", "deadlines", "ended", "letters", "decisions"]
FirstQuery = Annotated[int, Query(ge=0, le=1_000_000)]
AllQuery = Annotated[bool, Query()]
TabQuery = Annotated[Tab, Query()]


class ListPart(NamedTuple):
    """Some rows of a list. ``following`` is where the next part begins, None at the end."""

    rows: list[Any]
    total: int
    following: int | None


class PartRequest(NamedTuple):
    """The requested part of a list: some rows from ``first`` on, or ``all`` of them."""

    first: int = 0
    all: bool = False

    def of(self, rows: list[Any]) -> ListPart:
        """Return the part of these rows."""
        end = len(rows) if self.all else self.first + ROWS
        return ListPart(rows[self.first : end], len(rows), end if end < len(rows) else None)


def part_requested(first: FirstQuery = 0, all: AllQuery = False) -> PartRequest:  # noqa: A002 - the address has them
    """Return the part that the address asks for."""
    return PartRequest(first, all)


PartRequested = Annotated[PartRequest, Depends(part_requested)]


def list_part(kind: Kind, visit: Visit, state: CaseState, *, first: int) -> ListPart:
    """Return items as they were registered, handovers, letters and decisions newest first, or deadlines.

    Deadlines that run come by what ends first; ended ones are a list of their own.
    """
    part = PartRequest(first)
    match kind:
        case "items":
            return part.of(list(state.items.values()))
        case "handovers":
            return part.of(list(state.handovers.values())[::-1])
        case "letters":
            return part.of(list(state.letters.values())[::-1])
        case "decisions":
            return part.of(list(state.decisions.values())[::-1])
    of_case = clock_views.of_case(visit, state)
    listed = part.of([each for each in of_case if (each.stopped_at is not None) == (kind == "ended")])
    return listed._replace(rows=[clock_views.view_of(each, visit.labels) for each in listed.rows])


STEPS = 50  # of the timeline at a time

router = page_router()
ProcedureQuery = Annotated[str | None, Query(max_length=64)]
HandoverQuery = Annotated[str | None, Query(max_length=64)]


class VisibleCase(NamedTuple):
    """A case that the reader may see, under the names that templates have for it.

    ``person_names`` are the names of its persons by their ids, as far as the reader may know them.
    """

    case: dict[str, Any]
    state: CaseState
    sight: Sight
    person_names: Mapping[str, str]


@router.get("/cases/new")
def new_case(visit: VisitOf, procedure: ProcedureQuery = None) -> Response:
    """Show the form of a case's first event, under the first procedure in force unless another one is chosen."""
    visit.reading.require_role(*HANDLING)
    book = book_of_new_case(visit, procedure)
    case_id, books = new_id("case"), visit.service.parts.validator.procedures().current
    return visit.page(
        "cases/new_case.html",
        case_id=case_id,
        words={"BusinessLine": tuple(book.lines), "Stage": tuple(book.stages)},
        procedure=book.procedure.id,
        procedures=[each.procedure for each in books.values()],
        **_receivers(visit, book, None),
        table=form_table(visit, book, None, {}, case_id=case_id, beside=2 + NEW_PERSONS),
        persons=list(asked_persons(visit, book)),
    )


def book_of_new_case(visit: Visit, procedure: str | None) -> Rulebook:
    """Return the procedure that is chosen for a case, or the first one in force, whose labels are looked up first."""
    books = visit.service.parts.validator.procedures().current
    if not books:
        raise NotFound("no procedure is in force", field="procedure", hint="See: tally procedure list --ledger")
    book = books.get(procedure or "") or next(iter(books.values()))
    label_first_by(book)
    return book


def called_items(visit: Visit, state: CaseState) -> dict[str, str]:
    """Return what readers call the items of a case, by their ids."""
    item = visit.labels.of("telling", "item")
    return {item_id: item.format(each.description, item_id) for item_id, each in state.items.items()}


class TabRequest(NamedTuple):
    """The requested part of a case's page: the list in it from ``first`` on, or what is ``before`` or ``after``."""

    tab: Tab = "items"
    first: int = 0
    before: int = -1
    after: str | None = None


def tab_requested(
    tab: TabQuery = "items", first: FirstQuery = 0, before: After = -1, after: Following = None
) -> TabRequest:
    """Return the part that the address asks for."""
    return TabRequest(tab, first, before, after)


@router.get("/cases/{case_id}")
def case(
    visit: VisitOf,
    case_id: SlugPath,
    shown: Annotated[TabRequest, Depends(tab_requested)],
    event: RecordedQuery = (),
    registered: FirstQuery = 0,
) -> Response:
    """Show what is to be done in the case now, and one of its parts; and the labels of what was ``registered`` last."""
    recorded_case = read_case(visit, case_id, Message("case"))
    visible = with_split_off(visit, recorded_case)
    state, own = visible.state, visit.reading.agency
    looks_on = visible.sight in ("jurisdiction", "assigned")
    return visit.page(
        "cases/case.html",
        **visible._asdict(),
        **_tab(visit, visible, shown),
        tab=shown.tab,
        first=shown.first,
        agenda=agenda(visit, recorded_case.state, looks_on=looks_on),
        running=len(state.clocks.marked("running")),
        signs=visit.reading.session.has_role(*HANDLING),
        standing=state.holds.marked("standing"),
        may_hold=visit.reading.session.has_role(*HOLDING),
        words=narrator_of(visit.service, visit.labels, visible.person_names).words_of("", state),
        free=len(free_items(state, own)),
        recorded_events=recorded(visit, event, {**called_items(visit, state), **visible.person_names}),
        registered=min(registered, len(state.items)),
    )


def _tab(visit: Visit, visible: VisibleCase, shown: TabRequest) -> dict[str, Any]:
    """Return what one part of the case's page shows."""
    state = visible.state
    match shown.tab:
        case "items" | "handovers":
            return {"part": list_part(shown.tab, visit, state, first=shown.first)}
        case "deadlines":
            return {
                "deadlines": list_part("deadlines", visit, state, first=shown.first),
                "ended": list_part("ended", visit, state, first=shown.first),
            }
        case "persons":
            return {"measures": {person_id: _measures_in_force(state, person_id) for person_id in state.persons}}
        case "timeline":
            return _timeline(visit, visible, shown.before)
    scope = PAPERS.format(state.case_id)
    place = visit.service.cursors.position(scope, shown.after)
    papers = papers_of_case(visit.service, visit.reading, state.case_id, visit.labels, after=place, limit=ROWS)
    return {
        "papers": papers,
        "following": visit.service.cursors.following(scope, papers, ROWS, place_of_paper),
        **{kind: list_part(kind, visit, state, first=shown.first) for kind in ("letters", "decisions")},
    }


def _measures_in_force(state: CaseState, person_id: str) -> list[MeasureState]:
    return [each for each in state.measures.marked(f"person/{person_id}") if each.ended_at is None]


def _timeline(visit: Visit, visible: VisibleCase, before: int) -> dict[str, Any]:
    """Return the newest steps of the case, or those before a sequence number, newest first."""
    case_id = visible.state.case_id
    end = visible.state.sequence + 1 if before < 0 else before
    first = max(0, end - STEPS)
    with visit.service.parts.database.read() as connection:
        steps = timeline_builder(visit.service, visit.reading, visit.labels, visible.person_names).page(
            connection, case_id, after=first - 1, limit=end - first
        )
    return {"steps": steps[::-1], "earliest": first}


@router.get("/cases/{case_id}/parts/{kind}")
def case_part(visit: VisitOf, case_id: SlugPath, kind: Kind, first: FirstQuery = 0) -> Response:
    """Return more rows of a list on the case's page."""
    visible = with_split_off(visit, read_case(visit, case_id, Message("{kind} of the case", kind=Term("field", kind))))
    rows = list_part(kind, visit, visible.state, first=first)
    words = narrator_of(visit.service, visit.labels, visible.person_names).words_of("", visible.state)
    return visit.page("cases/case_part.html", state=visible.state, kind=kind, part=rows, words=words)


@router.get("/cases/{case_id}/timeline")
def timeline(visit: VisitOf, case_id: SlugPath, before: After = -1) -> Response:
    """Return a part of the case's page: the newest steps, or those before a sequence number."""
    visible = read_case(visit, case_id, Message("timeline of the case"))
    return visit.page("cases/timeline.html", case_id=case_id, **_timeline(visit, visible, before))


@router.get("/cases/{case_id}/items/new")
def new_items(visit: VisitOf, case_id: SlugPath, event: RecordedQuery = ()) -> Response:
    """Show the table in which items are registered, after a first part of it with what was recorded."""
    visit.reading.require_role(*HANDLING)
    visible = read_case(visit, case_id, Message("case"))
    book = book_of(visit, visible.state)
    table = form_table(visit, book, visible.state, visible.person_names)
    return visit.page("cases/new_items.html", **visible._asdict(), table=table, recorded_events=recorded(visit, event))


def _receivers(visit: Visit, book: Rulebook, receiver: str | None) -> dict[str, Any]:
    """Return to whom the reader's agency may offer, and for which purposes: to a ``receiver`` of this kind, or any."""
    own, others = visit.reading.agency, visit.reading.authority.agencies
    agencies = sorted(others.values(), key=lambda agency: (agency.kind, agency.agency_id))
    return {
        "agencies": [agency for agency in agencies if agency.agency_id != own],
        "purposes": book.purposes_between(others[own].kind, receiver),
        "purposes_for": {
            kind: book.purposes_between(others[own].kind, kind) for kind in {each.kind for each in agencies}
        },
    }


@router.get("/cases/{case_id}/offer")
def offer(
    visit: VisitOf,
    case_id: SlugPath,
    returns: HandoverQuery = None,
    follows: HandoverQuery = None,
    purpose: HandoverQuery = None,
) -> Response:
    """Show the form of an offer, with ``returns`` of an offer to give back what that handover brought.

    Chosen beforehand: the ``purpose``, or what the handover that it ``follows`` had, offered again to whom it went.
    """
    visit.reading.require_role(*HANDLING)
    visible = read_case(visit, case_id, Message("case"))
    book = book_of(visit, visible.state)
    usual = _usual_return(book) if returns else None
    lines = _offer_lines(visible.state, visit.reading, returns, PartRequest())
    receiver = visit.reading.authority.agencies[lines["original"].from_agency].kind if returns else None
    receivers = _receivers(visit, book, receiver)
    return visit.page(
        "cases/offer.html",
        **visible._asdict(),
        **lines,
        **receivers,
        table=form_table(visit, book, visible.state, visible.person_names, beside=1),
        **_chosen(visible.state, visit.reading.agency, follows, purpose, receivers["purposes"]),
        resumed=_resumed(visible.state, follows),
        persons=[person for person in visible.state.persons.values() if person.responsible == visit.reading.agency],
        usual=usual,
        reasons=sorted(book.reasons, key=lambda word: usual not in book.reasons[word].returns_for),
        remedies=tuple(book.remedies),
        earlier=[earlier for earlier in visible.state.handovers.values() if not earlier.is_open],
    )


def _chosen(
    state: CaseState, own: str, follows: str | None, purpose: str | None, purposes: tuple[str, ...]
) -> dict[str, str | None]:
    """Return what is chosen beforehand: what is resumed goes to where it came back from, for what it first went for."""
    receiver = None
    if follows is not None:
        resumed = _handover(state, follows)
        first = state.handovers.get(resumed.returns or "", resumed)
        receiver, purpose = next(agency for agency in resumed.parties if agency != own), first.purpose
    return {"follows": follows, "to": receiver, "purpose": purpose if purpose in purposes else None}


def _resumed(state: CaseState, follows: str | None) -> Handover | None:
    """Return the handover that an offer resumes: what was in it is picked beforehand."""
    return None if follows is None else _handover(state, follows)


def _usual_return(book: Rulebook) -> str:
    """Return the purpose for which a case mostly goes back: to be supplemented, where the procedure has that."""
    return next((purpose for purpose, row in book.purposes.items() if row.supplements), "return")


@router.get("/cases/{case_id}/offer/lines")
def offer_lines(
    visit: VisitOf,
    case_id: SlugPath,
    rest: PartRequested,
    returns: HandoverQuery = None,
    follows: HandoverQuery = None,
) -> Response:
    """Return a part of the offer's form: more of the items that can be picked."""
    visit.reading.require_role(*HANDLING)
    visible = read_case(visit, case_id, Message("items of the case"))
    values = _offer_lines(visible.state, visit.reading, returns, rest)
    resumed = _resumed(visible.state, follows)
    return visit.page("cases/offer_lines.html", **visible._asdict(), **values, resumed=resumed)


@router.get("/cases/{case_id}/handovers/{handover_id}/lines")
def handover_lines(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath, rest: PartRequested) -> Response:
    """Return a part of the acceptance's form: more of the sender's list."""
    visit.reading.require_role(*HANDLING)
    visible = read_case(visit, case_id, Message("handover {handover_id}", handover_id=handover_id))
    offered, book = _handover(visible.state, handover_id), book_of(visit, visible.state)
    lines = rest.of(list(offered.items.values()))
    return visit.page(
        "cases/handover_lines.html",
        **visible._asdict(),
        **findings(book),
        lines=lines,
        answering=answering(case_id, handover_id),
    )


@router.get("/cases/{case_id}/handovers/{handover_id}")
def handover_page(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath, event: RecordedQuery = ()) -> Response:
    """Show the sender's list and the answer, or its form if the handover is offered to the reader's agency.

    What was refused, recalled or has expired is shown to the agency that it was offered to without its case.
    """
    shown = shown_handover(visit, case_id, handover_id)
    handover: Handover = shown["handover"]
    book = book_of(visit, shown["state"])
    own, now, is_open = visit.reading.agency, visit.reading.reader.now, handover.is_open
    expired = is_open and handover.is_over(now)
    signs = visit.reading.session.has_role(*HANDLING)
    is_offered_to_us = is_open and handover.to_agency == own and signs
    coming = shown["state"].persons_going(handover) if is_open and shown["sight"] is not None else ()
    return visit.page(
        "cases/handover.html",
        **shown,
        **findings(book),
        is_mine_to_accept=is_offered_to_us and not expired,
        is_mine_to_refuse=is_offered_to_us and shown["sight"] is not None,
        is_mine_to_recall=is_open and handover.from_agency == own and signs,
        is_mine_to_return=handover.is_accepted and handover.to_agency == own and signs,
        is_for_others_to_sign=is_open and own in handover.parties and not signs,
        lines=PartRequest().of(list(handover.items.values())),
        coming=[person.person_id for person in coming if person.person_id not in handover.person_ids],
        remedies=tuple(book.remedies),
        aspects=tuple(book.aspects),
        results=terms.choices(terms.CheckResult),
        expired=expired,
        this_minute=minute(unix_seconds(now)),
        **own_phone(visit, case_id, handover_id),
        recorded_events=recorded(visit, event),
        **_recorded_of(visit, shown, handover_id),
    )


def _recorded_of(visit: Visit, shown: Mapping[str, Any], handover_id: str) -> dict[str, Any]:
    """Return the events of a handover, each with its sentence, and their papers.

    Whoever does not see its case gets those that the agency itself has signed.
    """
    case_id, sees_case = shown["state"].case_id, shown["sight"] is not None
    with visit.service.parts.database.read() as connection:
        history = visit.service.histories.of(connection, case_id)
    of_it = (step for step in history if getattr(step.event.body, "handover_id", None) == handover_id)
    own = [step for step in of_it if sees_case or step.event.agency == visit.reading.agency]
    narrator = narrator_of(visit.service, visit.labels, shown["person_names"])
    ids = {step.event.event_id for step in own}
    printed = events_of(visit.service.parts.validator.states, history, visit.reading.authority.kinds)
    return {
        "told_events": [
            (
                step.event,
                narrator.tell(step.before, step.event, step.after) if sees_case else narrator.alone(step.event),
            )
            for step in own
        ],
        "papers": [
            paper for event in printed if event.event.event_id in ids for paper in offered_papers(event, visit.labels)
        ],
    }


def answering(case_id: str, handover_id: str) -> str:
    """Return the address below which the parts of an acceptance's form are, for an officer at his desk."""
    return f"{PATH}/cases/{case_id}/handovers/{handover_id}"


def own_phone(visit: Visit, case_id: str, handover_id: str) -> dict[str, Any]:
    """Return what the desk shows of the officer's own phone for this offer: what it prepares, the time, its address."""
    now = unix_seconds(visit.reading.reader.now)
    with visit.service.parts.database.read() as connection:
        own = phones.of_offer(connection, case_id, handover_id, visit.reading.session.grant.key_id, now)
    return {"prepared": own, "now": now, "answering": answering(case_id, handover_id)}


def require_offered(visit: Visit, case_id: str, handover_id: str) -> Handover:
    """Return an offer that waits for the answer of the reader's agency.

    Raises NotFound if he may not see it, and Conflict if his agency can answer it no more.
    """
    with visit.service.parts.database.read() as connection:
        offer = require_handover(connection, visit.service, visit.reading, case_id, handover_id)
    is_over = offer.is_over(visit.reading.reader.now)
    if not offer.is_open or is_over or offer.to_agency != visit.reading.agency:
        words = "this offer does not wait for an answer of your agency"
        raise Conflict(words, code="answered_already", field="handover_id")
    return offer


@router.get("/cases/{case_id}/handovers/{handover_id}/list")
def handover_list(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath, rest: PartRequested) -> Response:
    """Return a part of the page of a handover that the reader does not answer: more of the sender's list."""
    values = shown_handover(visit, case_id, handover_id)
    lines = rest.of(list(values["handover"].items.values()))
    return visit.page("cases/handover_list.html", **values, lines=lines)


def shown_handover(visit: Visit, case_id: str, handover_id: str, read_as: Message | None = None) -> dict[str, Any]:
    """Return the handover with its case as far as the reader may see it, and record the read."""
    with visit.service.parts.database.read() as connection:
        handover_state = require_handover(connection, visit.service, visit.reading, case_id, handover_id)
        sight = cases.sight(connection, case_id, visit.reading.reader)
        row = cases.case(connection, case_id)
        person_names = known_persons(connection, visit.reading, case_id)
    visit.reading.record(read_as or Message("handover {handover_id}", handover_id=handover_id), case_id)
    return {
        "case": row,
        "state": visit.service.parts.validator.states.of_case(case_id),
        "sight": sight,
        "handover": handover_state,
        "person_names": person_names,
    }


def findings(book: Rulebook) -> dict[str, Any]:
    """Return what may be found of an item that does not arrive as listed."""
    formal = tuple(word for word, reason in book.reasons.items() if not reason.returns_for)
    return {"reasons": formal, "seals": terms.choices(terms.SealState)}


def book_of(visit: Visit, state: CaseState) -> Rulebook:
    """Return the procedure of the case, whose labels are looked up first from here on."""
    book = visit.service.parts.validator.book_of(state)
    label_first_by(book)
    return book


def _offer_lines(state: CaseState, reading: Reading, returns: str | None, rest: PartRequest) -> dict[str, Any]:
    """Return the items that may be picked, and the handover that is returned."""
    original = _handover(state, returns) if returns else None
    items = free_items(state, reading.agency)
    if original is not None:
        items = [item for item in items if item.item_id in original.accepted_items]
    return {"original": original, "lines": rest.of(items)}


def read_case(visit: Visit, case_id: str, subject: Message, *, whole: bool = False) -> VisibleCase:
    """Return the case and record the read of its part ``subject``. Raises NotFound if the reader may not see it.

    ``whole`` says that its whole history is needed next.
    """
    with visit.service.parts.database.read() as connection:
        sight = visit.reading.require_case(connection, case_id)
        row = cases.case(connection, case_id)
        state = visit.service.histories.state(connection, case_id, whole=whole)
        person_names = known_persons(connection, visit.reading, case_id, sight)
    visit.reading.record(subject, case_id)
    book_of(visit, state)
    return VisibleCase(row, state, sight, person_names)


def with_split_off(visit: Visit, visible: VisibleCase) -> VisibleCase:
    """Return the case with whom and what it split off, until another case takes them over: to be read, for nothing can
    be recorded about them here."""
    return visible._replace(state=visit.service.parts.validator.states.shown(visible.state))


def _handover(state: CaseState, handover_id: str) -> Handover:
    handover_state = state.handovers.get(handover_id)
    if handover_state is None:
        raise NotFound("this case has no handover {handover_id}", handover_id=handover_id[:64], field="handover_id")
    return handover_state
