"""``tally library``: models of all agencies, compared, and taken from one ledger to another, verified offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.errors import EXIT_OF_VERDICT, Exit
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.exporting import write
from ledger.cli.library import check_package, find_publication, imported_publication, is_own, require_proven
from ledger.cli.options import TRUST
from ledger.cli.output import Column, Output
from ledger.cli.params import acting, words
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import parameters_of
from ledger.client.service import at
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events import Stream
from ledger.core.events.supervision import ModelAdopted, ModelPublished
from ledger.core.events.terms import BusinessLine, Severity
from ledger.core.supervision.models import STREAM
from ledger.i18n import Labels

LISTED = tuple(
    Column(name)
    for name in ("model_id", "version", "title", "problem", "business_line", "severity", "publisher", "adoptions")
)
FOUND = (*LISTED[:4], Column("found_in", "library_place"))
OUTTURN = (Column("leads.total"), Column("recall"), Column("precision"), Column("has_case_study"))
FIGURES = (
    *(Column(f"figures.{name}") for name in ("measured_on", "cases", "planted", "found", "false_leads")),
    *(Column(name) for name in ("recall", "precision", "case_study")),
)
SHOWN = (
    *(Column(name) for name in ("model_id", "version", "title", "explanation", "need.problem", "need.requested_by")),
    *(Column(name) for name in ("need.expected_outcome", "business_line", "severity", "legal_basis", "publisher")),
    *(Column(name) for name in ("published_at", "retired", "library_says", "library_condition")),
    *FIGURES,
    *(Column(name) for name in ("leads.total", "model_digest")),
    *(Column(f"origin.{name}") for name in ("log_id", "model_id", "version")),
)
PARAMETERS = tuple(Column(name) for name in ("name", "meaning", "default", "minimum", "maximum", "choices"))
CHECKS = (Column("checks.what"), Column("checks.by"))
EXAMPLES = (Column("example"), Column("leads_raised"))
VERSIONS = tuple(Column(name) for name in ("version", "published_at", "officer", "event_id"))
ADOPTERS = (
    *(Column(name) for name in ("agency", "name", "version", "parameters", "adopted_at", "remark")),
    *(Column(name) for name in ("leads.total", "outturn")),
)
SIDES = (Column("field_name"), Column("first"), Column("second"))
DIFFERENCES = (Column("field_name"), Column("kind", "difference"), Column("first"), Column("second"))
BUSINESS_LINE = click.option("--business-line", type=words(BusinessLine), help="Only models of this line.")
SEVERITY = click.option("--severity", type=words(Severity), help="Only models of this severity.")


@click.group("library", cls=Group)
def library_group() -> None:
    """The library of models and exemplary cases: find, take over, adopt and compare what proved its worth elsewhere."""


@library_group.command("list")
@BUSINESS_LINE
@SEVERITY
@click.option("--in-use", is_flag=True, help="Only those that are not retired.")
@pass_session
def list_(session: Session, /, *, in_use: bool, **query: str | None) -> None:
    """List the models: what each is for, what was measured of it, and how many leads it raised."""
    given = query | {"retired": "false" if in_use else None}
    models = list(session.service.pages("/api/v1/library", "models", **given))
    rows = models if session.json else [line | measured(line["figures"]) for line in models]
    session.output.table(rows, (*LISTED, *OUTTURN), style_of=lambda row: "dim" if row["retired"] else "")


@library_group.command("search")
@click.argument("query", metavar="WORDS", nargs=-1, required=True)
@BUSINESS_LINE
@SEVERITY
@pass_session
def search(session: Session, /, *, query: tuple[str, ...], **given: str | None) -> None:
    """Search titles, texts and case studies, in Chinese or English: what fits best comes first."""
    models = session.service.get("/api/v1/library", q=" ".join(query), **given)["models"]
    session.output.table(models, FOUND, style_of=lambda row: "dim" if row["retired"] else "")


@library_group.command("show")
@click.argument("model", metavar="MODEL|FILE")
@click.option("--definition", is_flag=True, help="Only the text of its file.")
@pass_session
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
        entry = session.service.get(at("/api/v1/library/{}", model_id), version=version or None)
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
    parts: tuple[tuple[str, Iterable[Mapping[str, Any]], Iterable[Column]], ...] = (
        ("parameters", card.get("parameters", ()), PARAMETERS),
        ("checks", ({"checks": _translated(part, spoken)} for part in card.get("checks", ())), CHECKS),
        (
            "examples",
            ({"example": part["name"], "leads_raised": part["raises"]} for part in card.get("examples", ())),
            EXAMPLES,
        ),
        ("versions", entry["versions"], VERSIONS),
    )
    for name, rows, columns in parts:
        if listed := list(rows):
            output.part(name, listed, tuple(columns))


def _translated(translations: Mapping[str, Mapping[str, str]], language: str) -> dict[str, str]:
    return {name: texts[language] for name, texts in translations.items()}


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
@pass_session
def adopters(session: Session, model_id: str) -> None:
    """Show who runs a model, under which parameters, and how its leads turned out there."""
    answer = session.service.get(at("/api/v1/library/{}/adopters", model_id))
    if session.json:
        return session.output.data(answer)
    output = session.output
    rows = [
        adopter
        | {
            "remark": adopter["note"],
            "parameters": "\n".join(
                f"{own['name']} = {own['value']} ({own['default']})" for own in adopter["parameters"]
            ),
            "outturn": "\n".join(_outturn(output.labels, adopter["leads"])),
        }
        for adopter in answer["adopters"]
    ]
    return output.table(rows, ADOPTERS)


def _outturn(labels: Labels, leads: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a line for each outcome of leads: the states of open and decided ones, the outcomes of closed ones."""
    if leads is None:
        return
    for vocabulary, counted in (("lead_status", leads["by_status"]), ("lead_outcome", leads["by_outcome"])):
        for word, count in counted.items():
            if word != "closed":
                yield f"{labels.of(vocabulary, word)}: {count}"


@library_group.command("compare")
@click.argument("first", metavar="MODEL|FILE")
@click.argument("second", metavar="MODEL|FILE")
@click.option("--run", is_flag=True, help="Also run both over the ledger as it is now: which findings only one has.")
@pass_session
def compare_(session: Session, first: str, second: str, run: bool) -> None:
    """Compare two versions or models, field by field: MODEL@VERSION of the service, packages, files being written."""
    from ledger.supervision.library.cards import compare

    sides = find_publication(session, first), find_publication(session, second)
    comparison = compare(*sides)
    fields = msgspec.to_builtins(comparison) | ({"runs": _runs(session, *sides)} if run else {})
    if session.json:
        return session.output.data(fields)
    output = session.output
    output.table(list(_side_by_side(output, *map(_shown_fields, (comparison.first, comparison.second)))), SIDES)
    rows = [
        difference | {"field_name": difference["field"]}
        for difference in fields["differences"]
        if difference["field"] != "version"
    ]
    output.part("differences", rows, DIFFERENCES)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for text in comparison.condition[2:]:
        click.secho(text, fg=colours.get(text[:1]))
    if run:
        output.record({name: len(keys) for name, keys in fields["runs"].items()})
    return None


def _shown_fields(side: Any) -> dict[str, Any]:
    """Return the fields of a side that are printed: those that the comparison of texts does not cover."""
    fields: dict[str, Any] = msgspec.to_builtins(side)
    return fields | measured(fields["figures"])


def _side_by_side(output: Output, *sides: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield each field with its values on both sides, if a side has one."""
    for column in (*SHOWN[:3], *FIGURES):
        first, second = (output.cell(column, side) for side in sides)
        if first or second:
            yield {"field_name": output.heading(column.path), "first": first, "second": second}


def _runs(session: Session, *sides: Any) -> dict[str, list[dict[str, str]]]:
    """Run both models and return the keys of what both raise now, and of what only one raises."""
    keys = []
    for side in sides:
        asked = msgspec.json.encode({"definition": side.definition, "parameters": {}})
        run = session.service.post("/api/v1/models/run", asked, dict[str, Any])
        keys.append(
            {msgspec.json.encode(finding["key"], order="sorted"): finding["key"] for finding in run["findings"]}
        )
    first, second = keys
    return {
        "only_before": [key for name, key in first.items() if name not in second],
        "only_after": [key for name, key in second.items() if name not in first],
        "in_both": [key for name, key in first.items() if name in second],
    }


FILE = click.argument("file", type=click.File("rb"))


@library_group.command("export")
@click.argument("model", metavar="[MODEL[@VERSION]]", required=False)
@click.option(
    "--public", "folder", type=click.Path(file_okay=False, path_type=Path), help="Pages for society, into this folder."
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File [MODEL-VERSION.model.json]."
)
@pass_session
def export(session: Session, model: str | None, folder: Path | None, output: Path | None) -> None:
    """Export a model as a signed package: one file with tests, figures and case study, proven version by version.

    With --public the whole library as static pages, anonymous, in Chinese and English: what is looked for and why, what
    came of it, exemplary cases. Counts under five are not told, and cannot be worked out.
    """
    from ledger.core.supervision.model_package import decode_package

    if (model is None) == (folder is None):
        raise MalformedInput("expected one of the two", field="MODEL, --public")
    if folder is not None:
        from ledger.cli.library import write_public

        return session.output.record(write_public(session, folder))
    assert model is not None

    model_id, _, version = model.partition("@")
    package_bytes = session.service.fetch(at("/api/v1/library/{}/package", model_id), version=version or None)
    package = decode_package(package_bytes)
    target = output or Path(f"{model_id}-{package.version}.model.json")
    write(target, package_bytes)
    summary = {"file": str(target), "model_id": model_id, "version": package.version, "log_id": package.log_id}
    return session.output.record(summary)


@library_group.command("verify")
@FILE
@TRUST
@pass_session
def verify(session: Session, file: BinaryIO, trust_files: tuple[BinaryIO, ...]) -> int:
    """Verify a package offline: who published which words, and whether the model can be taken over.

    Steps 1 to 4 make the verdict; 5 to 8 say whether the model runs, and whether its case study leads to anybody.
    """
    from ledger.cli.report import show_package

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
@acting
def import_(
    recorder: EventRecorder,
    /,
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
    session, parameters = recorder.session, parameters_of(settings)
    checked = check_package(session, file.read(), trust_files)
    body = require_proven(checked)
    _require_within_bounds(body, parameters)
    receipts: dict[str, dict[str, Any]] = {}
    if is_own(session, checked.data):
        if own_id is not None:
            raise MalformedInput("a package of your own ledger is adopted under its id", field="--as")
    else:
        body = imported_publication(session, checked, own_id, case_study=not without_case_study)
        record = recorder.begin if body.version == 1 else recorder.append
        receipts["published"] = record(_stream(body), body)
    if parameters or note or not receipts:
        receipts["adopted"] = recorder.append(_stream(body), _adoption(body, parameters, note))
    _print_outcome(session, body, receipts)


def _stream(body: ModelPublished) -> Stream:
    return Stream(kind="supervision", id=STREAM + body.model_id)


def _print_outcome(session: Session, body: ModelPublished, receipts: Mapping[str, Mapping[str, Any]]) -> None:
    summary: dict[str, Any] = {"model_id": body.model_id, "version": body.version}
    if session.json:
        return session.output.data({**summary, **receipts})
    events = {name: f"{receipt['index']}  {receipt['event_id']}" for name, receipt in receipts.items()}
    return session.output.record(summary | events)


def _require_within_bounds(body: ModelPublished, parameters: dict[str, str]) -> None:
    from ledger.supervision.models.model_file import parse_model

    parse_model(body.definition).parameters_of(parameters)


def _adoption(body: ModelPublished, parameters: dict[str, str], note: str | None) -> ModelAdopted:
    fields = {"version": body.version, "model_digest": body.model_digest, "parameters": parameters, "note": note}
    return convert(fields, ModelAdopted)
