"""Verify leads at the command line: fetch what a lead was raised from, and derive it again without trusting the
service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.cli.proofs import blocks_at_node, trust_for
from ledger.cli.session import Session
from ledger.client.service import at

if TYPE_CHECKING:
    from ledger.cli.options import Node
    from ledger.supervision.leads import LeadReport


def verify_lead(
    session: Session, lead_id: str, files: Sequence[Path], log_folder: Path | None = None, node: Node | None = None
) -> LeadReport:
    """Derive a lead of the service again from bundles and the ``files`` of data sets, and return the report.

    If entries of the log are needed, they are those of the copy in ``log_folder``, or are fetched.

    Raises NotFound.
    """
    from ledger.deadlines.working_days import shipped_calendar
    from ledger.procedures import shipped_rulebook
    from ledger.supervision.leads import Held, rederive

    service = session.service
    lead = service.get(at("/api/v1/leads/{}", lead_id))
    raised = lead["raised"]
    bundle = service.fetch(at("/api/v1/events/{}/proof", lead["events"][0]["event_id"]))
    model = service.get(at("/api/v1/models/{}/{}", raised["model_id"], str(raised["model_version"])))
    cases, registrations = _cited(session, raised)
    agencies = tuple(
        (agency["agency_id"], agency["kind"], agency["name"]["zh"], agency["name"]["en"], agency["jurisdiction"])
        for agency in service.pages("/api/v1/agencies", "agencies")
    )

    def first_entries(size: int) -> Iterator[bytes]:
        from ledger.client.log_copy import stored_entries

        return _fetched_entries(session, size) if log_folder is None else stored_entries(log_folder)

    held = Held(bundle, model["definition"], cases, agencies, registrations, files, first_entries)
    trust = trust_for(session, bundle, ())
    blocks = {
        block for data in (bundle, *cases.values(), *registrations) for block in blocks_at_node(node, data, trust)
    }
    return rederive(held, trust, shipped_rulebook(), shipped_calendar(), seen=tuple(blocks))


def _fetched_entries(session: Session, size: int) -> Iterator[bytes]:
    """Fetch the first ``size`` entries of the log as they are asked for, under a progress bar."""
    from ledger.cli.importing import bar
    from ledger.client.log_copy import fetch_bundles
    from ledger.core.log.tiles import TILE_WIDTH

    with bar(session, "fetching", -(-size // TILE_WIDTH)) as progress:
        for bundle in fetch_bundles(session.service, size):
            yield from bundle
            progress.step()


def _cited(session: Session, raised: dict[str, Any]) -> tuple[dict[str, bytes], list[bytes]]:
    """Fetch bundles of the cases of the events that the lead cites, and of the data set registrations among them."""
    cases: dict[str, bytes] = {}
    registrations: list[bytes] = []
    for ref in raised.get("events", ()):
        stream = session.service.get(at("/api/v1/events/{}", ref["event_id"]))["envelope"]["stream"]
        if stream["kind"] != "case":
            registrations.append(session.service.fetch(at("/api/v1/events/{}/proof", ref["event_id"])))
        elif stream["id"] not in cases:
            cases[stream["id"]] = session.service.fetch(at("/api/v1/cases/{}/proof", stream["id"]))
    return cases, registrations
