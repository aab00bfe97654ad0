"""HTML: a report as one page that needs nothing from outside; each row opens to the events that it was counted from."""

from __future__ import annotations

from ledger.locales import Labels
from ledger.supervision.report.charts import chart
from ledger.supervision.report.head import head_of
from ledger.supervision.report.values import Report
from ledger.supervision.report.words import BY_ID, Called, cell_text
from ledger.supervision.templates import templates_of

CITED_AT_MOST = 50  # digests that a row shows; the report as JSON has all


def to_html(report: Report, labels: Labels, called: Called = BY_ID) -> str:
    """The page, in the language of ``labels``."""
    return (
        templates_of(__package__)
        .get_template("report.html")
        .render(
            head=head_of(report, labels),
            language=labels.language,
            tables=[
                {
                    "title": labels.told(table),
                    "columns": [(labels.told(column), column.kind) for column in table.columns],
                    "rows": [
                        (
                            [cell_text(*cell, labels, called) for cell in zip(table.columns, row.cells, strict=True)],
                            row.evidence[:CITED_AT_MOST],
                            len(row.evidence),
                        )
                        for row in table.rows
                    ],
                    "chart": chart(table, labels, called=called),
                }
                for table in report.tables
            ],
        )
    )
