"""The workbench: a model is begun, written by a form beside its file, and tried on examples and on the record."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.forms import FormOf, PostedForm
from api.console.workbench.bench_fields import OPERATORS, example_of
from api.console.workbench.bench_form import EXAMPLES_HEADING, BenchForm
from api.dependencies import SlugQuery, download
from api.middleware.request_limits import decode
from api.services.case_reading import names_of_finding
from api.services.governance import require_modelling
from api.services.model_runs import example_of_file, run_model_file, words_in_force, work_on_file
from api.services.supervision_views import require_supervision_state
from api.texts import Texts, later
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import PUBLISHING
from ledger.core.messages import Message
from ledger.core.supervision import LeadState, ModelState
from ledger.core.supervision.models import STREAM
from ledger.i18n import Labels
from ledger.store import cases, imports, supervision
from ledger.store.cases import Page
from ledger.supervision import view_catalogue
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.editing import FORMS, derived, draft, edited, examine, tried_examples, with_example
from ledger.supervision.models.model_file import shipped_for, shipped_model
from ledger.supervision.models.templates import forms
from ledger.supervision.models.yaml_document import read_document
from ledger.supervision.runs.example_rows import ExampleSource
from ledger.supervision.runs.findings import say_differing, supervising_agency_for

HITS_SHOWN = 50  # of a run
CASES_AT_MOST = 4  # whose rows an example has


def modelling(visit: VisitOf) -> None:
    """Let a supervising agency's officer pass, of a role that runs models. Raises Unauthorized."""
    require_modelling(visit.reading)


router = page_router(modelling)

Start = Literal["form", "shipped", "published", "lead"]
FREE = {
    "cel": (
        later("A condition on one kind of row"),
        later("In a small language of conditions (CEL); the columns are listed beside."),
    ),
    "sql": (
        later("A query, for those who write SQL"),
        later("One SELECT over the views, where the other ways do not reach."),
    ),
}
TITLES = {
    "missing_in_next_handover": later("Something is missing in the next handover"),
    "exceeded_clock": later("A statutory clock ran out"),
    "count_over": later("It happened too often"),
    "same_value_elsewhere": later("The same value stands in two cases"),
    "dataset_match": later("It stands in outside data, too"),
    "case_not_listed": later("It is in a case, and on no outside list"),
    "list_rows": later("Rows of an outside list, or those that no case has"),
}


@router.get("/models")
def models(visit: VisitOf) -> Response:
    """Show how to begin a model, and those that the supervising agency has published."""
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_models(connection, Page(1000))
    visit.reading.record(Message("workbench"))
    return visit.page(
        "workbench/models.html",
        begun=[(name, *_title_and_purpose(name, visit.labels)) for name in FORMS],
        shipped=shipped_for(words_in_force(visit.service)),
        own=[row for row in rows if row["publisher"] == visit.reading.agency],
    )


@router.get("/models/workbench")
def begin(
    visit: VisitOf, start: Start, name: Annotated[str, Query(max_length=64)], model_id: SlugQuery = None
) -> Response:
    """Show the file of a new model: from a template, a shipped or a published model, or the model of a lead."""
    return _shown(visit, _begun(visit, start, name, model_id), "workbench/workbench.html")


@router.post("/models/workbench")
def take_up(visit: VisitOf, form: FormOf) -> Response:
    """Show the workbench with the reader's own file, or with a draft that the browser has kept."""
    return _shown(visit, definition_of(form), "workbench/workbench.html")


@router.post("/models/workbench/write")
def write(visit: VisitOf, form: FormOf) -> Response:
    """Return the part with the file after what was typed into the form, and its faults now."""
    text = definition_of(form)
    try:
        tree = work_on_file(visit.service, visit.reading, read_document, text).tree
    except ModelRefused:
        return _shown(visit, text)
    changes = BenchForm(tree, visit.labels).changes(form)
    if changes:
        text = work_on_file(visit.service, visit.reading, edited, text, changes)
    return _shown(visit, text)


@router.post("/models/workbench/read")
def read(visit: VisitOf, form: FormOf) -> Response:
    """Return the part with the form of a file that was changed by hand."""
    return _shown(visit, definition_of(form))


@router.post("/models/workbench/examples")
def try_examples(visit: VisitOf, form: FormOf) -> Response:
    """Return the part with what each example must raise, and what the model finds in it."""
    results = work_on_file(
        visit.service, visit.reading, tried_examples, definition_of(form), words_in_force(visit.service)
    )
    return visit.page("workbench/bench_examples.html", results=results)


@router.post("/models/workbench/hits")
def try_live(visit: VisitOf, form: FormOf) -> Response:
    """Return the part with what the model finds in the record now. Nothing is raised."""
    return visit.page("workbench/bench_hits.html", **_hits(visit, definition_of(form)))


@router.post("/models/workbench/example")
def add_example(visit: VisitOf, form: FormOf) -> Response:
    """Return the workbench with an example more in the file, made of what the model found, and with its hits."""
    text, key = definition_of(form), _texts_by_name(form.get("key") or "")
    source = ExampleSource(
        key=key,
        case_ids=tuple(sorted({value for name, value in key.items() if name.endswith("case_id")}))[:CASES_AT_MOST],
        as_of=visit.reading.moment,
        raises=form.get("verdict") == "found",
    )
    example = example_of_file(visit.service, visit.reading, text, source)
    text = work_on_file(visit.service, visit.reading, with_example, text, example)
    return _shown(visit, text, hits=_hits(visit, text))


def _texts_by_name(text: str) -> dict[str, str]:
    """Return a mapping of texts from JSON. Raises MalformedInput."""
    try:
        return decode(text.encode(), decoder_of(dict[str, str]))
    except MalformedInput as error:
        raise MalformedInput("expected the key of a finding", field="key") from error


def _hits(visit: Visit, text: str) -> dict[str, Any]:
    """Return what the page about a run shows: what a model's file finds now, with the names of what it found."""
    run_view = run_model_file(visit.service, visit.reading, text, {}, None, is_draft=True)
    shown = run_view.findings[:HITS_SHOWN]
    case_ids = {finding.case_id for finding in shown if finding.case_id is not None}
    with visit.service.parts.database.read() as connection:
        numbers = cases.numbers_of(connection, case_ids, visit.reading.reader)
        names = [
            names_of_finding(connection, visit.service, visit.reading, finding.case_id, finding.values)
            for finding in shown
        ]
    agencies, own = visit.reading.authority.agencies, visit.reading.agency
    supervised = {finding.supervised for finding in shown}
    goes_to = {agency: supervising_agency_for(agencies, agency) for agency in supervised}
    return {
        "run": run_view,
        "differing": [visit.labels.translate(text) for text in say_differing(run_view.differing)],
        "shown": shown,
        "names": names,
        "visible": numbers.keys(),
        "elsewhere": {agency: supervisor for agency, supervisor in goes_to.items() if supervisor not in (None, own)},
    }


@router.post("/models/workbench/file")
def save(visit: VisitOf, form: FormOf) -> Response:
    """Return the file for download."""
    text = definition_of(form)
    named = _id_in(work_on_file(visit.service, visit.reading, examine, text, words_in_force(visit.service)).tree)
    return download(text.encode(), f"{named}.yaml", "application/yaml")


def definition_of(form: PostedForm) -> str:
    """Return the text of the file in the form."""
    return f"{form.get('definition') or ''}\n"


def _begun(visit: Visit, start: Start, name: str, model_id: str | None) -> str:
    if start == "form":
        if name not in FORMS:
            raise MalformedInput("expected one of {forms}", forms=", ".join(FORMS), field="name")
        return draft(model_id or "new-model", name, [*words_in_force(visit.service)])
    if start == "shipped":
        return _renamed(shipped_model(name), model_id)
    if start == "published":
        return _next_version(visit, name, model_id)
    with visit.service.parts.database.read() as connection:
        lead, _ = require_supervision_state(connection, visit.reading, name, LeadState, field="name")
        raised = lead.raised
        model, _ = require_supervision_state(
            connection, visit.reading, STREAM + raised.model_id, ModelState, field="name"
        )
    text = next(version.body.definition for version in model.versions if version.body.version == raised.model_version)
    return derived(text, model_id or f"{raised.model_id[:43]}-own", raised.parameters, name)


def _renamed(text: str, model_id: str | None) -> str:
    return text if model_id is None else edited(text, {"model": model_id, "version": 1})


def _next_version(visit: Visit, name: str, model_id: str | None) -> str:
    """Return the next version of the agency's own model, or another agency's model under a new id."""
    with visit.service.parts.database.read() as connection:
        model, _ = require_supervision_state(connection, visit.reading, STREAM + name, ModelState, field="name")
    body = model.newest.body
    if model_id is not None or model.publisher != visit.reading.agency:
        return _renamed(body.definition, model_id or f"{name[:43]}-own")
    return edited(body.definition, {"version": body.version + 1})


def _shown(
    visit: Visit, text: str, template: str = "workbench/bench.html", hits: Mapping[str, Any] = MappingProxyType({})
) -> Response:
    """Return the workbench, or the part of it that changes, with the file and its form if the text can be parsed.

    ``hits`` are those of ``_hits``, if it was run.
    """
    visit.reading.record(Message("model on the workbench"))
    examined = work_on_file(visit.service, visit.reading, examine, text, words_in_force(visit.service))
    with visit.service.parts.database.read() as connection:
        registered = imports.datasets(connection, visit.reading.agency, Page(imports.MAX_DATASETS))
    datasets = list(dict.fromkeys(dataset.body.dataset_id for dataset in registered))
    form = None if examined.tree is None else BenchForm(examined.tree, visit.labels, datasets)
    faults = ModelRefused(examined.faults).told_in(visit.labels) if examined.faults else []
    return visit.page(
        template,
        text=text,
        faults=[(fault, form and form.called(fault.field)) for fault in faults],
        sections=list(form.sections()) if form else [],
        examples=list(form.examples()) if form else [],
        model_id=_id_in(examined.tree),
        operators=OPERATORS,
        examples_heading=EXAMPLES_HEADING,
        example_for=lambda place: example_of(Texts(visit.labels.language), place),
        views=list(view_catalogue.views().values()),
        **{"run": None, **hits},
        may_publish=visit.reading.session.has_role(*PUBLISHING),
    )


def _title_and_purpose(name: str, labels: Labels) -> tuple[str, str]:
    """Return the title of a form, and what it finds."""
    say = Texts(labels.language)
    if name in FREE:
        title, purpose = FREE[name]
        return say(title), say(purpose)
    return say(TITLES[name]), labels.in_language(forms()[name])


def _id_in(tree: Mapping[str, Any] | None) -> str:
    """Return the model's id if the file has a proper one; the browser keeps a draft under it."""
    model_id = (tree or {}).get("model")
    is_proper = isinstance(model_id, str) and model_id.replace("-", "").isalnum() and model_id.isascii()
    return str(model_id)[:48] if is_proper else "model"
