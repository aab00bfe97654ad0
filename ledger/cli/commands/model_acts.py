"""``tally model`` on a service: publish a model, adopt it with parameters of your own, retire it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Command
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.library import text_of
from ledger.cli.output import Column
from ledger.cli.params import FILE, acting, split_once
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import fetch_view, printing_faults, with_renamed_fields
from ledger.core.errors import IntegrityBroken
from ledger.core.events import digest_of, supervision
from ledger.core.supervision.models import STREAM

if TYPE_CHECKING:
    from ledger.supervision.models.values import Model

LISTED = tuple(
    Column(name)
    for name in ("model_id", "version", "title", "business_line", "severity", "publisher", "adoptions", "retired")
)
SHOWN = (
    *(Column(name) for name in ("model_id", "version", "title", "business_line", "severity", "publisher")),
    *(Column(name) for name in ("published_at", "retired", "model_digest", "leads.total")),
)
VERSIONS = tuple(Column(name) for name in ("version", "published_at", "officer", "model_digest"))
ADOPTIONS = tuple(Column(name) for name in ("agency", "version", "parameters", "adopted_at", "remark"))
COUNTS = (Column("what"), Column("count"))
MODEL = click.argument("model_id")


@click.command("list", cls=Command)
@click.option("--in-use", is_flag=True, help="Only those that are not retired.")
@pass_session
def list_(session: Session, in_use: bool) -> None:
    """List the published models, of whatever agency."""
    query = {"retired": "false" if in_use else None}
    models = list(session.service.pages("/api/v1/models", "models", **query))
    session.output.table(models, LISTED, style_of=lambda row: "dim" if row["retired"] else "")


@click.command("show", cls=Command)
@MODEL
@click.option("--version", type=click.IntRange(min=1), help="Of the model [the newest].")
@click.option("--definition", is_flag=True, help="Only the text of its file.")
@pass_session
def show(session: Session, model_id: str, version: int | None, definition: bool) -> None:
    """Show a model: who published it, who adopted it, and how its leads turned out."""
    model, output = _model(session, model_id, version), session.output
    if definition:
        return click.echo(model["definition"], nl=False)
    output.record(model, SHOWN)
    if session.json:
        return None
    counts = [
        {"what": output.labels.of(vocabulary, word), "count": count}
        for vocabulary, counted in (("lead_status", "by_status"), ("lead_outcome", "by_outcome"))
        for word, count in (model["leads"] or {}).get(counted, {}).items()
    ]
    for name, rows, columns in (
        ("versions", model["versions"], VERSIONS),
        ("adoptions", with_renamed_fields(model["adoptions"], note="remark"), ADOPTIONS),
        ("leads", counts, COUNTS),
    ):
        if rows:
            output.part(name, rows, columns)
    return None


@click.command("publish", cls=Command)
@click.argument("model", metavar="FILE|NAME")
@click.option("--case-study", type=FILE, help="File with zh and en: an exemplary case, told so that nobody finds it.")
@click.option(
    "--figures", type=FILE, help="File with measured_on, cases, planted, found, false_leads of a measurement."
)
@acting
def publish(recorder: EventRecorder, model: str, case_study: Path | None, figures: Path | None) -> None:
    """Publish the model of FILE, or the shipped one of this NAME: signed with its text, for every agency to see.

    It is refused where the file is at fault, names no need, or an example does not come out as it must.
    """
    from ledger.supervision.models.parse import require_publishable
    from ledger.supervision.publishing import said_of

    with printing_faults(recorder.session, model):
        read = require_publishable(_text_of(model))
    beside = {"case_study": _fields_of(recorder, case_study), "figures": _fields_of(recorder, figures)}
    body = make_body(supervision.ModelPublished, **said_of(read), **beside)
    _warn_of_missing_dataset(recorder, read, {})
    stream_id = STREAM + read.model_id
    if read.version == 1:
        recorder.open_supervision(stream_id, body)
    else:
        recorder.record_supervision(stream_id, body)


def _text_of(name: str) -> str:
    """Of the file of this name, else of the shipped model. Raises NotFound, naming the nearest."""
    from ledger.supervision.models.shipped_models import shipped_model

    return text_of(Path(name)) if Path(name).is_file() else shipped_model(name)


@click.command("retire", cls=Command)
@MODEL
@click.option("--ground", required=True, help="Why it is not run any more.")
@acting
def retire(recorder: EventRecorder, model_id: str, ground: str) -> None:
    """Retire a model that your agency published."""
    recorder.record_supervision(STREAM + model_id, make_body(supervision.ModelRetired, ground=ground))


@click.command("adopt", cls=Command)
@MODEL
@click.option("--version", type=click.IntRange(min=1), help="Of the model [the newest].")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter of your own.")
@click.option("--note", help="What it is adopted for.")
@acting
def adopt(
    recorder: EventRecorder, /, *, model_id: str, version: int | None, settings: tuple[str, ...], note: str | None
) -> None:
    """Adopt a model for your agency, with parameters of your own within its bounds."""
    from ledger.supervision.models.parse import parse_model

    view = _model(recorder.session, model_id, version)
    parameters = dict(split_once(text, "=", "--set", "NAME=VALUE") for text in settings)
    _warn_of_missing_dataset(recorder, parse_model(view["definition"]), parameters)
    version_fields = {"version": view["version"], "model_digest": view["model_digest"]}
    body = make_body(supervision.ModelAdopted, **version_fields, parameters=parameters, note=note)
    recorder.record_supervision(STREAM + model_id, body)


def _warn_of_missing_dataset(recorder: EventRecorder, model: Model, given: Mapping[str, str]) -> None:
    """Says before anything is signed that the model will find nothing here; it is signed all the same, since others may
    have the list. Raises MalformedInput for parameters out of bounds."""
    from ledger.supervision.models.templates import dataset_of

    dataset_id = dataset_of(model.condition, model.parameters_of(given))
    if dataset_id is None:
        return
    lines = recorder.session.service.pages("/api/v1/datasets", "datasets", for_models="true", limit=1000)
    if dataset_id not in {line["dataset_id"] for line in lines if line["kept"]}:
        warning = recorder.session.labels.of("message", "dataset_missing").format(dataset=dataset_id)
        recorder.session.output.warn(warning)


def _fields_of(recorder: EventRecorder, file: Path | None) -> dict[str, Any] | None:
    """Read the fields of a small file beside the model. Raises ModelRefused, naming the line."""
    from ledger.supervision.models.document import read_document

    if file is None:
        return None
    with printing_faults(recorder.session, str(file)):
        return read_document(text_of(file)).tree


def _model(session: Session, model_id: str, version: int | None) -> dict[str, Any]:
    """Fetch a model. Raises IntegrityBroken if the service shows another text than the digest is of."""
    path = "/api/v1/models/{}" if version is None else "/api/v1/models/{}/{}"
    view = fetch_view(session, path, model_id, *(() if version is None else (str(version),)))
    if digest_of(view["definition"].encode()) != view["model_digest"]:
        raise IntegrityBroken(f"the service shows another text of {model_id} than was signed", field="definition")
    return view


COMMANDS = (list_, show, publish, retire, adopt)
