"""The statutory clocks of a case: which of them its events start and stop, and the rules for decisions about one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NoReturn

from msgspec.structs import replace

from ledger.core.custody.circumstances import Circumstances, fits
from ledger.core.custody.claimed_times import refuse_before
from ledger.core.custody.references import look_up, require_distinct
from ledger.core.custody.state import CLOSED, Act, CaseState, MeasureState, rule
from ledger.core.custody.triggers import CASE, OUTSIDE, Trigger, triggers
from ledger.core.encoding.instants import spelled
from ledger.core.errors import refuse
from ledger.core.events import Body, case, handover, item
from ledger.core.messages import Message
from ledger.core.procedure import clock_periods
from ledger.core.procedure.clock_periods import Clock, Extension, Pause
from ledger.core.procedure.legal_days import days_before, holds_on
from ledger.core.procedure.rulebook import ClockRule, Rulebook
from ledger.core.procedure.zones import Zone

_ANSWERS = ("delivered", "received", "accepted", "refused")


def advance(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with its clocks: those that the event stops are stopped first, then those that it starts."""
    body = act.event.body
    if isinstance(body, case.CaseStageEntered) and body.stage == CLOSED:
        return with_clocks(after, [stopped(after, clock, act) for clock in _over(after, body)])
    if isinstance(body, case.CaseClosed):
        after = with_clocks(after, [stopped(after, clock, act) for clock in _over(after, body)])
    if isinstance(body, item.ItemSplit):
        return with_clocks(after, _handed_on(after, act, (body.item_id,), body.parts))
    if isinstance(body, item.ItemMerged):
        return with_clocks(after, _handed_on(after, act, body.item_ids, (body.whole,)))
    for trigger in triggers(before, act, after):
        after = apply(after, act, trigger)
    if isinstance(body, case.CaseStageEntered) and before is not None:
        after = with_clocks(after, [*_refitted(before, act, after)])
    return after


def apply(state: CaseState, act: Act, trigger: Trigger) -> CaseState:
    """Return the state with the clocks that the fact settles, stops and starts."""
    # In this order: a fact may end a clock and begin its successor of the same name.
    if trigger.handover_id is not None or trigger.letter_id is not None:
        state = _settle(state, act, trigger)
    if trigger.name in act.book.stopped_by:
        state = with_clocks(state, _stopped(state, act, trigger))
    if trigger.name in act.book.started_by:
        state = with_clocks(state, _started(state, act, trigger))
    return state


def _over(state: CaseState, body: case.CaseClosed | case.CaseStageEntered) -> Iterator[Clock]:
    """Yield the running clocks of what is over: of the persons named, or of the case and all for whom it is over."""
    for clock in running(state):
        # What is kept is kept when the case is over, too.
        if clock.rule.retains:
            continue
        person = state.persons.get(clock.subject)
        if isinstance(body, case.CaseStageEntered):
            if clock.subject in body.person_ids:
                yield clock
        elif person is None or person.stage == CLOSED:
            yield clock


def running(state: CaseState, subject: str | None = None) -> list[Clock]:
    """Return the running clocks of the case, or those of one subject."""
    return state.clocks.marked("running" if subject is None else f"running/{subject}")


def whose(state: CaseState, clock: Clock) -> str:
    """Return the agency whose time runs; of a clock that has ended, the one whose time it was at the end."""
    if clock.rule.whose == "agency" or not clock.is_running:
        return clock.agency
    holder = state.persons.get(clock.subject) or state.items.get(clock.subject)
    return holder.responsible if holder else state.responsible


def stopped(state: CaseState, clock: Clock, act: Act, at: str | None = None, handover_id: str | None = None) -> Clock:
    """Return a clock that ends with the act, or at the time ``at``; ``handover_id`` is of the offer that halts it."""
    at = at or act.event.occurred_at
    # The agency is fixed now: afterwards the case may pass on, and this time was not the next agency's.
    pauses = resumed_at(clock, at) if clock.is_paused else clock.pauses
    return changed(clock, act, agency=whose(state, clock), stopped_at=at, stopped_in=handover_id, pauses=pauses)


def changed(clock: Clock, act: Act, **changes: Any) -> Clock:
    """Return the clock with these changes, and with the event among those that it is derived from."""
    ref = act.event.ref
    return replace(clock, events=clock.events if ref in clock.events else (*clock.events, ref), **changes)


def resumed_at(clock: Clock, at: str) -> tuple[Pause, ...]:
    """Return the pauses of a paused clock, the last of which ends; it cannot end before it began."""
    return (*clock.pauses[:-1], replace(clock.pauses[-1], until=max(at, clock.pauses[-1].since)))


def with_clocks(state: CaseState, clocks: Iterable[Clock]) -> CaseState:
    """Return the state with these clocks, each in the place of an earlier version."""
    changed = {clock.deadline_id: clock for clock in clocks}
    return replace(state, clocks=state.clocks | changed) if changed else state


def _settle(state: CaseState, act: Act, trigger: Trigger) -> CaseState:
    """Settle the clocks that depend on a handover, once it is answered, or on a letter, once it is received.

    Its provisional clocks are removed: the receiver's definite clock replaces them, or, after a refusal, they are
    dropped as if they had never run. A clock that the offer stopped runs on after a refusal, and for persons and items
    that did not come.
    """
    answer, _, _ = trigger.name.partition(".")
    if answer == "letter_received":
        ended = state.clocks.marked(f"provisional/{_letter_of(trigger)}")
        return replace(state, clocks=state.clocks.without(clock.deadline_id for clock in ended)) if ended else state
    if trigger.handover_id is None or answer not in _ANSWERS:
        return state
    ended = state.clocks.marked(f"provisional/{trigger.handover_id}")
    if ended:
        state = replace(state, clocks=state.clocks.without(clock.deadline_id for clock in ended))
    if answer not in ("accepted", "refused"):
        return state
    halted = state.clocks.marked(f"halted_in/{trigger.handover_id}")
    return with_clocks(state, [_settled(clock, act, _stays(clock.subject, act.event.body)) for clock in halted])


def _stays(subject: str, answer: Body) -> bool:
    """Tell whether the subject of a clock stays with the sender by the answer to an offer."""
    if not isinstance(answer, handover.HandoverAccepted):
        return True
    return subject in answer.absent_person_ids or subject in [line.item_id for line in answer.not_accepted]


def _settled(clock: Clock, act: Act, runs_on: bool) -> Clock:
    """Return a halted clock as running on, or as stopped for good."""
    if not runs_on:
        return replace(clock, stopped_in=None)
    return changed(clock, act, stopped_at=None, stopped_in=None)


def _stopped(state: CaseState, act: Act, trigger: Trigger) -> Iterator[Clock]:
    """Yield the clocks that the trigger stops.

    An offer halts a clock until its answer; any other trigger stops it for good, even if an offer had halted it. A
    trigger that lies on a day before the clock started does not stop it, however late it is recorded.
    """
    offered_in = trigger.handover_id if trigger.name.startswith("offered.") else None
    zone = act.book.zone
    day = zone.day_of_text(trigger.at)
    for clock in _concerned(state, act, trigger, "running"):
        # Within a day the order of papers is not known, so the day of the start is enough.
        if clock.awaits or zone.day_of_text(clock.started_at) <= day:
            yield stopped(state, clock, act, trigger.at, offered_in)
    # An offer does not settle what another offer has halted: only its answer, or an act, does.
    for clock in _concerned(state, act, trigger, "halted") if offered_in is None else ():
        if zone.day_of_text(clock.started_at) <= day:
            yield _settled(clock, act, runs_on=False)


def _concerned(state: CaseState, act: Act, trigger: Trigger, mark: str) -> list[Clock]:
    """Return the clocks with this mark that the trigger stops: those of its subjects, and of the case.

    Of persons whom it does not name it concerns those along with it; of other subjects that it does not name, all, if
    it is of the case.
    """
    if not state.clocks.is_marked(mark):
        return []
    names = act.book.stopped_by[trigger.name]
    if trigger.of_case:
        marked = state.clocks.marked(mark)
        return [clock for clock in marked if clock.name in names and _is_concerned(clock, act, trigger)]
    subjects = [*trigger.items, *_handovers_of(trigger)]
    if not trigger.things_only:
        # The signer is a subject too: of a time that each recipient has for itself.
        own = trigger.sender or act.agency
        letters = [clock.subject for clock in state.clocks.marked(f"{mark}/letters")]
        subjects += [*(trigger.subjects or trigger.along), CASE, own, *letters]
    clocks = [clock for subject in dict.fromkeys(subjects) for clock in state.clocks.marked(f"{mark}/{subject}")]
    return [clock for clock in clocks if clock.name in names and _is_concerned(clock, act, trigger)]


def _is_concerned(clock: Clock, act: Act, trigger: Trigger) -> bool:
    # Until when something is kept was set by an act with its authority: that a case goes on does not undo it.
    if trigger.name == "case_reopened" and clock.rule.retains and clock.until is not None:
        return False
    # What answers a letter ends the time of that letter alone, and what one party does that of no other.
    match clock.rule.per:
        case "letter":
            return trigger.answers in (None, clock.subject)
        case "recipient":
            return clock.subject in (trigger.sender or act.agency, *trigger.subjects)
        case "item":
            return clock.subject in (CASE, *trigger.items) or (trigger.of_case and not trigger.items)
        case "handover":
            return trigger.of_case or clock.subject in _handovers_of(trigger)
    return clock.subject in (CASE, *(trigger.subjects or trigger.along))


def _handovers_of(trigger: Trigger) -> tuple[str, ...]:
    """Return the handover in which it happened, and the one that this returns or follows."""
    earlier = () if trigger.earlier is None else (trigger.earlier.handover_id,)
    return earlier if trigger.handover_id is None else (trigger.handover_id, *earlier)


def _started(state: CaseState, act: Act, trigger: Trigger) -> Iterator[Clock]:
    """Yield the clocks that the trigger starts, each after those of its name that it replaces."""
    # Of what was before a case was taken over, its source states what still runs.
    if state.taken_over_as_of is not None and trigger.at < state.taken_over_as_of:
        return
    day = act.book.zone.day_of_text(trigger.at).isoformat()
    for row in act.book.started_by[trigger.name]:
        if not (holds_on(row, day) and _has_end(row, trigger)):
            continue
        for subject in _subjects(state, row, trigger):
            around = Circumstances(state, act, subject, trigger)
            if not fits(row.starts_if, around):
                continue
            same = [clock for clock in running(state, subject) if clock.name == row.name]
            if same and _goes_on(same, row, trigger, day):
                continue
            # The new clock replaces those of its name, which are stopped for good.
            yield from (replace(stopped(state, clock, act, trigger.at), replaced=True) for clock in same)
            for clock in state.clocks.marked(f"halted/{subject}"):
                if clock.name == row.name:
                    yield _settled(clock, act, runs_on=False)
            yield _new_clock(row, around, trigger, same)


def _has_end(row: ClockRule, trigger: Trigger) -> bool:
    """Tell whether the row or the trigger's paper sets how long the clock runs; else none starts."""
    if row.counts_back:
        return bool(row.counts_back_from or trigger.effective_at)
    if row.bases or row.prompt:
        return True
    return row.by_paper and bool(_set_day(row, trigger) or trigger.within)


def _set_day(row: ClockRule, trigger: Trigger) -> str | None:
    """Return the last day that the trigger sets for a clock of the row."""
    return trigger.former_end if row.ends_as_before else trigger.until


def _goes_on(same: Iterable[Clock], row: ClockRule, trigger: Trigger, day: str) -> bool:
    """Tell whether the running clocks of the row go on, and the trigger starts none on this day."""
    # A choice starts only clocks that do not run yet; a turn to a slower kind starts them anew.
    if trigger.name.startswith("trial."):
        return True
    # Nor does a fact that sets no day take the place of an act that has set until when something is kept.
    return row.retains and trigger.until is None and any(clock.until and day <= clock.until for clock in same)


def _new_clock(row: ClockRule, around: Circumstances, trigger: Trigger, replaced: Iterable[Clock]) -> Clock:
    """Return the clock of the row that the trigger starts for the subject, in place of those that it replaces."""
    act, subject, zone = around.act, around.subject, around.act.book.zone
    until, within = (_set_day(row, trigger), trigger.within) if row.by_paper else (None, None)
    period = period_of(row, around)
    if row.counts_back and period and trigger.effective_at:
        # Nothing changes it later: the day is that of the paper, less the time.
        until = days_before(zone.day_of_text(trigger.effective_at), period).isoformat()
    clock = Clock(
        deadline_id=_id(row.name, subject, act),
        rule=row,
        procedure=act.book.digest,
        subject=subject,
        agency=trigger.agency,
        started_at=trigger.at,
        period=period,
        events=(act.event.ref,),
        counted_from=_renewed_from(replaced, trigger, zone) if trigger.name in row.renewals else None,
        until=until,
        provisional=trigger.name in row.provisional,
        handover_id=trigger.handover_id,
        letter_id=_letter_of(trigger),
    )
    return clock if within is None else _within(clock, within, zone)


def _within(clock: Clock, paper_period: str, zone: Zone) -> Clock:
    """Return the clock with the time that the paper gives; what is more than the law gives is only its last day."""
    by_law = clock_periods.lawful_last_day(clock, zone)
    by_paper = clock_periods.lawful_last_day(replace(clock, period=paper_period), zone)
    assert by_paper is not None, "papers give days"
    if clock.period is None or (by_law is not None and by_paper <= by_law):
        return replace(clock, period=paper_period)
    return replace(clock, until=by_paper.isoformat())


def stated(state: CaseState, act: Act, body: case.CaseTakenOver) -> CaseState:
    """Return the case with the clocks that ran when it was taken over.

    Refuses (unknown_clock) one that the rules of its first day do not have, or do not count for a person or the case;
    (unknown_extension) an extension that they do not give.
    """
    accused = [person.person_id for person in state.persons.values() if person.accused] or [CASE]
    for number, line in enumerate(body.deadlines):
        field = f"deadlines[{number}]"
        rule = _stated_rule(act.book, line, f"body.{field}")
        if line.person_id is not None:
            state.person(line.person_id, field=f"{field}.person_id")
        subjects = accused
        if rule.per != "person":
            subjects = [CASE]
        elif line.person_id is not None:
            subjects = [line.person_id]
        ticking = []
        for subject in subjects:
            period = period_of(rule, Circumstances(state, act, subject))
            if period is None and line.until is None and not rule.prompt:
                refuse("no_end", "only a paper sets the end of {line.clock}", line=line, field=f"body.{field}.until")
            clock = Clock(
                deadline_id=_id(rule.name, subject, act),
                rule=rule,
                procedure=act.book.digest,
                subject=subject,
                agency=line.agency or act.agency,
                started_at=line.started_at,
                period=period,
                events=(act.event.ref,),
                until=line.until,
                taken_over=True,
            )
            ticking.append(replace(clock, extensions=_stated_extensions(clock, line, f"body.{field}.extensions")))
        require_distinct([*state.clocks, *(clock.deadline_id for clock in ticking)], "deadline", field=field)
        state = with_clocks(state, ticking)
    return state


def _stated_rule(book: Rulebook, line: case.DeadlineTakenOver, field: str) -> ClockRule:
    """Return the row of the clock on its first day."""
    day = book.zone.day_of_text(line.started_at).isoformat()
    # The things are registered later: a time of theirs is one of the case, if it does not depend on what they are.
    countable = [
        row
        for row in book.clocks
        if row.per in ("case", "person") or (row.per == "item" and not any(b.asks("item_kind") for b in row.bases))
    ]
    rows = [row for row in countable if row.name == line.clock and holds_on(row, day)]
    if not rows:
        refuse(
            "unknown_clock",
            "the rules of {day} have no clock {line.clock} of a person or case",
            day=day,
            line=line,
            field=f"{field}.clock",
            hint=Message("They have: {words}", words=", ".join(dict.fromkeys(row.name for row in countable))),
        )
    return rows[0]


def _stated_extensions(clock: Clock, line: case.DeadlineTakenOver, field: str) -> tuple[Extension, ...]:
    extensions = []
    for name in line.extensions:
        row = clock.rule.extension(name, clock.period)
        if row is None or (row.is_open and line.until is None):
            _refuse_extension(clock, name, field)
        # The last day that the source states is that of the clock with all its extensions.
        extensions.append(Extension(name, row.article, line.started_at, line.until))
    return tuple(extensions)


def _refuse_extension(clock: Clock, name: str, field: str) -> NoReturn:
    """Refuse (unknown_extension) an extension of which neither the rules nor a paper says how long it is."""
    refuse(
        "unknown_extension",
        "the rules of {clock.name} do not say how long the extension {extension} is",
        clock=clock,
        extension=name,
        field=field,
        hint="Name one of the rules, or state `until`.",
    )


def _subjects(state: CaseState, row: ClockRule, trigger: Trigger) -> list[str]:
    """Return the subjects that the event names.

    If it names no person, return all who are accused and where the case is, or else the case; of what is of the case
    and names no item, the case.
    """
    match row.per:
        case "item":
            return [*trigger.items] or ([CASE] if trigger.of_case else [])
        case "handover":
            return [] if trigger.handover_id is None else [trigger.handover_id]
        case _ if trigger.things_only:
            return []
        case "case":
            return [CASE]
        case "letter":
            return [] if trigger.letter_id is None else [trigger.letter_id]
        case "recipient" if trigger.receiver is not None:
            # Of somebody outside, who has no id, the letter has a time of its own.
            return [(trigger.letter_id or CASE) if trigger.receiver.startswith(OUTSIDE) else trigger.receiver]
    accused = [person_id for person_id in trigger.along if state.persons[person_id].accused]
    return [*trigger.subjects] or accused or [CASE]


def _letter_of(trigger: Trigger) -> str | None:
    """Return the mark by which the clocks of a letter are found; ids of letters and handovers may be the same."""
    return None if trigger.letter_id is None else f"letter/{trigger.letter_id}"


def _renewed_from(replaced: Iterable[Clock], trigger: Trigger, zone: Zone) -> str | None:
    """Return the last day, by law or by a paper, from which a timely renewal counts, as its first instant.

    None if it has passed.
    """
    days: list[date] = []
    for clock in replaced:
        by_law, by_paper = clock_periods.lawful_last_day(clock, zone), clock_periods.decided(clock)
        days += [day for day in (by_law, by_paper and date.fromisoformat(by_paper[:10])) if day]
    return spelled(zone.start_of(min(days))) if days and min(days) > zone.day_of_text(trigger.at) else None


def period_of(row: ClockRule, around: Circumstances) -> str | None:
    """Return the time that the first fitting base gives."""
    # The first base that fits is taken: the rules list the special ones before the general one.
    for base in row.bases:
        if fits(base.condition, around):
            return base.period
    return None


def _refitted(before: CaseState, act: Act, state: CaseState) -> Iterator[Clock]:
    """Yield the running clocks whose time differs in the kind of trial that was chosen now, with that time."""
    for clock in running(state):
        if before.standing(clock.subject).trial == state.standing(clock.subject).trial:
            continue
        if any(base.asks("trial") for base in clock.rule.bases):
            period = period_of(clock.rule, Circumstances(state, act, clock.subject))
            # An unchanged clock stays the same object, so that it counts as untouched.
            if period != clock.period:
                yield changed(clock, act, period=period)


def _handed_on(state: CaseState, act: Act, gone: tuple[str, ...], new: tuple[item.ItemPart, ...]) -> Iterator[Clock]:
    """Yield the clocks of items that are split or merged, stopped, and continued for the new items.

    If several merged items have a clock of one name, the one that began first is continued.
    """
    ticking = [clock for item_id in gone for clock in running(state, item_id)]
    # The clocks of the parts begin when those of the whole did: splitting gives nobody more time.
    for clock in ticking:
        yield stopped(state, clock, act)
    # Sorted with the earliest last, so that it overwrites the later ones of its name.
    first = {clock.name: clock for clock in sorted(ticking, key=lambda clock: clock.counts_from, reverse=True)}
    for part in new:
        for clock in first.values():
            own = _id(clock.name, part.item_id, act)
            yield changed(clock, act, deadline_id=own, subject=part.item_id)


def transferred(clocks: Iterable[Clock], act: Act) -> Iterator[Clock]:
    """Yield clocks that come from another case, under ids of this one: they name the event that brings them."""
    for clock in clocks:
        yield changed(clock, act, deadline_id=_id(clock.name, clock.subject, act))


def _id(name: str, subject: str, act: Act) -> str:
    return f"{name}/{subject}/{act.event.sequence}"


# -- decisions about a running clock -----------------------------------------------------------------------------------


@rule(case.DeadlineExtended)
def extended(state: CaseState, act: Act, body: case.DeadlineExtended) -> CaseState:
    """Extend a running clock. Refuses (unknown_extension) one whose length neither the rules nor the event gives."""
    clock = require_running(state, body.deadline_id)
    row = clock.rule.extension(body.extension, clock.period)
    if row is not None and not fits(row.condition, Circumstances(state, act, clock.subject)):
        row = None
    # Neither the law nor the paper says how long: the end could not be counted.
    if (row is None or row.is_open) and body.until is None:
        _refuse_extension(clock, body.extension, "body.extension")
    name, at = row.name if row else None, act.event.occurred_at
    extension = Extension(name, body.article, at, body.until, body.qualifying_ground)
    return with_clocks(state, [_extend(clock, act, extension)])


def extended_by_measure(state: CaseState, act: Act, measure: MeasureState, body: case.MeasureExtended) -> CaseState:
    """Extend the clock that the measure started, by the row whose article the decision names."""
    changed = []
    starts = {f"measure.{measure.measure}", *act.book.measures[measure.measure].after.values()}
    around = Circumstances(state, act, measure.person_id)
    for clock in running(state, measure.person_id):
        row = clock.rule
        if row.by_paper and starts.intersection(row.starts) and row.extensions:
            fitting = [
                rule
                for rule in row.extensions
                if rule.article == body.article and rule.of in (None, clock.period) and fits(rule.condition, around)
            ]
            preferred = [rule for rule in fitting if bool(rule.grounds) == (body.qualifying_ground is not None)]
            chosen = next(iter(preferred or fitting), None)
            name, at = chosen.name if chosen else None, act.event.occurred_at
            changed.append(_extend(clock, act, Extension(name, body.article, at, body.until, body.qualifying_ground)))
    return with_clocks(state, changed)


def _extend(clock: Clock, act: Act, extension: Extension) -> Clock:
    return changed(clock, act, extensions=(*clock.extensions, extension))


@rule(case.DeadlineSuspended)
def suspended(state: CaseState, act: Act, body: case.DeadlineSuspended) -> CaseState:
    """Pause a running clock. Refuses already_suspended, and a pause that overlaps the one before."""
    clock = require_running(state, body.deadline_id)
    if clock.is_paused:
        refuse("already_suspended", "deadline {clock.deadline_id} rests already", clock=clock, field="body.deadline_id")
    require_not_before(body.suspended_at, clock.pauses[-1].until if clock.pauses else clock.started_at, "suspended_at")
    pauses = (*clock.pauses, Pause(body.suspended_at, body.excluded_for, body.article))
    return with_clocks(state, [changed(clock, act, pauses=pauses)])


@rule(case.DeadlineResumed)
def resumed(state: CaseState, act: Act, body: case.DeadlineResumed) -> CaseState:
    """End the pause of a clock. Refuses not_suspended, and an end before the pause began."""
    clock = require_running(state, body.deadline_id)
    if not clock.is_paused:
        refuse("not_suspended", "deadline {clock.deadline_id} is running", clock=clock, field="body.deadline_id")
    require_not_before(body.resumed_at, clock.pauses[-1].since, "resumed_at")
    return with_clocks(state, [changed(clock, act, pauses=resumed_at(clock, body.resumed_at))])


@rule(case.DeadlineReset)
def reset(state: CaseState, act: Act, body: case.DeadlineReset) -> CaseState:
    """Start a clock anew, without its extensions and pauses."""
    clock = require_running(state, body.deadline_id)
    require_not_before(body.reset_at, clock.started_at, "reset_at")
    anew = changed(
        clock,
        act,
        started_at=body.reset_at,
        counted_from=None,
        until=None,
        extensions=(),
        pauses=(),
        resets=clock.resets + 1,
    )
    return with_clocks(state, [anew])


def require_running(state: CaseState, deadline_id: str) -> Clock:
    """Return a clock that still runs; refuse unknown_deadline, deadline_ended."""
    clock = look_up(state.clocks, deadline_id, "deadline", hint=state.left_for)
    if not clock.is_running:
        refuse("deadline_ended", "the deadline ended at {clock.stopped_at}", clock=clock, field="body.deadline_id")
    return clock


def require_not_before(at: str, earliest: str | None, field: str) -> None:
    """Refuse (before_its_start) a time before ``earliest``."""
    if earliest is not None and at < earliest:
        refuse_before(f"body.{field}", at, earliest)
