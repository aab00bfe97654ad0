"""Verified leads: the service derives a lead again from its bundles.

``tally lead verify`` does the same on the reader's own machine, trusting no service.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.auth.reading import Reading
from api.dependencies import Service
from api.routes.proofs import bundle_of_case, bundle_of_event
from api.services.matters import require_matter
from ledger.config.installation import DataDirectory
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM
from ledger.core.verification.bundle_format import Bundle, decode_bundle, decode_case_bundle
from ledger.proofs.bundles import blocks_of
from ledger.store import log
from ledger.supervision.leads import Held, LeadReport, rederive
from ledger.supervision.runs.datasets import DatasetFiles
from ledger.supervision.runs.model_runner import ModelRunner


def rederived(service: Service, reading: Reading, lead_id: str) -> LeadReport:
    """Derive a lead again from the cases that the reader may see, and return the report. Raises NotFound."""
    with service.parts.database.read() as connection:
        state, _ = require_matter(connection, reading, lead_id, LeadState, field="lead_id")
        raised = state.raised
        model, _ = require_matter(connection, reading, STREAM + raised.model_id, ModelState, field="model_id")
        first = log.stream(connection, "supervision", lead_id, limit=1)[0]
        cited = log.identities(connection, [ref.event_id for ref in raised.events]).values()
    cases = {entry.stream_id for entry in cited if entry.stream_kind == "case"}
    others = [entry.event_id for entry in cited if entry.stream_kind != "case"]
    kept = DatasetFiles(DataDirectory(service.parts.settings.data_dir).datasets)
    held = Held(
        lead=bundle_of_event(service, reading, first.event_id, None, None),
        definition=next(
            version.body.definition for version in model.versions if version.body.version == raised.model_version
        ),
        cases={case_id: bundle_of_case(service, reading, case_id, None, None) for case_id in sorted(cases)},
        agencies=tuple(_agencies(reading)),
        registrations=tuple(bundle_of_event(service, reading, event_id, None, None) for event_id in others),
        files=tuple(kept.path(dataset.digest) for dataset in raised.datasets if kept.holds(dataset.digest)),
        entries=lambda size: _entries(service, size),
    )
    validator, runner = service.parts.validator, ModelRunner(service.parts.workers, agency=reading.agency)
    blocks = blocks_of(*map(decode_bundle, (held.lead, *held.registrations)), *_events(held))
    return rederive(held, service.parts.trust.trust, validator.book, validator.calendar, seen=blocks, runner=runner)


def _events(held: Held) -> Iterator[Bundle]:
    for data in held.cases.values():
        yield from (decode_bundle(bytes(event)) for event in decode_case_bundle(data).events)


def _entries(service: Service, size: int) -> Iterator[bytes]:
    """Yield the envelopes of the first ``size`` entries of the log, as everybody gets them."""
    with service.parts.database.read() as connection:
        for entry in log.entries(connection, 0, size):
            yield entry.envelope


def _agencies(reading: Reading) -> Iterator[tuple[str, ...]]:
    """Yield the registry's agencies as rows of the view ``agencies``."""
    for agency_id, agency in sorted(reading.authority.agencies.items()):
        yield agency_id, agency.kind, agency.profile.name.zh, agency.profile.name.en, agency.profile.jurisdiction
