"""Retention: legal holds, and what is due once its time of keeping has passed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.dependencies import (
    DATE_PATTERN,
    LabelsOf,
    PageOf,
    Reads,
    ServiceOf,
    SlugQuery,
    page_response,
    require_agencies,
)
from api.schemas import answers as views
from api.schemas.openapi import Paged, Routes
from api.services.retention import due_list, placed_by
from ledger.core.messages import Message
from ledger.store import retention

router = Routes(400, 401, 503, prefix="/api/v1", tags=["retention"])
Released = Annotated[bool, Query(description="those that were released too")]
Within = Annotated[int, Query(ge=0, le=36600, description="due within so many days, else by now")]
Visible = Annotated[bool, Query(alias="seen", description="of every agency, in the cases that you may see")]
StandingDays = Annotated[int, Query(ge=0, le=36600, description="only those that were placed so many days ago")]
ReviewBy = Annotated[
    str | None, Query(pattern=DATE_PATTERN, description="only those that are to be looked at again by this day")
]


@router.reads("/holds", "List legal holds", Paged("holds", views.HoldLine), 404)
def list_holds(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    case_id: SlugQuery = None,
    agency: SlugQuery = None,
    review_by: ReviewBy = None,
    standing_days: StandingDays = 0,
    released: Released = False,
) -> Response:
    """List the holds that stand in cases that you may see, of a case or of the agency that placed them.

    Who supervises sees those of all cases in the jurisdiction: who placed each, why, and for how many days it stands.
    """
    require_agencies(reading, agency=agency)
    window = page.window("holds")
    with service.parts.database.read() as connection:
        rows = retention.list_holds(
            connection,
            reading.reader,
            window,
            case_id=case_id,
            agency=agency,
            review_by=review_by,
            placed_by=placed_by(reading, standing_days),
            released=released,
        )
    lines = [views.hold_line(row, reading.reader.now) for row in rows]
    reading.record(Message("list of holds"), *dict.fromkeys(line.case_id for line in lines))
    return page.response("holds", lines, lambda line: line.updated_index)


@router.reads("/retention/due", "List what is due after its time of retention", Paged("due", views.DueLine), 404)
def list_due(
    *,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    page: PageOf,
    agency: SlugQuery = None,
    visible: Visible = False,
    within_days: Within = 0,
) -> Response:
    """List what your agency, or another one, has kept long enough, what was due first at the top.

    Each line says what it is due for, and what stands in the way: legal holds, open handovers, and deadlines that the
    procedure names. A page may have fewer lines than its `limit`, and a `next`.
    """
    require_agencies(reading, agency=agency)
    own = None if visible else reading.agency
    wanted = agency or own
    listed = due_list(
        service, reading, labels, agency=wanted, within_days=within_days, limit=page.limit, after=page.after
    )
    return page_response("due", listed.lines, listed.following)
