"""What is due after its time of retention, as the API and the console list it, with what stands in the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from api.auth.reading import Reading
from api.schemas.answers import DueLine, ObstacleView
from api.services.service import Service
from ledger.core.custody import CaseState
from ledger.core.custody.due_dates import deadline
from ledger.core.custody.retention import obstacles_to_end
from ledger.core.encoding.instants import spelled
from ledger.core.messages import Message
from ledger.core.procedure.clock_periods import Clock
from ledger.i18n import Labels, zone_in_use
from ledger.store import clocks, retention

SCOPE = "due"


class DueList(NamedTuple):
    """A page of what is due, and the cursor of the next one, None at the end."""

    lines: list[DueLine]
    following: str | None


def due_list(
    service: Service,
    reading: Reading,
    labels: Labels,
    *,
    agency: str | None,
    within_days: int,
    limit: int,
    after: str | None,
) -> DueList:
    """Return what is due within so many days in the cases that the reader may see, and record the read.

    It is what the ``agency`` has to do, or any. Raises MalformedInput for a cursor of another list.
    """
    zone, now = zone_in_use(), datetime.fromisoformat(reading.reader.now)
    until = spelled(zone.end_of(zone.day_of(now) + timedelta(days=within_days)) if within_days else now)
    place = service.cursors.position(SCOPE, after)
    position = None if place is None else clocks.parse_deadline_position(place)
    with service.parts.database.read() as connection:
        page = retention.list_due(connection, reading.reader, until=until, agency=agency, limit=limit, after=position)
    lines: list[DueLine] = []
    for line in page.lines:
        states = service.parts.validator.states
        state = states.shown(states.of_listed_case(line.case_id))
        clock = state.clocks.get(line.deadline_id)
        if clock is not None and clock.is_running:  # it may have ended since it was listed
            lines.append(due_line(service, state, clock, labels, now))
    reading.record(Message("list of what is due"), *dict.fromkeys(line.case_id for line in lines))
    following = None if page.following is None else service.cursors.seal(SCOPE, str(page.following))
    return DueList(lines, following)


def placed_by(reading: Reading, standing_days: int) -> str | None:
    """Return by when holds were placed that have stood for so many days of the calendar; None for any number."""
    if not standing_days:
        return None
    zone, now = zone_in_use(), datetime.fromisoformat(reading.reader.now)
    return spelled(zone.end_of(zone.day_of(now) - timedelta(days=standing_days)))


def due_line(service: Service, state: CaseState, clock: Clock, labels: Labels, now: datetime) -> DueLine:
    """Return a time of retention as a line of the list."""
    counted = deadline(state, clock, service.parts.validator.book_of(state), now)
    then = clock.rule.then or ""
    return DueLine(
        case_id=state.case_id,
        deadline_id=clock.deadline_id,
        subject=clock.subject,
        clock=clock.name,
        label=labels.of_clock(clock.name),
        article=clock.rule.article,
        then=then,
        then_label=labels.find("disposal", then) or labels.of("retention_end", then),
        agency=counted.agency,
        last_day="" if counted.last_day is None else counted.last_day.isoformat(),
        is_due=counted.status == "ended",
        obstacles=tuple(ObstacleView(*obstacle) for obstacle in obstacles_to_end(state, clock)),
    )
