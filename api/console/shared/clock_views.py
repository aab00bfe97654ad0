"""Clocks as pages show them: the time left in words and a colour, and the arithmetic behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from api.console.shared.access import Visit
from api.services.supervision_views import deadlines_at
from api.texts import Texts
from ledger.core.custody import CaseState
from ledger.core.custody.due_dates import Deadline, deadlines
from ledger.core.procedure.deadlines import PeriodEnd
from ledger.core.procedure.zones import Zone
from ledger.core.supervision import RecommendationState
from ledger.deadlines.working_days import period_in_words
from ledger.i18n import Labels, zone_in_use
from ledger.store import cases, clocks, supervision
from ledger.store.clock_lines import ClockLine
from ledger.store.clocks import DeadlineFilter
from ledger.store.database import Connection
from ledger.store.tables import NO_CASE

SOON, NEAR = 3, 7  # legal days left: the warnings of page and feed


class ClockView(Struct, frozen=True):
    """A clock at this moment. ``colour`` is a class of the style sheet that only repeats what ``left`` says."""

    label: str
    article: str
    subject: str
    agency: str
    colour: str
    left: str
    due_at: datetime | None
    arithmetic: tuple[str, ...]
    ended: bool


def of_case(visit: Visit, state: CaseState) -> list[Deadline]:
    """Return the clocks of the case: first what ends first, then paused clocks, then ended ones."""
    validator = visit.service.parts.validator

    def order(clock: Deadline) -> tuple[bool, str]:
        ended = clock.stopped_at is not None
        return ended, "9999" if clock.due_at is None or ended else clock.due_at.isoformat()

    return sorted(deadlines(state, validator.book_of(state), visit.reading.moment), key=order)


def nearest(connection: Connection, visit: Visit, case_ids: Iterable[str]) -> dict[str, ClockView]:
    """Return for each case the open clock that ends first, of any agency, if there is one."""
    lines = clocks.nearest_of(connection, case_ids, visit.reading.reader.now)
    views = {case_id: _of_line(connection, visit, line) for case_id, line in lines.items()}
    return {case_id: view for case_id, view in views.items() if view}


def urgent(connection: Connection, visit: Visit, limit: int) -> list[tuple[str, str | None, ClockView]]:
    """Return the clocks of the reader's agency that have a week left or less, with their cases' ids and numbers.

    The number is None where the agency sees the letter that its clock is of, and not the case. A recommendation has no
    case, and a number of its own.
    """
    wanted = DeadlineFilter(
        as_of=visit.reading.reader.now, agency=visit.reading.agency, within_days=NEAR, zone=zone_in_use()
    )
    lines = clocks.list_deadlines(connection, visit.reading.reader, wanted, limit=limit)
    numbers = cases.numbers_of(connection, {line.case_id for line in lines}, visit.reading.reader)
    views = ((line, _of_line(connection, visit, line)) for line in lines)
    return [(line.case_id, _number(connection, line, numbers), view) for line, view in views if view]


def _number(connection: Connection, line: ClockLine, numbers: Mapping[str, str]) -> str | None:
    if line.case_id == NO_CASE:
        return str(supervision.recommendation(connection, line.subject)["document_number"])
    return numbers.get(line.case_id)


def of_recommendation(visit: Visit, state: RecommendationState) -> list[ClockView]:
    """Return the clocks of a recommendation, in the order in which they began; none of one that was withdrawn."""
    if state.timing is None or state.is_withdrawn:
        return []
    book = visit.service.parts.validator.book_of(state.timing)
    return [view_of(each, visit.labels) for each in deadlines(state.timing, book, visit.reading.moment)]


def _arithmetic(counted: PeriodEnd | None, unknown: str | None, zone: Zone, labels: Labels) -> tuple[str, ...]:
    """Return the lines that lead to the end of a clock, or why there is none."""
    if counted is not None:
        return period_in_words(counted, labels, zone)
    return (labels.translate(unknown),) if unknown else ()


def _of_line(connection: Connection, visit: Visit, line: ClockLine) -> ClockView | None:
    at_moment = deadlines_at(visit.service.parts.validator, connection, (line,), visit.reading.moment)
    return next((view_of(clock, visit.labels) for clock in at_moment), None)


def view_of(clock: Deadline, labels: Labels) -> ClockView:
    """Return a clock as a page shows it."""
    colour, left = "rest", labels.of("deadline_status", clock.status)
    if clock.status in ("running", "overdue"):
        colour, left = _time_left(clock, Texts(labels.language))
    return ClockView(
        label=labels.of_clock(clock.clock),
        article=labels.of_article(clock.article),
        subject=clock.subject,
        agency=clock.agency,
        colour=colour,
        left=left,
        due_at=clock.due_at,
        arithmetic=_arithmetic(clock.counted, clock.unknown, clock.zone, labels),
        ended=clock.stopped_at is not None,
    )


def _time_left(clock: Deadline, texts: Texts) -> tuple[str, str]:
    """Return the colour of a clock that runs, and the days that it has left, or the hour if it ends so soon."""
    if clock.days_left is None:
        return "near", texts("due promptly")
    if clock.unknown is not None:
        return _colour_of(clock.days_left), texts("{days} d left, or more", days=clock.days_left)
    if clock.last_day is None and clock.status == "running" and clock.days_left in (0, 1):
        return _colour_of(clock.days_left), _hour_left(clock, texts)
    overdue = clock.status == "overdue"
    return "bad" if overdue else _colour_of(clock.days_left), _days_left(clock.days_left, overdue=overdue, texts=texts)


def _hour_left(clock: Deadline, texts: Texts) -> str:
    """Return until when today or tomorrow a clock of hours runs: what is left of it in days says too little."""
    assert clock.due_at is not None, "what has days left has an end"
    time = "24:00" if clock.zone.day_that_ends(clock.due_at) else f"{clock.zone.local(clock.due_at):%H:%M}"
    return texts("until {time} tomorrow", time=time) if clock.days_left else texts("until {time} today", time=time)


def _colour_of(days_left: int) -> str:
    return "soon" if days_left <= SOON else "near" if days_left <= NEAR else "good"


def _days_left(days: int, *, overdue: bool, texts: Texts) -> str:
    if overdue:
        return texts("overdue by {days} d", days=-days) if days < 0 else texts("overdue today")
    return texts("{days} d left", days=days) if days else texts("last day today")
