"""``tally dataset``, ``correlate`` and ``report``: what supervision compares and counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ledger.cli.command import Command, Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import STANDARD_OUTPUT, opened_output, save, show_written
from ledger.cli.output import Column, columns, printable
from ledger.cli.params import (
    FILE,
    ProcedureWord,
    identity_key_option,
    options,
    with_event_recorder,
)
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding.decoding import convert, decode_json
from ledger.core.errors import Conflict, MalformedInput, NotFound
from ledger.core.events.record import DatasetRegistered, TableLayout

if TYPE_CHECKING:
    from rich.tree import Tree

    from ledger.i18n import Labels

NAMED = ("dataset_id", "source", "legal_basis", "period_from", "period_until", "rows", "readable", "compared", "digest")
LISTED = columns(*NAMED, "registered_at", "kept")
IN_LINE = columns("agency", *NAMED, "registered_at", "kept")
LAYOUT = options(
    click.option("--encoding", type=click.Choice(["utf-8", "gb18030"]), default="utf-8", show_default=True),
    click.option("--delimiter", default=",", show_default=True, help="What separates the columns of a CSV file."),
    click.option("--sheet", help="Sheet of an XLSX file [the first]."),
)
FOR_MODELS = click.option(
    "--for-models", is_flag=True, help="Those of agencies in line with yours, which your models ask."
)


@click.group("dataset", cls=Group)
def dataset_group() -> None:
    """Outside data sets: register one, give its file to models, list them."""


@dataset_group.command("register")
@click.argument("file", type=FILE)
@click.option("--source", required=True, help="Who gave it, such as 'social security bureau'.")
@click.option("--legal-basis", required=True, help="On what ground it may be used.")
@click.option("--from", "period_from", metavar="DAY", required=True, help="First day that it covers, 2026-01-01.")
@click.option("--until", "period_until", metavar="DAY", required=True, help="Last day that it covers, 2026-06-30.")
@click.option("--dataset-id", help="Told by the digest unless given.")
@click.option("--readable", is_flag=True, help="What models find may show its cells.")
@click.option(
    "--compare",
    "compared",
    metavar="COLUMN",
    multiple=True,
    help="A column that models may compare, where its cells are not shown; may be given several times.",
)
@LAYOUT
@with_event_recorder
def register(recorder: EventRecorder, /, *, file: Path, dataset_id: str | None, **fields: Any) -> None:
    """Register FILE (CSV, XLSX, JSON): rows, layout and digest are recorded; the file stays here until you give it.

    Under an id that your agency has registered it is the later list of the same kind, which models ask from then on.
    """
    from ledger.interchange.imports.source_file import Layout, SourceFile, format_of

    if not (fields["readable"] or fields["compared"]):
        raise MalformedInput("expected --readable or --compare: no model could ask it", field="--compare")
    layout = {name: fields.pop(name) for name in ("encoding", "delimiter", "sheet")}
    kind = format_of(file)
    with SourceFile(file, Layout(kind, **layout)) as table:
        survey = table.survey(dict.fromkeys(fields["compared"], "--compare"), lambda _row: None, lambda _number: None)
    counted = {"rows": survey.rows, "digest": survey.digest, "layout": TableLayout(format=kind, **layout)}
    newest = {line["dataset_id"]: line for line in _datasets(recorder.session)}.values()  # of each: what models ask
    same_file = [line for line in newest if line["digest"] == survey.digest]
    for line in same_file:
        old = {name: line[name] for name in DatasetRegistered.__struct_fields__ if name != "dataset_id"}
        body = make_body(DatasetRegistered, dataset_id=line["dataset_id"], **counted, **fields)
        if convert({"dataset_id": line["dataset_id"]} | old, DatasetRegistered) == body:
            raise Conflict(
                "this file is registered as {registered}, read in the same way",
                registered=line["dataset_id"],
                field="FILE",
                code="already_registered",
            )
    # The same file that is read in another way takes the place of what it was registered as.
    own_id = same_file[-1]["dataset_id"] if same_file else f"dataset-{survey.digest.partition(':')[2][:16]}"
    dataset_id = dataset_id or own_id
    recorder.record_for_agency(make_body(DatasetRegistered, dataset_id=dataset_id, **counted, **fields))


@dataset_group.command("give")
@click.argument("dataset_id")
@click.argument("file", type=FILE)
def give(session: Session, dataset_id: str, file: Path) -> None:
    """Give FILE, as it was registered, to the service: models can ask its rows, nobody else reads them."""
    path = path_of("/api/v1/datasets/{}/file", dataset_id)
    kept = session.service.post(path, file.read_bytes(), dict[str, Any], content_type="application/octet-stream")
    session.output.record(kept)


@dataset_group.command("pseudonyms")
@click.argument("file", type=FILE)
@click.option(
    "--identity",
    metavar="COLUMN",
    multiple=True,
    required=True,
    help="A column with the number of a person's paper; several in the order of the import's mapping.",
)
@output_option(required=True)
@LAYOUT
@identity_key_option
def pseudonyms(
    session: Session, /, *, file: Path, identity: tuple[str, ...], output: Path, key_file: Path | None, **layout: Any
) -> None:
    """Write FILE anew, its persons as your agency's cases have them: a keyed digest in the place of their numbers.

    Done by the agency whose imports made the persons' ids, since only it has the key. No service is asked.
    """
    from ledger.cli.importing import identity_key
    from ledger.interchange.imports.identity import COLUMN, named_csv, read_named
    from ledger.interchange.imports.source_file import Layout, SourceFile, format_of

    with SourceFile(file, Layout(format_of(file), **layout)) as source:
        named = read_named(source, identity)
    own_key = identity_key(session, key_file)
    data = named_csv(named, {COLUMN: [own_key.person_id(*numbers) for numbers in named.persons]})
    save(session, output, data, private=True, rows=len(named.rows), left_out=named.left_out)


@dataset_group.command("row")
@click.argument("dataset_id")
@click.argument("file", type=FILE)
@click.argument("digest", nargs=-1, required=True)
@FOR_MODELS
def row(session: Session, dataset_id: str, file: Path, digest: tuple[str, ...], *, for_models: bool) -> None:
    """Show the rows of FILE that a lead cites by DIGEST: FILE must be the one that was registered, unchanged."""
    from ledger.supervision.runs.dataset_rows import Registered, rows_of_file

    lines = [line for line in _datasets(session, for_models=for_models) if line["dataset_id"] == dataset_id]
    if not lines:
        raise NotFound("no data set {dataset_id} is registered", dataset_id=dataset_id, field="dataset_id")
    fields = {name: lines[-1][name] for name in DatasetRegistered.__struct_fields__}
    registered = Registered(lines[-1]["agency"], "", convert(fields, DatasetRegistered))
    for cells in rows_of_file(file, registered, digest):
        session.output.record(cells)


@dataset_group.command("list")
@FOR_MODELS
def list_(session: Session, *, for_models: bool) -> None:
    """List the data sets that your agency registered, or those that your models ask, with whose they are."""
    session.output.table(_datasets(session, for_models=for_models), IN_LINE if for_models else LISTED)


def _datasets(session: Session, *, for_models: bool = False) -> list[dict[str, Any]]:
    whose = {"for_models": "true"} if for_models else {}
    return list(session.service.pages("/api/v1/datasets", "datasets", limit=1000, **whose))


COLOURS = {"case": "bold", "item": "", "seal": "yellow", "digest": "cyan", "officer": "magenta", "person": "green"}
SHORT = 20  # characters of a digest or pseudonym that people are shown


@click.command("correlate", cls=Command)
@click.argument("node", metavar="KIND:ID|CASE")
@click.option("--depth", type=click.IntRange(1, 8), default=4, show_default=True, help="Steps away from it.")
@click.option("--to", metavar="KIND:ID", help="Show the way to this one alone.")
@output_option("--graphml", help_text="Save the graph for other programs.", is_result=False)
def correlate_command(session: Session, node: str, depth: int, to: str | None, graphml: Path | None) -> None:
    """Show what KIND:ID has in common with others: case, item, seal, digest, officer or person.

    A case may be named by its id or number alone. Two cases with one seal are four steps apart. Persons are
    pseudonyms, never names. What very many share is counted and not followed.
    """
    correlation = session.service.get("/api/v1/correlation", depth=depth, to=to, **{"from": node})
    if graphml is not None:
        return _write_graph(session, graphml, correlation)
    if session.json:
        return session.output.data(correlation)
    if to is None:
        session.output.console.print(_tree(correlation, session.labels))
        if correlation["cut"]:
            session.output.warn(session.labels.of("message", "more_in_common"))
    for edge in () if to is None else correlation["path"]:
        a, b = (_name(edge[end], session.labels) for end in ("a", "b"))
        click.echo(f"{a}  {session.labels.of_relation(edge['relation'])}  {b}")
    return None


def _write_graph(session: Session, path: Path, correlation: dict[str, Any]) -> None:
    import networkx

    from ledger.supervision.correlation import Correlation, Edge, Place, parse_node

    graph = Correlation(
        parse_node(correlation["start"]),
        convert(correlation["places"], tuple[Place, ...]),
        convert(correlation["edges"], tuple[Edge, ...]),
        correlation["cut"],
    ).graph()
    with opened_output(session, path, option="--graphml") as opened:
        networkx.write_graphml(graph, opened)
    show_written(session, path, nodes=len(graph.nodes), edges=len(graph.edges))


def _tree(correlation: dict[str, Any], labels: Labels) -> Tree:
    """Draw each node below the nearest one that leads to it."""
    from rich.text import Text
    from rich.tree import Tree

    places = {_key(place["node"]): place for place in correlation["places"]}
    near: dict[str, list[str]] = {}
    for edge in correlation["edges"]:
        a, b = _key(edge["a"]), _key(edge["b"])
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)

    def drawn(name: str) -> Text:
        place = places[name]
        rest = "" if place["followed"] or place["distance"] == 0 else f"  ({place['neighbours']})"
        return Text(_name(place["node"], labels) + rest, style=COLOURS[place["node"]["kind"]])

    drawn_nodes = {correlation["start"]}
    root = Tree(drawn(correlation["start"]))
    waiting = [(correlation["start"], root)]
    for name, branch in waiting:
        for neighbour in sorted(set(near.get(name, ())) - drawn_nodes):
            if places[neighbour]["distance"] == places[name]["distance"] + 1:
                drawn_nodes.add(neighbour)
                waiting.append((neighbour, branch.add(drawn(neighbour))))
    return root


def _key(node: dict[str, str]) -> str:
    return f"{node['kind']}:{node['id']}"


def _name(node: dict[str, str], labels: Labels) -> str:
    is_long = node["kind"] in ("digest", "person") and len(node["id"]) > SHORT
    shown = node["id"][:SHORT] + "…" if is_long else node["id"]
    return printable(f"{labels.of('node_kind', node['kind'])} {shown}")


FORMATS = {".json": "json", ".html": "html", ".pdf": "pdf"}


@click.command("report", cls=Command)
@click.option("--from", "since", metavar="DAY", required=True, help="First day of the period, 2026-01-01.")
@click.option("--until", metavar="DAY", required=True, help="Last day of the period, 2026-06-30.")
@click.option("--jurisdiction", metavar="PATH", help="Agencies below it [all in yours].")
@click.option("--business-line", type=ProcedureWord("business_line"), help="Cases of this line [all].")
@output_option(help_text="Where to write it: a file that ends in .html, .pdf or .json; - is standard output.")
def report_command(session: Session, /, *, output: Path | None, **asked: str | None) -> None:
    """Report what recurs, where and for how long, of your agency's jurisdiction.

    Every row names the events that it was counted from: in the HTML page under its number, all of them in the JSON.
    """
    if output is not None:
        file_format = "json" if output == STANDARD_OUTPUT else FORMATS.get(output.suffix.lower())
        if file_format is None:
            raise MalformedInput("expected a file that ends in .html, .pdf or .json", field="--output")
        report = session.service.fetch("/api/v1/report", format=file_format, lang=session.language, **asked)
        return save(session, output, report, bytes=len(report))
    fetched = session.service.fetch("/api/v1/report", format="json", **asked)
    return session.output.data(msgspec.json.decode(fetched)) if session.json else _show(session, fetched)


def _show(session: Session, fetched: bytes) -> None:
    """Print a report; models have their id beside the name, which other commands ask for."""
    from ledger.supervision.reports.presentation import Called, cell_text, head_of
    from ledger.supervision.reports.questions import SupervisionReport

    def names(path: str, kind: str, key: str, name: str) -> dict[str, str]:
        return {row[key]: session.labels.in_language(row[name]) for row in session.service.pages(path, kind)}

    report, labels = decode_json(fetched, SupervisionReport), session.labels
    agencies = names("/api/v1/agencies", "agencies", "agency_id", "name")
    models = names("/api/v1/models", "models", "model_id", "title")
    called = Called(
        lambda agency: agencies.get(agency, agency),
        lambda model: f"{models[model]} ({model})" if model in models else model,
    )
    head = head_of(report, labels)
    click.secho(head.title, bold=True)
    for name, value in head.facts:
        click.echo(f"{name}: {value}")
    for table in report.tables:
        click.secho(f"\n{labels.in_language(table)}", bold=True)
        titles = [labels.in_language(column) for column in table.columns]
        texts = (
            [cell_text(column, cell, labels, called) for column, cell in zip(table.columns, row.cells, strict=True)]
            for row in table.rows
        )
        session.output.table([dict(zip(titles, row, strict=True)) for row in texts], list(map(Column, titles)))
    click.secho(f"\n{head.note}", dim=True)
