"""Facts about clocks: what a clock that starts, stops, changes, rests or ends is to other clocks.

The last day of a clock that counts back from the end of another one moves with that end. The passing of time is no
event. So a clock that waits for another one's end is stored in advance, with that end as its start, and hidden until
then. Each act of the case recomputes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import clocks
from ledger.core.custody.circumstances import Circumstances, fits
from ledger.core.custody.due_dates import end_of_clock, subjects_of_other_ends
from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import CASE, Trigger
from ledger.core.encoding.instants import spelled
from ledger.core.procedure.clock_periods import Clock, Pause
from ledger.core.procedure.deadlines import last_day_of, parse_periods
from ledger.core.procedure.legal_days import days_before, holds_on
from ledger.core.procedure.rulebook import ClockRule


def with_linked(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with the clocks that rest, start and stop because others do."""
    return chained(before, act, _with_rests(before, act, after))


def _with_rests(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with the clocks that rest while another one runs.

    They pause if that clock begins with this event, and resume if it ended.
    """
    started = after.clocks
    for _, old, new in started.changes(before.clocks if before else None):
        if new is not None:
            # One that another of them makes rest is no longer as it was.
            latest = new if after.clocks is started else after.clocks[new.deadline_id]
            after = clocks.with_clocks(after, _changed_rests(old, act, latest, after))
    return after


def _changed_rests(old: Clock | None, act: Act, new: Clock, state: CaseState) -> Iterator[Clock]:
    """Yield the clocks that pause or resume because clock ``new`` began or ended."""
    if old is None and new.is_running:
        resting: list[Clock] = []
        if new.rule.rests is not None:
            running = clocks.running(state, new.subject)
            resting = [clock for clock in running if clock.name == new.rule.rests and not clock.is_paused]
            yield from (_paused(clock, new, act) for clock in resting)
        if not new.is_paused:
            holders = state.clocks.marked(f"rests/{new.subject}/{new.name}")
            yield from (_paused(new, holder, act) for holder in holders if holder not in resting)
    elif old is not None and old.is_running and not new.is_running:
        for held in state.clocks.marked(f"held/{new.subject}/{new.name}"):
            assert new.stopped_at is not None, "it has ended"
            yield clocks.changed(held, act, pauses=clocks.resumed_at(held, new.stopped_at))


def _paused(clock: Clock, holder: Clock, act: Act) -> Clock:
    row = holder.rule
    assert row.rests_for is not None, "the rules say why another clock rests"
    zone, since, at_most = act.book.zone, max(holder.started_at, clock.started_at), None
    if row.rests_at_most is not None:
        last_day = last_day_of(zone.day_of_text(since), parse_periods(row.rests_at_most), row.manner)
        at_most = spelled(zone.start_of(last_day))
    pause = Pause(since, row.rests_for, row.article, held_by=holder.name, at_most=at_most)
    return clocks.changed(clock, act, pauses=(*clock.pauses, pause))


def chained(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with the clocks that start and stop because others do, and with those that wait for an end."""
    if not after.clocks or not (act.book.linking or act.book.awaiting) or after.closed:
        return after
    first = before
    # A chain has at most as many links as there are rows: one that came back to itself would have no end.
    for _ in act.book.clocks:
        linked = after
        for trigger in _facts(before, act, after):
            linked = clocks.apply(linked, act, trigger)
        if linked is after:
            break
        before, after = after, linked
    is_marked = after.clocks.is_marked
    if not is_marked("counts_back") and not any(is_marked(f"named/{name}") for _, name, _ in act.book.awaiting):
        return after
    concerned = _subjects_concerned(first, act, after)
    for fact, name, row in act.book.awaiting:
        waiting = _with_awaiting(act, after, _Awaited(fact, name, row), concerned)
        if concerned is not None and waiting is not after:
            concerned |= _subjects_of_changes(after, waiting)
        after = waiting
    return _with_counted_back(act, after, concerned)


def _subjects_concerned(before: CaseState | None, act: Act, after: CaseState) -> set[str] | None:
    """Return the subjects whose clocks may end otherwise or answer a condition otherwise than before; None for all."""
    # Another version of the procedure may know other days off; of a closed case nothing was counted.
    if before is None or before.closed or before.judged_by != act.book.digest:
        return None
    if before.decisions is not after.decisions or _of_all(before) != _of_all(after):
        return None
    return subjects_of_other_ends(before, after) | _subjects_of_changes(before, after)


def _of_all(state: CaseState) -> tuple[str | None, ...]:
    """Return what conditions ask of every subject of the case, and who answers for it."""
    return state.responsible, state.stage, state.trial


def _subjects_of_changes(before: CaseState, after: CaseState) -> set[str]:
    """Return the subjects of the clocks that are not the same."""
    changes = after.clocks.changes(before.clocks)
    return {clock.subject for change in changes for clock in (change.before, change.after) if clock is not None}


def _facts(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Trigger]:
    """Yield what the clocks that changed are to others."""
    linking = act.book.linking
    if not linking:
        return
    for _, old, new in after.clocks.changes(before.clocks if before else None):
        if new is None or new.awaits:
            continue
        at = act.event.occurred_at
        facts: dict[str, str] = {}
        # A clock that goes on elsewhere, after a split, has begun with an earlier event.
        if old is None:
            facts |= {f"clock_started.{new.name}": new.started_at} if len(new.events) == 1 else {}
        else:
            if old.is_running and new.stopped_at is not None:
                facts[f"clock_stopped.{new.name}"] = new.stopped_at
            if old.started_at != new.started_at or len(old.extensions) < len(new.extensions):
                facts[f"period_changed.{new.name}"] = at
            if len(old.pauses) < len(new.pauses):
                facts[f"pause_began.{new.pauses[-1].ground}"] = new.pauses[-1].since
            elif old.is_paused and new.pauses and new.pauses[-1].until is not None:
                facts[f"pause_ended.{new.pauses[-1].ground}"] = new.pauses[-1].until
        former_end, changed = None, f"period_changed.{new.name}"
        if before is not None and old is not None and changed in facts and changed in linking:
            last = _last_day(before, old, act)
            former_end = None if last is None else last.isoformat()
        for name, moment in facts.items():
            if name in linking:
                yield _of_clock(name, moment, after, new)._replace(former_end=former_end)


def _of_clock(name: str, at: str, state: CaseState, clock: Clock) -> Trigger:
    """Return a fact about a clock: it names the subject of the clock."""
    fact, subject = Trigger(name, at, clocks.whose(state, clock)), clock.subject
    match clock.rule.per:
        case "item":
            return fact._replace(items=(subject,))
        case "handover":
            return fact._replace(handover_id=subject)
    return fact._replace(subjects=(subject,))


def _last_day(state: CaseState, clock: Clock, act: Act) -> date | None:
    """Return the last day of a clock, of hours the day in which the last one ends; None if it has none."""
    end = end_of_clock(state, clock, act.book).counted
    return None if end is None else end.last_day or act.book.zone.day_of(end.due_at)


class _Awaited(NamedTuple):
    """What starts clocks of the ``row``: that a clock of this ``name`` has ``expired`` or ``passed``.

    What was decided by ``since`` belongs to a former time: an appeal against the judgment that was quashed.
    """

    fact: str
    name: str
    row: ClockRule
    since: str = ""


def _with_awaiting(act: Act, state: CaseState, awaited: _Awaited, concerned: set[str] | None) -> CaseState:
    """Return the state with the clocks of the row that wait for the end of others, as these stand now.

    Only those of the subjects ``concerned`` are counted, or all.
    """
    of_case, runs = awaited.row.per == "case", state.clocks.marked(f"named/{awaited.name}")
    if not runs:
        return state
    if concerned is not None:
        of_concerned = [run for run in runs if run.subject in concerned]
        # What is of the case waits for the clocks of all subjects.
        runs = runs if of_case and of_concerned else of_concerned
    latest: dict[str, dict[str, Clock]] = defaultdict(dict)
    former: dict[str, list[Clock]] = defaultdict(list)
    for run in runs:
        # Of a subject the latest counts; a clock of the case waits for all subjects.
        if not run.provisional:
            subject = CASE if of_case else run.subject
            if run.subject in latest[subject]:
                former[subject].append(latest[subject][run.subject])
            latest[subject][run.subject] = run
    for subject, by_subject in latest.items():
        since = _last_moment(act, state, "passed", former[subject]) or ""
        state = _awaiting(act, state, awaited._replace(since=since), subject, [*by_subject.values()])
    return state


def _with_counted_back(act: Act, state: CaseState, concerned: set[str] | None) -> CaseState:
    """Return the state with the last day of each clock that counts back from the end of another, as that stands now.

    What counts back from a provisional clock that never ran goes with it.
    """
    marks = ("counts_back",) if concerned is None else tuple(f"counts_back/{subject}" for subject in concerned)
    counting = [clock for mark in marks for clock in state.clocks.marked(mark)]
    if not counting:
        return state
    kept: dict[str, Clock] = {}
    gone: list[str] = []
    for clock in counting:
        assert clock.period is not None, "a row that counts back has bases"
        runs = [run for run in state.clocks.marked(f"of/{clock.subject}") if run.name in clock.rule.counts_back_from]
        if not runs:
            gone.append(clock.deadline_id)
        elif runs[-1].is_running:
            last = _last_day(state, runs[-1], act)
            kept[clock.deadline_id] = replace(
                clock, until=None if last is None else days_before(last, clock.period).isoformat()
            )
    changed = {key: clock for key, clock in kept.items() if clock != state.clocks[key]}
    if not changed and not gone:
        return state
    return replace(state, clocks=(state.clocks | changed).without(gone))


def _awaiting(act: Act, state: CaseState, awaited: _Awaited, subject: str, runs: list[Clock]) -> CaseState:
    """Return the state with the subject's clock that starts once the last of the ``runs`` ends, or without it."""
    fact, row = awaited.fact, awaited.row
    key = f"{row.name}/{subject}/{runs[-1].deadline_id.rpartition('/')[2]}"
    existing = state.clocks.get(key)
    at = _last_moment(act, state, fact, runs)
    # What has begun stays, whatever comes later; so does what an act has ended beforehand.
    if existing is not None and (not existing.is_running or (at or existing.started_at) < state.last_occurred_at):
        return state
    if at is not None and holds_on(row, act.book.zone.day_of_text(at).isoformat()):
        trigger = Trigger(f"{fact}.{runs[-1].name}", at, clocks.whose(state, runs[-1]), (subject,))
        around = Circumstances(state, act, subject, trigger, awaited.since)
        if fits(row.starts_if, around):
            awaiting = Clock(
                deadline_id=key,
                rule=row,
                procedure=act.book.digest,
                subject=subject,
                agency=trigger.agency,
                started_at=at,
                period=clocks.period_of(row, around),
                events=runs[-1].events,
                awaits=True,
            )
            return state if awaiting == existing else replace(state, clocks=state.clocks | {key: awaiting})
    return state if existing is None else replace(state, clocks=state.clocks.without((key,)))


def _last_moment(act: Act, state: CaseState, fact: str, runs: list[Clock]) -> str | None:
    """Return the last moment of what runs longest, None if that cannot be told or all were met in time."""
    moments = []
    for clock in runs:
        end = end_of_clock(state, clock, act.book)
        if end.counted is None or end.unknown is not None:
            return None
        due_at = end.counted.due_at
        # The day that ends at midnight is the one that counts, not the next.
        at = spelled(due_at - timedelta(seconds=1) if act.book.zone.day_that_ends(due_at) else due_at)
        if fact == "passed" or clock.stopped_at is None or clock.stopped_at > at:
            moments.append(at)
    return max(moments, default=None)
