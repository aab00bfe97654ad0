"""Lists of the agency's inbox, outbox and cases, the start page above them, and the search for a case."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from api.console.cases.letter_pages import waiting_letters
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.shared.clock_views import ClockView
from api.console.shared.formats import minute
from api.console.shared.forms import FormOf
from api.console.shared.rendering import PATH
from api.console.supervision.lead_pages import waiting
from api.dependencies import Following
from api.schemas.answers import HandoverLine, case_line, handover_line
from api.services.case_reading import SearchResults, search_cases
from api.services.service import position_after
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.store import cases
from ledger.store.cases import Page
from ledger.store.clocks import Box, offer_position, open_offers, parse_offer_position
from ledger.store.search import LONGEST, SHORTEST, Hit, folded, is_searchable

ROWS = 50  # of a list on one page
FEW = 8  # of a list on the start page
READ_AS: dict[Box, Message] = {"inbox": Message("inbox"), "outbox": Message("outbox")}

router = APIRouter()


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
        first_case = cases.list_cases(connection, visit.reading.reader, Page(1))
        leads = waiting(connection, visit.reading, FEW)
    is_empty = not first_case and visit.reading.session.has_role("clerk", "supervisor")
    read_ids = (*(case_id for case_id, _, _ in clocks if case_id), *(lead.case_id for lead in leads if lead.case_id))
    visit.reading.record(Message("start page"), *dict.fromkeys(read_ids))
    return visit.page(
        "cases/start.html",
        inbox=inbox,
        outbox=outbox,
        letters=letters,
        clocks=clocks,
        leads=leads,
        is_empty=is_empty,
    )


@router.get("/inbox")
def inbox(visit: VisitOf, after: Following = None, event: RecordedQuery = None) -> Response:
    """Show the open offers to the agency, those that expire first at the top, and the letters that wait for it."""
    rows, following = _box(visit, "inbox", limit=ROWS, after=after)
    letters = waiting_letters(visit, FEW)
    return visit.page(
        "cases/inbox.html",
        rows=rows,
        picks=len(rows) > 1 and visit.reading.session.has_role(*HANDLING),
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        letters=letters,
        following=following,
        told=recorded(visit, event),
    )


@router.get("/outbox")
def outbox(visit: VisitOf, after: Following = None) -> Response:
    """Show the agency's own offers that nobody has answered."""
    rows, following = _box(visit, "outbox", limit=ROWS, after=after)
    return visit.page("cases/outbox.html", rows=rows, following=following)


@router.get("/cases")
def list_cases(visit: VisitOf, all: Annotated[bool, Query()] = False, after: Following = None) -> Response:  # noqa: A002 - the address has it
    """Show the cases that the agency is responsible for, or all that it may see."""
    mine = None if all else visit.reading.agency
    with visit.service.parts.database.read() as connection:
        window = Page(ROWS, position_after(visit.service, "cases", after))
        rows = cases.list_cases(connection, visit.reading.reader, window, responsible=mine)
        lines = [case_line(row) for row in rows]
        clocks = clock_views.nearest(connection, visit, (line.case_id for line in lines))
    visit.reading.record(Message("list of cases"), *(line.case_id for line in lines))
    following = visit.service.cursors.seal("cases", lines[-1].case_id) if len(lines) == ROWS else None
    return visit.page("cases/cases.html", lines=lines, clocks=clocks, all=all, following=following)


@router.post("/find")
def find(visit: VisitOf, form: FormOf) -> Response:
    """Redirect to the case of a typed or scanned code: its id, or that of an item."""
    code = (form.get("code") or "").lower()
    with visit.service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, code, visit.reading.reader) or code
        cases.require_sight(connection, case_id, visit.reading.reader)
    return RedirectResponse(f"{PATH}/cases/{case_id}", 303)


def _box(visit: Visit, box: Box, *, limit: int, after: str | None = None) -> tuple[list[HandoverRow], str | None]:
    """Return the open offers of a box by what expires first, and the cursor of the next page."""
    position = position_after(visit.service, box, after)
    last = None if position is None else parse_offer_position(position)
    now = visit.reading.reader.now
    with visit.service.parts.database.read() as connection:
        offer_rows = open_offers(connection, visit.reading.agency, box, as_of=now, limit=limit, after=last)
        lines = [handover_line(row) for row in offer_rows]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        clocks = clock_views.nearest(connection, visit, ids)
        numbers = cases.numbers_of(connection, ids)
    visit.reading.record(READ_AS[box], *ids)
    rows = [HandoverRow(line, numbers[line.case_id], clocks.get(line.case_id)) for line in lines]
    following = offer_position(offer_rows[-1]) if len(offer_rows) == limit else None
    return rows, None if following is None else visit.service.cursors.seal(box, str(following))


Asked = Annotated[str, Query(max_length=LONGEST)]


@router.get("/search")
def search_page(visit: VisitOf, q: Asked = "", after: Following = None) -> Response:
    """Show the form, and below it the results."""
    is_short = not is_searchable(folded(q))
    results = SearchResults(()) if is_short else search_cases(visit.service, visit.reading, q, ROWS, after)
    return visit.page(
        "cases/search.html",
        q=q,
        is_short=is_short,
        shortest=SHORTEST,
        found=results,
        following=results.following,
        word=folded(q),
        place=place_of,
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
