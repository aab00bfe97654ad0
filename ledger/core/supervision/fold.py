"""The fold of a supervision stream: the state before, an event, the state after. Impossible events are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from ledger.core.custody.flags import Flag
from ledger.core.errors import refuse
from ledger.core.events.streams import require_next
from ledger.core.supervision import leads, models, recommendations
from ledger.core.supervision.state import (
    LeadState,
    ModelState,
    RecommendationState,
    SupervisionAct,
    SupervisionState,
    SupervisionStep,
)

SubjectKind = Literal["model", "lead", "recommendation"]
_STREAMS: dict[str, SubjectKind] = {
    models.STREAM: "model",
    leads.STREAM: "lead",
    recommendations.STREAM: "recommendation",
}
_FIRST: dict[SubjectKind, Callable[[SupervisionAct], SupervisionState]] = {
    "model": models.first,
    "lead": leads.first,
    "recommendation": recommendations.first,
}


def subject_kind_of(stream_id: str) -> SubjectKind | None:
    """Return what a supervision stream is about, by its id; None for an id that no such stream has."""
    return next((subject for prefix, subject in _STREAMS.items() if stream_id.startswith(prefix)), None)


def advance(state: SupervisionState | None, act: SupervisionAct) -> SupervisionStep:
    """Return the step from ``state`` by ``act``, with its flags. Raises as ``fold``."""
    after = fold(state, act)
    raised: tuple[Flag, ...] = ()
    if isinstance(after, RecommendationState):
        before = state if isinstance(state, RecommendationState) else None
        raised = recommendations.flags_of(before, after, act)
    return SupervisionStep(state, after, raised)


def fold(state: SupervisionState | None, act: SupervisionAct) -> SupervisionState:
    """Return the state of the stream after ``act``; ``state`` is None for its first event.

    Raises Conflict if the event does not follow the stream's head, RuleRefused (its ``code`` names the rule) if the act
    is impossible. Pure: the same stream gives the same states and refusals.
    """
    event = act.event
    subject = subject_kind_of(event.stream.id)
    if subject is None:
        refuse(
            "wrong_stream",
            "expected the stream of a model, lead or recommendation",
            field="stream.id",
            hint="model-<model id>, lead-<32 hex digits> or recommendation-<id>.",
        )
    require_next(state, event)
    if state is None:
        return _FIRST[subject](act)
    after: SupervisionState
    if isinstance(state, ModelState):
        after = models.following(event.body, state, act)
    elif isinstance(state, LeadState):
        after = leads.following(event.body, state, act)
    else:
        after = recommendations.following(event.body, state, act)
    return replace(after, head=act.event.leaf_hash, sequence=event.sequence)
