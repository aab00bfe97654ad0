"""Lists of the agency's inbox, outbox and cases, the start page above them, and the search for a case."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import Annotated, Literal, NamedTuple, get_args
from urllib.parse import quote

from fastapi import Depends, Query
from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from api.console.cases.letter_pages import waiting_letters
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.shared.clock_views import ClockView
from api.console.shared.formats import minute
from api.console.shared.forms import FormOf
from api.console.shared.rendering import PATH
from api.console.supervision.lead_pages import waiting
from api.dependencies import Following
from api.middleware.request_limits import charge
from api.schemas.answers import CaseLine, HandoverLine
from api.services.case_reading import SEARCH, SEARCH_COST, TOO_SHORT, SearchResults, names_in_case, search_cases
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import RuleRefused
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.i18n import words_in_use, zone_in_use
from ledger.store import case_list, cases, phones
from ledger.store.case_list import CaseFilter, CasePosition, Order
from ledger.store.cases import Page
from ledger.store.clocks import Box, offer_position, open_offers, parse_offer_position
from ledger.store.database import Connection, Row
from ledger.store.search import LONGEST, SHORTEST, Hit, folded, is_searchable, place_in

ROWS = 50  # of a list on one page
FEW = 8  # of a list on the start page
Due = Literal["overdue", "0", "3", "7", "30"]  # has run out, or runs out within so many days
READ_AS: dict[Box, Message] = {"inbox": Message("inbox"), "outbox": Message("outbox")}

router = page_router()


class HandoverRow(NamedTuple):
    """A handover in a list, with its case's number and the clock that ends first."""

    handover: HandoverLine
    case_number: str
    clock: ClockView | None


@router.get("/")
def start(visit: VisitOf) -> Response:
    """Show what waits, what is about to expire, and on an empty ledger what to do next."""
    inbox, _ = _box(visit, "inbox", limit=FEW)
    outbox, _ = _box(visit, "outbox", limit=FEW)
    letters = waiting_letters(visit, FEW)
    with visit.service.parts.database.read() as connection:
        clocks = clock_views.urgent(connection, visit, FEW)
        may_begin = visit.reading.session.has_role("clerk", "supervisor")
        is_empty = may_begin and not cases.list_cases(connection, visit.reading.reader, Page(1))
        leads = waiting(connection, visit.reading, FEW)
        splits = cases.open_splits(connection, agency=visit.reading.agency, limit=FEW)
        of_leads = {lead.case_id for lead in leads if lead.case_id}
        of_clocks = {case_id for case_id, _, _ in clocks if case_id}
        names = {case_id: names_in_case(connection, visit.service, visit.reading, case_id) for case_id in of_clocks}
    of_splits = (split.case_id for split in splits)
    read_ids = (*(case_id for case_id, _, _ in clocks if case_id), *of_leads, *of_splits)
    visit.reading.record(Message("start page"), *dict.fromkeys(read_ids))
    return visit.page(
        "cases/start.html",
        inbox=inbox,
        outbox=outbox,
        letters=letters,
        clocks=clocks,
        names=names,
        leads=leads,
        splits=splits,
        is_empty=is_empty,
    )


@router.get("/inbox")
def inbox(visit: VisitOf, after: Following = None, event: RecordedQuery = ()) -> Response:
    """Show the open offers to the agency, those that expire first at the top, and the letters that wait for it."""
    rows, following = _box(visit, "inbox", limit=ROWS, after=after)
    letters = waiting_letters(visit, FEW)
    now = unix_seconds(visit.reading.reader.now)
    with visit.service.parts.database.read() as connection:
        own = phones.of_officer(connection, visit.reading.session.grant.key_id, now)
        prepared = [each for each in own if each.text or each.may_prepare(now)]
        numbers = cases.numbers_of(connection, [each.case_id for each in prepared], visit.reading.reader)
    return visit.page(
        "cases/inbox.html",
        rows=rows,
        prepared=[(each, numbers[each.case_id]) for each in prepared if each.case_id in numbers],
        now=now,
        picks=len(rows) > 1 and visit.reading.session.has_role(*HANDLING),
        this_minute=minute(now),
        letters=letters,
        following=following,
        recorded_events=recorded(visit, event),
    )


@router.get("/inbox/refused")
def refused(visit: VisitOf, after: Following = None) -> Response:
    """Show the offers that the agency has refused, newest first: each leads to its papers, which have to be served."""
    with visit.service.parts.database.read() as connection:
        window = Page(ROWS, visit.service.cursors.position("refused", after))
        lines = [convert(row, HandoverLine) for row in cases.refused_offers(connection, visit.reading.agency, window)]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        numbers = cases.numbers_of(connection, ids)
    visit.reading.record(Message("refused offers"), *ids)
    return visit.page(
        "cases/refused.html",
        rows=[HandoverRow(line, numbers[line.case_id], None) for line in lines],
        following=visit.service.cursors.following("refused", lines, ROWS, attrgetter("updated_index")),
    )


@router.get("/outbox")
def outbox(visit: VisitOf, after: Following = None) -> Response:
    """Show the agency's own offers that nobody has answered."""
    rows, following = _box(visit, "outbox", limit=ROWS, after=after)
    return visit.page("cases/outbox.html", rows=rows, following=following)


class CaseFilters(Struct, frozen=True):
    """The filters and the order of the list of cases, as in its form; without ``all``, of those that the agency
    answers for."""

    all: bool = False
    agency: Annotated[str, Query(max_length=64)] = ""
    stage: Annotated[str, Query(max_length=64)] = ""
    person: Annotated[str, Query(max_length=LONGEST)] = ""
    flag: Annotated[str, Query(max_length=64)] = ""
    deadline: Due | Literal[""] = ""
    order: Order = "id"

    @property
    def query(self) -> dict[str, str]:
        """Return the filters as query parameters, without those that restrict nothing."""
        chosen = {name: getattr(self, name) for name in ("agency", "stage", "person", "flag", "deadline")}
        shown = {"all": "true"} if self.all else {}
        by = {"order": self.order} if self.order != "id" else {}
        return shown | {name: value for name, value in chosen.items() if value} | by

    @property
    def restricts(self) -> bool:
        """Return whether a filter is set, beside whose cases they are."""
        return any((self.agency, self.stage, self.person, self.flag, self.deadline))

    @property
    def read_as(self) -> Message:
        """Return what the log of reads says of the list: one by a person is a search."""
        return SEARCH if self.person.strip() else Message("list of cases")


def listed_cases(
    connection: Connection, visit: Visit, filters: CaseFilters, limit: int, after: CasePosition | None = None
) -> list[Row]:
    """Return the cases of the filters, whose read the caller records; a person is searched for, at the same cost.

    Raises RuleRefused for a person by too short a text, and Refused (429).
    """
    reading = visit.reading
    mine = filters.agency or (None if filters.all else reading.agency)
    if filters.order == "id" and not filters.restricts:  # found by an index, however many there are
        window = Page(limit, None if after is None else after.case_id)
        rows = cases.list_cases(connection, reading.reader, window, responsible=mine)
        return [{**row, "place": row["case_id"]} for row in rows]
    person = filters.person.strip() or None
    if person is not None:
        if not is_searchable(folded(person)):
            raise RuleRefused(TOO_SHORT, field="person")
        charge(visit.request.scope, SEARCH_COST)
    wanted = CaseFilter(
        as_of=reading.reader.now,
        responsible=mine,
        stage=filters.stage or None,
        person=person,
        flag=filters.flag or None,
        within_days=int(filters.deadline) if filters.deadline not in ("", "overdue") else None,
        overdue=filters.deadline == "overdue",
        zone=zone_in_use(),
    )
    return case_list.filtered(connection, reading.reader, wanted, order=filters.order, limit=limit, after=after)


@router.get("/cases")
def list_cases(visit: VisitOf, filters: Annotated[CaseFilters, Depends()], after: Following = None) -> Response:
    """Show the cases that the agency is responsible for, or all that it may see; of these, those of the filters."""
    position = visit.service.cursors.position("cases", after)
    # A number may have commas, an id has none.
    last = None if position is None else CasePosition(*position.rsplit(",", 1))
    with visit.service.parts.database.read() as connection:
        rows = listed_cases(connection, visit, filters, ROWS, last)
        lines = [convert(row, CaseLine) for row in rows]
        clocks = clock_views.nearest(connection, visit, (line.case_id for line in lines))
    visit.reading.record(filters.read_as, *(line.case_id for line in lines))
    return visit.page(
        "cases/cases.html",
        lines=lines,
        clocks=clocks,
        filters=filters,
        following=visit.service.cursors.following("cases", rows, ROWS, case_list.position_of),
        agencies=sorted(visit.reading.authority.agencies),
        stages=words_in_use("stage"),
        flags=flags_in_force(visit),
        dues=get_args(Due),
        orders=get_args(Order),
    )


def flags_in_force(visit: Visit) -> dict[str, str]:
    """Return what the rules in force flag, each with its label, in the order of the labels."""
    books = visit.service.parts.validator.procedures_in_force()
    labels = {rule.name: visit.labels.of_flag(rule.name) for book in books for rule in book.flags}
    return dict(sorted(labels.items(), key=itemgetter(1)))


@router.post("/find")
def find(visit: VisitOf, form: FormOf) -> Response:
    """Redirect to the case of a typed or scanned code: its id, its number, or the id of an item; else to the search."""
    code = form.get("code") or ""
    reader = visit.reading.reader
    with visit.service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, code.lower(), reader) or code.lower()
        if cases.sight(connection, case_id, reader) is not None:
            return RedirectResponse(f"{PATH}/cases/{case_id}", 303)
        numbered = [*cases.numbers_of(connection, cases.with_number(connection, code), reader)]
    place = f"cases/{numbered[0]}" if len(numbered) == 1 else f"search?q={quote(code)}"
    return RedirectResponse(f"{PATH}/{place}", 303)


def _box(visit: Visit, box: Box, *, limit: int, after: str | None = None) -> tuple[list[HandoverRow], str | None]:
    """Return the open offers of a box by what expires first, and the cursor of the next page."""
    position = visit.service.cursors.position(box, after)
    last = None if position is None else parse_offer_position(position)
    now = visit.reading.reader.now
    with visit.service.parts.database.read() as connection:
        offer_rows = open_offers(connection, visit.reading.agency, box, as_of=now, limit=limit, after=last)
        lines = [convert(row, HandoverLine) for row in offer_rows]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        clocks = clock_views.nearest(connection, visit, ids)
        numbers = cases.numbers_of(connection, ids)
    visit.reading.record(READ_AS[box], *ids)
    rows = [HandoverRow(line, numbers[line.case_id], clocks.get(line.case_id)) for line in lines]
    return rows, visit.service.cursors.following(box, offer_rows, limit, offer_position)


Asked = Annotated[str, Query(max_length=LONGEST)]


@router.get("/search")
def search_page(visit: VisitOf, q: Asked = "", after: Following = None) -> Response:
    """Show the form, and below it the results."""
    is_short = not is_searchable(folded(q))
    results = SearchResults(())
    if not is_short:
        results = search_cases(visit.request.scope, visit.service, visit.reading, q, limit=ROWS, after=after)
    return visit.page(
        "cases/search.html",
        q=q,
        is_short=is_short,
        shortest=SHORTEST,
        results=results,
        following=results.following,
        word=folded(q),
        place=place_of,
        place_in=place_in,
    )


def place_of(hit: Hit) -> str:
    """Return the address at which a hit opens: a paper, an item, a handover, or an event's place on the timeline."""
    address = f"{PATH}/cases/{hit.case_id}"
    if hit.kind == "document":
        return f"{address}/events/{hit.event_id}/paper"
    if hit.item_id is not None:
        return f"{address}/items/{hit.item_id}"
    match hit.kind:
        case "case" | "case_number" | "matter":
            return address
        case "handover":
            return f"{address}/handovers/{hit.word}"
        case "person" | "name":
            return f"{address}?tab=persons#parts"
    return f"{address}?tab=timeline&before={hit.sequence + 1}#e{hit.sequence}"
