"""Reports: what recurs, where and for how long, with pictures, and the events behind every number."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from markupsafe import Markup
from starlette.responses import Response

from api.console.shared.access import VisitOf, page_router
from api.dependencies import Day, Tree, download
from api.services.governance import called_in, report_file, report_on, require_governing, within_own
from ledger.core.events.terms import BusinessLine
from ledger.core.procedure.jurisdiction import lies_within
from ledger.i18n import words_in_use, zone_in_use
from ledger.supervision.reports.presentation import cell_text, chart, head_of
from ledger.supervision.reports.questions import ReportScope, ReportTable

CITED_AT_MOST = 200  # digests that a row of the page carries; the report as JSON has all
PERIOD_DAYS = 90  # up to today, where nothing else is asked for

router = page_router()
MaybeDay = Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Line = Annotated[BusinessLine | Literal[""], Query()]
MaybeTree = Annotated[str, Query(max_length=84)]


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
    today = zone_in_use().day_of_text(visit.reading.reader.now)
    last = until or today.isoformat()
    first = since or (today - timedelta(days=PERIOD_DAYS)).isoformat()
    scope = ReportScope(first, last, within_own(visit.reading, jurisdiction or None), business_line or None)
    report = report_on(visit.service, visit.reading, scope)
    called = called_in(visit.service, visit.labels)

    def picture(table: ReportTable) -> Markup | None:
        drawn = (
            chart(table, visit.labels, bare=True, called=called) if any(row.evidence for row in table.rows) else None
        )
        return None if drawn is None else Markup(drawn)  # noqa: S704 - drawn here; its texts are escaped by the drawing

    jurisdictions = {agency.profile.jurisdiction for agency in visit.reading.authority.agencies.values()}
    return visit.page(
        "supervision/report.html",
        scope=scope,
        head=head_of(report, visit.labels),
        tables=report.tables,
        picture=picture,
        cell_text=lambda column, cell: cell_text(column, cell, visit.labels, called),
        jurisdictions=sorted(jurisdiction for jurisdiction in jurisdictions if lies_within(jurisdiction, own)),
        lines=words_in_use("business_line"),
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
