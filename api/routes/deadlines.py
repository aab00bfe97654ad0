"""Deadlines: what must be done by when, how that was counted, and warnings before it runs out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    INSTANT_PATTERN,
    LabelsOf,
    PageOf,
    Reads,
    ServiceOf,
    SlugPath,
    SlugQuery,
    json_response,
    page_response,
    require_agencies,
)
from api.schemas.answers import view_of
from api.schemas.openapi import Paged, Routes
from api.services.supervision_views import deadlines_at
from ledger.core.custody.due_dates import ClockAtMoment, Deadline, Status, deadlines
from ledger.core.encoding.instants import spelled
from ledger.core.messages import Message
from ledger.deadlines.working_days import period_in_words
from ledger.i18n import Labels, zone_in_use
from ledger.store import clocks
from ledger.store.clocks import DeadlineFilter, Warned

router = Routes(400, 401, 503, prefix="/api/v1", tags=["deadlines"])

AsOf = Annotated[str | None, Query(pattern=INSTANT_PATTERN, description="as it stands at this time (UTC), else now")]
Days = Annotated[int | None, Query(ge=0, le=3660, description="days left at most; what is overdue has fewer than any")]
Standing = Annotated[Status | None, Query(description="only those that stand so; else those that have not ended")]
Mine = Annotated[bool, Query(description="those alone that you handle")]
Visible = Annotated[bool, Query(alias="seen", description="those of every agency, in the cases that you may see")]


class DeadlineView(ClockAtMoment, frozen=True, kw_only=True):
    """A clock at a moment. ``due_at`` is the first instant that is too late.

    ``case_id`` is empty for a clock of a recommendation, whose id is the ``subject``. ``last_day`` is the day of the
    time ``zone`` before it, null if the clock counts hours. ``days_left`` counts to that day, or to
    the one on which the hours end; it is negative once it is overdue and null once it has ended. ``label`` and
    ``arithmetic`` are in the requested language; ``unknown`` is why an end cannot be counted. ``agency`` is the one
    that must act. ``events`` are those that the clock was derived from, first the one that started it.
    """

    label: str
    zone: str
    due_at: str | None
    arithmetic: tuple[str, ...]


@router.reads("/deadlines", "List deadlines, those that end first at the top", Paged("deadlines", DeadlineView), 404)
def list_deadlines(
    *,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    page: PageOf,
    mine: Mine = False,
    agency: SlugQuery = None,
    visible: Visible = False,
    case_id: SlugQuery = None,
    status: Standing = None,
    within_days: Days = None,
    as_of: AsOf = None,
) -> Response:
    """List the deadlines of your agency, or of another agency, a case, or all that you may see.

    Those of recommendations are among them. Those that have ended are left out unless you ask for a status. Clocks
    that are paused or cannot be counted come last.
    """
    require_agencies(reading, agency=agency)
    moment, last = _moment(reading, as_of), page.position("deadlines")
    own = reading.agency if mine or not (visible or case_id) else None
    wanted = DeadlineFilter(
        as_of=spelled(moment),
        agency=agency or own,
        handler=reading.session.grant.officer if mine else None,
        case_id=case_id,
        status=status,
        within_days=within_days,
        zone=zone_in_use(),
    )
    position = None if last is None else clocks.parse_deadline_position(last)
    with service.parts.database.read() as connection:
        if case_id is not None:
            reading.require_letter(connection, case_id)  # its addressee has a time to answer, and no more of the case
        lines = clocks.list_deadlines(connection, reading.reader, wanted, limit=page.limit, after=position)
        views = [_view(each, labels) for each in deadlines_at(service.parts.validator, connection, lines, moment)]
    reading.record(Message("list of deadlines"), *dict.fromkeys(line.case_id for line in lines if line.case_id))
    following = service.cursors.following("deadlines", lines, page.limit, clocks.deadline_position)
    return page_response("deadlines", views, following)


@router.reads("/cases/{case_id}/deadlines", "List the deadlines of a case", Paged("deadlines", DeadlineView), 404)
def list_deadlines_of_case(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, as_of: AsOf = None
) -> Response:
    """List all deadlines of the case that have started, ended ones included, in the order of their start."""
    validator, moment = service.parts.validator, _moment(reading, as_of)
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    state = validator.states.shown(validator.states.of_listed_case(case_id))
    views = [_view(counted_deadline, labels) for counted_deadline in deadlines(state, validator.book_of(state), moment)]
    reading.record(Message("deadlines of the case"), case_id)
    return json_response({"deadlines": views})


@router.reads("/warnings", "List the warnings of your agency's deadlines", Paged("warnings", Warned))
def list_warnings(service: ServiceOf, reading: Reads, page: PageOf, mine: Mine = False) -> Response:
    """List warnings in the order in which they were given: 7, 3 and 1 days before a last day, and 0 once it has passed.

    Keep `resume` of the last page that had any, and continue from there.
    """
    after, handler = int(page.position("warnings") or 0), reading.session.grant.officer if mine else None
    with service.parts.database.read() as connection:
        warned = clocks.warnings_to(connection, reading.reader, handler=handler, after=after, limit=page.limit)
    if warned:
        reading.record(
            Message("list of warnings"), *dict.fromkeys(warning.case_id for warning in warned if warning.case_id)
        )
    return page.response("warnings", warned, lambda warning: warning.number, resumes=True)


def _moment(reading: Reading, as_of: str | None) -> datetime:
    return datetime.fromisoformat(as_of or reading.reader.now)


def _view(deadline_now: Deadline, labels: Labels) -> DeadlineView:
    due_at, counted = deadline_now.due_at, deadline_now.counted
    return view_of(
        DeadlineView,
        deadline_now,
        label=labels.of_clock(deadline_now.clock),
        due_at=None if due_at is None else spelled(due_at),
        zone=deadline_now.zone.name,
        arithmetic=period_in_words(counted, labels, deadline_now.zone) if counted else (),
    )
