"""Reports: what recurs, where and for how long, with pictures, and the events behind every number."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.shared.access import VisitOf
from api.console.shared.rendering import download
from api.dependencies import Day, Tree
from api.services.governance import called_in, report_file, report_on, require_governing, within_own
from ledger.core.events import terms
from ledger.core.events.terms import BusinessLine
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.procedure.legal_days import legal_day_of
from ledger.i18n import Labels
from ledger.supervision.reports.presentation import Called, cell_text, chart, head_of
from ledger.supervision.reports.questions import ReportColumn, ReportScope, ReportTable

CITED_AT_MOST = 200  # digests that a row of the page carries; the report as JSON has all
PERIOD_DAYS = 90  # up to today, where nothing else is asked for

router = APIRouter()
MaybeDay = Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Line = Annotated[BusinessLine | Literal[""], Query()]
MaybeTree = Annotated[str, Query(max_length=84)]


class ShownCell(NamedTuple):
    """A cell's text, and the id of the model that it names, if any."""

    text: str
    model_id: str | None


class ShownRow(NamedTuple):
    """Cells in words, digests of the events from which they were counted, and the total number of these events."""

    cells: list[ShownCell]
    digests: tuple[str, ...]
    total: int


class ShownTable(NamedTuple):
    """A table with its picture, which has no style of its own."""

    name: str
    title: str
    columns: list[tuple[str, str]]
    rows: list[ShownRow]
    picture: Markup | None


@router.get("/reports")
def report(
    visit: VisitOf,
    *,
    since: MaybeDay = None,
    until: MaybeDay = None,
    jurisdiction: MaybeTree = "",
    business_line: Line = "",
) -> Response:
    """Show the form and the report that it asks for; without a period, that of the last 90 days."""
    own = require_governing(visit.reading)
    today = legal_day_of(visit.reading.reader.now)
    last = until or today.isoformat()
    scope = ReportScope(
        since or (date.fromisoformat(today.isoformat()) - timedelta(days=PERIOD_DAYS)).isoformat(),
        last,
        within_own(visit.reading, jurisdiction or None),
        business_line or None,
    )
    made_report = report_on(visit.service, visit.reading, scope)
    return visit.page(
        "supervision/report.html",
        scope=scope,
        head=head_of(made_report, visit.labels),
        tables=[_shown(table, visit.labels, called_in(visit.service, visit.labels)) for table in made_report.tables],
        jurisdictions=_below(visit.reading, own),
        lines=terms.choices(terms.BusinessLine),
        cited_at_most=CITED_AT_MOST,
    )


@router.get("/reports/file")
def file(
    visit: VisitOf,
    *,
    since: Day,
    until: Day,
    jurisdiction: Tree = None,
    business_line: BusinessLine | None = None,
    file_format: Annotated[Literal["pdf", "json"], Query(alias="format")] = "pdf",
) -> Response:
    """Return the report as a document for download."""
    scope = ReportScope(since, until, within_own(visit.reading, jurisdiction), business_line)
    content = report_file(visit.service, visit.reading, visit.labels, scope, file_format)
    return download(content, f"report-{since}-{until}.{file_format}", f"application/{file_format}")


def _below(reading: Reading, own: str) -> list[str]:
    """Return the jurisdictions of agencies within the reader's own."""
    jurisdictions = {agency.profile.jurisdiction for agency in reading.authority.agencies.values()}
    return sorted(jurisdiction for jurisdiction in jurisdictions if lies_within(jurisdiction, own))


def _shown(table: ReportTable, labels: Labels, called: Called) -> ShownTable:
    picture = chart(table, labels, bare=True, called=called) if any(row.evidence for row in table.rows) else None
    return ShownTable(
        table.name,
        labels.told(table),
        [(labels.told(column), column.kind) for column in table.columns],
        [
            ShownRow(
                [_cell(*cell, labels, called) for cell in zip(table.columns, row.cells, strict=True)],
                row.evidence[:CITED_AT_MOST],
                len(row.evidence),
            )
            for row in table.rows
        ],
        None if picture is None else Markup(picture),  # noqa: S704 - drawn here; its texts are escaped by the drawing
    )


def _cell(column: ReportColumn, cell: str | int | None, labels: Labels, called: Called) -> ShownCell:
    model_id = cell if column.vocabulary == "model" and isinstance(cell, str) else None
    return ShownCell(cell_text(column, cell, labels, called), model_id)
