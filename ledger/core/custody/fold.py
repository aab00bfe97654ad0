"""Folding a case: state before, event, state after. What is impossible is refused, what is unlawful is flagged."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import cases, claimed_times, clocks, rests
from ledger.core.custody.admission import require_admitted
from ledger.core.custody.flags import Flag, flags
from ledger.core.custody.rules import RULES
from ledger.core.custody.state import Act, CaseState
from ledger.core.errors import Conflict, refuse
from ledger.core.event import case


class Outcome(NamedTuple):
    """The case after the event, and the flags that the event raised."""

    state: CaseState
    flags: tuple[Flag, ...]


def fold(state: CaseState | None, act: Act) -> Outcome:
    """The case after ``act``; ``state`` is None for the event that opens it.

    Raises Conflict where the event does not stand on the stream's head, RuleRefused (its ``code`` names the rule) where
    the act is impossible. Pure: the same stream gives the same states, refusals and flags.
    """
    require_head(state.head if state else None, state.sequence + 1 if state else 0, act)
    after = _open(act) if state is None else _continue(state, act)
    claimed_times.require_possible(state, act)
    after = rests.rested(state, act, clocks.advance(state, act, after))
    return Outcome(after, flags(state, act, after))


def require_head(head: str | None, sequence: int, act: Act) -> None:
    """Raises Conflict unless the event stands at ``sequence`` on ``head``."""
    payload = act.payload
    if payload.sequence == sequence and payload.previous == head:
        return
    field = "sequence" if payload.sequence != sequence else "previous"
    raise Conflict(
        f"expected sequence {sequence} on {head}, not {payload.sequence} on {payload.previous}",
        head=head,
        sequence=sequence,
        field=f"payload.{field}",
        code="not_on_head",
        hint="Take the head and sequence given here, look at what happened since, and sign again.",
    )


def _open(act: Act) -> CaseState:
    body = act.payload.body
    if not isinstance(body, case.CaseOpened):
        refuse(
            "not_opened",
            f"case {act.payload.stream.id} is not opened: its first event is case.opened",
            field="event_type",
        )
    return cases.opened(act, body)


def _continue(state: CaseState, act: Act) -> CaseState:
    require_admitted(state, act)
    body = act.payload.body
    after = RULES[type(body)](replace(state, split=None) if state.split else state, act, body)
    last = max(state.last_occurred_at, act.payload.occurred_at)
    return replace(after, head=act.digest, sequence=act.payload.sequence, last_occurred_at=last)
