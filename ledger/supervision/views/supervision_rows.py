"""Rows of supervision itself: leads and recommendations, with what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.core.events import Body
from ledger.core.events.supervision import LeadClosed, LeadConfirmed, LeadDismissed, RecommendationRechecked
from ledger.core.supervision import LeadState, RecommendationState
from ledger.supervision.views.case_record import Row, SourceEvent, row_of


class MatterRecord(Struct, frozen=True):
    """A lead or a recommendation with the events of its stream, in their order."""

    stream_id: str
    state: LeadState | RecommendationState
    events: Sequence[SourceEvent]

    def last_at(self, *bodies: type[Body]) -> str | None:
        """Return the claimed time of the last event of these types."""
        times = [event.payload.occurred_at for event in self.events if isinstance(event.body, bodies)]
        return times[-1] if times else None

    def evidence(self) -> list[str]:
        return [event.digest for event in self.events]


def leads(of: MatterRecord) -> Iterator[Row]:
    state = of.state
    if not isinstance(state, LeadState):
        return
    closed = state.closed
    yield row_of(
        "leads",
        state,
        state.raised,
        confirmed=None if state.confirmed is None and state.dismissed is None else state.confirmed is not None,
        outcome=closed.outcome if closed else None,
        recommendation_id=closed.recommendation_id if closed else None,
        decided_at=of.last_at(LeadConfirmed, LeadDismissed),
        closed_at=of.last_at(LeadClosed),
        evidence=of.evidence(),
    )


def recommendations(of: MatterRecord) -> Iterator[Row]:
    state = of.state
    if not isinstance(state, RecommendationState):
        return
    last = state.rechecks[-1] if state.rechecks else None
    yield row_of(
        "recommendations",
        state,
        state.issued,
        leads=len(state.issued.leads),
        result=last.result if last else None,
        rechecked_at=of.last_at(RecommendationRechecked),
        count_before=last.before.count if last else None,
        count_after=last.after.count if last else None,
        evidence=of.evidence(),
    )
