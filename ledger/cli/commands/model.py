"""``tally model``: supervision models, as files that are written and tried out here, then published on a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.commands import model_acts
from ledger.cli.exits import Exit
from ledger.cli.library import text_of
from ledger.cli.output import Column
from ledger.cli.params import Moment
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import parameters_of, printing_faults, show_faults, show_run
from ledger.client.service import at
from ledger.core.errors import Conflict, MalformedInput, NotFound
from ledger.supervision.models.editing import FORMS, draft

if TYPE_CHECKING:
    from ledger.supervision.models.examples import ExampleResult

CHECKED = ("file", "model_id", "version", "title", "severity", "views", "examples")
TRIED = ("model_id", "example", "expected", "found", "result")

MODELS = click.argument("models", metavar="[FILE|NAME]...", nargs=-1)
SHIPPED = click.option("--shipped", is_flag=True, help="All models that come with this version.")


@click.group("model", cls=Group)
def command() -> None:
    """Supervision models: small files in which prosecutors say what is to be looked for, published for every agency."""


@command.command("new")
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
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File [MODEL_ID.yaml].")
@pass_session
def new(session: Session, model_id: str, template: str, lead_id: str | None, output: Path | None) -> None:
    """Write the draft of a model: its condition and examples stand, its texts are to be filled in.

    From a lead: the whole model, its parameters as the lead was found, with the lead as what it came from.
    """
    from ledger.supervision.models.parse import parse_model
    from ledger.supervision.models.refused import ModelRefused

    text = draft(model_id, template) if lead_id is None else _of_lead(session, model_id, lead_id)
    path = output or Path(f"{model_id}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already", field="--output", hint="Name another file with -o.") from error
    try:
        parse_model(text)
    except ModelRefused as refused:
        show_faults(session, str(path), refused, colour="yellow")


def _of_lead(session: Session, model_id: str, lead_id: str) -> str:
    """Return the text of the lead's model under another id, with the lead's parameters."""
    from ledger.supervision.models.editing import derived

    raised = session.service.get(at("/api/v1/leads/{}", lead_id))["raised"]
    version = str(raised["model_version"])
    model = session.service.get(at("/api/v1/models/{}/{}", raised["model_id"], version))
    return derived(model["definition"], model_id, raised.get("parameters", {}), lead_id)


@command.command("check")
@MODELS
@SHIPPED
@pass_session
def check(session: Session, models: Sequence[str], shipped: bool) -> int:
    """Check models: each fault is told with file, line, field and what was expected."""
    from ledger.supervision.models.parse import parse_model
    from ledger.supervision.models.refused import ModelRefused

    sound, refused_files = [], 0
    for name, text in _texts(models, shipped):
        try:
            model = parse_model(text)
        except ModelRefused as refused:
            show_faults(session, name, refused, colour="red")
            refused_files += 1
            continue
        fields = {field: getattr(model, field) for field in ("model_id", "version", "severity", "scope", "views")}
        title = {"zh": model.title.zh, "en": model.title.en}
        rest = {"title": title, "examples": len(model.examples), "model_digest": model.digest}
        sound.append({"file": name} | fields | rest)
    if sound and not (session.json and refused_files):
        session.output.table(sound, [Column(name) for name in CHECKED])
    return Exit.USAGE if refused_files else Exit.OK


@command.command("test")
@MODELS
@SHIPPED
@pass_session
def test(session: Session, models: Sequence[str], shipped: bool) -> int:
    """Run the examples of models: what each must raise, and what the model found."""
    from ledger.supervision.models.examples import run_examples
    from ledger.supervision.models.parse import parse_model
    from ledger.supervision.models.refused import ModelRefused

    tried: list[dict[str, Any]] = []
    for name, text in _texts(models, shipped):
        try:
            model = parse_model(text)
        except ModelRefused as refused:
            show_faults(session, name, refused, colour="red")
            return Exit.USAGE
        tried += [_tried(session, model.model_id, result) for result in run_examples(model)]
    session.output.table(tried, [Column(name) for name in TRIED], style_of=lambda row: "" if row["passed"] else "red")
    return Exit.OK if all(row["passed"] for row in tried) else Exit.REFUSED


@command.command("run")
@click.argument("model", metavar="FILE|NAME")
@click.option("--set", "given", metavar="NAME=VALUE", multiple=True, help="A parameter other than its default.")
@click.option("--as-of", type=Moment(), help="As things stood at this time, if not now.")
@pass_session
def run(session: Session, model: str, given: Sequence[str], as_of: str | None) -> None:
    """Run a model over the ledger as it is now, and show what it would raise. Nothing is raised."""
    from ledger.supervision.models.parse import parse_model

    ((_, text),) = _texts([model], shipped=False)
    with printing_faults(session, model):
        parse_model(text)
    asked = {"definition": text, "parameters": parameters_of(given)} | ({"as_of": as_of} if as_of else {})
    show_run(session, session.service.post("/api/v1/models/run", msgspec.json.encode(asked), dict))


def _tried(session: Session, model_id: str, result: ExampleResult) -> dict[str, Any]:
    row = {"model_id": model_id, "example": result.name, "passed": result.passed}
    if session.json:
        return row | {"expected": result.expected, "found": result.found}
    none = session.labels.of("message", "no_lead")
    keys = {name: [" ".join(key.values()) for key in getattr(result, name)] or none for name in ("expected", "found")}
    return row | keys | {"result": session.labels.of("message", "as_expected" if result.passed else "not_as_expected")}


def _texts(models: Sequence[str], shipped: bool) -> Iterator[tuple[str, str]]:
    """Yield the models' texts with the file, or with the name of a shipped model."""
    from ledger.supervision.models.shipped_models import shipped_models

    shipped_texts = shipped_models()
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
            from ledger.supervision.models.refused import unknown

            raise NotFound(
                f"there is no file {name}, and of shipped models {unknown('model', name, shipped_texts)}", field=name
            )


for act in model_acts.COMMANDS:
    command.add_command(act)
