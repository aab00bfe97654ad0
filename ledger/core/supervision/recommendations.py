"""Recommendations: issued to an agency in the jurisdiction, answered by it, re-checked by the issuer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from ledger.core.errors import UnknownYear, refuse
from ledger.core.events import Body
from ledger.core.events.supervision import RecommendationAnswered, RecommendationIssued, RecommendationRechecked
from ledger.core.procedure.deadlines import PeriodEnd, count, parse_periods
from ledger.core.procedure.legal_days import holds_on, legal_day
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision.state import RecommendationState, SupervisionAct, require_supervised

STREAM = "recommendation-"


def first(act: SupervisionAct) -> RecommendationState:
    """Return the state of a recommendation at its issue, by a supervising agency to an agency that it supervises."""
    body = act.payload.body
    if not isinstance(body, RecommendationIssued):
        refuse("not_issued", "no {act.payload.stream.id} is issued", act=act, field="event_type")
    act.require_stream(STREAM + body.recommendation_id)
    issuer = act.supervising_agency()
    require_supervised(act.admitted(body.to_agency, field="body.to_agency"), issuer, field="body.to_agency")
    payload = act.payload
    return RecommendationState(body, act.agency, payload.occurred_at, act.digest, payload.sequence)


def following(body: Body, state: RecommendationState, act: SupervisionAct) -> RecommendationState:
    """Return the recommendation after an event of this body."""
    rule = _RULES.get(type(body))
    if rule is None:
        act.refuse_foreign()
    return rule(state, act, body)


def _answered(state: RecommendationState, act: SupervisionAct, body: RecommendationAnswered) -> RecommendationState:
    if act.agency != state.issued.to_agency:
        refuse("not_the_addressee", "{state.issued.to_agency} has to answer this", state=state, field="agency")
    answered_at = state.answered_at or act.payload.occurred_at
    return replace(state, answers=(*state.answers, body), answered_at=answered_at)


def _rechecked(state: RecommendationState, act: SupervisionAct, body: RecommendationRechecked) -> RecommendationState:
    if act.agency != state.supervising:
        refuse(
            "not_the_supervising_agency", "{state.supervising} issued this recommendation", state=state, field="agency"
        )
    return replace(state, rechecks=(*state.rechecks, body))


_RULES: dict[type[Body], Callable[[RecommendationState, SupervisionAct, Any], RecommendationState]] = {
    RecommendationAnswered: _answered,
    RecommendationRechecked: _rechecked,
}


def reply_due(issued_at: str, books: Iterable[Rulebook]) -> PeriodEnd | None:
    """Return when a reply to a recommendation issued at this instant (RFC 3339) is too late, and how that was counted.

    ``books`` are the procedures in force; the first that has a row for it decides. None if none has, or if its calendar
    does not have the year in which it may end.
    """
    since = datetime.fromisoformat(issued_at)
    day = legal_day(since).isoformat()
    rows = ((book, row) for book in books for row in book.clocks if row.per == "recommendation" and row.bases)
    book, row = next(((book, row) for book, row in rows if holds_on(row, day)), (None, None))
    if book is None or row is None:
        return None
    periods = parse_periods(row.bases[-1].period)
    try:
        return count(since, periods, calendar=book.calendar, in_custody=False, manner=row.manner)
    except UnknownYear:
        return None
