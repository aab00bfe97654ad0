"""Matters: what models, leads and recommendations stand at, folded from their streams, which are short.

Judges what is added to them, and that what such an event names outside its own stream is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.core.authority import Agency
from ledger.core.errors import RuleRefused
from ledger.core.event import Payload
from ledger.core.event.supervision import LeadClosed, RecommendationIssued
from ledger.core.supervision import Act, Matter, Move, fold
from ledger.core.supervision.standing import supervises
from ledger.store import log, supervision
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

Agencies = Mapping[str, Agency]


def matter_of(connection: Connection, stream_id: str, agencies: Agencies) -> Matter | None:
    """What the stream stands at; None where there is no such stream, or one of data sets."""
    return stands_at(log.stream(connection, "supervision", stream_id), agencies)


def stands_at(entries: Iterable[StoredEntry], agencies: Agencies) -> Matter | None:
    """What a stream of these entries stands at."""
    state: Matter | None = None
    for entry in entries:
        state = fold(state, Act(log.payload_of(entry), entry.payload_digest, agencies))
    return state


def judge(before: Matter | None, payload: Payload, digest: str, agencies: Agencies) -> Move | None:
    """The way from ``before`` by this event; None in a stream of data sets. Raises Conflict or RuleRefused."""
    after = fold(before, Act(payload, digest, agencies))
    return None if after is None else Move(before, after)


def names(payload: Payload) -> bool:
    """Whether the event names something that only other streams show."""
    body = payload.body
    return isinstance(body, RecommendationIssued | LeadClosed)


def require_named(connection: Connection, payload: Payload, agencies: Agencies) -> None:
    """Raises RuleRefused: unknown_lead, unknown_recommendation."""
    body = payload.body
    if isinstance(body, RecommendationIssued):
        _require_leads(connection, body, agencies[payload.agency], agencies)
    if isinstance(body, LeadClosed) and body.recommendation_id is not None:
        _require_issued(connection, body.recommendation_id)


def _require_issued(connection: Connection, recommendation_id: str) -> None:
    if not supervision.is_issued(connection, recommendation_id):
        raise RuleRefused(
            f"there is no recommendation {recommendation_id}",
            code="unknown_recommendation",
            field="payload.body.recommendation_id",
            hint="Issue the recommendation first: tally recommendation issue",
        )


def _require_leads(connection: Connection, body: RecommendationIssued, issuer: Agency, agencies: Agencies) -> None:
    """Each lead is the issuer's own, or that of a procuratorate below it."""
    having = supervision.standing(connection, frozenset(body.leads))
    for place, lead_id in enumerate(body.leads):
        agency = agencies.get(having.get(lead_id, ""))
        if agency is None or not supervises(issuer, agency):
            raise RuleRefused(
                f"no lead {lead_id} that {issuer.agency_id} has",
                code="unknown_lead",
                field=f"payload.body.leads[{place}]",
                hint="The leads that you may see are listed at /api/v1/leads.",
            )
