"""``tally library``: models of all agencies, compared, and taken from one ledger to another, verified offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.errors import EXIT_OF_VERDICT, Exit
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.files import save
from ledger.cli.library import (
    check_package,
    find_publication,
    imported_publication,
    is_own,
    require_proven,
    write_public,
)
from ledger.cli.options import TRUST
from ledger.cli.output import Output, columns
from ledger.cli.params import ProcedureWord, with_event_recorder, words
from ledger.cli.report import show_package
from ledger.cli.session import Session
from ledger.cli.supervision import lead_counts, parameters_of
from ledger.client.service import path_of
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events import Stream
from ledger.core.events.supervision import ModelAdopted, ModelPublished
from ledger.core.events.terms import Severity
from ledger.core.messages import plain
from ledger.core.supervision.models import STREAM

LISTED = columns(*("model_id", "version", "title", "problem", "business_line", "severity", "publisher", "adoptions"))
FOUND = (*LISTED[:4], *columns("found_in:library_place"))
OUTTURN = columns("leads.total", "recall", "precision", "has_case_study")
FIGURES = columns(
    *(f"figures.{name}" for name in ("measured_on", "cases", "planted", "found", "false_leads")),
    *("recall", "precision", "case_study"),
)
SHOWN = (
    *columns("model_id", "version", "title", "explanation", "need.problem", "need.requested_by"),
    *columns("need.expected_outcome", "business_line", "severity", "legal_basis", "publisher", "published_at"),
    *columns("retired", "library_says", "library_condition"),
    *FIGURES,
    *columns("leads.total", "model_digest", "origin.log_id", "origin.model_id", "origin.version"),
)
PARAMETERS = columns("name", "meaning", "default", "minimum", "maximum", "choices")
CHECKS = columns("checks.what", "checks.by")
EXAMPLES = columns("example", "leads_raised")
VERSIONS = columns("version", "published_at", "officer", "event_id")
ADOPTERS = columns("agency", "name", "version", "parameters", "adopted_at", "remark", "leads.total", "outturn")
SIDES = columns("field_name", "first", "second")
DIFFERENCES = columns("field_name", "kind:difference", "first", "second")
BUSINESS_LINE = click.option(
    "--business-line", type=ProcedureWord("business_line"), help="Only models of this line, or of all lines."
)
SEVERITY = click.option("--severity", type=words(Severity), help="Only models of this severity.")


@click.group("library", cls=Group)
def library_group() -> None:
    """Find, take over, adopt and compare models and exemplary cases that proved their worth elsewhere: the library."""


@library_group.command("list")
@BUSINESS_LINE
@SEVERITY
@click.option("--in-use", is_flag=True, help="Only those that are not retired.")
def list_(session: Session, /, *, in_use: bool, **filters: str | None) -> None:
    """List the published models, of whatever agency: what each is for, what was measured, how many leads it raised."""
    filters |= {"retired": "false" if in_use else None}
    models = list(session.service.pages("/api/v1/library", "models", **filters))
    rows = models if session.json else [line | measured(line["figures"]) for line in models]
    session.output.table(
        rows, (*LISTED, *OUTTURN, *columns("retired")), style_of=lambda row: "dim" if row["retired"] else ""
    )


@library_group.command("search")
@click.argument("text", metavar="WORDS", nargs=-1, required=True)
@BUSINESS_LINE
@SEVERITY
def search(session: Session, /, *, text: tuple[str, ...], **filters: str | None) -> None:
    """Search titles, texts and case studies, in Chinese or English: what fits best comes first."""
    models = session.service.get("/api/v1/library", q=" ".join(text), **filters)["models"]
    session.output.table(models, FOUND, style_of=lambda row: "dim" if row["retired"] else "")


@library_group.command("show")
@click.argument("model", metavar="MODEL|FILE")
@click.option("--definition", is_flag=True, help="Only the text of its file.")
def show(session: Session, model: str, definition: bool) -> None:
    """Show a model with its tests, figures and case study: of the service (MODEL@VERSION), or of a package or file.

    What a package says is shown, not verified: tally library verify FILE.
    """
    if definition:
        return click.echo(find_publication(session, model).definition, nl=False)
    if Path(model).is_file():
        from ledger.supervision.library.cards import card_of

        body = find_publication(session, model)
        entry = {"line": msgspec.to_builtins(body), "card": msgspec.to_builtins(card_of(body.definition))}
        entry |= {"case_study": entry["line"].get("case_study"), "versions": []}
    else:
        model_id, _, version = model.partition("@")
        entry = session.service.get(path_of("/api/v1/library/{}", model_id), version=version or None)
    return session.output.data(entry) if session.json else _show(session.output, entry)


def _show(output: Output, entry: Mapping[str, Any]) -> None:
    line, card = entry["line"], entry["card"] or {}
    spoken = output.labels.suffix
    texts = {
        "need": card.get("need"),
        "explanation": card.get("explanation"),
        "legal_basis": card.get("legal_basis"),
        "library_says": card.get("says"),
        "library_condition": card.get("condition"),
        "case_study": entry["case_study"],
    }
    output.record(line | texts | measured(line.get("figures")), SHOWN)
    checks = [{"checks": {name: part[name][spoken] for name in part}} for part in card.get("checks", ())]
    examples = [{"example": part["name"], "leads_raised": part["raises"]} for part in card.get("examples", ())]
    output.parts(
        (
            ("parameters", card.get("parameters", ()), PARAMETERS),
            ("checks", checks, CHECKS),
            ("examples", examples, EXAMPLES),
            ("versions", entry["versions"], VERSIONS),
        )
    )


def measured(figures: Mapping[str, Any] | None) -> dict[str, str]:
    """Return recall and precision of a measurement, in per cent."""
    if not figures:
        return {}
    true_leads, planted, false = figures["found"], figures["planted"], figures["false_leads"]
    return {"recall": _share(true_leads, planted), "precision": _share(true_leads, true_leads + false)}


def _share(part: int, whole: int) -> str:
    """Return a share in per cent, rounded down, so that only what is complete is shown as 100 %."""
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "–"


@library_group.command("adopters")
@click.argument("model_id")
def adopters(session: Session, model_id: str) -> None:
    """Show who runs a model, under which parameters, and how its leads turned out there."""
    answer = session.service.get(path_of("/api/v1/library/{}/adopters", model_id))
    if session.json:
        return session.output.data(answer)
    labels, rows = session.output.labels, []
    for adopter in answer["adopters"]:
        parameters = (f"{own['name']} = {own['value']} ({own['default']})" for own in adopter["parameters"])
        counts = lead_counts(labels, adopter["leads"])
        outturn = (f"{row['what']}: {row['count']}" for row in counts if row["word"] != "closed")
        texts = {"remark": adopter["note"], "parameters": "\n".join(parameters), "outturn": "\n".join(outturn)}
        rows.append(adopter | texts)
    return session.output.table(rows, ADOPTERS)


@library_group.command("compare")
@click.argument("first", metavar="MODEL|FILE")
@click.argument("second", metavar="MODEL|FILE")
@click.option("--run", is_flag=True, help="Also run both over the ledger as it is now: which findings only one has.")
def compare_(session: Session, first: str, second: str, run: bool) -> None:
    """Compare two versions or models, field by field: MODEL@VERSION of the service, packages, files being written."""
    from ledger.supervision.library.cards import compare

    sides = find_publication(session, first), find_publication(session, second)
    comparison = compare(*sides)
    fields = msgspec.to_builtins(comparison, enc_hook=plain) | ({"runs": _runs(session, *sides)} if run else {})
    if session.json:
        return session.output.data(fields)
    output = session.output
    shown = [msgspec.to_builtins(side) for side in (comparison.first, comparison.second)]
    shown = [side | measured(side["figures"]) for side in shown]
    cells = {column: [output.cell(column, side) for side in shown] for column in (*SHOWN[:3], *FIGURES)}
    pairs = {output.heading(column.path): pair for column, pair in cells.items() if any(pair)}
    output.table([{"field_name": name, "first": a, "second": b} for name, (a, b) in pairs.items()], SIDES)
    differences = (part | {"field_name": part["field"]} for part in fields["differences"])
    output.part("differences", [part for part in differences if part["field"] != "version"], DIFFERENCES)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for text in comparison.condition[2:]:
        click.secho(text, fg=colours.get(text[:1]))
    if run:
        output.record({name: len(keys) for name, keys in fields["runs"].items()})
    return None


def _runs(session: Session, *sides: Any) -> dict[str, list[dict[str, str]]]:
    """Run both models and return the keys of what both raise now, and of what only one raises."""
    keys = []
    for side in sides:
        asked = msgspec.json.encode({"definition": side.definition, "parameters": {}})
        run = session.service.post("/api/v1/models/run", asked, dict[str, Any])
        keys.append([finding["key"] for finding in run["findings"]])
    first, second = keys
    return {
        "only_before": [key for key in first if key not in second],
        "only_after": [key for key in second if key not in first],
        "in_both": [key for key in first if key in second],
    }


FILE = click.argument("file", type=click.File("rb"))


@library_group.command("export")
@click.argument("model", metavar="[MODEL[@VERSION]]", required=False)
@click.option(
    "--public", "folder", type=click.Path(file_okay=False, path_type=Path), help="Pages for society, into this folder."
)
@output_option(default="MODEL-VERSION.model.json")
def export(session: Session, model: str | None, folder: Path | None, output: Path | None) -> None:
    """Export a model as a signed package: one file with tests, figures and case study, proven version by version.

    With --public the whole library as static pages, anonymous, in Chinese and English: what is looked for and why, what
    came of it, exemplary cases. Counts under five are not shown, and cannot be worked out.
    """
    from ledger.core.supervision.model_package import decode_package, last_version

    if (model is None) == (folder is None):
        raise MalformedInput("expected one of the two", field="MODEL, --public")
    if folder is not None:
        return session.output.record(write_public(session, folder))
    assert model is not None

    model_id, _, version = model.partition("@")
    package_bytes = session.service.fetch(path_of("/api/v1/library/{}/package", model_id), version=version or None)
    package = decode_package(package_bytes)
    last = last_version(package)
    target = output or Path(f"{model_id}-{last.version}.model.json")
    return save(session, target, package_bytes, model_id=model_id, version=last.version, log_id=package.log_id)


@library_group.command("verify")
@FILE
@TRUST
def verify(session: Session, file: BinaryIO, trust_files: tuple[BinaryIO, ...]) -> int:
    """Verify a package offline: who published which words, and whether the model can be taken over.

    Steps 1 to 7 make the verdict; 10 to 13 say whether the model runs, and whether its case study leads to anybody.
    """
    checked = check_package(session, file.read(), trust_files)
    show_package(session, checked.report, checked.usable)
    if checked.report.verdict == "intact" and not checked.usable.usable:
        return Exit.REFUSED
    return EXIT_OF_VERDICT[checked.report.verdict]


@library_group.command("import")
@FILE
@TRUST
@click.option("--as", "own_id", metavar="MODEL_ID", help="Under another id here [the same].")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter of your own, within its bounds."
)
@click.option("--note", help="What it is taken over for.")
@click.option("--without-case-study", is_flag=True, help="Leave the case study out.")
@with_event_recorder
def import_(
    recorder: EventRecorder,
    *,
    file: BinaryIO,
    trust_files: tuple[BinaryIO, ...],
    own_id: str | None,
    settings: tuple[str, ...],
    note: str | None,
    without_case_study: bool,
) -> None:
    """Import a package of another ledger: verified first, then published here with its origin, to be run for you.

    With --set it is adopted with parameters of your own. A package of your own ledger is adopted, not published again.
    """
    from ledger.supervision.models.model_file import parse_model
    from ledger.supervision.models.procedure_words import UNCHECKED, words_of

    session, parameters = recorder.session, parameters_of(settings)
    checked = check_package(session, file.read(), trust_files, words_of(session.procedures.values()))
    body = require_proven(checked)
    parse_model(body.definition, UNCHECKED).parameters_of(parameters)  # raises for what is out of its bounds
    receipts: dict[str, dict[str, Any]] = {}
    if is_own(session, checked.data):
        if own_id is not None:
            raise MalformedInput("a package of your own ledger is adopted under its id", field="--as")
    else:
        body = imported_publication(session, checked, own_id, case_study=not without_case_study)
        record = recorder.begin if body.version == 1 else recorder.append
        receipts["published"] = record(_stream(body), body)
    if parameters or note or not receipts:
        fields = {"version": body.version, "model_digest": body.model_digest, "parameters": parameters, "note": note}
        receipts["adopted"] = recorder.append(_stream(body), convert(fields, ModelAdopted))
    summary: dict[str, Any] = {"model_id": body.model_id, "version": body.version}
    if session.json:
        return session.output.data(summary | receipts)
    events = {name: f"{receipt['index']}  {receipt['event_id']}" for name, receipt in receipts.items()}
    return session.output.record(summary | events)


def _stream(body: ModelPublished) -> Stream:
    return Stream(kind="supervision", id=STREAM + body.model_id)
