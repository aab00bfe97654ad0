"""``tally model``: supervision models, as files that are written and tried out here, then published on a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.errors import Exit
from ledger.cli.event_recorder import EventRecorder, errors_by_option, make_body
from ledger.cli.files import save
from ledger.cli.library import model_view, text_of
from ledger.cli.output import columns
from ledger.cli.params import FILE, IN_FORCE, MOMENT, add_act, with_event_recorder
from ledger.cli.session import Session
from ledger.cli.supervision import (
    lead_counts,
    parameters_of,
    printing_faults,
    record_supervision,
    show_faults,
    show_run,
    with_renamed_fields,
)
from ledger.client.service import path_of
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import NAME_OF, Body, supervision
from ledger.core.messages import Message
from ledger.core.supervision.models import STREAM
from ledger.supervision.model_faults import ModelRefused, unknown
from ledger.supervision.models import model_file
from ledger.supervision.models.definition import Model
from ledger.supervision.models.editing import FORMS, derived, draft
from ledger.supervision.models.procedure_words import UNCHECKED, ProcedureWords, words_of
from ledger.supervision.models.yaml_document import read_document
from ledger.supervision.runs.findings import say_differing

CHECKED = columns("file", "model_id", "version", "title", "severity", "views", "examples")
TRIED = columns("model_id", "example", "expected", "found", "result")

MODELS = click.argument("models", metavar="[FILE|NAME]...", nargs=-1)
SHIPPED = click.option("--shipped", is_flag=True, help="All models that come with this version.")


@click.group("model", cls=Group)
def model_group() -> None:
    """Supervision models: small files in which prosecutors say what is to be looked for, published for every agency.

    Those that are published are listed by 'tally library list'.
    """


@model_group.command("new")
@click.argument("model_id")
@click.option(
    "--from-template",
    "--template",
    "template",
    type=click.Choice(FORMS),
    default="cel",
    show_default=True,
    help="How the condition is stated: a template, a condition on one kind of row (cel), or a query (sql).",
)
@click.option("--from-lead", "lead_id", metavar="LEAD", help="The model that raised this lead, to be made your own.")
@output_option(default="MODEL_ID.yaml")
def new(session: Session, model_id: str, template: str, lead_id: str | None, output: Path | None) -> None:
    """Write the draft of a model: its condition and examples stand, its texts are to be filled in.

    From a lead: the whole model, its parameters as the lead was found, with the lead as what it came from.
    """
    if lead_id is None:
        text = draft(model_id, template)
    else:
        raised = session.service.get(path_of("/api/v1/leads/{}", lead_id))["raised"]
        source = path_of("/api/v1/models/{}/{}", raised["model_id"], str(raised["model_version"]))
        definition = session.service.get(source)["definition"]
        text = derived(definition, model_id, raised.get("parameters", {}), lead_id)
    path = output or Path(f"{model_id}.yaml")
    save(session, path, text.encode())
    try:
        model_file.parse_model(text)
    except ModelRefused as refused:
        show_faults(session, str(path), refused, colour="yellow")


@model_group.command("check")
@MODELS
@SHIPPED
@IN_FORCE
def check(session: Session, models: Sequence[str], shipped: bool, in_force: bool) -> int:
    """Check models; report each fault with file, line, field and what was expected."""
    sound, refused_files = [], 0
    words = _words_in_force(session) if in_force else None
    for name, model in _parsed(session, models, shipped, words):
        if model is None:
            refused_files += 1
            continue
        fields = {field: getattr(model, field) for field in ("model_id", "version", "severity", "scope", "views")}
        title = {"zh": model.title.zh, "en": model.title.en}
        counts = {"examples": len(model.examples), "model_digest": model.digest}
        sound.append({"file": name} | fields | {"title": title} | counts)
    if sound and not (session.json and refused_files):
        session.output.table(sound, CHECKED)
    return Exit.USAGE if refused_files else Exit.OK


@model_group.command("test")
@MODELS
@SHIPPED
@IN_FORCE
def test(session: Session, models: Sequence[str], shipped: bool, in_force: bool) -> int:
    """Run the examples of models: what each must raise, and what the model found."""
    tried: list[dict[str, Any]] = []
    differing: list[Message] = []
    words = _words_in_force(session) if in_force else None
    for _, model in _parsed(session, models, shipped, words):
        if model is None:
            return Exit.USAGE
        for result in model_file.run_examples(model, words):
            tried.append(_tried(session, model.model_id, result))
            differing += say_differing(result.differing)
    session.output.table(tried, TRIED, style_of=lambda row: "" if row["passed"] else "red")
    for text in differing:
        session.warn(text)
    return Exit.OK if all(row["passed"] for row in tried) else Exit.REFUSED


@model_group.command("run")
@click.argument("model", metavar="FILE|NAME")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter other than its default.")
@click.option("--as-of", type=MOMENT, help="As things stood at this time, if not now.")
def run(session: Session, model: str, settings: Sequence[str], as_of: str | None) -> None:
    """Run a model over the ledger as it is now, and show what it would raise. Nothing is raised."""
    ((_, text),) = _texts([model], shipped=False)
    with printing_faults(session, model):
        model_file.parse_model(text, UNCHECKED)  # the service compares its words
    asked = {"definition": text, "parameters": parameters_of(settings)} | ({"as_of": as_of} if as_of else {})
    show_run(session, session.service.post("/api/v1/models/run", msgspec.json.encode(asked), dict))


def _tried(session: Session, model_id: str, result: model_file.ExampleResult) -> dict[str, Any]:
    row = {"model_id": model_id, "example": result.name, "passed": result.passed}
    if session.json:
        return row | {"expected": result.expected, "found": result.found, "differing": result.differing}
    none = session.labels.of("message", "no_lead")
    keys = {name: [" ".join(key.values()) for key in getattr(result, name)] or none for name in ("expected", "found")}
    return row | keys | {"result": session.labels.of("message", "as_expected" if result.passed else "not_as_expected")}


def _words_in_force(session: Session) -> ProcedureWords:
    return words_of(session.procedures.values())


def _parsed(
    session: Session, models: Sequence[str], shipped: bool, words: ProcedureWords | None
) -> Iterator[tuple[str, Model | None]]:
    """Yield each model with the name of its file, or None after showing the faults of a file."""
    for name, text in _texts(models, shipped):
        try:
            model = model_file.parse_model(text, words)
            if words is not None:
                model_file.require_in_force(model, words)
            yield name, model
        except ModelRefused as refused:
            show_faults(session, name, refused, colour="red")
            yield name, None


def _texts(models: Sequence[str], shipped: bool) -> Iterator[tuple[str, str]]:
    """Yield the models' texts with the file, or with the name of a shipped model."""
    shipped_texts = model_file.shipped_models()
    if shipped:
        yield from shipped_texts.items()
    elif not models:
        raise MalformedInput("expected a file, the name of a shipped model, or --shipped", field="FILE|NAME")
    for name in models:
        if Path(name).is_file():
            yield name, text_of(Path(name))
        elif name in shipped_texts:
            yield name, shipped_texts[name]
        else:
            raise NotFound(
                "there is no file {name}, and of shipped models {value}",
                name=name,
                value=unknown("model", name, shipped_texts),
                field=name,
            )


SHOWN = columns(
    *("model_id", "version", "title", "business_line", "severity", "publisher", "published_at", "retired"),
    *("model_digest", "leads.total"),
)
VERSIONS = columns("version", "published_at", "officer", "model_digest")
ADOPTIONS = columns("agency", "version", "parameters", "adopted_at", "remark")
COUNTS = columns("what", "count")
MODEL = click.argument("model_id")
VERSION = click.option("--version", type=click.IntRange(min=1), help="Version of the model [the newest].")


@model_group.command("show")
@MODEL
@VERSION
@click.option("--definition", is_flag=True, help="Only the text of its file.")
def show(session: Session, model_id: str, version: int | None, definition: bool) -> None:
    """Show a model: who published it, who adopted it, and how its leads turned out."""
    model, output = model_view(session, model_id, version), session.output
    if definition:
        return click.echo(model["definition"], nl=False)
    output.record(model, SHOWN)
    counts = lead_counts(output.labels, model["leads"])
    adoptions = with_renamed_fields(model["adoptions"], note="remark")
    parts = (("versions", model["versions"], VERSIONS), ("adoptions", adoptions, ADOPTIONS), ("leads", counts, COUNTS))
    return output.parts(parts)


@model_group.command("publish")
@click.argument("model", metavar="FILE|NAME")
@click.option("--case-study", type=FILE, help="File with zh and en: an exemplary case, told so that nobody finds it.")
@click.option(
    "--figures", type=FILE, help="File with measured_on, cases, planted, found, false_leads of a measurement."
)
@click.option("--not-running", is_flag=True, help="Publish it even if it does not run over the record as it is now.")
@with_event_recorder
def publish(
    recorder: EventRecorder, model: str, case_study: Path | None, figures: Path | None, not_running: bool
) -> None:
    """Publish the model of FILE, or the shipped one of this NAME: signed with its text, for every agency to see.

    It is refused where the file is at fault, names no need, or an example does not come out as it must. Where it does
    not run over the record as it is now, you are asked first whether to publish it nevertheless.
    """
    from ledger.supervision.library.publishing import signed_fields_of

    with printing_faults(recorder.session, model):
        read = model_file.require_publishable(
            text_of(Path(model)) if Path(model).is_file() else model_file.shipped_model(model),
            _words_in_force(recorder.session),
        )
    beside = model_file.in_both_languages(
        {"case_study": _fields_of(recorder, case_study), "figures": _fields_of(recorder, figures)}
    )
    body = make_body(supervision.ModelPublished, **signed_fields_of(read), **beside)
    stream_id = STREAM + read.model_id
    if _warn(recorder, stream_id, body)["model_runs"] is False:
        recorder.session.confirm(ask="decide.publish", option="--not-running", agrees=not_running)
    recorder.record_supervision(stream_id, body, begins=read.version == 1)


def _record(recorder: EventRecorder, model_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    record_supervision(recorder, STREAM + model_id, body, fields)


add_act(
    model_group,
    "model.retired",
    click.option("--ground", required=True, help="Why it is not run any more."),
    subject="model_id",
    record=_record,
)


@model_group.command("adopt")
@MODEL
@VERSION
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter of your own.")
@click.option("--note", help="What it is adopted for.")
@with_event_recorder
def adopt(
    recorder: EventRecorder, /, *, model_id: str, version: int | None, settings: tuple[str, ...], note: str | None
) -> None:
    """Adopt a model for your agency, with parameters of your own within its bounds."""
    view = model_view(recorder.session, model_id, version)
    parameters = parameters_of(settings)
    version_fields = {"version": view["version"], "model_digest": view["model_digest"]}
    body = make_body(supervision.ModelAdopted, **version_fields, parameters=parameters, note=note)
    _warn(recorder, STREAM + model_id, body)
    recorder.record_supervision(STREAM + model_id, body)


def _warn(recorder: EventRecorder, stream_id: str, body: Body) -> dict[str, Any]:
    """Show what the ledger warns of before anything is signed, such as a list that is not here; return the draft.

    Raises what it would refuse of the signed event.
    """
    act = {"event_type": NAME_OF[type(body)], "stream": {"kind": "supervision", "id": stream_id}, "body": body}
    with errors_by_option():
        draft = recorder.session.service.post("/api/v1/drafts", canonical.encode(act), dict[str, Any])
    for warning in draft["warnings"]:
        recorder.session.output.warn(warning)
    return draft


def _fields_of(recorder: EventRecorder, file: Path | None) -> dict[str, Any] | None:
    """Read the fields of a small file beside the model. Raises ModelRefused, naming the line."""
    if file is None:
        return None
    with printing_faults(recorder.session, str(file)):
        return read_document(text_of(file)).tree
