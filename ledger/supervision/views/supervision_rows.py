"""Rows of supervision itself: leads and recommendations, with what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.core.events import Body
from ledger.core.events.supervision import LeadClosed, LeadConfirmed, LeadDismissed, RecommendationRechecked
from ledger.core.supervision import LeadState, RecommendationState
from ledger.supervision.views.case_record import SourceEvent, moment
from ledger.supervision.views.case_rows import Row


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
    raised, closed = state.raised, state.closed
    decided = state.confirmed is not None or state.dismissed is not None
    yield (
        state.lead_id,
        raised.model_id,
        raised.model_version,
        raised.case_id,
        raised.supervised,
        state.procuratorate,
        raised.severity,
        state.status,
        state.confirmed is not None if decided else None,
        closed.outcome if closed else None,
        closed.recommendation_id if closed else None,
        moment(state.raised_at),
        moment(of.last_at(LeadConfirmed, LeadDismissed)),
        moment(of.last_at(LeadClosed)),
        of.evidence(),
    )


def recommendations(of: MatterRecord) -> Iterator[Row]:
    state = of.state
    if not isinstance(state, RecommendationState):
        return
    issued, last = state.issued, state.rechecks[-1] if state.rechecks else None
    yield (
        state.recommendation_id,
        state.procuratorate,
        issued.to_agency,
        issued.model_id,
        issued.document_number,
        len(issued.leads),
        state.status,
        last.result if last else None,
        moment(state.issued_at),
        moment(state.answered_at),
        moment(of.last_at(RecommendationRechecked)),
        last.before.count if last else None,
        last.after.count if last else None,
        of.evidence(),
    )
