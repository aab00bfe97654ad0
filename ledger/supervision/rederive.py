"""Rederive: a lead once more, from the events that it cites, by the model that it names - trusting no service.

Whoever holds the bundles of the lead and of the cases that it cites gets the same finding, in the same words, or learns
at which step it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from ledger.core.bundle import decode_case_bundle, read_anchors
from ledger.core.deadlines import WorkCalendar
from ledger.core.digest import digest_of, parse_digest
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.event.record import DatasetRegistered
from ledger.core.event.supervision import LeadRaised
from ledger.core.event.terms import Verdict
from ledger.core.report import Check, NotChecked, Outcome, Step, perform, worst
from ledger.core.rulebook import Rulebook
from ledger.core.trust import Trust
from ledger.core.verify import Verified, verify_event
from ledger.supervision.catalogue import dataset_view
from ledger.supervision.datasets import Outside, Registered, table_of
from ledger.supervision.finding import Finding, find
from ledger.supervision.model.parse import parse_model
from ledger.supervision.model.saying import said
from ledger.supervision.model.values import Model
from ledger.supervision.snapshot import Views
from ledger.supervision.snapshot.given import GivenSource
from ledger.supervision.snapshot.of_case import Row
from ledger.supervision.snapshot.record import Logged


class Held(Struct, frozen=True):
    """What is held: the bundle of ``lead.raised``, the model's text, case bundles by case, the registry's agencies.

    ``registrations`` are bundles of the ``dataset.registered`` that the lead cites, ``files`` those of the data sets.
    """

    lead: bytes
    definition: str
    cases: Mapping[str, bytes]
    agencies: Sequence[Row]
    registrations: Sequence[bytes] = ()
    files: Sequence[Path] = ()


class LeadReport(Struct, frozen=True):
    """The verdict on a lead. ``development``: the trust file is of a ledger whose anchors no witness need have seen."""

    verdict: Verdict
    development: bool
    lead_id: str
    steps: tuple[Step, ...]

    @property
    def faults(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.result == "failed")


class _Found(NamedTuple):
    model: Model
    finding: Finding


class _Run:
    """The verification of one lead under way."""

    def __init__(self, held: Held, trust: Trust, book: Rulebook, calendar: WorkCalendar):
        self.held = held
        self.trust = trust
        self.book = book
        self.calendar = calendar
        self.lead: LeadRaised | None = None
        self.model: Model | None = None
        self.events: list[Logged] = []
        self.anchors: dict[int, int] = {}  # sizes with the unix time of their block
        self.registered: list[Registered] = []
        self.found: _Found | None = None

    def raised(self) -> LeadRaised:
        if self.lead is None:
            raise NotChecked("the lead was not accepted")
        return self.lead

    def chosen(self) -> Model:
        if self.model is None:
            raise NotChecked("the model was not accepted")
        return self.model


def rederive(held: Held, trust: Trust, book: Rulebook, calendar: WorkCalendar) -> LeadReport:
    """What the held events prove of the lead. Raises MalformedInput for what is no bundle."""
    run = _Run(held, trust, book, calendar)
    steps = tuple(perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1))
    return LeadReport(
        verdict=worst(step.verdict for step in steps),
        development=trust.development,
        lead_id=run.lead.lead_id if run.lead else "",
        steps=steps,
    )


def _lead(run: _Run) -> Outcome:
    verified = verify_event(run.held.lead, run.trust)
    body = verified.payload.body if verified.payload else None
    if not isinstance(body, LeadRaised):
        raise MalformedInput("expected the bundle of a lead.raised with its payload", field="lead")
    _require_sound(verified, "the lead")
    run.lead = body
    return _gap(verified) or f"raised by the service at tree size {body.tree_size}, as of {body.as_of}"


def _model(run: _Run) -> Outcome:
    lead, model = run.raised(), parse_model(run.held.definition)
    if model.digest != lead.model_digest:
        raise ProofRefused(f"expected {lead.model_digest}, the lead's, not {model.digest}", field="definition")
    run.model = model
    return f"{model.model_id} version {model.version} is the model that the lead names"


def _cases(run: _Run) -> Outcome:
    lead = run.raised()
    gap: NotChecked | None = None
    for data in run.held.cases.values():
        for event in decode_case_bundle(data).events:
            verified = verify_event(bytes(event), run.trust)
            _require_sound(verified, verified.envelope.event_id)
            gap = gap or _gap(verified)
            _take(run, verified)
    run.events = [event for event in run.events if event.log_index < lead.tree_size]
    for data in run.held.registrations:
        verified = verify_event(data, run.trust)
        _require_sound(verified, verified.envelope.event_id)
        gap = gap or _gap(verified)
        if verified.payload is not None and isinstance(verified.payload.body, DatasetRegistered):
            digest = verified.envelope.payload_digest
            run.registered.append(Registered(verified.envelope.agency, digest, verified.payload.body))
    return gap or f"{len(run.events)} events of {len(run.held.cases)} cases below the lead's tree size"


def _take(run: _Run, verified: Verified) -> None:
    subject = verified.report.subject
    if verified.payload is None or subject.index is None:
        raise NotChecked(f"the payload of {subject.event_id} is withheld")
    run.events.append(Logged(subject.index, subject.payload_digest, subject.signed_at, verified.payload))
    if verified.bundle.anchors:
        for anchor in read_anchors(bytes(verified.bundle.anchors)):
            run.anchors[anchor.size] = anchor.anchored_in.timestamp


def _cited(run: _Run) -> Outcome:
    lead = run.raised()
    held = {event.digest for event in run.events} | {registered.digest for registered in run.registered}
    missing = next((ref.event_id for ref in lead.events if ref.payload_digest not in held), None)
    if missing is not None:
        raise ProofRefused(f"cites {missing}, which none of what is here has at that tree size", field="events")
    return f"{len(lead.events)} cited events stand here"


def _tables(run: _Run) -> dict[str, Outside]:
    """The views of the data sets that the lead cites, of the files that are held."""
    files = {
        str(digest_of(parse_digest(one.digest).algorithm, path.read_bytes())): path
        for one in run.raised().datasets
        for path in run.held.files
    }
    tables: dict[str, Outside] = {}
    for cited in run.raised().datasets:
        known = next((one for one in run.registered if one.body.digest == cited.digest), None)
        if known is None or cited.digest not in files:
            raise NotChecked(f"the lead rests on the data set {cited.dataset_id}, whose file is not here")
        tables[dataset_view(cited.dataset_id)] = Outside(known.agency, table_of(files[cited.digest], known))
    return tables


def _finding(run: _Run) -> Outcome:
    lead, model = run.raised(), run.chosen()
    tables = _tables(run)
    found = {one.digest: one for one in _findings(run, lead, model, tables)}
    if lead.finding in found:
        run.found = _Found(model, found[lead.finding])
        return f"the model finds it again: {', '.join(lead.key.values())}"
    if model.scope == "all":
        return NotChecked("the model compares all cases, and these alone do not show it")
    raise ProofRefused("the model does not find it in these events", field="finding")


def _findings(run: _Run, lead: LeadRaised, model: Model, tables: dict[str, Outside]) -> Iterable[Finding]:
    anchors: list[Row] = [
        (size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
        for size, at in run.anchors.items()
        if size <= lead.tree_size
    ]
    source = GivenSource(run.events, run.book, agencies=run.held.agencies, anchors=anchors)
    views = Views(None, source, run.book, run.calendar, mark="held", datasets=lambda _size: tables)
    try:
        views.refresh()
        with views.session(outside=True) as session:
            return find(model, lead.parameters, session, datetime.fromisoformat(lead.as_of))
    finally:
        views.close()


def _words(run: _Run) -> Outcome:
    lead = run.raised()
    if run.found is None:
        return NotChecked("the finding was not made again")
    model, finding = run.found
    says = said(model.lead.says, finding.values, model.parameters_of(lead.parameters))
    expected = {
        "key": dict(finding.key),
        "values": dict(finding.values),
        "case_id": finding.case_id,
        "supervised": finding.supervised,
        "severity": model.severity,
        "says": says,
        "checks": model.checks,
        "cited_count": len(finding.evidence),
    }
    for field, value in expected.items():
        if getattr(lead, field) != value:
            raise ProofRefused(f"expected {value}, not {getattr(lead, field)}", field=field)
    if {ref.payload_digest for ref in lead.events} - set(finding.evidence):
        raise ProofRefused("cites an event that the finding does not rest on", field="events")
    return "the lead says what the finding says, and cites what it rests on"


def _require_sound(verified: Verified, what: str) -> None:
    """Raises ProofRefused where a step failed."""
    for step in verified.report.faults:
        raise ProofRefused(f"{what}: {step.detail}", field=step.name)


def _gap(verified: Verified) -> NotChecked | None:
    """What keeps the bundle from being intact, though nothing in it is wrong."""
    for step in verified.report.steps:
        if step.verdict != "intact":
            return NotChecked(step.detail, step.verdict)
    return None


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("lead", _lead),
    ("model", _model),
    ("cases", _cases),
    ("cited", _cited),
    ("finding", _finding),
    ("words", _words),
)
