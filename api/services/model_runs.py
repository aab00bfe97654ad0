"""Runs of models: what a file finds now, its examples, and leads that are derived again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from api.auth.reading import Reading
from api.schemas.answers import view_of
from api.services.documents import bundle_of_case, bundle_of_event
from api.services.governance import require_modelling
from api.services.service import Service
from api.services.supervision_views import require_model, require_supervision_state, version_of
from ledger.core.encoding.instants import spelled
from ledger.core.errors import NotFound
from ledger.core.events.supervision import LeadRaised
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.supervision import LeadState
from ledger.core.verification.bundle import decode_bundle
from ledger.proofs.bundles import blocks_of
from ledger.store import cases, log, supervision
from ledger.store.cases import Page
from ledger.supervision.lead_verification import LeadMaterial, LeadReport, encode_lead_file, verify_lead
from ledger.supervision.models.conditions import datasets_of
from ledger.supervision.models.definition import fill_text
from ledger.supervision.models.model_file import parse_draft, parse_model, same_conditions
from ledger.supervision.models.procedure_words import ProcedureWords, words_of
from ledger.supervision.runs.datasets import DatasetFiles
from ledger.supervision.runs.example_rows import ExampleSource, example_in_export
from ledger.supervision.runs.export_runs import found_in_export
from ledger.supervision.runs.findings import count_differing
from ledger.supervision.runs.model_runner import ModelRunner, naming_the_query, query_limits, run_limits
from ledger.supervision.runs.supervisor import MODELS_AT_MOST
from ledger.supervision.view_catalogue import dataset_view
from ledger.workers.sandbox import Files

T = TypeVar("T")


def words_in_force(service: Service) -> ProcedureWords:
    """Return the words that models can have here: those of the procedures in force."""
    return words_of(service.parts.validator.procedures_in_force())


def work_on_file(service: Service, reading: Reading, function: Callable[..., T], *arguments: Any) -> T:
    """Call the function, on a model's file, in a worker. Raises what it raises, TooCostly, and Unavailable."""
    with naming_the_query():
        return service.parts.workers.run(function, *arguments, agency=reading.agency)


def lead_material(service: Service, reading: Reading, lead_id: str) -> LeadMaterial:
    """Return what finds a lead again from the cases that the reader may see, and record the reads. Raises NotFound."""
    with service.parts.database.read() as connection:
        raised = require_supervision_state(connection, reading, lead_id, LeadState, field="lead_id")[0].raised
        model = require_model(connection, reading, raised.model_id)
        first = log.stream(connection, "supervision", lead_id, limit=1)[0]
        cited = log.entries_by_event_id(connection, [ref.event_id for ref in raised.events]).values()
        in_cases = [entry for entry in cited if entry.stream_kind == "case"]
        visible = cases.numbers_of(connection, {entry.stream_id for entry in in_cases}, reading.reader)
    hidden = {entry.event_id for entry in in_cases if entry.stream_id not in visible}
    registrations = []
    for entry in cited:
        if entry.stream_kind == "case":
            continue
        try:
            registrations.append(bundle_of_event(service, reading, entry.event_id))
        except NotFound:  # the list of another agency, which he does not see
            hidden.add(entry.event_id)
    return LeadMaterial(
        lead=bundle_of_event(service, reading, first.event_id),
        definition=version_of(model, raised.model_version).body.definition,
        cases={case_id: bundle_of_case(service, reading, case_id) for case_id in sorted(visible)},
        registrations=tuple(registrations),
        hidden=frozenset(hidden),
    )


def lead_file(service: Service, reading: Reading, lead_id: str) -> bytes:
    """Return the lead file in a turn of the reader's agency: of many events it takes seconds. Raises NotFound."""
    with service.parts.workers.turn(reading.agency):
        return encode_lead_file(lead_material(service, reading, lead_id))


def lead_report(service: Service, reading: Reading, lead_id: str) -> LeadReport:
    """Derive a lead again from the cases that the reader may see, and return the report. Raises NotFound."""
    material, kept = lead_material(service, reading, lead_id), DatasetFiles(service.parts.database)
    body = decode_bundle(material.lead).require_event().require_event().body
    datasets = body.datasets if isinstance(body, LeadRaised) else ()
    with ExitStack() as written:
        files = [written.enter_context(kept.written(dataset.digest)) for dataset in datasets]
        held = replace(material, files=tuple(filter(None, files)), entries=lambda size: _entries(service, size))
        validator, runner = service.parts.validator, ModelRunner(service.parts.workers, agency=reading.agency)
        blocks = [block for data in held.bundles for block in blocks_of(decode_bundle(data))]
        return verify_lead(held, service.parts.trust.trust, validator.procedures(), observed=blocks, runner=runner)


def _entries(service: Service, size: int) -> Iterator[bytes]:
    """Yield the envelopes of the first ``size`` entries of the log, as everybody gets them."""
    with service.parts.database.read() as connection:
        for entry in log.entries(connection, 0, size):
            yield entry.envelope


FOUND_AT_MOST = 1000


class FoundView(Struct, frozen=True):
    """A finding. ``lead_id`` is the id of its lead, ``known`` whether that lead was raised. ``listed`` are the digests
    of the rows that it rests on, by the ids of their data sets."""

    lead_id: str
    known: bool
    case_id: str | None
    supervised: str
    says_en: str
    says_zh: str
    key: Mapping[str, str]
    values: Mapping[str, str]
    evidence: tuple[str, ...]
    listed: Mapping[str, tuple[str, ...]] = {}


class RunView(Struct, frozen=True):
    """The result of a run: ``total`` findings, of which at most a page is shown.

    ``differing`` are the columns of a lead's words with how many of the findings unite rows that differ there.
    ``datasets`` are the ids of the lists that it asked, each with the agency whose registration counts.
    """

    model_id: str
    version: int
    model_digest: str
    parameters: Mapping[str, Any]
    tree_size: int
    as_of: str
    total: int
    differing: Mapping[str, int]
    findings: tuple[FoundView, ...]
    datasets: Mapping[str, str] = {}


def run_model_file(
    service: Service,
    reading: Reading,
    definition: str,
    parameters: Mapping[str, object],
    as_of: str | None,
    *,
    is_draft: bool = False,
) -> RunView:
    """Return what a model's file finds in the reader's jurisdiction now, and record the read.

    The run is recorded before it starts, whatever comes of it, and then the cases that its findings rest on. Of a
    draft, only what it looks for must be written. It runs in a process of its own, over an export of what the
    reader may see. Raises Unauthorized for a reader without such a role, ModelRefused, MalformedInput for parameters,
    QueryRefused, TooCostly, and Unavailable.
    """
    own, agencies = require_modelling(reading), reading.authority.agencies
    views, workers = service.parts.supervisor.views, service.parts.workers
    now = datetime.fromtimestamp(service.parts.clock() // 1000, UTC)
    at = datetime.fromisoformat(as_of) if as_of else now
    with workers.turn(reading.agency) as turn, naming_the_query():
        parse = parse_draft if is_draft else parse_model
        model = turn.run(parse, definition, words_in_force(service))
    values, dataset_ids = model.parameters_of(parameters), datasets_of(model, parameters)
    subject = Message("run of the model {model.model_id}", model=model)
    reading.record(subject, supervision=True)
    views.refresh()
    views.read_datasets(reading.agency, dataset_ids)
    with (
        workers.turn(reading.agency, after=turn) as turn,
        naming_the_query(),
        views.export(of=agencies[reading.agency], now=now, dataset_ids=dataset_ids) as export,
    ):
        arguments = export, model, parameters, at, query_limits(workers.limits)
        limits, files = run_limits(workers.limits), Files(read=export.files)
        all_findings = turn.run(found_in_export, *arguments, limits=limits, files=files)
    findings = [
        finding
        for finding in all_findings
        if finding.supervised in agencies and lies_within(agencies[finding.supervised].profile.jurisdiction, own)
    ]
    page_findings = findings[: min(service.limit(FOUND_AT_MOST), FOUND_AT_MOST)]
    record = service.parts.supervisor.record
    raised_ids = record.raised_among(finding.lead_id for finding in page_findings)
    evidence = {digest for finding in page_findings for digest in finding.evidence}
    # A row may state the id of any case: of one that the agency does not see nothing was read.
    stated = {finding.case_id for finding in page_findings if finding.case_id is not None}
    case_ids = {*record.seen_cases(stated, reading.agency, now), *record.cited_cases(evidence, reading.agency, now)}
    if case_ids:
        reading.record(subject, *sorted(case_ids), supervision=True)
    views_of_page = []
    for finding in page_findings:
        says = fill_text(model.lead.says, finding.values, values, export.zone)
        is_raised = finding.lead_id in raised_ids
        views_of_page.append(view_of(FoundView, finding, known=is_raised, says_en=says.en, says_zh=says.zh))
    return view_of(
        RunView,
        model,
        model_digest=model.digest,
        parameters=values,
        tree_size=export.size,
        as_of=spelled(at),
        total=len(findings),
        differing=count_differing(findings),
        datasets={
            dataset_id: dataset.agency
            for dataset_id in dataset_ids
            if (dataset := export.datasets.get(dataset_view(dataset_id))) is not None
        },
        findings=tuple(views_of_page),
    )


def example_of_file(service: Service, reading: Reading, definition: str, source: ExampleSource) -> dict[str, Any]:
    """Return an example of what a model's file finds, made of rows of the record, and record the read.

    Raises as ``run_model_file`` does, and MalformedInput if the rows of the cases do not show the finding.
    """
    require_modelling(reading)
    views, workers, words = service.parts.supervisor.views, service.parts.workers, words_in_force(service)
    case_ids = service.parts.supervisor.record.seen_cases(source.case_ids, reading.agency, source.as_of)
    reading.record(Message("example for a model"), *case_ids, supervision=True)
    with workers.turn(reading.agency) as turn, naming_the_query():
        model = turn.run(parse_draft, definition, words)
        agency = reading.authority.agencies[reading.agency]
        with views.export(of=agency, now=source.as_of, dataset_ids=()) as export:
            limits = query_limits(workers.limits)
            files = Files(read=export.files)
            return turn.run(example_in_export, export, model, source, limits, words, files=files)


COMPARED_AT_MOST = 3  # models whose findings are compared


def alike(service: Service, reading: Reading, definition: str) -> list[str]:
    """Return the published models that look for the same as a model's file, retired ones left out, by their ids.

    Their condition and the defaults of their parameters are the same text up to white space.
    """
    with service.parts.database.read() as connection:
        listed = supervision.list_models(connection, Page(MODELS_AT_MOST), retired=False)
        published = {row["model_id"]: require_model(connection, reading, row["model_id"]) for row in listed}
    others = {model_id: state.newest.body.definition for model_id, state in published.items()}
    return work_on_file(service, reading, same_conditions, definition, others)


class Overlap(Struct, frozen=True):
    """How many of a model's ``total`` findings another published model finds now in the same events."""

    model_id: str
    shared: int
    total: int


def overlaps_of_run(service: Service, reading: Reading, own: RunView) -> list[Overlap]:
    """Run the models that raised most leads on the cases that a model's run finds, and compare their findings.

    Earlier versions of the model itself are left out. Raises as ``run_model_file`` does.
    """
    case_ids = {finding.case_id for finding in own.findings if finding.case_id is not None}
    with service.parts.database.read() as connection:
        listed = supervision.models_with_leads_on(connection, reading.reader, case_ids, COMPARED_AT_MOST + 1)
        others = [require_model(connection, reading, model_id) for model_id in listed if model_id != own.model_id]
    overlaps = []
    for model in others[:COMPARED_AT_MOST]:
        run = run_model_file(service, reading, model.newest.body.definition, {}, None)
        events = {digest for finding in run.findings for digest in finding.evidence}
        shared = sum(1 for finding in own.findings if not events.isdisjoint(finding.evidence))
        if shared:
            overlaps.append(Overlap(model.model_id, shared, own.total))
    return overlaps
