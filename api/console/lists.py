"""Lists of the agency's inbox, outbox and cases, and the start page above them."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console import clock_views
from api.console.access import LabelsOf, Reads
from api.console.clock_views import ClockView
from api.console.lead_pages import waiting
from api.console.recorded import RecordedQuery, recorded
from api.console.rendering import page
from api.dependencies import Following, Service, ServiceOf, position_after
from api.schemas.answers import HandoverLine, case_line, handover_line
from ledger.i18n import Labels
from ledger.store import cases
from ledger.store.cases import Page
from ledger.store.clocks import Box, offer_position, open_offers, parse_offer_position

ROWS = 50  # of a list on one page
FEW = 8  # of a list on the start page

router = APIRouter()


class HandoverRow(NamedTuple):
    """A handover in a list, with its case's number and the clock that ends first."""

    handover: HandoverLine
    case_number: str
    clock: ClockView | None


@router.get("/")
def start(request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf) -> Response:
    """Show what waits, what is about to expire, and on an empty ledger what to do next."""
    inbox, _ = _box(service, reading, labels, "inbox", limit=FEW)
    outbox, _ = _box(service, reading, labels, "outbox", limit=FEW)
    with service.parts.database.read() as connection:
        clocks = clock_views.urgent(connection, service, reading, labels, FEW)
        first_case = cases.list_cases(connection, reading.reader, Page(1))
        leads = waiting(connection, reading, FEW)
    is_empty = not first_case and reading.session.has_role("clerk", "supervisor")
    read_ids = (*(case_id for case_id, _, _ in clocks), *(lead.case_id for lead in leads if lead.case_id))
    reading.record("start page", *dict.fromkeys(read_ids))
    values: dict[str, Any] = {
        "inbox": inbox,
        "outbox": outbox,
        "clocks": clocks,
        "leads": leads,
        "is_empty": is_empty,
    }
    return page(request, service, "start.html", reading.session, **values)


@router.get("/inbox")
def inbox(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    after: Following = None,
    event: RecordedQuery = None,
) -> Response:
    """Show the open offers to the agency, those that expire first at the top."""
    rows, following = _box(service, reading, labels, "inbox", limit=ROWS, after=after)
    notice = recorded(service, reading, labels, event)
    return page(request, service, "inbox.html", reading.session, rows=rows, following=following, told=notice)


@router.get("/outbox")
def outbox(request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, after: Following = None) -> Response:
    """Show the agency's own offers that nobody has answered."""
    rows, following = _box(service, reading, labels, "outbox", limit=ROWS, after=after)
    return page(request, service, "outbox.html", reading.session, rows=rows, following=following)


@router.get("/cases")
def list_cases(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    all: Annotated[bool, Query()] = False,  # noqa: A002 - the address has it
    after: Following = None,
) -> Response:
    """Show the cases that the agency is responsible for, or all that it may see."""
    mine = None if all else reading.agency
    with service.parts.database.read() as connection:
        rows = cases.list_cases(
            connection, reading.reader, Page(ROWS, position_after(service, "cases", after)), responsible=mine
        )
        lines = [case_line(row) for row in rows]
        clocks = clock_views.nearest(connection, service, reading, (line.case_id for line in lines), labels)
    reading.record("list of cases", *(line.case_id for line in lines))
    following = service.cursors.seal("cases", lines[-1].case_id) if len(lines) == ROWS else None
    values: dict[str, Any] = {"lines": lines, "clocks": clocks, "all": all, "following": following}
    return page(request, service, "cases.html", reading.session, **values)


def _box(
    service: Service, reading: Reading, labels: Labels, box: Box, *, limit: int, after: str | None = None
) -> tuple[list[HandoverRow], str | None]:
    """Return the open offers of a box by what expires first, and the cursor of the next page."""
    position = position_after(service, box, after)
    last = None if position is None else parse_offer_position(position)
    now = reading.reader.now
    with service.parts.database.read() as connection:
        offer_rows = open_offers(connection, reading.agency, box, as_of=now, limit=limit, after=last)
        lines = [handover_line(row) for row in offer_rows]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        clocks = clock_views.nearest(connection, service, reading, ids, labels)
        numbers = cases.numbers_of(connection, ids)
    reading.record(box, *ids)
    rows = [HandoverRow(line, numbers[line.case_id], clocks.get(line.case_id)) for line in lines]
    following = offer_position(offer_rows[-1]) if len(offer_rows) == limit else None
    return rows, None if following is None else service.cursors.seal(box, str(following))
