"""Facts about clocks: what a clock that starts, stops, changes, rests or ends is to other clocks.

The last day of a clock that counts back from the end of another one moves with that end.
That a time has passed is no event. So a clock that waits for the end of another one is put down beforehand, from the
day on which that one ends: whoever looks before that day does not see it. Until then each act of the case counts it
anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import clocks
from ledger.core.custody.circumstances import Circumstances, fits
from ledger.core.custody.due_dates import end_of_clock, subjects_of_other_ends
from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import CASE, Trigger
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.legal_days import days_before, holds_on, spelled
from ledger.core.procedure.rulebook import ClockRule


def chained(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """Return ``after`` with the clocks that start and stop because others do, and with those that wait for an end."""
    if not after.clocks or not act.book.chains or after.closed:
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
    return _with_counted_back(first, act, _with_awaiting(act, after))


def _facts(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Trigger]:
    """Yield what the clocks that changed are to others."""
    for _, old, new in after.clocks.changes(before.clocks if before else None):
        if new is None or new.awaits:
            continue
        at, facts = act.payload.occurred_at, dict[str, str]()
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
        for name, moment in facts.items():
            yield _of_clock(name, moment, after, new)


def _of_clock(name: str, at: str, state: CaseState, clock: Clock) -> Trigger:
    """Return a fact about a clock: it names the subject of the clock."""
    fact, subject = Trigger(name, at, clocks.whose(state, clock)), clock.subject
    match clock.rule.per:
        case "item":
            return fact._replace(items=(subject,))
        case "handover":
            return fact._replace(handover_id=subject)
    return fact._replace(subjects=(subject,))


def _with_awaiting(act: Act, state: CaseState) -> CaseState:
    """Return the state with each clock that waits for the end of others, as these stand now."""
    for fact, name, row in act.book.awaiting:
        runs: dict[str, dict[str, Clock]] = defaultdict(dict)
        for clock in state.clocks.marked(f"named/{name}"):
            # Of a subject the latest counts; a clock of the case waits for all subjects.
            if not clock.provisional:
                runs[CASE if row.per == "case" else clock.subject][clock.subject] = clock
        for subject, latest in runs.items():
            state = _awaiting(act, state, _Awaited(fact, row, subject), [*latest.values()])
    return state


def _with_counted_back(before: CaseState | None, act: Act, state: CaseState) -> CaseState:
    """Return the state with the last day of each clock that counts back from the end of another, as that stands now.

    What counts back from a provisional clock that never ran goes with it.
    """
    counting = state.clocks.marked("counts_back")
    if before is not None and counting:
        subjects = subjects_of_other_ends(before, state)
        versions = (clock for change in state.clocks.changes(before.clocks) for clock in (change.before, change.after))
        subjects |= {clock.subject for clock in versions if clock is not None}
        # Another version of the procedure may know other days off.
        counting = [each for each in counting if each.subject in subjects or each.procedure != act.book.digest]
    kept, gone = dict[str, Clock](), list[str]()
    for clock in counting:
        assert clock.period is not None, "a row that counts back has bases"
        runs = [run for run in state.clocks.marked(f"of/{clock.subject}") if run.name in clock.rule.counts_back_from]
        if not runs:
            gone.append(clock.deadline_id)
        elif runs[-1].is_running:
            end = end_of_clock(state, runs[-1], act.book).counted
            last = None if end is None else end.last_day or act.book.zone.day_of(end.due_at)
            kept[clock.deadline_id] = replace(
                clock, until=None if last is None else days_before(last, clock.period).isoformat()
            )
    changed = {key: clock for key, clock in kept.items() if clock != state.clocks[key]}
    if not changed and not gone:
        return state
    return replace(state, clocks=(state.clocks | changed).without(gone))


class _Awaited(NamedTuple):
    """What starts a clock of the row for the subject: ``expired`` or ``passed``."""

    fact: str
    row: ClockRule
    subject: str


def _awaiting(act: Act, state: CaseState, awaited: _Awaited, runs: list[Clock]) -> CaseState:
    """Return the state with the clock that starts once the last of the ``runs`` ends, or without it."""
    fact, row, subject = awaited
    key = f"{row.name}/{subject}/{runs[-1].deadline_id.rpartition('/')[2]}"
    existing = state.clocks.get(key)
    at = _last_moment(act, state, fact, runs)
    # What has begun stays, whatever comes later; so does what an act has ended beforehand.
    if existing is not None and (not existing.is_running or (at or existing.started_at) <= state.last_occurred_at):
        return state
    if at is not None and holds_on(row, act.book.zone.day_of_text(at).isoformat()):
        trigger = Trigger(f"{fact}.{runs[-1].name}", at, clocks.whose(state, runs[-1]), (subject,))
        around = Circumstances(state, act, subject, trigger)
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
