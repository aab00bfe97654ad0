"""``tally report``: what recurs in a period, where, at which handover and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ledger.cli.command import Command
from ledger.cli.output import Column
from ledger.cli.params import words
from ledger.cli.session import Session, pass_session
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import Conflict, MalformedInput
from ledger.core.events.terms import BusinessLine

if TYPE_CHECKING:
    from ledger.supervision.reports.document import Called

FORMATS = {".json": "json", ".html": "html", ".pdf": "pdf"}


@click.command("report", cls=Command)
@click.option("--from", "since", metavar="DAY", required=True, help="First day of the period, 2026-01-01.")
@click.option("--until", metavar="DAY", required=True, help="Last day of the period, 2026-06-30.")
@click.option("--jurisdiction", metavar="PATH", help="Agencies below it [all in yours].")
@click.option("--business-line", type=words(BusinessLine), help="Cases of this line [all].")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file: .html, .pdf or .json.")
@pass_session
def command(session: Session, /, *, output: Path | None, **asked: str | None) -> None:
    """Report what recurs, where and for how long, of your procuratorate's jurisdiction.

    Every row names the events that it was counted from: in the HTML page under its number, all of them in the JSON.
    """
    if output is not None:
        return _save(session, output, asked)
    from ledger.supervision.reports import Report

    fetched = session.service.fetch("/api/v1/report", format="json", **asked)
    if session.json:
        return session.output.data(msgspec.json.decode(fetched))
    return _show(session, decode_json(fetched, Report))


def _save(session: Session, output: Path, asked: dict[str, str | None]) -> None:
    file_format = FORMATS.get(output.suffix.lower())
    if file_format is None:
        raise MalformedInput("expected a file that ends in .html, .pdf or .json", field="--output")
    report = session.service.fetch("/api/v1/report", format=file_format, lang=session.language, **asked)
    try:
        with output.open("xb") as file:
            file.write(report)
    except FileExistsError as error:
        raise Conflict(f"{output} is there already", field="--output", hint="Name another file with -o.") from error
    session.output.record({"file": str(output), "bytes": len(report)})


def _show(session: Session, report: object) -> None:
    from ledger.supervision.reports import Report
    from ledger.supervision.reports.document import cell_text, head_of

    assert isinstance(report, Report)
    head, labels, called = head_of(report, session.labels), session.labels, _called(session)
    click.secho(head.title, bold=True)
    for name, value in head.facts:
        click.echo(f"{name}: {value}")
    for table in report.tables:
        click.secho(f"\n{labels.told(table)}", bold=True)
        titles = [labels.told(column) for column in table.columns]
        rows = [
            {
                title: cell_text(column, cell, labels, called)
                for title, column, cell in zip(titles, table.columns, row.cells, strict=True)
            }
            for row in table.rows
        ]
        session.output.table(rows, [Column(title) for title in titles])
    click.secho(f"\n{head.note}", dim=True)


def _called(session: Session) -> Called:
    """Names from the service; a model's with the id beside it, which other commands ask for."""
    from ledger.supervision.reports.document import Called

    def told(path: str, kind: str, key: str, name: str) -> dict[str, str]:
        return {row[key]: row[name][session.labels.suffix] for row in session.service.pages(path, kind)}

    agencies = told("/api/v1/agencies", "agencies", "agency_id", "name")
    models = told("/api/v1/models", "models", "model_id", "title")
    return Called(
        lambda agency: agencies.get(agency, agency),
        lambda model: f"{models[model]} ({model})" if model in models else model,
    )
