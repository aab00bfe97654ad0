"""Leads at the command line: fetching what it takes to find one again here, without trusting the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ledger.cli.client import at
from ledger.cli.proofs import trust_for
from ledger.cli.session import Session
from ledger.core.errors import NotFound

if TYPE_CHECKING:
    from ledger.supervision.rederive import LeadReport


def verify_lead(session: Session, lead_id: str) -> LeadReport:
    """The report on a lead that the service has, made here from bundles. Raises NotFound."""
    from ledger.record import shipped_rulebook
    from ledger.supervision.rederive import Held, rederive
    from ledger.workdays import shipped_calendar

    service = session.service
    lead = service.get(at("/api/v1/leads/{}", lead_id))
    raised = lead["raised"]
    bundle = service.fetch(at("/api/v1/events/{}/proof", lead["events"][0]["event_id"]))
    model = service.get(at("/api/v1/models/{}/{}", raised["model_id"], str(raised["model_version"])))
    cases = {case_id: service.fetch(at("/api/v1/cases/{}/proof", case_id)) for case_id in _cases(session, raised)}
    agencies = tuple(
        (one["agency_id"], one["kind"], one["name"]["zh"], one["name"]["en"], one["jurisdiction"])
        for one in service.pages("/api/v1/agencies", "agencies")
    )
    held = Held(bundle, model["definition"], cases, agencies)
    return rederive(held, trust_for(session, bundle, ()), shipped_rulebook(), shipped_calendar())


def _cases(session: Session, raised: dict[str, Any]) -> Iterator[str]:
    """The cases of the events that the lead cites, each once."""
    found: dict[str, None] = {}
    for ref in raised.get("events", ()):
        try:
            event = session.service.get(at("/api/v1/events/{}", ref["event_id"]))
        except NotFound:
            continue  # of a data set: registered in a stream that is its agency's
        stream = event["envelope"]["stream"]
        if stream["kind"] == "case":
            found[stream["id"]] = None
    yield from found
