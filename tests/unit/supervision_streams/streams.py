"""Matters of supervision in a ledger: written, and asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ledger.audit import audit_log, left_out
from ledger.core.visibility import Reader
from ledger.procedures import shipped_rulebook
from ledger.store import feed
from ledger.store.feed import Cursor
from tests.testkit.builders import POLICE, PROCURATORATE, UPPER, Event, analyst, clerk, supervisor
from tests.testkit.bundles import trust
from tests.testkit.ledgers import LOG_SIGNER, Ledger
from tests.testkit.supervision import Lead, Model, Recommendation, adopted, answered, closed, rechecked, replied


def post(ledger: Ledger, *streams: Any) -> None:
    """Post each event once the one before is in the log."""
    for stream in streams:
        write(ledger, stream.events)


def write(ledger: Ledger, events: list[Event]) -> None:
    for event in events:
        ledger.post(event)


def rows(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    with ledger.database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def feed_types(ledger: Ledger, agency: str) -> list[str]:
    """Return the types of event that the agency's feed has of supervision."""
    with ledger.database.read() as connection:
        steps = feed.page(connection, agency, Cursor(), 100)
    return [step.entry.event_type for step in steps if step.entry.stream_kind == "supervision"]


def findings(ledger: Ledger) -> set[tuple[str, int | None]]:
    report = audit_log(
        ledger.database, trust(log_key=LOG_SIGNER.verifying_key), shipped_rulebook(), look=left_out, processes=1
    )
    return {(finding.step, finding.index) for finding in report.findings}


def reader(agency: str, *supervised: str) -> Reader:
    return Reader(agency, frozenset(supervised), "2026-03-02T01:00:00Z")


def whole_course() -> tuple[Model, Lead, Recommendation]:
    """Return a model that is adopted, a lead to its end, a recommendation to its re-check."""
    model = Model().published().published().act(adopted(2), analyst(UPPER))
    lead = Lead().raised().assigned().act(answered(), clerk(POLICE)).confirmed()
    recommendation = Recommendation().issued(leads=(lead.state.lead_id,))
    lead.act(closed("recommendation"), clerk(PROCURATORATE))
    return model, lead, recommendation.act(replied(), clerk(POLICE)).act(rechecked(), supervisor(PROCURATORATE))
