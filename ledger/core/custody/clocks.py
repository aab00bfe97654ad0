"""Rules for statutory clocks: what the events of a case start and stop, and what is decided about a clock that runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from ledger.core.clock_rules import Base, ClockRule
from ledger.core.custody.rules import rule
from ledger.core.custody.state import Act, CaseState, MeasureState, look_up, refuse
from ledger.core.custody.triggers import Trigger, in_custody, triggers
from ledger.core.deadlines.clock import Clock, Extension, Pause
from ledger.core.event import case, deadline
from ledger.core.event.terms import EventRef
from ledger.core.legal_day import legal_day
from ledger.core.rulebook import Rulebook

_SUSPECTS = ("suspect", "defendant")
_CASE = "case"


def advance(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """``after`` with its clocks: those that the event stops, then those that it starts."""
    if isinstance(act.payload.body, case.CaseClosed):
        return _with(after, [_stop(clock, act, act.payload.occurred_at) for clock in running(after)])
    for trigger in triggers(before, act, after):
        after = _settle(after, act, trigger)
        if trigger.name in act.book.stopped_by:
            after = _with(after, [*_stopped(after, act, trigger)])
        if trigger.name in act.book.started_by:
            after = _with(after, [*_started(after, act, trigger)])
    return after


def running(state: CaseState, subject: str | None = None) -> list[Clock]:
    """The clocks of the case that run, or of one subject in it."""
    return state.clocks.marked("running" if subject is None else f"running/{subject}")


def rule_of(clock: Clock, book: Rulebook) -> ClockRule:
    """The row that the clock has kept since it started. Requires that the rules still have it."""
    return book.clock_rows[clock.name, clock.rule_from]


def _with(state: CaseState, clocks: Iterable[Clock]) -> CaseState:
    changed = {clock.deadline_id: clock for clock in clocks}
    return replace(state, clocks=state.clocks | changed) if changed else state


def _settle(state: CaseState, act: Act, trigger: Trigger) -> CaseState:
    """With the answer provisional clocks end: a definite one takes over, or the time did not run at all.

    What an offer had stopped runs on where the offer came to nothing.
    """
    answered, _, _ = trigger.name.partition(".")
    if trigger.handover_id is None or answered == "offered":
        return state
    ended = state.clocks.marked(f"provisional/{trigger.handover_id}")
    if ended:
        state = replace(state, clocks=state.clocks.without(clock.deadline_id for clock in ended))
    if answered != "refused":
        return state
    stopped = state.clocks.marked(f"stopped_in/{trigger.handover_id}")
    return _with(state, [_revive(clock, act) for clock in stopped])


def _revive(clock: Clock, act: Act) -> Clock:
    return replace(clock, stopped_at=None, stopped_in=None, events=(*clock.events, _ref(act)))


def _stopped(state: CaseState, act: Act, trigger: Trigger) -> Iterator[Clock]:
    names = act.book.stopped_by[trigger.name]
    for clock in _concerned(state, trigger):
        if clock.name in names:
            yield _stop(clock, act, trigger.at, trigger.handover_id)


def _concerned(state: CaseState, trigger: Trigger) -> list[Clock]:
    """The running clocks of the subjects and of the case, or all."""
    if not trigger.subjects:
        return running(state)
    return [clock for subject in (*dict.fromkeys(trigger.subjects), _CASE) for clock in running(state, subject)]


def _stop(clock: Clock, act: Act, at: str, handover_id: str | None = None) -> Clock:
    pauses = clock.pauses
    if clock.is_paused:
        pauses = (*pauses[:-1], replace(pauses[-1], until=max(at, pauses[-1].since)))
    return replace(clock, stopped_at=at, stopped_in=handover_id, pauses=pauses, events=(*clock.events, _ref(act)))


def _started(state: CaseState, act: Act, trigger: Trigger) -> Iterator[Clock]:
    day = legal_day(datetime.fromisoformat(trigger.at)).isoformat()
    for row in act.book.started_by[trigger.name]:
        if row.holds_on(day) and (not row.stages or state.stage in row.stages) and (row.bases or trigger.until):
            for subject in _subjects(state, row, trigger):
                yield from _superseded(state, act, row, subject, trigger)
                yield _start(state, act, row, subject, trigger)


def _superseded(state: CaseState, act: Act, row: ClockRule, subject: str, trigger: Trigger) -> Iterator[Clock]:
    """A clock that starts anew takes the place of the one that ran."""
    for clock in running(state, subject):
        if clock.name == row.name:
            yield _stop(clock, act, trigger.at)


def _subjects(state: CaseState, row: ClockRule, trigger: Trigger) -> tuple[str, ...]:
    """Those that the event names; where it names no person, all suspects, and where there are none, the case."""
    if row.per == "case":
        return (_CASE,)
    if row.per != "person" or trigger.subjects:
        return trigger.subjects
    suspects = tuple(person.person_id for person in state.persons.values() if person.role in _SUSPECTS)
    return suspects or (_CASE,)


def _start(state: CaseState, act: Act, row: ClockRule, subject: str, trigger: Trigger) -> Clock:
    return Clock(
        deadline_id=f"{row.name}/{subject}/{act.payload.sequence}",
        name=row.name,
        subject=subject,
        agency=trigger.agency,
        started_at=trigger.at,
        rule_from=row.valid_from,
        period=next((base.period for base in row.bases if _fits(state, subject, base)), None),
        events=(_ref(act),),
        until=trigger.until,
        provisional=trigger.name == row.provisional,
        handover_id=trigger.handover_id,
    )


def _fits(state: CaseState, subject: str, base: Base) -> bool:
    if base.when == "in_custody":
        return in_custody(state, subject)
    return base.when is None or base.when == state.procedure


def _ref(act: Act) -> EventRef:
    return EventRef(event_id=act.payload.event_id, payload_digest=act.digest)


# -- what is decided about a clock -------------------------------------------------------------------------------------


@rule(deadline.DeadlineExtended)
def extended(state: CaseState, act: Act, body: deadline.DeadlineExtended) -> CaseState:
    clock = require_running(state, body.deadline_id)
    row = rule_of(clock, act.book).extension(body.extension)
    if row is None and body.until is None:
        refuse(
            "unknown_extension",
            f"the rules of {clock.name} have no extension {body.extension}: how long it is, is not known",
            field="body.extension",
            hint="Name one of the rules, or state `until`.",
        )
    extension = Extension(row.name if row else None, body.article, body.until, body.qualifying_ground)
    return _with(state, [_extend(clock, act, extension)])


def extended_by_measure(state: CaseState, act: Act, measure: MeasureState, body: case.MeasureExtended) -> CaseState:
    """The clock that the measure started, if it can be extended, is so by the row whose article the decision names."""
    changed = []
    for clock in running(state, measure.person_id):
        row = rule_of(clock, act.book)
        if f"measure.{measure.measure}" in row.starts and row.extensions:
            fitting = [one for one in row.extensions if one.article == body.article]
            preferred = [one for one in fitting if bool(one.grounds) == (body.qualifying_ground is not None)]
            chosen = next(iter(preferred or fitting), None)
            name = chosen.name if chosen else None
            changed.append(_extend(clock, act, Extension(name, body.article, body.until, body.qualifying_ground)))
    return _with(state, changed)


def _extend(clock: Clock, act: Act, extension: Extension) -> Clock:
    return replace(clock, extensions=(*clock.extensions, extension), events=(*clock.events, _ref(act)))


@rule(deadline.DeadlineSuspended)
def suspended(state: CaseState, act: Act, body: deadline.DeadlineSuspended) -> CaseState:
    clock = require_running(state, body.deadline_id)
    if clock.is_paused:
        refuse(
            "already_suspended",
            f"deadline {clock.deadline_id} rests since {clock.pauses[-1].since}",
            field="body.deadline_id",
        )
    _require_not_before(body.suspended_at, clock.pauses[-1].until if clock.pauses else clock.started_at, "suspended_at")
    pauses = (*clock.pauses, Pause(body.suspended_at, body.excluded_for, body.article))
    return _with(state, [replace(clock, pauses=pauses, events=(*clock.events, _ref(act)))])


@rule(deadline.DeadlineResumed)
def resumed(state: CaseState, act: Act, body: deadline.DeadlineResumed) -> CaseState:
    clock = require_running(state, body.deadline_id)
    if not clock.is_paused:
        refuse("not_suspended", f"deadline {clock.deadline_id} is running", field="body.deadline_id")
    _require_not_before(body.resumed_at, clock.pauses[-1].since, "resumed_at")
    pauses = (*clock.pauses[:-1], replace(clock.pauses[-1], until=body.resumed_at))
    return _with(state, [replace(clock, pauses=pauses, events=(*clock.events, _ref(act)))])


@rule(deadline.DeadlineReset)
def reset(state: CaseState, act: Act, body: deadline.DeadlineReset) -> CaseState:
    clock = require_running(state, body.deadline_id)
    _require_not_before(body.reset_at, clock.started_at, "reset_at")
    anew = replace(
        clock, started_at=body.reset_at, until=None, extensions=(), pauses=(), events=(*clock.events, _ref(act))
    )
    return _with(state, [anew])


def require_running(state: CaseState, deadline_id: str) -> Clock:
    """A clock that still runs; refuses unknown_deadline, deadline_ended."""
    clock = look_up(state.clocks, deadline_id, "deadline", state.case_id, field="deadline_id")
    if not clock.is_running:
        refuse("deadline_ended", f"deadline {deadline_id} ended at {clock.stopped_at}", field="body.deadline_id")
    return clock


def _require_not_before(at: str, earliest: str | None, field: str) -> None:
    if earliest is not None and at < earliest:
        refuse("before_its_start", f"expected {earliest} or later, not {at}", field=f"body.{field}")
