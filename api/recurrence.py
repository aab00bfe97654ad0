"""Recurrence: what a recommendation's model found about the agency before it was issued, and as long after."""

from __future__ import annotations

from datetime import date, timedelta

from ledger.core.event.supervision import Counted
from ledger.core.instant import spelled
from ledger.core.legal_day import legal_day_of, start_of
from ledger.core.supervision import RecommendationState
from ledger.store import log, supervision
from ledger.store.database import Connection


def counted(connection: Connection, state: RecommendationState, now: str) -> dict[str, Counted]:
    """``before`` and ``after``: as many days before it was issued as have gone by since, at least one."""
    issued = legal_day_of(state.issued_at)
    days = max(timedelta(days=1), legal_day_of(now) - issued)
    return {
        "before": _period(connection, state, issued - days, issued),
        "after": _period(connection, state, issued, issued + days),
    }


def _period(connection: Connection, state: RecommendationState, first: date, until: date) -> Counted:
    """Days in Asia/Shanghai, the last one not among them; nothing is counted where it names no model."""
    since, end = (spelled(start_of(day)) for day in (first, until))
    model_id, agency = state.issued.model_id, state.issued.to_agency
    count = supervision.count_raised(connection, model_id, agency, since, end) if model_id else 0
    return Counted(count, first.isoformat(), until.isoformat(), log.tree(connection).size)
