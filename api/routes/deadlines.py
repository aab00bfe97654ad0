"""Deadlines: what has to be done by when, how that was counted, and the warnings of what runs out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    INSTANT_PATTERN,
    Following,
    LabelsOf,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugPath,
    SlugQuery,
    answer,
    listed,
    place,
)
from api.schemas.openapi import answers, page_of
from ledger.core.custody.due_dates import Deadline, Status, deadline, deadlines
from ledger.core.events.terms import EventRef
from ledger.core.procedure.clock_periods import Extension, Pause
from ledger.deadlines.explanation import in_words
from ledger.i18n import Labels
from ledger.store import clocks, warnings
from ledger.store.clocks import ClockLine, Wanted
from ledger.store.warnings import Warned

router = APIRouter(prefix="/api/v1", tags=["deadlines"])

AsOf = Annotated[
    str | None,
    Query(pattern=INSTANT_PATTERN, description="as it stands at this time (UTC), else now"),
]
Days = Annotated[int | None, Query(ge=0, le=3660, description="days left at most; what is overdue has fewer than any")]
Standing = Annotated[Status | None, Query(description="only those that stand so; else those that have not ended")]
Mine = Annotated[bool, Query(description="those alone that you handle")]
Seen = Annotated[bool, Query(description="those of every agency, in the cases that you may see")]


class DeadlineView(Struct, frozen=True):
    """A clock at a moment. ``due_at`` is the first instant that is too late, ``last_day`` the legal day before it (null
    where hours count), ``days_left`` is negative once it is overdue and null once it ended.

    ``label`` and ``arithmetic`` are in the language that was asked for, ``unknown`` tells why an end cannot be counted.
    ``agency`` is whose time it is; ``events`` are those that the clock was derived from, the one that started it first.
    """

    case_id: str
    deadline_id: str
    clock: str
    label: str
    article: str
    subject: str
    agency: str
    handler: str | None
    status: Status
    provisional: bool
    started_at: str
    stopped_at: str | None
    due_at: str | None
    last_day: date | None
    days_left: int | None
    beyond_law: bool
    extensions: tuple[Extension, ...]
    pauses: tuple[Pause, ...]
    events: tuple[EventRef, ...]
    arithmetic: tuple[str, ...]
    unknown: str | None


@router.get(
    "/deadlines",
    summary="List deadlines, those that end first at the top",
    responses=answers(page_of("deadlines", DeadlineView), 400, 401, 503),
)
def list_deadlines(
    *,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    mine: Mine = False,
    agency: SlugQuery = None,
    seen: Seen = False,
    case_id: SlugQuery = None,
    status: Standing = None,
    within_days: Days = None,
    as_of: AsOf = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """Of your agency unless another one, a case or all that you see is asked for; those that have not ended, unless a
    status says so. What rests and what cannot be counted comes last."""
    count, moment = service.limit(limit), _moment(reading, as_of)
    own = reading.agency if mine or not (seen or case_id) else None
    wanted = Wanted(
        as_of=clocks.instant(moment),
        agency=agency or own,
        handler=reading.session.grant.officer if mine else None,
        case_id=case_id,
        status=status,
        within_days=within_days,
    )
    last = place(service, "deadlines", after)
    behind = None if last is None else clocks.parse_place(last)
    with service.parts.database.read() as connection:
        lines = clocks.listed(connection, reading.reader, wanted, limit=count, after=behind)
    found = [_view(one, labels) for one in _counted(service, lines, moment)]
    reading.record("list of deadlines", *dict.fromkeys(line.case_id for line in lines))
    if len(lines) < count:
        return answer({"deadlines": found})
    return answer({"deadlines": found, "next": service.cursors.seal("deadlines", str(clocks.place_of(lines[-1])))})


@router.get(
    "/cases/{case_id}/deadlines",
    summary="List the deadlines of a case",
    responses=answers(page_of("deadlines", DeadlineView), 400, 401, 404, 503),
)
def list_deadlines_of_case(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, as_of: AsOf = None
) -> Response:
    """All that had started, those that have ended included, in the order in which they started."""
    validator, moment = service.parts.validator, _moment(reading, as_of)
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    state = validator.states.of_listed_case(case_id)
    found = [_view(one, labels) for one in deadlines(state, validator.book, validator.calendar, moment)]
    reading.record("deadlines of the case", case_id)
    return answer({"deadlines": found})


@router.get(
    "/warnings",
    summary="List the warnings of your agency's deadlines",
    responses=answers(page_of("warnings", Warned), 400, 401, 503),
)
def list_warnings(
    *, service: ServiceOf, reading: Reads, mine: Mine = False, limit: Limit = 100, after: Following = None
) -> Response:
    """A feed in the order in which they were told: 7, 3 and 1 days before a last day, and (0) once it has passed. Keep
    `resume` of the last page that had any, and go on from there."""
    count, behind = service.limit(limit), int(place(service, "warnings", after) or 0)
    handler = reading.session.grant.officer if mine else None
    with service.parts.database.read() as connection:
        found = warnings.listed(connection, reading.reader, handler=handler, after=behind, limit=count)
    if found:
        reading.record("list of warnings", *dict.fromkeys(one.case_id for one in found))
    return listed(service, "warnings", found, count, lambda one: one.number, resumes=True)


def _moment(reading: Reading, as_of: str | None) -> datetime:
    return datetime.fromisoformat(as_of or reading.reader.now)


def _counted(service: Service, lines: Iterable[ClockLine], as_of: datetime) -> Iterable[Deadline]:
    """The deadline of each line, from the case's state; a clock that went in the meantime is left out."""
    validator = service.parts.validator
    states = {case_id: validator.states.of_case(case_id) for case_id in {line.case_id for line in lines}}
    for line in lines:
        state = states[line.case_id]
        clock = state.clocks.get(line.deadline_id) if state else None
        if state is not None and clock is not None:
            yield deadline(state, clock, validator.book, validator.calendar, as_of)


def _view(of: Deadline, labels: Labels) -> DeadlineView:
    names = set(DeadlineView.__struct_fields__) - {"label", "arithmetic", "due_at"}
    counted = of.counted
    return DeadlineView(
        **{name: getattr(of, name) for name in names},
        label=labels.of_clock(of.clock),
        due_at=None if of.due_at is None else clocks.instant(of.due_at.astimezone(UTC)),
        arithmetic=in_words(counted, labels) if counted else (),
    )
