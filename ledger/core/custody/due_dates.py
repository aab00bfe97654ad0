"""Due dates: when the clocks of a case run out, their status at a given moment, and how that was counted."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.clocks import whose
from ledger.core.custody.state import CaseState
from ledger.core.custody.triggers import CASE
from ledger.core.errors import UnknownYear
from ledger.core.events.terms import EventRef
from ledger.core.procedure import clock_periods
from ledger.core.procedure.clock_periods import Clock, Extension, Pause
from ledger.core.procedure.deadlines import (
    CountStep,
    DayBeyondLaw,
    DayDecided,
    MomentDecided,
    PeriodEnd,
    WorkCalendar,
    count,
)
from ledger.core.procedure.legal_days import end_of, legal_day
from ledger.core.procedure.rulebook import Rulebook

Status = Literal["running", "suspended", "overdue", "met", "missed", "uncountable"]


class ClockAtMoment(Struct, frozen=True, kw_only=True):
    """A clock at a moment.

    ``last_day`` is the last legal day that is in time; None if hours count, or if the status is ``uncountable`` for the
    reason ``unknown``. ``days_left`` counts from the legal day of the moment; it is negative once the deadline is
    overdue, and None once the clock has stopped. ``agency`` is the agency whose time runs, ``handler`` its officer for
    the case. ``events`` are those that the clock was derived from, first the one that started it. ``beyond_law``: a
    paper gives more time than the rules.
    """

    case_id: str
    deadline_id: str
    clock: str
    article: str
    subject: str
    agency: str
    handler: str | None
    status: Status
    provisional: bool
    started_at: str
    stopped_at: str | None
    last_day: date | None
    days_left: int | None
    beyond_law: bool
    extensions: tuple[Extension, ...]
    pauses: tuple[Pause, ...]
    events: tuple[EventRef, ...]
    unknown: str | None


class Deadline(ClockAtMoment, frozen=True, kw_only=True):
    """A clock at a moment with its end: ``due_at`` (UTC) is the first instant that is too late, None if uncountable."""

    due_at: datetime | None
    steps: tuple[CountStep, ...]

    @property
    def counted(self) -> PeriodEnd | None:
        """Return the end with the steps that lead to it, None if it cannot be counted."""
        return None if self.due_at is None else PeriodEnd(self.due_at, self.last_day, self.steps)


def deadlines(state: CaseState, book: Rulebook, as_of: datetime) -> tuple[Deadline, ...]:
    """Return the deadlines of the case at the aware moment ``as_of``, including those that have ended.

    The record is used as it is now; but a clock that starts after ``as_of`` is left out, and one that stops after it is
    running.
    """
    started = (clock for clock in state.clocks.values() if datetime.fromisoformat(clock.started_at) <= as_of)
    return tuple(deadline(state, clock, book, as_of) for clock in started)


def deadline(state: CaseState, clock: Clock, book: Rulebook, as_of: datetime) -> Deadline:
    """Return the deadline of one clock of the case at ``as_of``. Requires that it started by then."""
    clock = replace(clock, agency=whose(state, clock))
    # Asked about a moment before its end, the clock was running.
    if clock.stopped_at is not None and datetime.fromisoformat(clock.stopped_at) > as_of:
        clock = replace(clock, stopped_at=None)
    try:
        ends, beyond_law = _ends(state, clock, book.calendar, as_of)
    except UnknownYear as error:
        return _uncounted(state, clock, "uncountable", unknown=f"{error}. {error.hint}")
    # What is left of a time in hours is told in days too.
    last = ends.last_day or legal_day(ends.due_at)
    days_left = None if clock.stopped_at else (last - legal_day(as_of)).days
    return replace(
        _uncounted(state, clock, _status(clock, ends.due_at, as_of)),
        due_at=ends.due_at,
        last_day=ends.last_day,
        days_left=days_left,
        beyond_law=beyond_law,
        steps=ends.steps,
    )


def due_at(state: CaseState, clock: Clock, book: Rulebook) -> datetime | None:
    """Return the first instant (UTC) that is too late; None while the clock is paused, or if it cannot be counted."""
    if clock.is_paused:
        return None
    try:
        ends, _ = _ends(state, clock, book.calendar, datetime.fromisoformat(clock.started_at))
    except UnknownYear:
        return None
    return ends.due_at


def _ends(state: CaseState, clock: Clock, calendar: WorkCalendar, as_of: datetime) -> tuple[PeriodEnd, bool]:
    """Return the end by law, or that of a paper if it is earlier; and whether a paper gives more than the law, in vain.

    Raises UnknownYear, unless the paper sets an end before any day off could matter.
    """
    by_paper = _by_paper(clock)
    try:
        by_law = _by_law(state, clock, calendar, as_of)
    except UnknownYear:
        earliest = clock_periods.lawful_last_day(clock)
        # Days off only move the end later: a paper's earlier end holds in any calendar.
        if by_paper is None or earliest is None or by_paper.due_at > end_of(earliest):
            raise
        return by_paper, False
    if by_law is None or by_paper is None:
        ends = by_law or by_paper
        assert ends is not None, "a clock has a base, or a paper that sets its end"
        return ends, False
    if by_paper.due_at <= by_law.due_at:
        return replace(by_paper, steps=(*by_law.steps, *by_paper.steps)), False
    # A paper cannot give more than the law: the lawful end holds, and the step says so.
    beyond = (DayBeyondLaw(by_paper.last_day),) if by_paper.last_day else ()
    return replace(by_law, steps=(*by_law.steps, *beyond)), True


def _by_law(state: CaseState, clock: Clock, calendar: WorkCalendar, as_of: datetime) -> PeriodEnd | None:
    periods = clock_periods.periods(clock)
    if not periods:
        return None
    excluded = clock_periods.exclusions(clock.pauses, as_of)
    counting = partial(
        count, clock.counts_from, periods, excluded=excluded, calendar=calendar, month_end=clock.rule.month_end
    )
    # Custody matters on the last day, and the last day depends on custody: each measure is tried in turn.
    measures = state.measures.values() if clock.subject == CASE else state.measures.marked(f"person/{clock.subject}")
    for measure in measures:
        if not measure.locks_up:
            continue
        counted = counting(in_custody=True)
        ended = measure.ended_at and datetime.fromisoformat(measure.ended_at)
        if datetime.fromisoformat(measure.started_at) < counted.due_at and (not ended or ended >= counted.due_at):
            return counted
    return counting(in_custody=False)


def _by_paper(clock: Clock) -> PeriodEnd | None:
    """Return the end that the latest paper sets, or None."""
    until = clock_periods.decided(clock)
    if until is None:
        return None
    if "T" in until:
        moment = datetime.fromisoformat(until)
        return PeriodEnd(moment, None, (MomentDecided(moment),))
    day = date.fromisoformat(until)
    return PeriodEnd(end_of(day), day, (DayDecided(day),))


def _status(clock: Clock, due_at: datetime, as_of: datetime) -> Status:
    if clock.stopped_at is not None:
        return "met" if datetime.fromisoformat(clock.stopped_at) < due_at else "missed"
    if clock.is_paused:
        return "suspended"
    return "running" if as_of < due_at else "overdue"


def _uncounted(state: CaseState, clock: Clock, status: Status, unknown: str | None = None) -> Deadline:
    """Return the deadline of a clock without its end."""
    assignment = state.assignments.get(clock.agency)
    return Deadline(
        case_id=state.case_id,
        deadline_id=clock.deadline_id,
        clock=clock.name,
        article=clock.rule.article,
        subject=clock.subject,
        agency=clock.agency,
        handler=assignment.handler if assignment else None,
        status=status,
        provisional=clock.provisional,
        started_at=clock.started_at,
        stopped_at=clock.stopped_at,
        due_at=None,
        last_day=None,
        days_left=None,
        beyond_law=False,
        extensions=clock.extensions,
        pauses=clock.pauses,
        events=clock.events,
        steps=(),
        unknown=unknown,
    )
