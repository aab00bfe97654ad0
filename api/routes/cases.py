"""Cases, their items and handovers."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    Following,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugPath,
    SlugQuery,
    json_response,
    page_response,
    window_of,
)
from api.schemas.answers import (
    CaseLine,
    CaseView,
    HandoverLine,
    HandoverView,
    HeadView,
    ItemLine,
    ItemView,
    case_line,
    case_view,
    handover_line,
    handover_view,
    item_line,
    item_view,
)
from api.schemas.openapi import answers, page_of
from ledger.core.custody import Handover
from ledger.core.custody.state import HandoverStatus
from ledger.core.errors import NotFound
from ledger.core.events.terms import Stage
from ledger.store import cases, log
from ledger.store.database import Connection

router = APIRouter(prefix="/api/v1")


@router.get(
    "/cases", tags=["cases"], summary="List the cases", responses=answers(page_of("cases", CaseLine), 400, 401, 503)
)
def list_cases(
    *,
    service: ServiceOf,
    reading: Reads,
    stage: Stage | None = None,
    responsible: SlugQuery = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List the cases that you may see, in the order of their ids."""
    window = window_of(service, "cases", limit, after)
    with service.parts.database.read() as connection:
        rows = cases.list_cases(connection, reading.reader, window, stage=stage, responsible=responsible)
    lines = [case_line(row) for row in rows]
    reading.record("list of cases", *(line.case_id for line in lines))
    return page_response(service, "cases", lines, window.limit, lambda line: line.case_id)


@router.get("/cases/{case_id}", tags=["cases"], summary="Show a case", responses=answers(CaseView, 400, 401, 404, 503))
def show_case(service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Return the case in its present state: stage, items, pseudonymous persons, measures, handovers, discrepancies."""
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        row = cases.case(connection, case_id)
    view = case_view(row, service.parts.validator.states.of_listed_case(case_id), sight)
    reading.record("case", case_id)
    return json_response(view)


@router.get(
    "/cases/{case_id}/head",
    tags=["cases"],
    summary="Say what the next event of a case stands on",
    responses=answers(HeadView, 400, 401, 404, 503),
)
def head(service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Return the sequence number and the `previous` of the case's next event."""
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        stream_head = log.heads(connection, [("case", case_id)])["case", case_id]
    reading.record("head of the case", case_id)
    return json_response(HeadView(case_id, stream_head.sequence + 1, stream_head.digest))


@router.get(
    "/items", tags=["items"], summary="List the items", responses=answers(page_of("items", ItemLine), 400, 401, 503)
)
def list_items(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugQuery = None,
    holder: SlugQuery = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List the items of the cases that you may see, in the order of their ids."""
    window = window_of(service, "items", limit, after)
    with service.parts.database.read() as connection:
        rows = cases.list_items(connection, reading.reader, window, case_id=case_id, holder=holder)
    lines = [item_line(row) for row in rows]
    reading.record("list of items", *dict.fromkeys(line.case_id for line in lines))
    return page_response(
        service, "items", lines, window.limit, lambda line: cases.place_of_item(line.item_id, line.case_id)
    )


@router.get("/items/{item_id}", tags=["items"], summary="Show an item", responses=answers(ItemView, 400, 401, 404, 503))
def show_item(service: ServiceOf, reading: Reads, item_id: SlugPath) -> Response:
    """Return the item in its present state."""
    unseen = NotFound(f"no item {item_id} that you may see", field="item_id")
    with service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, item_id, reading.reader)
        if case_id is None:
            raise unseen
    item = service.parts.validator.states.of_listed_case(case_id).items.get(item_id)
    if item is None:
        raise unseen
    reading.record(f"item {item_id}", case_id)
    return json_response(item_view(case_id, item))


@router.get(
    "/handovers",
    tags=["handovers"],
    summary="List your agency's handovers",
    responses=answers(page_of("handovers", HandoverLine), 400, 401, 503),
)
def list_handovers(
    *,
    service: ServiceOf,
    reading: Reads,
    box: Literal["inbox", "outbox", "all"] = "all",
    status: HandoverStatus | None = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List what is offered to you (inbox) or by you (outbox), the latest change last."""
    window = window_of(service, "handovers", limit, after)
    with service.parts.database.read() as connection:
        rows = cases.list_handovers(connection, reading.agency, window, box=box, status=status)
    lines = [handover_line(row) for row in rows]
    reading.record("list of handovers", *dict.fromkeys(line.case_id for line in lines))
    return page_response(service, "handovers", lines, window.limit, lambda line: line.updated_index)


@router.get(
    "/cases/{case_id}/handovers/{handover_id}",
    tags=["handovers"],
    summary="Show a handover",
    responses=answers(HandoverView, 400, 401, 404, 503),
)
def show_handover(service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath) -> Response:
    """Return the handover in its present state.

    What was offered to you remains visible after you have refused it and after it has expired.
    """
    with service.parts.database.read() as connection:
        handover = require_handover(connection, service, reading, case_id, handover_id)
    reading.record(f"handover {handover_id}", case_id)
    return json_response(handover_view(case_id, handover))


def require_handover(
    connection: Connection, service: Service, reading: Reading, case_id: str, handover_id: str
) -> Handover:
    """Return the handover, for its two agencies and for those who may see its case. Raises NotFound."""
    state = service.parts.validator.states.of_case(case_id)
    handover = state.handovers.get(handover_id) if state else None
    if handover is not None and (
        reading.agency in (handover.from_agency, handover.to_agency)
        or cases.sight(connection, case_id, reading.reader) is not None
    ):
        return handover
    raise NotFound(f"no handover {handover_id} of a case {case_id} that you may see", field="handover_id")
