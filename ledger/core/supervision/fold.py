"""Folding a stream of supervision: state before, event, state after. What is impossible is refused under a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from msgspec.structs import replace

from ledger.core.errors import Conflict, refuse
from ledger.core.supervision import leads, models, recommendations
from ledger.core.supervision.state import Act, LeadState, Matter, ModelState

M = TypeVar("M", bound=Matter)
Thing = Literal["model", "lead", "recommendation"]
_STREAMS: dict[str, Thing] = {
    models.STREAM: "model",
    leads.STREAM: "lead",
    recommendations.STREAM: "recommendation",
}
_FIRST: dict[Thing, Callable[[Act], Matter]] = {
    "model": models.first,
    "lead": leads.first,
    "recommendation": recommendations.first,
}


def thing_of(stream_id: str) -> Thing | None:
    """What a stream of supervision is of, by its id; None where the id is of nothing that has a stream."""
    return next((thing for prefix, thing in _STREAMS.items() if stream_id.startswith(prefix)), None)


def fold(state: Matter | None, act: Act) -> Matter:
    """What the stream stands at after ``act``; ``state`` is None for its first event.

    Raises Conflict where the event does not stand on the stream's head, RuleRefused (its ``code`` names the rule) where
    the act is impossible. Pure: the same stream gives the same states and refusals.
    """
    thing = thing_of(act.payload.stream.id)
    if thing is None:
        refuse(
            "wrong_stream",
            f"{act.payload.event_type} stands in a stream named for its model, lead or recommendation",
            field="stream.id",
            hint="model-<model id>, lead-<32 hex digits> or recommendation-<id>.",
        )
    _require_head(state, act)
    if state is None:
        return _FIRST[thing](act)
    return _moved(_following(state, act), act)


def _following(state: Matter, act: Act) -> Matter:
    body = act.payload.body
    if isinstance(state, ModelState):
        return models.following(body, state, act)
    if isinstance(state, LeadState):
        return leads.following(body, state, act)
    return recommendations.following(body, state, act)


def _moved(state: M, act: Act) -> M:
    return replace(state, head=act.digest, sequence=act.payload.sequence)


def _require_head(state: Matter | None, act: Act) -> None:
    head, sequence = (None, 0) if state is None else (state.head, state.sequence + 1)
    payload = act.payload
    if (payload.sequence, payload.previous) != (sequence, head):
        raise Conflict(
            f"expected sequence {sequence} on {head}, not {payload.sequence} on {payload.previous}",
            head=head,
            sequence=sequence,
            field="payload.previous",
            code="not_on_head",
            hint="Take the head and sequence given here, look at what happened since, and sign again.",
        )
