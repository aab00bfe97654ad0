"""Recurrence: the leads of a recommendation's model about the agency, in equal periods before and after the issue.

Leads are counted by the day on which they were raised; the model is not run again. A finding that was remedied since
still counts, and one whose time has not come is in neither period. The first run of a model raises everything that came
before it: ``runs_from`` is that day if it is in the period before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct

from ledger.core.events.supervision import PeriodCount
from ledger.core.procedure.legal_days import DAY, legal_day_of, spelled, start_of
from ledger.core.signing.authority import Agency
from ledger.core.supervision import ModelState, RecommendationState
from ledger.core.supervision.models import STREAM
from ledger.recording.supervision_streams import matter_of
from ledger.store import log, supervision
from ledger.store.database import Connection


class Recurrence(Struct, frozen=True):
    """The counts of both periods.

    ``runs_from`` is the day of the model's first publication, if that is in the period before.
    """

    before: PeriodCount
    after: PeriodCount
    runs_from: str | None

    def periods(self) -> dict[str, PeriodCount]:
        """Return both periods by name."""
        return {"before": self.before, "after": self.after}


def recurrence(
    connection: Connection, state: RecommendationState, now: str, agencies: Mapping[str, Agency]
) -> Recurrence:
    """Count the leads of as many days on either side as have gone by since the issue, at least one.

    The day of issue belongs to the period before: what was raised on it led to the recommendation, which can help from
    the next day on.
    """
    issued, today = legal_day_of(state.issued_at), legal_day_of(now)
    border = issued + DAY
    days = max(DAY, today - issued)
    before = _period(connection, state, border - days, border)
    after = _period(connection, state, border, border + days)
    return Recurrence(before, after, _runs_from(connection, state, agencies, border - days, border))


def _period(connection: Connection, state: RecommendationState, first: date, until: date) -> PeriodCount:
    """Count the leads of the days in Asia/Shanghai from ``first`` to before ``until``; none without a model."""
    since, end = (spelled(start_of(day)) for day in (first, until))
    model_id, agency = state.issued.model_id, state.issued.to_agency
    count = supervision.count_raised(connection, model_id, agency, since, end) if model_id else 0
    return PeriodCount(count, first.isoformat(), until.isoformat(), log.tree(connection).size)


def _runs_from(
    connection: Connection, state: RecommendationState, agencies: Mapping[str, Agency], first: date, until: date
) -> str | None:
    model = matter_of(connection, STREAM + (state.issued.model_id or ""), agencies)
    if not isinstance(model, ModelState):
        return None
    published = legal_day_of(model.versions[0].published_at)
    return published.isoformat() if first <= published < until else None
