"""Verification of a lead from the events that it cites.

Whoever holds the events that a lead cites verifies it in these steps:

1  lead     the event proves that the service raised it, at a tree size below its own index
2  model    the text at hand is the model that the lead names
3  cases    the events at hand are proven, and each belongs to its case
4  cited    every cited event is among them, and it cites no case but theirs
5  end      none of these cases has another event below the tree size
6  finding  the model, run over these events alone, finds it again
7  words    the lead says what the finding says, and went to an agency that supervises the other

Of agencies counts what the bundles prove of their admissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import digest_by, parse_digest
from ledger.core.errors import MalformedInput, NotFound, ProofRefused, Unavailable
from ledger.core.events import Envelope, Stream
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.events.supervision import MAX_CITED, LeadRaised
from ledger.core.events.terms import EventRef, Value, Verdict
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.messages import Message, Term, joined
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.jurisdiction import is_within, may_supervise
from ledger.core.signing.authority import Agency
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import decode_bundle
from ledger.core.verification.case import carried_procedures, open_case, receivers_of
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.heads import require_whole
from ledger.core.verification.report import (
    Check,
    CheckedStep,
    NotChecked,
    OtherLedger,
    Statement,
    StepResult,
    perform,
    worst,
)
from ledger.core.verification.stream import VerifiedStream, scan
from ledger.core.verification.verify import BundleVerification, VerifiedEvent, verify_event
from ledger.supervision.models.conditions import query_of
from ledger.supervision.models.definition import Model, fill_text, text_of
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.dataset_rows import Registered
from ledger.supervision.runs.datasets import DatasetTable
from ledger.supervision.runs.findings import ModelFinding, cited_rows
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.view_catalogue import dataset_view
from ledger.supervision.views.case_record import SourceEvent
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import BundleViewSource, rows_of_agencies
from ledger.workers.pool import TooCostly

T = TypeVar("T")


class LeadMaterial(Struct, frozen=True):
    """What is held: the bundle of ``lead.raised``, the model's text, and case bundles by case.

    ``hidden`` are the ids of cited events that are not shown to whoever verifies the lead: he may see fewer cases than
    the agency whose model it is. ``registrations`` are bundles of the ``dataset.registered`` that the lead cites.

    A lead file has all of this. Beside it are ``files``, those of the data sets, and ``entries``, which gives the first
    entries of the public log, so many; it is asked only where that is needed.
    """

    lead: bytes
    definition: str
    cases: Mapping[str, bytes]
    registrations: Sequence[bytes] = ()
    hidden: frozenset[str] = frozenset()
    files: Sequence[Path] = ()
    entries: Callable[[int], Iterable[bytes]] | None = None

    @property
    def bundles(self) -> tuple[bytes, ...]:
        """Return all bundles, the lead's first."""
        return (self.lead, *self.registrations, *self.cases.values())


class _LeadFile(Value, frozen=True, kw_only=True):
    """A lead file, in which the bundles stand as they are."""

    format: Literal["tallystick/lead@v1"]
    lead: Raw
    definition: str
    cases: dict[str, Raw]
    registrations: tuple[Raw, ...] = ()
    hidden: tuple[str, ...] = ()


def encode_lead_file(held: LeadMaterial) -> bytes:
    """Return the lead file of what is held, as canonical JSON."""
    file = _LeadFile(
        format="tallystick/lead@v1",
        lead=Raw(held.lead),
        definition=held.definition,
        cases={case_id: Raw(bundle) for case_id, bundle in held.cases.items()},
        registrations=tuple(map(Raw, held.registrations)),
        hidden=tuple(sorted(held.hidden)),
    )
    return canonical.encode(file)


def decode_lead_file(data: bytes) -> LeadMaterial:
    """Return what a lead file holds. Nothing is verified. Raises MalformedInput for what is no lead file."""
    file = canonical.decode(data, decoder_of(_LeadFile), where="lead file")
    cases = {case_id: bytes(bundle) for case_id, bundle in file.cases.items()}
    registrations = tuple(map(bytes, file.registrations))
    return LeadMaterial(bytes(file.lead), file.definition, cases, registrations, frozenset(file.hidden))


class LeadReport(Struct, frozen=True):
    """The verdict on a lead. ``development``: the trust file is of a ledger whose anchors no witness need have seen.

    ``completeness`` is never checked: a lead rests on what was in the log when it was raised.
    """

    verdict: Verdict
    completeness: Statement
    development: bool
    lead_id: str
    steps: tuple[CheckedStep, ...]

    @property
    def faults(self) -> tuple[CheckedStep, ...]:
        return tuple(step for step in self.steps if step.result == "failed")


@dataclass
class _Run:
    """The verification of one lead under way."""

    held: LeadMaterial
    trust: Trust
    procedures: Procedures
    observed: Sequence[ObservedBlock]
    runner: ModelRunner
    lead: LeadRaised | None = None
    head: Checkpoint | None = None  # the tree head that the lead is proven at
    model: Model | None = None
    events: list[SourceEvent] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)  # the index of the last event that is held of each case
    # Of all events below the tree size, by digest: the index, and how it is cited.
    places: dict[str, tuple[int, EventRef]] = field(default_factory=dict)
    case_ids: dict[str, str] = field(default_factory=dict)  # by digest, too
    anchors: dict[int, int] = field(default_factory=dict)  # sizes with the unix time of their block
    mapped: dict[str, int] = field(default_factory=dict)  # up to where a head map shows that a case is all here
    admissions: dict[str, AgencyAdmitted] = field(default_factory=dict)  # of agencies, as the bundles prove them
    withheld: str | None = None  # an event whose payload is not here
    registered: list[Registered] = field(default_factory=list)
    finding: ModelFinding | None = None  # the lead's, made again

    def holds(self, event: EventRef | Envelope) -> bool:
        """Return whether the event is among those below the tree size."""
        placed = self.places.get(event.payload_digest)
        return placed is not None and placed[1].event_id == event.event_id

    def require_lead(self) -> LeadRaised:
        if self.lead is None:
            raise NotChecked("the lead was not accepted")
        return self.lead

    def require_model(self) -> Model:
        if self.model is None:
            raise NotChecked("the model was not accepted")
        return self.model


def verify_lead(
    held: LeadMaterial,
    trust: Trust,
    procedures: Procedures,
    *,
    observed: Sequence[ObservedBlock] = (),
    runner: ModelRunner | None = None,
) -> LeadReport:
    """Verify a lead against the held events by running its model over them again.

    ``observed`` are blocks that a chain was asked for. ``runner`` runs the model and reads the data sets, which
    somebody else wrote.

    Raises MalformedInput if a bundle cannot be decoded.
    """
    run = _Run(held, trust, procedures, observed, runner or ModelRunner())
    steps = tuple(perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1))
    return LeadReport(
        verdict=worst(step.verdict for step in steps),
        completeness=_after(run.lead),
        development=trust.development,
        lead_id=run.lead.lead_id if run.lead else "",
        steps=steps,
    )


def _after(lead: LeadRaised | None) -> Statement:
    if lead is None:
        return Statement("not_checked", "there is no lead that step 1 accepted")
    text = Message(
        "what became of the lead (answered, confirmed, dismissed, corrected), and what its cases got from entry {size} "
        "on; the service knows: tally lead show",
        size=lead.tree_size,
    )
    return Statement("not_checked", text)


# 1
def _lead(run: _Run) -> StepResult:
    bundle = decode_bundle(run.held.lead)
    verification = BundleVerification(bundle, run.trust, run.observed)
    verified = verification.event(bundle.require_event())
    body = verified.event.body if verified.event else None
    if not isinstance(body, LeadRaised):
        raise MalformedInput("expected the bundle of a lead.raised with its payload", field="lead")
    _require_sound(verified, "the lead")
    index = verified.report.subject.index
    if index is not None and body.tree_size > index:
        raise ProofRefused(
            Message("expected at most {index}, the lead's own index, not {body.tree_size}", index=index, body=body),
            field="tree_size",
        )
    run.lead, run.head = body, verified.checkpoint
    run.admissions |= verification.admissions()
    raised = Message("raised by the service at tree size {body.tree_size}, as of {body.as_of}", body=body)
    return _gap(verified) or raised


# 2
def _model(run: _Run) -> StepResult:
    lead, model = run.require_lead(), _within_limits(lambda: run.runner.read(run.held.definition))
    if model.digest != lead.model_digest:
        raise ProofRefused(
            "expected {lead.model_digest}, the lead's, not {model.digest}", lead=lead, model=model, field="definition"
        )
    expected = {
        "model_id": model.model_id,
        "model_version": model.version,
        "parameters": {name: text_of(value) for name, value in model.parameters_of(lead.parameters).items()},
    }
    _require_same(lead, expected)
    run.model = model
    return Message("{model.model_id} version {model.version} is the model that the lead names", model=model)


# 3
def _cases(run: _Run) -> StepResult:
    lead = run.require_lead()
    gap: NotChecked | None = None
    for case_id, data in run.held.cases.items():
        gap = _take_case(run, case_id, data) or gap
    # The model saw the log at the lead's tree size: later events of the cases only show that they go on.
    run.events = [event for event in run.events if event.log_index < lead.tree_size]
    for data in run.held.registrations:
        verified = verify_event(data, run.trust, observed=run.observed)
        _require_sound(verified, verified.envelope.event_id)
        gap = gap or _gap(verified)
        if verified.event is not None and isinstance(verified.event.body, DatasetRegistered):
            digest = verified.envelope.payload_digest
            run.registered.append(Registered(verified.envelope.agency, digest, verified.event.body))
            _place(run, verified)
    events, cases = len(run.events), len(run.held.cases)
    return gap or Message("{events} events of {cases} cases below the lead's tree size", events=events, cases=cases)


def _take_case(run: _Run, case_id: str, data: bytes) -> NotChecked | None:
    """Take in the events of a case's bundle; return what keeps the bundle from being intact."""
    case = open_case(data, run.trust, observed=run.observed)
    if case.stream.id != case_id:
        raise ProofRefused("this is the bundle of {case.stream.id}, not of {case_id}", case=case, case_id=case_id)
    _take_procedures(run, case)
    run.admissions |= case.verification.admissions()
    proven_map = case.verification.bundle.map
    if proven_map is not None and not isinstance(require_whole(case.verification, case.stream), NotChecked):
        run.mapped[case_id] = proven_map.index
    gap: NotChecked | None = None
    for verified in case.events:
        subject = verified.report.subject
        _require_sound(verified, verified.envelope.event_id)
        gap = gap or _gap(verified)
        if subject.index is None:
            raise NotChecked("{subject.event_id} has no index that its proof shows", subject=verified.envelope)
        run.ends[verified.envelope.stream.id] = subject.index
        _place(run, verified)
        if verified.event is None:
            run.withheld = verified.envelope.event_id
        else:
            run.events.append(SourceEvent(subject.index, verified.event))
        if verified.report.record is not None and subject.size is not None:
            run.anchors[subject.size] = verified.report.record.timestamp
    order = case.order()
    return gap or (order if isinstance(order, NotChecked) else None)


def _take_procedures(run: _Run, case: VerifiedStream) -> None:
    """Take in the procedures that a case's bundle carries, unless another one carried them."""
    named_by_verifier = Procedures(tuple(version for version in run.procedures.versions if version.index < 0))
    carried = carried_procedures(case, named_by_verifier)
    held = {version.index for version in run.procedures.versions}
    later = [version for version in carried.versions if version.index not in held]
    versions = sorted([*run.procedures.versions, *later], key=lambda version: version.index)
    run.procedures = Procedures(tuple(versions))


def _place(run: _Run, verified: VerifiedEvent) -> None:
    subject = verified.report.subject
    if subject.index is not None and subject.index < run.require_lead().tree_size:
        ref = EventRef(event_id=verified.envelope.event_id, payload_digest=verified.envelope.payload_digest)
        _, placed = run.places.setdefault(ref.payload_digest, (subject.index, ref))
        if placed != ref:  # the log takes no payload twice; its evidence would be of either
            raise ProofRefused(
                "{ref.event_id} has the payload of {placed.event_id}", ref=ref, placed=placed, field="payload_digest"
            )
        run.case_ids[verified.envelope.payload_digest] = verified.envelope.stream.id


# 4
def _cited(run: _Run) -> StepResult:
    lead = run.require_lead()
    missing = [ref.event_id for ref in lead.events if not run.holds(ref)]
    for event_id in (each for each in missing if each not in run.held.hidden):
        raise ProofRefused(
            "cites {missing}, which none of what is here has at that tree size", missing=event_id, field="events"
        )
    if missing:
        run.withheld = missing[0]
        return NotChecked("the cited event {missing} is not shown to you", missing=missing[0])
    # Which of these cases the supervising agency saw then is not told by the events: it may be fewer, never others.
    case_id = next(iter(sorted({*lead.cases} - {run.case_ids[ref.payload_digest] for ref in lead.events})), None)
    if case_id is not None:
        raise ProofRefused("cites the case {other}, and no event of it", other=case_id, field="cases")
    return Message("{count} cited events are among them", count=len(lead.events))


# 5
def _end(run: _Run) -> StepResult:
    """Check that no event of these cases is left out.

    A case that goes on beyond the tree size shows that by itself, and so does a head map from there or later.
    """
    size = run.require_lead().tree_size
    open_ended = sorted(
        case_id for case_id, last in run.ends.items() if last < size and run.mapped.get(case_id, 0) < size
    )
    if not open_ended:
        return Message(
            "a later event or a head map shows of each of {count} cases that nothing is left out below the lead's tree "
            "size",
            count=len(run.ends),
        )
    case_ids = joined(open_ended, by=", ")
    gap = Message("whether the log has other events of {case_ids} below entry {size}", case_ids=case_ids, size=size)
    if run.held.entries is None or run.head is None:
        return NotChecked("{gap}: its entries were not given", gap=gap)
    streams = [Stream(kind="case", id=case_id) for case_id in open_ended]
    try:
        entries = scan(run.held.entries(run.head.size), run.head, *streams)
    except NotFound as error:
        return NotChecked("{gap}: the copy of the log is too short: {error}", gap=gap, error=error)
    for entry in entries:
        if entry.index < size and not run.holds(entry.envelope):
            raise ProofRefused("leaves out {entry.envelope.event_id}, entry {entry.index}", entry=entry, field="cases")
    return Message(
        "none of {head.size} entries is another event of these cases below the lead's tree size", head=run.head
    )


def _tables(run: _Run) -> dict[str, DatasetTable]:
    """Build the views of the data sets that the lead cites, from the files that are held."""
    lead = run.require_lead()
    files = {
        str(digest_by(parse_digest(cited.digest).algorithm, path.read_bytes())): path
        for cited in lead.datasets
        for path in run.held.files
    }
    registered = {(entry.body.dataset_id, entry.body.digest): entry for entry in reversed(run.registered)}
    tables: dict[str, DatasetTable] = {}
    for cited in lead.datasets:
        registration = registered.get((cited.dataset_id, cited.digest))
        if registration is None or cited.digest not in files:
            raise NotChecked("the lead rests on the data set {cited.dataset_id}, whose file is not here", cited=cited)
        tables[dataset_view(cited.dataset_id)] = _within_limits(
            partial(run.runner.table, files[cited.digest], registration)
        )
    return tables


# 6
def _finding(run: _Run) -> StepResult:
    lead, model = run.require_lead(), run.require_model()
    if run.withheld is not None:
        return NotChecked("the payload of {run.withheld} is withheld", run=run)
    named = {lead.supervised, *(agency for event in run.events for agency in receivers_of(event.body))}
    for agency in sorted(named - run.admissions.keys()):
        return NotChecked("the bundle does not show the admission of {agency}", agency=agency)
    by_digest = {finding.digest: finding for finding in _findings(run, lead, model, _tables(run))}
    # Which other cases a query depends on, its text does not show; others show that it depends on none having a row.
    query = query_of(model.condition, model.parameters, model.parameters_of(lead.parameters))
    is_query = not query.stands_alone
    run.finding = by_digest.get(lead.finding)
    if run.finding is not None:
        if is_query and model.scope == "all":
            return NotChecked("the query finds it among these cases, and may compare them with others")
        # What a file leaves out must not make a lead true: that some agency is missing, say.
        if is_query and "agencies" in query.sql.casefold():
            return NotChecked("the query asks for agencies, and the bundles show only some of them")
        return Message("the model finds it again: {key}", key=joined(tuple(lead.key.values()), by=", "))
    if is_query or model.scope == "all":
        return NotChecked("the model may compare all cases, and these alone do not show it")
    raise ProofRefused("the model does not find it in these events", field="finding")


def _findings(run: _Run, lead: LeadRaised, model: Model, tables: dict[str, DatasetTable]) -> Iterable[ModelFinding]:
    anchors = [
        (size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
        for size, at in run.anchors.items()
        if size <= lead.tree_size
    ]
    agencies = rows_of_agencies(_agencies(run).values())
    source = BundleViewSource(run.events, run.procedures, agencies=agencies, anchors=anchors, size=lead.tree_size)
    views = Views(None, source, datasets=lambda *_: tables)
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
        raise NotChecked(error.text) from error


# 7
def _words(run: _Run) -> StepResult:
    lead, finding = run.require_lead(), run.finding
    if finding is None:
        return NotChecked("the finding was not made again")
    model = run.require_model()
    if model.scope == "all" and lead.cited_count > len(lead.events) == MAX_CITED:
        return NotChecked(
            "it rests on {lead.cited_count} events, and cites the first {limit}", lead=lead, limit=MAX_CITED
        )
    rows = cited_rows(finding.listed)
    datasets = [replace(cited, rows=rows.get(cited.dataset_id, ())) for cited in lead.datasets]
    expected = {
        "key": dict(finding.key),
        "values": dict(finding.values),
        "case_id": finding.case_id,
        "supervised": finding.supervised,
        "severity": model.severity,
        "says": fill_text(model.lead.says, finding.values, model.parameters_of(lead.parameters), run.procedures.zone),
        "checks": model.checks,
        "cited_count": len(finding.evidence),
        "events": _refs(run, finding),
        "datasets": tuple(cited for cited in datasets if cited.dataset_id in rows),
    }
    _require_same(lead, expected)
    # The lead was found among all cases; of these here only some of the procedures are known.
    in_force = run.procedures.at(lead.tree_size)
    opened = {str(event.body.procedure) for event in run.events if hasattr(event.body, "procedure")}
    for procedure_id in sorted(opened):
        if procedure_id in in_force and in_force[procedure_id].digest not in lead.procedures:
            raise ProofRefused(
                "does not cite the procedure {digest}, by which its cases are judged",
                digest=in_force[procedure_id].digest,
                field="procedures",
            )
    return _supervision(run, lead) or Message("the lead says what the finding says, and cites what it rests on")


def _supervision(run: _Run, lead: LeadRaised) -> NotChecked | None:
    """Return why it is not shown that the lead went to an agency that supervises the other. Raises ProofRefused.

    Whether another one is nearer does not count: what is left out of the file would decide it.
    """
    supervising, supervised = (_agencies(run).get(agency_id) for agency_id in (lead.supervising, lead.supervised))
    if supervising is None or supervised is None:
        return NotChecked("the bundle does not show the admission of {agency}", agency=lead.supervising)
    if supervising == supervised:
        return NotChecked(
            "it went to {lead.supervising} itself: whether another agency supervises it is not told here", lead=lead
        )
    if not is_within(supervised, supervising):
        raise ProofRefused(
            "went to {lead.supervising}, in whose jurisdiction {lead.supervised} does not lie",
            lead=lead,
            field="supervising",
        )
    if may_supervise(supervising):
        return None
    # Another procedure than those that the bundles carry may say so.
    return NotChecked(
        "no procedure that is here says that {lead.supervising}, of the kind {kind}, supervises",
        lead=lead,
        kind=Term("agency_kind", supervising.kind),
    )


def _agencies(run: _Run) -> dict[str, Agency]:
    """Return the agencies whose admissions are proven, with the traits that the carried procedures give their kinds."""
    return {
        body.agency: Agency(
            body.agency,
            body.kind,
            body.profile,
            body.admin,
            0,
            traits=run.procedures.traits.get(body.kind, frozenset()),
        )
        for body in run.admissions.values()
    }


def _refs(run: _Run, finding: ModelFinding) -> tuple[EventRef, ...]:
    """Return the events that the lead has to cite: the first of the evidence, in the order of the log."""
    for digest in finding.evidence:
        if digest not in run.places:
            raise ProofRefused(
                "rests on {digest}, which is no event below the tree size", digest=digest, field="events"
            )
    places = sorted((run.places[digest] for digest in finding.evidence), key=lambda place: place[0])
    return tuple(ref for _, ref in places[:MAX_CITED])


def _require_same(lead: LeadRaised, expected: Mapping[str, object]) -> None:
    """Raise ProofRefused if a field of the lead differs from the expected value."""
    for name, value in expected.items():
        if (actual := getattr(lead, name)) != value:
            raise ProofRefused("expected {expected}, not {actual}", expected=value, actual=actual, field=name)


def _require_sound(verified: VerifiedEvent, subject: str) -> None:
    """Raise ProofRefused if a step of the event's verification failed, OtherLedger if it is of another ledger."""
    for step in verified.report.faults:
        refusal = OtherLedger if step.verdict == "other_ledger" else ProofRefused
        raise refusal("{subject}: {step.detail}", subject=subject, step=step, field=step.name)


def _gap(verified: VerifiedEvent) -> NotChecked | None:
    """Return what keeps the bundle from being intact although nothing in it is wrong."""
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
