"""Report: what recurs, where, at which handover and for how long; every number traces back to events.

tables.toml  the questions, each a query over the views
values       a report: tables of rows, each with the events that it was counted from
make         asks the questions of a period, a jurisdiction and a business line
charts       the picture of a table
html, pdf    a report for people
"""

from ledger.supervision.reports.questions import (
    Question,
    ReportRow,
    ReportScope,
    ReportTable,
    SupervisionReport,
    make_report,
    questions,
)

__all__ = ["Question", "ReportRow", "ReportScope", "ReportTable", "SupervisionReport", "make_report", "questions"]
