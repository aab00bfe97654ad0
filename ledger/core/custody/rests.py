"""Rests: time that a clock does not count because another clock of the same subject runs (CPL 170)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ledger.core.custody.state import Act, CaseState
from ledger.core.deadlines.clock import Clock, Pause
from ledger.core.event.terms import EventRef
from ledger.core.rulebook import Rulebook


def rested(before: CaseState | None, act: Act, after: CaseState) -> CaseState:
    """``after`` with the clocks at rest that another one holds from now on, and with those running that it held."""
    for _, old, new in after.clocks.changes(before.clocks if before else None):
        if new is not None:
            clocks = {clock.deadline_id: clock for clock in _touched(old, act, after.clocks[new.deadline_id], after)}
            after = replace(after, clocks=after.clocks | clocks) if clocks else after
    return after


def _touched(old: Clock | None, act: Act, new: Clock, state: CaseState) -> Iterator[Clock]:
    begins, ends = old is None and new.is_running, old is not None and old.is_running and not new.is_running
    for other in state.clocks.marked(f"running/{new.subject}"):
        if begins and _rests(other, new, act.book):
            yield _at_rest(other, new, act)
        elif begins and _rests(new, other, act.book):
            yield _at_rest(new, other, act)
        elif ends and other.is_paused and other.pauses[-1].held_by == new.name:
            assert new.stopped_at is not None, "it has ended"
            pause = replace(other.pauses[-1], until=max(new.stopped_at, other.pauses[-1].since))
            yield replace(other, pauses=(*other.pauses[:-1], pause), events=_with(other, act))


def _rests(clock: Clock, holder: Clock, book: Rulebook) -> bool:
    return not clock.is_paused and book.clock_rows[holder.name, holder.rule_from].rests == clock.name


def _at_rest(clock: Clock, holder: Clock, act: Act) -> Clock:
    row = act.book.clock_rows[holder.name, holder.rule_from]
    assert row.rests_for is not None, "the rules say why another clock rests"
    pause = Pause(max(holder.started_at, clock.started_at), row.rests_for, row.article, held_by=holder.name)
    return replace(clock, pauses=(*clock.pauses, pause), events=_with(clock, act))


def _with(clock: Clock, act: Act) -> tuple[EventRef, ...]:
    """The events of the clock, this one among them."""
    ref = EventRef(event_id=act.payload.event_id, payload_digest=act.digest)
    return clock.events if ref in clock.events else (*clock.events, ref)
