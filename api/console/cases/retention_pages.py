"""What is kept: the legal holds that stand, and what is due once its time of retention has passed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.console.shared.access import VisitOf, page_router
from api.dependencies import Following
from api.schemas.answers import hold_line
from api.services.retention import due_list
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.store import cases, retention
from ledger.store.cases import Page

ROWS = 50
HOLDS_SHOWN = 50
AHEAD = (0, 30, 90, 365)  # days ahead that the page offers
READERS = (*HANDLING, "auditor")

router = page_router()
WithinQuery = Annotated[int, Query(ge=0, le=36600)]
AllQuery = Annotated[bool, Query(alias="all")]


@router.get("/retention")
def what_is_kept(
    visit: VisitOf, within: WithinQuery = 0, everybody: AllQuery = False, after: Following = None
) -> Response:
    """Show what the agency has kept long enough, or whatever is due in the cases that the reader may see."""
    visit.reading.require_role(*READERS)
    reading = visit.reading
    agency = None if everybody else reading.agency
    due = due_list(visit.service, reading, visit.labels, agency=agency, within_days=within, limit=ROWS, after=after)
    with visit.service.parts.database.read() as connection:
        rows = retention.list_holds(connection, reading.reader, Page(HOLDS_SHOWN))
        holds = [hold_line(row) for row in rows]
        shown = {line.case_id for line in due.lines} | {hold.case_id for hold in holds}
        numbers = cases.numbers_of(connection, shown, reading.reader)
    reading.record(Message("list of holds"), *dict.fromkeys(hold.case_id for hold in holds))
    return visit.page(
        "cases/retention.html",
        due=due.lines,
        following=due.following,
        holds=holds,
        numbers=numbers,
        within=within,
        ahead=AHEAD,
        everybody=everybody,
        today=visit.reading.reader.now[:10],
    )
