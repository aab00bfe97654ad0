"""Raising: the lead of a finding, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from msgspec import Struct

from ledger.core.encoding.digests import digest_of, parse_digest
from ledger.core.errors import MalformedInput, NotFound, ProofRefused, Unavailable
from ledger.core.events import Stream
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.registry import Name, Profile
from ledger.core.events.supervision import MAX_CITED, CitedDataset, LeadRaised
from ledger.core.events.terms import AgencyKind, EventRef, Verdict
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.procedure.deadlines import WorkCalendar
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.procedure.legal_days import spelled
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.authority import Agency
from ledger.core.verification.bundle import VerifiedEvent, verify_event
from ledger.core.verification.bundle_format import decode_case_bundle
from ledger.core.verification.case import order_of, scan
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import Check, CheckedStep, NotChecked, Outcome, perform, worst
from ledger.core.verification.trust import Trust
from ledger.supervision.models.definition import Model, Sql, fill_text, text_of
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.datasets import Outside, Registered, table_of
from ledger.supervision.runs.findings import Finding
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.view_catalogue import dataset_view
from ledger.supervision.views import Views
from ledger.supervision.views.case_record import Logged
from ledger.supervision.views.case_rows import Row
from ledger.supervision.views.sources import GivenSource
from ledger.workers.pool import TooCostly


def procuratorate_for(agencies: Mapping[str, Agency], supervised: str) -> str | None:
    """The nearest procuratorate that supervises the agency; for a procuratorate the one above it, if any."""
    agency = agencies.get(supervised)
    if agency is None:
        return None
    holding = [one for one in agencies.values() if supervises(one, agency)]
    others = [one for one in holding if one.agency_id != supervised] or holding
    nearest = sorted(others, key=lambda one: (-one.profile.jurisdiction.count("/"), one.agency_id))
    return nearest[0].agency_id if nearest else None


def lead_of(
    finding: Finding,
    model: Model,
    parameters: Mapping[str, object],
    *,
    procuratorate: str,
    size: int,
    as_of: datetime,
    events: tuple[EventRef, ...],
    datasets: tuple[CitedDataset, ...] = (),
) -> LeadRaised:
    """What the service signs. ``events`` are the first of the finding's evidence in the order of the log."""
    values = model.parameters_of(parameters)
    return LeadRaised(
        lead_id=finding.lead_id,
        model_id=model.model_id,
        model_version=model.version,
        model_digest=model.digest,
        parameters={name: text_of(value) for name, value in values.items()},
        tree_size=size,
        as_of=spelled(as_of),
        key=dict(finding.key),
        finding=finding.digest,
        case_id=finding.case_id,
        supervised=finding.supervised,
        procuratorate=procuratorate,
        severity=model.severity,
        says=fill_text(model.lead.says, finding.values, values),
        checks=model.checks,
        events=events,
        cited_count=len(finding.evidence),
        datasets=datasets,
        values=dict(finding.values),
    )


T = TypeVar("T")


class Held(Struct, frozen=True):
    """What is held: the bundle of ``lead.raised``, the model's text, case bundles by case, the registry's agencies.

    ``registrations`` are bundles of the ``dataset.registered`` that the lead cites, ``files`` those of the data sets.
    ``entries`` gives the first entries of the public log, so many; it is asked only where that is needed.
    """

    lead: bytes
    definition: str
    cases: Mapping[str, bytes]
    agencies: Sequence[Row]
    registrations: Sequence[bytes] = ()
    files: Sequence[Path] = ()
    entries: Callable[[int], Iterable[bytes]] | None = None


class LeadReport(Struct, frozen=True):
    """The verdict on a lead. ``development``: the trust file is of a ledger whose anchors no witness need have seen."""

    verdict: Verdict
    development: bool
    lead_id: str
    steps: tuple[CheckedStep, ...]

    @property
    def faults(self) -> tuple[CheckedStep, ...]:
        return tuple(step for step in self.steps if step.result == "failed")


class _Found(NamedTuple):
    model: Model
    finding: Finding


class _Place(NamedTuple):
    """Where an event stands in the log, and its id."""

    log_index: int
    event_id: str


class _Run:
    """The verification of one lead under way."""

    def __init__(
        self,
        held: Held,
        trust: Trust,
        book: Rulebook,
        calendar: WorkCalendar,
        *,
        seen: Sequence[ObservedBlock],
        runner: ModelRunner,
    ):
        self.runner = runner
        self.held = held
        self.seen = seen
        self.trust = trust
        self.book = book
        self.calendar = calendar
        self.lead: LeadRaised | None = None
        self.head: Checkpoint | None = None  # the tree head that the lead is proven at
        self.model: Model | None = None
        self.events: list[Logged] = []
        self.ends: dict[str, int] = {}  # the index of the last event that is held of each case
        self.places: dict[str, _Place] = {}  # of all events and registrations below the tree size, by digest
        self.anchors: dict[int, int] = {}  # sizes with the unix time of their block
        self.withheld: str | None = None  # an event whose payload is not here
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


def rederive(
    held: Held,
    trust: Trust,
    book: Rulebook,
    calendar: WorkCalendar,
    *,
    seen: Sequence[ObservedBlock] = (),
    runner: ModelRunner | None = None,
) -> LeadReport:
    """What the held events prove of the lead. ``seen`` are blocks that a chain was asked for; ``runner`` runs the
    model, which somebody else wrote.

    Raises MalformedInput for what is no bundle.
    """
    run = _Run(held, trust, book, calendar, seen=seen, runner=runner or ModelRunner())
    steps = tuple(perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1))
    return LeadReport(
        verdict=worst(step.verdict for step in steps),
        development=trust.development,
        lead_id=run.lead.lead_id if run.lead else "",
        steps=steps,
    )


def _lead(run: _Run) -> Outcome:
    verified = verify_event(run.held.lead, run.trust, observed=run.seen)
    body = verified.payload.body if verified.payload else None
    if not isinstance(body, LeadRaised):
        raise MalformedInput("expected the bundle of a lead.raised with its payload", field="lead")
    _require_sound(verified, "the lead")
    index = verified.report.subject.index
    if index is not None and body.tree_size > index:
        raise ProofRefused(f"expected at most {index}, the lead's own index, not {body.tree_size}", field="tree_size")
    run.lead, run.head = body, verified.checkpoint
    return _gap(verified) or f"raised by the service at tree size {body.tree_size}, as of {body.as_of}"


def _model(run: _Run) -> Outcome:
    lead, model = run.raised(), _within_limits(lambda: run.runner.read(run.held.definition))
    if model.digest != lead.model_digest:
        raise ProofRefused(f"expected {lead.model_digest}, the lead's, not {model.digest}", field="definition")
    expected = {
        "model_id": model.model_id,
        "model_version": model.version,
        "parameters": {name: text_of(value) for name, value in model.parameters_of(lead.parameters).items()},
    }
    _require_same(lead, expected)
    run.model = model
    return f"{model.model_id} version {model.version} is the model that the lead names"


def _cases(run: _Run) -> Outcome:
    lead = run.raised()
    gap: NotChecked | None = None
    for case_id, data in run.held.cases.items():
        gap = _take_case(run, case_id, data) or gap
    run.events = [event for event in run.events if event.log_index < lead.tree_size]
    for data in run.held.registrations:
        verified = verify_event(data, run.trust, observed=run.seen)
        _require_sound(verified, verified.envelope.event_id)
        gap = gap or _gap(verified)
        if verified.payload is not None and isinstance(verified.payload.body, DatasetRegistered):
            digest = verified.envelope.payload_digest
            run.registered.append(Registered(verified.envelope.agency, digest, verified.payload.body))
            _place(run, verified)
    return gap or f"{len(run.events)} events of {len(run.held.cases)} cases below the lead's tree size"


def _take_case(run: _Run, case_id: str, data: bytes) -> NotChecked | None:
    """Takes the events of a case's bundle; gives what keeps it from being intact."""
    events = [verify_event(bytes(event), run.trust, observed=run.seen) for event in decode_case_bundle(data).events]
    gap: NotChecked | None = None
    for verified in events:
        _require_sound(verified, verified.envelope.event_id)
        if verified.envelope.stream != Stream(kind="case", id=case_id):
            raise ProofRefused(f"{verified.envelope.event_id} is no event of {case_id}", field="stream")
        gap = gap or _gap(verified)
        _take(run, verified)
    order = order_of(events)
    return gap or (order if isinstance(order, NotChecked) else None)


def _take(run: _Run, verified: VerifiedEvent) -> None:
    subject = verified.report.subject
    if subject.index is None:
        raise NotChecked(f"{subject.event_id} has no index that its proof shows")
    run.ends[subject.stream_id] = subject.index
    _place(run, verified)
    if verified.payload is None:
        run.withheld = subject.event_id
    else:
        run.events.append(Logged(subject.index, subject.payload_digest, subject.signed_at, verified.payload))
    if verified.report.record is not None and subject.size is not None:
        run.anchors[subject.size] = verified.report.record.timestamp


def _place(run: _Run, verified: VerifiedEvent) -> None:
    subject = verified.report.subject
    if subject.index is not None and subject.index < run.raised().tree_size:
        run.places[subject.payload_digest] = _Place(subject.index, subject.event_id)


def _cited(run: _Run) -> Outcome:
    lead = run.raised()
    missing = next((ref.event_id for ref in lead.events if ref.payload_digest not in run.places), None)
    if missing is not None:
        raise ProofRefused(f"cites {missing}, which none of what is here has at that tree size", field="events")
    return f"{len(lead.events)} cited events stand here"


def _end(run: _Run) -> Outcome:
    """That no event of these cases was left out. A case that goes on beyond the tree size shows it by its order."""
    size = run.raised().tree_size
    open_ended = sorted(case_id for case_id, last in run.ends.items() if last < size)
    if not open_ended:
        return f"each of {len(run.ends)} cases goes on beyond the lead's tree size, without a gap before it"
    told = f"whether the log has other events of {', '.join(open_ended)} below entry {size}"
    if run.held.entries is None or run.head is None:
        return NotChecked(f"{told}: its entries were not given")
    streams = [Stream(kind="case", id=case_id) for case_id in open_ended]
    try:
        found = scan(run.held.entries(run.head.size), run.head, *streams)
    except NotFound as error:
        return NotChecked(f"{told}: the copy of the log is too short: {error.message}")
    for entry in found:
        if entry.index < size and entry.envelope.payload_digest not in run.places:
            raise ProofRefused(f"leaves out {entry.envelope.event_id}, entry {entry.index}", field="cases")
    return f"none of {run.head.size} entries is another event of these cases below the lead's tree size"


def _tables(run: _Run) -> dict[str, Outside]:
    """The views of the data sets that the lead cites, of the files that are held."""
    files = {
        str(digest_of(parse_digest(one.digest).algorithm, path.read_bytes())): path
        for one in run.raised().datasets
        for path in run.held.files
    }
    tables: dict[str, Outside] = {}
    for cited in run.raised().datasets:
        known = next((one for one in run.registered if _is_of(one, cited)), None)
        if known is None or cited.digest not in files:
            raise NotChecked(f"the lead rests on the data set {cited.dataset_id}, whose file is not here")
        tables[dataset_view(cited.dataset_id)] = Outside(known.agency, table_of(files[cited.digest], known))
    return tables


def _is_of(registered: Registered, cited: CitedDataset) -> bool:
    return (registered.body.dataset_id, registered.body.digest) == (cited.dataset_id, cited.digest)


def _finding(run: _Run) -> Outcome:
    lead, model = run.raised(), run.chosen()
    if run.withheld is not None:
        return NotChecked(f"the payload of {run.withheld} is withheld")
    tables = _tables(run)
    found = {one.digest: one for one in _findings(run, lead, model, tables)}
    is_free = isinstance(model.condition, Sql)  # what it depends on, a query cannot be seen to say
    if lead.finding in found:
        run.found = _Found(model, found[lead.finding])
        if is_free and model.scope == "all":
            return NotChecked("the query finds it among these cases, and may compare them with others")
        return f"the model finds it again: {', '.join(lead.key.values())}"
    if is_free or model.scope == "all":
        return NotChecked("the model may compare all cases, and these alone do not show it")
    raise ProofRefused("the model does not find it in these events", field="finding")


def _findings(run: _Run, lead: LeadRaised, model: Model, tables: dict[str, Outside]) -> Iterable[Finding]:
    anchors: list[Row] = [
        (size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
        for size, at in run.anchors.items()
        if size <= lead.tree_size
    ]
    source = GivenSource(run.events, run.book, agencies=run.held.agencies, anchors=anchors)
    views = Views(None, source, run.book, run.calendar, mark="held", datasets=lambda _size, _near: tables)
    try:
        views.refresh()
        with views.export() as export:
            as_of = datetime.fromisoformat(lead.as_of)
            result = _within_limits(lambda: run.runner.run(export, model, lead.parameters, as_of))
    finally:
        views.close()
    if result.refused_row is not None:
        raise result.refused_row
    return result.findings


def _within_limits(work: Callable[[], T]) -> T:
    """Do what a runner does. What it cannot do, or has no room or time for, says nothing of the lead."""
    try:
        return work()
    except (QueryRefused, TooCostly, Unavailable) as error:
        raise NotChecked(error.message) from error


def _words(run: _Run) -> Outcome:
    lead = run.raised()
    if run.found is None:
        return NotChecked("the finding was not made again")
    model, finding = run.found
    if model.scope == "all" and lead.cited_count > len(lead.events) == MAX_CITED:
        return NotChecked(f"it rests on {lead.cited_count} events, and cites the first {MAX_CITED}")
    says = fill_text(model.lead.says, finding.values, model.parameters_of(lead.parameters))
    expected = {
        "key": dict(finding.key),
        "values": dict(finding.values),
        "case_id": finding.case_id,
        "supervised": finding.supervised,
        "severity": model.severity,
        "says": says,
        "checks": model.checks,
        "cited_count": len(finding.evidence),
        "events": _refs(run, finding),
        "datasets": _datasets(lead, finding),
    }
    _require_same(lead, expected)
    having = procuratorate_for(_agencies(run.held.agencies), lead.supervised)
    if lead.procuratorate != having:
        told = f"it went to {lead.procuratorate}; of today's agencies {having or 'none'} supervises {lead.supervised}"
        return NotChecked(f"{told}: whether that was so then is not told here")
    return "the lead says what the finding says, and cites what it rests on"


def _refs(run: _Run, finding: Finding) -> tuple[EventRef, ...]:
    """What the lead has to cite: the first events of the evidence, in the order of the log."""
    for digest in finding.evidence:
        if digest not in run.places:
            raise ProofRefused(f"rests on {digest}, which is no event below the tree size", field="events")
    first = sorted(finding.evidence, key=lambda digest: run.places[digest].log_index)[:MAX_CITED]
    return tuple(EventRef(event_id=run.places[digest].event_id, payload_digest=digest) for digest in first)


def _datasets(lead: LeadRaised, finding: Finding) -> tuple[CitedDataset, ...]:
    """What the lead has to cite of the data set that the finding was made with."""
    rows = finding.dataset_rows[:MAX_CITED]
    found = (one for one in lead.datasets if one.dataset_id == finding.dataset_id)
    return tuple(CitedDataset(dataset_id=one.dataset_id, digest=one.digest, rows=rows) for one in found)[:1]


def _agencies(rows: Iterable[Row]) -> dict[str, Agency]:
    """The agencies of these rows of the view, as far as they say who supervises whom."""
    found: dict[str, Agency] = {}
    for row in rows:
        agency_id, kind, zh, en, jurisdiction = map(str, row)
        profile = Profile(jurisdiction=jurisdiction, name=Name(zh=zh, en=en))
        found[agency_id] = Agency(agency_id, cast("AgencyKind", kind), profile, "", 0)
    return found


def _require_same(lead: LeadRaised, expected: Mapping[str, object]) -> None:
    """Raises ProofRefused where the lead says something else."""
    for field, value in expected.items():
        if getattr(lead, field) != value:
            raise ProofRefused(f"expected {value}, not {getattr(lead, field)}", field=field)


def _require_sound(verified: VerifiedEvent, what: str) -> None:
    """Raises ProofRefused where a step failed."""
    for step in verified.report.faults:
        raise ProofRefused(f"{what}: {step.detail}", field=step.name)


def _gap(verified: VerifiedEvent) -> NotChecked | None:
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
    ("end", _end),
    ("finding", _finding),
    ("words", _words),
)
