"""What is kept: the legal holds that stand, and what is due once its time of retention has passed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.console.shared.access import VisitOf, page_router
from api.dependencies import Following
from api.schemas.answers import hold_line
from api.services.retention import due_list, placed_by
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.core.visibility import SUPERVISORS
from ledger.store import cases, retention
from ledger.store.cases import Page

ROWS = 50
HOLDS_SHOWN = 50
AHEAD = (0, 30, 90, 365)  # days ahead that the page offers
STOOD = (0, 30, 180, 365)  # days that a hold has stood for, by which the page chooses
HOLDS = "holds"  # scope of the cursors of their list
READERS = (*HANDLING, *SUPERVISORS)

router = page_router()
StandingQuery = Annotated[int, Query(ge=0, le=36600)]
WithinQuery = Annotated[int, Query(ge=0, le=36600)]
AllQuery = Annotated[bool, Query(alias="all")]


@router.get("/retention")
def what_is_kept(
    *,
    visit: VisitOf,
    within: WithinQuery = 0,
    everybody: AllQuery = False,
    standing: StandingQuery = 0,
    after: Following = None,
    holds_after: Following = None,
) -> Response:
    """Show what the agency has kept long enough, or whatever is due in the cases that the reader may see.

    And the legal holds that stand in these cases, by pages: those of at least so many days.
    """
    visit.reading.require_role(*READERS)
    reading = visit.reading
    agency = None if everybody else reading.agency
    due = due_list(visit.service, reading, visit.labels, agency=agency, within_days=within, limit=ROWS, after=after)
    with visit.service.parts.database.read() as connection:
        rows = retention.list_holds(
            connection,
            reading.reader,
            Page(HOLDS_SHOWN + 1, visit.service.cursors.position(HOLDS, holds_after)),
            placed_by=placed_by(reading, standing),
        )
        holds = [hold_line(row, reading.reader.now) for row in rows[:HOLDS_SHOWN]]
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
        standing=standing,
        stood=STOOD,
        more_holds=visit.service.cursors.seal(HOLDS, str(holds[-1].updated_index)) if len(rows) > HOLDS_SHOWN else None,
    )
