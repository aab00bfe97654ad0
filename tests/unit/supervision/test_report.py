"""Reports: every number is that of a count by hand, and names the events that it was counted from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events.terms import BusinessLine
from ledger.i18n import LANGUAGES, Labels
from ledger.procedures import shipped_rulebook
from ledger.supervision.reports.presentation import CITED_AT_MOST, Called, content_of, set_report, to_html
from ledger.supervision.reports.questions import ReportScope, ReportTable, SupervisionReport, make_report, questions
from ledger.supervision.runs.query_session import QuerySession

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
HALF_YEAR = ReportScope("2026-01-01", "2026-06-30")


def digest(number: int) -> str:
    return f"blake3:{number:064x}"


def handover(number: int, **fields: Any) -> dict[str, Any]:
    """Return an accepted transfer for prosecution of a case of its own, offered on 2 March in Shanghai."""
    defaults = {
        "case_id": f"case-{number}",
        "handover_id": "handover-1",
        "from_agency": "police-east",
        "to_agency": "procuratorate-east",
        "purpose": "prosecution_review",
        "status": "accepted",
        "offered_at": "2026-03-02T01:00:00Z",
        "answered_at": "2026-03-03T01:00:00Z",
        "evidence": [digest(number)],
    }
    return defaults | fields


def views(*handovers: dict[str, Any], **others: list[dict[str, Any]]) -> QuerySession:
    """Open a session over these handovers and their cases, of police in two cities."""
    cases = [
        {"case_id": case_id, "business_line": "civil" if case_id == "case-9" else "criminal"}
        for case_id in dict.fromkeys(str(row["case_id"]) for row in handovers)
    ]
    agencies = [
        {"agency": "police-east", "jurisdiction": "31/01"},
        {"agency": "police-west", "jurisdiction": "32/01"},
        {"agency": "procuratorate-east", "jurisdiction": "31/01"},
    ]
    rows_of_views = {"agencies": agencies, "cases": cases, "handovers": list(handovers), **others}
    return QuerySession.of_rows(rows_of_views, zone=shipped_rulebook().zone)


def table(session: QuerySession, name: str, scope: ReportScope = HALF_YEAR) -> ReportTable:
    report = make_report(session, scope, tree_size=100, as_of=AS_OF)
    return next(table for table in report.tables if table.name == name)


def rows(
    session: QuerySession, name: str, scope: ReportScope = HALF_YEAR
) -> list[tuple[tuple[str | int | None, ...], tuple[str, ...]]]:
    return [(row.cells, row.evidence) for row in table(session, name, scope).rows]


def test_handovers_are_counted_by_purpose_and_what_became_of_them() -> None:
    """Four for prosecution: one refused, one returned, one with a difference and returned besides, one smooth; a return
    is counted with what it returns, a recalled return not at all. Each row names all that it counts."""
    back = {"handover_id": "handover-2", "returns": "handover-1", "purpose": "supplementary_investigation"}
    session = views(
        handover(1, status="refused", reason_code="incomplete_dossier"),
        handover(2),
        handover(2, **back, evidence=[digest(20)]),
        handover(3),
        handover(3, **back),
        handover(4),
        handover(4, **back, status="recalled"),
        handover(5, purpose="property_transfer"),
        discrepancies=[
            {"case_id": "case-3", "discrepancy_id": "d", "handover_id": "handover-1", "evidence": [digest(30)]}
        ],
    )
    review = tuple(digest(number) for number in (1, 2, 3, 4, 20, 30))
    assert rows(session, "handovers") == [
        (("prosecution_review", 4, 1, 2, 1, 750), review),
        (("property_transfer", 1, 0, 0, 0, 0), (digest(5),)),
    ]
    assert rows(session, "agencies") == [(("police-east", 5, 3, 600), (*review[:4], digest(5), *review[4:]))]
    assert [evidence for _, evidence in rows(session, "months")] == [(*review[:4], digest(5), *review[4:])]


def test_the_period_ends_at_midnight_in_beijing_and_the_scope_is_kept() -> None:
    """Of four handovers one second apart at the borders two are in the period; other places and lines stay out."""
    session = views(
        handover(1, offered_at="2025-12-31T15:59:59Z"),
        handover(2, offered_at="2025-12-31T16:00:00Z"),
        handover(3, offered_at="2026-06-30T15:59:59Z"),
        handover(4, offered_at="2026-06-30T16:00:00Z"),
        handover(5, from_agency="police-west"),
        handover(9),
    )
    scope = ReportScope(HALF_YEAR.since, HALF_YEAR.until, "31", "criminal")
    assert rows(session, "handovers", scope) == [(("prosecution_review", 2, 0, 0, 0, 0), (digest(2), digest(3)))]
    assert [cells for cells, _ in rows(session, "months", scope)] == [("2026-01", 1, 0, 0), ("2026-06", 1, 0, 0)]


def test_reasons_and_agencies_are_told() -> None:
    """Who refuses says why; the sender with the larger share comes first."""
    session = views(
        handover(1, status="refused", reason_code="seal_broken"),
        handover(2, status="refused", reason_code="seal_broken"),
        handover(3),
        handover(4, from_agency="police-west", status="refused", reason_code="items_differ"),
    )
    assert rows(session, "reasons") == [
        (("seal_broken", "prosecution_review", 2, 2), (digest(1), digest(2))),
        (("items_differ", "prosecution_review", 1, 1), (digest(4),)),
    ]
    assert [cells for cells, _ in rows(session, "agencies")] == [
        ("police-west", 1, 1, 1000),
        ("police-east", 3, 2, 667),
    ]


def test_stages_are_told_by_their_median() -> None:
    """Ten stages of 1 to 10 days: the fifth is the median, the ninth has nine in ten within it; what lasts is out."""
    ended = [
        {
            "case_id": f"case-{days}",
            "stage": "investigation",
            "agency": "police-east",
            "entered_at": "2026-03-01T00:00:00Z",
            "left_at": f"2026-03-{1 + days:02d}T12:00:00Z",
            "evidence": [digest(days)],
        }
        for days in range(1, 11)
    ]
    lasting = ended[0] | {"left_at": None}
    session = views(*(handover(number) for number in range(1, 11)), stages=[*ended, lasting])
    ((cells, evidence),) = rows(session, "stages")
    assert cells == ("investigation", 10, 55, 95, 105)
    assert len(evidence) == 10


def test_clocks_that_ran_out_are_counted_with_those_that_ended() -> None:
    """One met, one missed, one overdue in the period; running and provisional ones are left out."""

    def clock(number: int, status: str, **fields: Any) -> dict[str, Any]:
        row = {"clock": "prosecution_review", "agency": "procuratorate-east", "due_at": "2026-04-01T00:00:00Z"}
        return (
            row
            | {"case_id": f"case-{number}", "status": status, "provisional": False, "evidence": [digest(number)]}
            | fields
        )

    session = views(
        *(handover(number) for number in range(1, 6)),
        deadlines=[
            clock(1, "met", stopped_at="2026-03-20T00:00:00Z"),
            clock(2, "missed", stopped_at="2026-04-20T00:00:00Z"),
            clock(3, "overdue"),
            clock(4, "running"),
            clock(5, "missed", provisional=True),
        ],
    )
    assert rows(session, "deadlines") == [(("prosecution_review", 3, 2, 667), (digest(1), digest(2), digest(3)))]


def test_flags_are_counted_by_event_case_and_agency() -> None:
    """Three events of two cases by one agency."""
    flag = {"name": "returned_too_often", "agency": "procuratorate-east", "occurred_at": "2026-03-02T01:00:00Z"}
    flagged = [
        flag | {"case_id": case_id, "evidence": [digest(n)]} for n, case_id in enumerate(("case-1", "case-1", "case-2"))
    ]
    session = views(handover(1), handover(2), flags=flagged)
    assert [cells for cells, _ in rows(session, "flags")] == [("returned_too_often", 3, 2, 1)]


def test_models_are_told_with_what_became_of_their_leads() -> None:
    """Two confirmed, one dismissed, one undecided, one of before the period: two of three decided were right."""

    def lead(number: int, **fields: Any) -> dict[str, Any]:
        row = {"lead_id": f"lead-{number}", "model_id": "third-return", "supervised": "police-east"}
        return row | {"raised_at": "2026-03-02T01:00:00Z", "evidence": [digest(number)]} | fields

    closed = {"outcome": "rectification_notice", "closed_at": "2026-04-01T00:00:00Z"}
    session = views(
        leads=[
            lead(1, confirmed=True, **closed),
            lead(2, confirmed=True),
            lead(3, confirmed=False, outcome="no_further_action", closed_at="2026-04-01T00:00:00Z"),
            lead(4),
            lead(5, raised_at="2025-12-01T00:00:00Z"),
        ]
    )
    ((cells, evidence),) = rows(session, "models")
    assert cells == ("third-return", 4, 2, 1, 1, 667)
    assert evidence == tuple(map(digest, range(1, 5)))
    assert rows(session, "outcomes") == [(("rectification_notice", "police-east", 1), (digest(1),))]


def test_a_recommendation_is_told_with_before_and_after() -> None:
    """Answered after ten days and a half; what the re-check counted, and who did."""
    row = {
        "recommendation_id": "2026-7",
        "to_agency": "police-east",
        "model_id": "third-return",
        "issued_at": "2026-03-02T00:00:00Z",
        "answered_at": "2026-03-12T12:00:00Z",
        "rechecked_at": "2026-06-01T00:00:00Z",
        "count_before": 9,
        "count_after": 2,
        "counted_by": "officer",
        "result": "fell",
        "evidence": [digest(1)],
    }
    later = row | {"recommendation_id": "2026-9", "issued_at": "2026-07-02T00:00:00Z"}
    expected = ("2026-7", "police-east", "third-return", 105, 9, 2, "officer", "fell")
    assert rows(views(recommendations=[row, later]), "recommendations") == [(expected, (digest(1),))]


def test_a_recommendation_belongs_to_the_business_lines_of_its_leads() -> None:
    """Of those that came to it, and of those that its model had raised about the agency before it."""

    def advice(name: str, **fields: Any) -> dict[str, Any]:
        row = {"recommendation_id": name, "to_agency": "police-east", "issued_at": "2026-03-02T00:00:00Z"}
        return row | {"evidence": []} | fields

    lead = {"model_id": "m", "supervised": "police-east", "raised_at": "2026-03-01T00:00:00Z"}
    session = views(
        handover(1),
        handover(9),
        leads=[lead | {"case_id": "case-9", "recommendation_id": "closed"}, lead | {"case_id": "case-1"}],
        recommendations=[advice("closed"), advice("before", model_id="m"), advice("alone", model_id="other")],
    )

    def told(line: BusinessLine | None) -> list[object]:
        scope = ReportScope(HALF_YEAR.since, HALF_YEAR.until, business_line=line)
        return [cells[0] for cells, _ in rows(session, "recommendations", scope)]

    assert told(None) == ["alone", "before", "closed"]
    assert told("civil") == ["before", "closed"]
    assert told("criminal") == ["before"]


@pytest.mark.parametrize(
    ("scope", "field"),
    [(ReportScope("2026-02-30", "2026-06-30"), "since"), (ReportScope("2026-07-01", "2026-06-30"), "since")],
)
def test_a_period_that_is_none_is_refused(scope: ReportScope, field: str) -> None:
    """A day that the calendar has not, an end before the beginning."""
    with pytest.raises(MalformedInput) as refused:
        make_report(views(), scope, tree_size=0, as_of=AS_OF)
    assert refused.value.field == field


@cache
def full() -> SupervisionReport:
    """Make a report with more events in a row than a page shows, and with a name that would be markup."""
    many = [handover(number, status="refused", reason_code="other") for number in range(CITED_AT_MOST + 3)]
    nasty = handover(100, from_agency="police-west", purpose="<script>alert(1)</script> #panic()")
    return make_report(views(*many, nasty), HALF_YEAR, tree_size=100, as_of=AS_OF)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_needs_nothing_and_shows_the_events(language: str) -> None:
    """Titles in the language; nothing is fetched; markup in the record is text; what is not shown is counted."""
    page = to_html(full(), Labels(language))
    assert "<script" not in page
    assert not any(fetch in page for fetch in ('src="', "@import", "url(", 'rel="stylesheet"'))
    assert digest(1) in page
    assert digest(CITED_AT_MOST + 1) not in page
    question = questions()["handovers"]
    assert (question.zh if language == "zh-CN" else question.en) in page
    assert page == to_html(full(), Labels(language))


def test_a_document_is_the_same_each_time() -> None:
    """PDF/A by its own words, and the same bytes on rerun; what looks like a command of the typesetter is text."""
    content = content_of(full(), Labels("zh-CN"))
    document = set_report(content)
    assert content == content_of(full(), Labels("zh-CN"))
    assert document == set_report(content)
    assert document.startswith(b"%PDF-1.7")
    assert b"pdfaid:part" in document


def test_an_empty_report_says_so() -> None:
    """A period without anything has all its tables, and says of each that there is nothing."""
    report = make_report(views(), HALF_YEAR, tree_size=0, as_of=AS_OF)
    assert [table.name for table in report.tables] == list(questions())
    assert all(table.rows == () for table in report.tables)
    assert "Nothing in this period." in to_html(report, Labels("en"))
    assert len(set_report(content_of(report, Labels("en")))) > 0


def test_agencies_and_models_are_called_by_their_names() -> None:
    """In the table and in its picture, where the reader's office knows them; the id stands nowhere else."""
    lead = {"model_id": "third-return", "supervised": "police-east", "raised_at": "2026-03-02T01:00:00Z"}
    session = views(handover(1), handover(2), leads=[lead | {"evidence": [digest(1)]}])
    report = make_report(session, HALF_YEAR, tree_size=100, as_of=AS_OF)
    names = {"police-east": "East Police", "third-return": "A third return"}
    page = to_html(report, Labels("en"), Called(names.__getitem__, names.__getitem__))
    assert {name: page.count(name) for name in names} == {"police-east": 0, "third-return": 0}
    assert all(page.count(name) > 1 for name in names.values()), "the table and the picture"
