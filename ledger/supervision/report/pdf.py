"""PDF: a report as PDF/A-3b, set by typst; the same report gives the same bytes."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files

import typst

from ledger.core.errors import Unavailable
from ledger.core.legal_day import SHANGHAI
from ledger.locales import Labels
from ledger.supervision.report.charts import chart
from ledger.supervision.report.head import head_of
from ledger.supervision.report.values import Report
from ledger.supervision.report.words import BY_ID, Called, cell_text


def to_pdf(report: Report, labels: Labels, called: Called = BY_ID) -> bytes:
    """The document, in the language of ``labels``, dated by the report's moment. Raises Unavailable."""
    return set_report(content_of(report, labels, called))


def set_report(content: str) -> bytes:
    """The document of what ``content_of`` gives. Raises Unavailable."""
    template = files("ledger.supervision.report").joinpath("report.typ").read_bytes()
    try:
        made = typst.compile(template, sys_inputs={"report": content}, pdf_standards=["a-3b"])
    except typst.TypstError as error:
        raise Unavailable(
            f"the report cannot be set: {error}",
            code="paper_unavailable",
            hint="PDFs need a Chinese font: sudo apt-get install fonts-noto-cjk",
        ) from error
    return made


def content_of(report: Report, labels: Labels, called: Called = BY_ID) -> str:
    """What the document says, as JSON."""
    return json.dumps(_content(report, labels, called))


def _content(report: Report, labels: Labels, called: Called) -> dict[str, object]:
    head = head_of(report, labels)
    at = datetime.fromisoformat(report.as_of).astimezone(SHANGHAI)
    return {
        "title": head.title,
        "facts": head.facts,
        "note": head.note,
        "nothing": head.nothing,
        "language": labels.language[:2],
        "date": [at.year, at.month, at.day, at.hour, at.minute, at.second],
        "tables": [
            {
                "title": labels.told(table),
                "columns": [labels.told(column) for column in table.columns],
                "numeric": [column.kind in ("count", "share", "days") for column in table.columns],
                "rows": [
                    [cell_text(*cell, labels, called) for cell in zip(table.columns, row.cells, strict=True)]
                    for row in table.rows
                ],
                "chart": chart(table, labels, called=called),
            }
            for table in report.tables
        ],
    }
