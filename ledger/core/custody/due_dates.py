"""Due dates: when the clocks of a case run out, their status at a given moment, and how that was counted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.clocks import whose
from ledger.core.custody.state import CaseState
from ledger.core.custody.triggers import CASE
from ledger.core.events.terms import EventRef
from ledger.core.messages import Message
from ledger.core.procedure import clock_periods
from ledger.core.procedure.clock_periods import Clock, Extension, Pause
from ledger.core.procedure.deadlines import (
    CountedBack,
    Counting,
    CountStep,
    DayBeyondLaw,
    DayDecided,
    FormerEnd,
    HeldInCustody,
    MomentDecided,
    PeriodEnd,
    StartTakenOver,
    earliest_end,
    parse_periods,
)
from ledger.core.procedure.legal_days import DAY
from ledger.core.procedure.rulebook import ClockRule, Rulebook
from ledger.core.procedure.zones import Zone

Status = Literal["running", "suspended", "overdue", "met", "missed", "ended", "uncountable"]


class ClockAtMoment(Struct, frozen=True, kw_only=True):
    """A clock at a moment.

    ``last_day`` is the last legal day that is in time; None if hours count, if it is due promptly, or if it cannot be
    counted. For the reason ``unknown`` the end is not known: ``last_day`` is the earliest that it can be, and once it
    has passed the status is ``uncountable``. A clock whose end is no lateness has ``ended`` then, and one that was
    ``replaced`` in its time has ended without having been met. ``days_left`` counts
    from the legal day of the moment, where hours count to the day on which they end; it is negative once that day has
    passed, and None once the clock has stopped.
    ``agency`` is the agency whose time runs, ``handler`` its officer for the case. ``events`` are those that the clock
    was derived from, first the one that started it. ``beyond_law``: a paper gives more time than the rules.
    ``taken_over``: it ran before the ledger had the case, and its start is stated by the source. ``procedure`` is the
    digest of the package that the clock started under.
    """

    case_id: str
    deadline_id: str
    clock: str
    article: str
    procedure: str
    subject: str
    agency: str
    handler: str | None
    status: Status
    provisional: bool
    started_at: str
    stopped_at: str | None
    replaced: bool
    last_day: date | None
    days_left: int | None
    beyond_law: bool
    taken_over: bool
    extensions: tuple[Extension, ...]
    pauses: tuple[Pause, ...]
    events: tuple[EventRef, ...]
    unknown: str | None


class Deadline(ClockAtMoment, frozen=True, kw_only=True):
    """A clock at a moment with its end: ``due_at`` (UTC) is the first instant that is too late.

    None if it cannot be counted, or has no end. Its days are those of the ``zone``.
    """

    zone: Zone
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
    zone, ends, assignment = book.zone, _ends(state, clock, book, as_of), state.assignments.get(clock.agency)
    counted, days_left, steps = ends.counted, None, tuple[CountStep, ...]()
    if counted is not None:
        steps = (*((StartTakenOver(zone.day_of(clock.counts_from)),) if clock.taken_over else ()), *counted.steps)
        if clock.stopped_at is None:
            # What is left of a time in hours is told in days too; one that ends at midnight ends with the day before.
            last = counted.last_day or zone.day_that_ends(counted.due_at) or zone.day_of(counted.due_at)
            days_left = (last - zone.day_of(as_of)).days
    return Deadline(
        case_id=state.case_id,
        deadline_id=clock.deadline_id,
        clock=clock.name,
        article=clock.rule.article,
        procedure=clock.procedure,
        subject=clock.subject,
        agency=clock.agency,
        handler=assignment.handler if assignment else None,
        status=_status(clock, ends, as_of),
        zone=zone,
        provisional=clock.provisional,
        started_at=clock.started_at,
        stopped_at=clock.stopped_at,
        replaced=clock.replaced,
        due_at=None if counted is None else counted.due_at,
        last_day=None if counted is None else counted.last_day,
        days_left=days_left,
        beyond_law=ends.beyond_law,
        taken_over=clock.taken_over,
        extensions=clock.extensions,
        pauses=clock.pauses,
        events=clock.events,
        steps=steps,
        unknown=ends.unknown,
    )


AtEnd = Literal["late", "ended", "not_before", "promptly", "due"]


class ClockEnd(NamedTuple):
    """When a clock ends: what was ``counted``, None if nothing could be, and whether a paper gives more in vain.

    ``unknown`` says why what was counted is only the earliest end that there can be, or why there is nothing.
    """

    counted: PeriodEnd | None
    beyond_law: bool = False
    unknown: str | None = None

    def at_end(self, rule: ClockRule) -> AtEnd:
        """Return what it means for a clock of the row that this has passed; what is due promptly has no end.

        At the end of a time of retention nobody is late: what was kept is due for something.
        """
        if rule.retains:
            return "due"
        if rule.prompt:
            return "promptly"
        if self.unknown is not None:
            return "not_before"
        return "late" if rule.at_end is None else "ended"


def subjects_of_other_ends(before: CaseState, after: CaseState) -> set[str]:
    """Return the subjects whose clocks may have another end or holder after an event, though they are the same.

    The clock of the case itself depends on the custody of any of its persons.
    """
    measures = after.measures.changes(before.measures)
    return {
        *(change.key for change in after.persons.changes(before.persons)),
        *(change.key for change in after.items.changes(before.items)),
        *(measure.person_id for change in measures for measure in (change.before, change.after) if measure is not None),
        *((CASE,) if measures else ()),
    }


def end_of_clock(state: CaseState, clock: Clock, book: Rulebook) -> ClockEnd:
    """Return when a clock ends; nothing while it is paused."""
    if clock.is_paused:
        return ClockEnd(None)
    return _ends(state, clock, book, datetime.fromisoformat(clock.started_at))


def due_at(state: CaseState, clock: Clock, book: Rulebook) -> datetime | None:
    """Return the first instant (UTC) that is too late, or the earliest that this can be; None if there is none."""
    counted = end_of_clock(state, clock, book).counted
    return None if counted is None else counted.due_at


def _ends(state: CaseState, clock: Clock, book: Rulebook, as_of: datetime) -> ClockEnd:
    """Return when the clock ends; by days that the zone's table does not have, the earliest that it can be."""
    ends = _ends_by_days(state, clock, book, as_of)
    last = None if ends.counted is None else ends.counted.last_day
    unknown = None if last is None else book.zone.unknown(last)
    return ends if unknown is None else ends._replace(unknown=ends.unknown or unknown)


def _ends_by_days(state: CaseState, clock: Clock, book: Rulebook, as_of: datetime) -> ClockEnd:
    """Return the end by law, or that of a paper if it is earlier, or later by a count that is lawful too."""
    by_paper = _by_paper(clock, book.zone)
    by_law, unknown = _by_law(state, clock, book, as_of)
    if by_law is None:
        return ClockEnd(by_paper, unknown=unknown)
    if by_paper is None:
        return ClockEnd(by_law, unknown=unknown)
    # Whoever sets a time of retention sets it in the place of the rules' own.
    if clock.rule.retains:
        return ClockEnd(by_paper)
    steps = (*(by_law.steps[:-1] if unknown else by_law.steps), *by_paper.steps)
    # Days off only move the end later: a paper's earlier end holds in any calendar.
    if by_paper.due_at <= by_law.due_at:
        return ClockEnd(replace(by_paper, steps=steps))
    # Authorities do not all count alike: what one of the lawful counts gives is no time beyond the law.
    moves = clock.rule.days_off in ("later", "later_at_liberty") and not isinstance(by_law.steps[-1], HeldInCustody)
    latest = clock_periods.latest_lawful_day(clock, book, moves=moves)
    if latest is not None and by_paper.last_day is not None and by_paper.last_day <= latest:
        return ClockEnd(replace(by_paper, steps=steps))
    # A paper cannot give more than the law: the lawful end holds, and the step says so.
    beyond = (DayBeyondLaw(by_paper.last_day),) if by_paper.last_day else ()
    return ClockEnd(replace(by_law, steps=(*by_law.steps, *beyond)), beyond_law=True, unknown=unknown)


def _by_law(state: CaseState, clock: Clock, book: Rulebook, as_of: datetime) -> tuple[PeriodEnd | None, str | None]:
    """Return the end by the rules, and if days off that matter are not known, why: it is the earliest end then."""
    counting = clock_periods.counted(clock)
    if counting is None:
        return None, None
    if clock.pauses:
        counting = counting._replace(excluded=clock_periods.exclusions(clock.pauses, as_of))
    in_custody = clock.rule.days_off == "later_at_liberty" and _is_held_at_end(state, clock, counting, book.zone)
    ends: PeriodEnd | None
    ends, error = earliest_end(counting, book.zone, book.calendar, in_custody=in_custody)
    unknown = None if error is None else Message("{error}. {hint}", error=error, hint=error.hint)
    # To an earlier working day it may move as far as it likes.
    if unknown is not None and clock.rule.days_off == "earlier":
        ends = None
    if clock.rule.most is not None and ends is not None:
        manner = replace(clock.rule.manner, days_off="never")
        periods = parse_periods(clock.rule.most)
        most, _ = earliest_end(Counting(clock.counts_from, periods, manner=manner), book.zone, None, in_custody=False)
        if most.due_at < ends.due_at:
            return most, None
    return ends, unknown


def _is_held_at_end(state: CaseState, clock: Clock, counting: Counting, zone: Zone) -> bool:
    """Tell whether a measure locks the subject up when the clock ends that is counted so."""
    mark = "locks_up" if clock.subject == CASE else f"locks_up/{clock.subject}"
    locking = [each for each in state.measures.marked(mark) if each.left_for is None]
    # Measures that left with whom the case split off held him here until then; the time that left along has them still.
    for split in state.splits.values():
        left = [each for each in split.measures if each.locks_up and clock.subject in (CASE, each.person_id)]
        if not any(each.deadline_id == clock.deadline_id for each in split.clocks):
            left = [replace(each, ended_at=each.ended_at or split.occurred_at) for each in left]
        locking += left
    if not locking:
        return False
    # Custody matters on the last day, and the last day depends on custody: it is tried as if there were one.
    end = earliest_end(counting, zone, None, in_custody=True)[0].due_at
    return any(
        datetime.fromisoformat(measure.started_at) < end
        and (measure.ended_at is None or datetime.fromisoformat(measure.ended_at) >= end)
        for measure in locking
    )


def _by_paper(clock: Clock, zone: Zone) -> PeriodEnd | None:
    """Return the end that the latest paper sets, or a former end of another clock, or None."""
    until = clock_periods.decided(clock)
    if until is None:
        return None
    if "T" in until:
        moment = datetime.fromisoformat(until)
        return PeriodEnd(moment, None, (MomentDecided(moment),))
    day = date.fromisoformat(until)
    set_by: CountStep = FormerEnd(day) if clock.rule.ends_as_before and not clock.extensions else DayDecided(day)
    if clock.rule.counts_back and clock.period is not None:
        days = parse_periods(clock.period)[0].amount
        set_by = CountedBack(days, day + days * DAY, day)
    return PeriodEnd(zone.end_of(day), day, (set_by,))


def _status(clock: Clock, ends: ClockEnd, as_of: datetime) -> Status:
    if clock.is_paused and clock.stopped_at is None:
        return "suspended"
    at_end = ends.at_end(clock.rule)
    in_time: Status = "running" if clock.stopped_at is None else "ended" if clock.replaced else "met"
    if ends.counted is None:
        return "uncountable" if at_end == "not_before" else in_time
    if (datetime.fromisoformat(clock.stopped_at) if clock.stopped_at else as_of) < ends.counted.due_at:
        return in_time
    if at_end == "late":
        return "missed" if clock.stopped_at else "overdue"
    return "uncountable" if at_end == "not_before" else "ended"
