"""Lists: what is offered to the clerk's agency, what it has offered, its cases. And the start page above them."""

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
from api.dependencies import Following, Service, ServiceOf, place
from api.schemas.answers import HandoverLine, case_line, handover_line
from ledger.i18n import Labels
from ledger.store import cases, offers
from ledger.store.cases import Page
from ledger.store.offers import Box

ROWS = 50  # of a list on one page
FEW = 8  # of a list on the start page

router = APIRouter()


class Row(NamedTuple):
    """A handover in a list, with its case's number and the clock that ends first."""

    handover: HandoverLine
    case_number: str
    clock: ClockView | None


@router.get("/")
def start(request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf) -> Response:
    """What waits, what runs out, and on an empty ledger what to do next."""
    inbox, _ = _box(service, reading, labels, "inbox", limit=FEW)
    outbox, _ = _box(service, reading, labels, "outbox", limit=FEW)
    with service.parts.database.read() as connection:
        clocks = clock_views.urgent(connection, service, reading, labels, FEW)
        known = cases.list_cases(connection, reading.reader, Page(1))
        leads = waiting(connection, reading, FEW)
    is_empty = not known and reading.session.has_role("clerk", "supervisor")
    told_of = (*(case_id for case_id, _, _ in clocks), *(lead.case_id for lead in leads if lead.case_id))
    reading.record("start page", *dict.fromkeys(told_of))
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
    """What is offered to the agency and not answered, what runs out first at the top."""
    rows, following = _box(service, reading, labels, "inbox", limit=ROWS, after=after)
    told = recorded(service, reading, labels, event)
    return page(request, service, "inbox.html", reading.session, rows=rows, following=following, told=told)


@router.get("/outbox")
def outbox(request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, after: Following = None) -> Response:
    """What the agency has offered and nobody has answered."""
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
    """Those that the agency answers for, or all that it may see."""
    mine = None if all else reading.agency
    with service.parts.database.read() as connection:
        rows = cases.list_cases(
            connection, reading.reader, Page(ROWS, place(service, "cases", after)), responsible=mine
        )
        lines = [case_line(row) for row in rows]
        clocks = clock_views.nearest(connection, service, reading, (line.case_id for line in lines), labels)
    reading.record("list of cases", *(line.case_id for line in lines))
    following = service.cursors.seal("cases", lines[-1].case_id) if len(lines) == ROWS else None
    values: dict[str, Any] = {"lines": lines, "clocks": clocks, "all": all, "following": following}
    return page(request, service, "cases.html", reading.session, **values)


def _box(
    service: Service, reading: Reading, labels: Labels, box: Box, *, limit: int, after: str | None = None
) -> tuple[list[Row], str | None]:
    """The open offers of a box by what runs out first, and where the next page begins."""
    behind = place(service, box, after)
    last = None if behind is None else offers.parse_place(behind)
    now = reading.reader.now
    with service.parts.database.read() as connection:
        found = offers.open_offers(connection, reading.agency, box, as_of=now, limit=limit, after=last)
        lines = [handover_line(row) for row in found]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        clocks = clock_views.nearest(connection, service, reading, ids, labels)
        numbers = cases.numbers_of(connection, ids)
    reading.record(box, *ids)
    rows = [Row(line, numbers[line.case_id], clocks.get(line.case_id)) for line in lines]
    return rows, service.cursors.seal(box, str(offers.place_of(found[-1]))) if len(found) == limit else None
