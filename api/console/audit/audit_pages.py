"""Audits: started with one click, watched while they run, and kept with their findings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from msgspec import json
from starlette.responses import RedirectResponse, Response

from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.forms import FormOf
from api.console.shared.rendering import PATH
from api.dependencies import SlugQuery, download
from api.services import documents
from api.services.auditing import Running, visible_report
from api.services.case_reading import search_cases
from ledger.audit import AuditReport
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.i18n.audit_words import VERDICT_MEANS
from ledger.interchange.papers.paper_text import language_for
from ledger.store import audit as audits
from ledger.store import cases, log
from ledger.store.audit import KeptAudit
from ledger.store.search import LONGEST, folded, is_searchable

ROWS = 20
SHOWN = 200  # findings on the page; the file has all


def auditing(visit: VisitOf) -> None:
    """Let an auditor pass. Raises Unauthorized."""
    visit.reading.require_role("auditor")


router = page_router(auditing)
NumberQuery = Annotated[str, Query(max_length=LONGEST)]
AuditIdPath = Annotated[str, Path(pattern=r"^audit-[0-9a-f]{10}$")]


@router.get("/audit")
def audit_page(visit: VisitOf, case_id: SlugQuery = None, number: NumberQuery = "") -> Response:
    """Show what can be audited, the running audit, and earlier ones; of a case by its id or what finds its number."""
    case, named = None, dict[str, str]()
    if number.strip():
        named = _cases_called(visit, number.strip())
        case_id = next(iter(named)) if len(named) == 1 else None
    with visit.service.parts.database.read() as connection:
        if case_id is not None:
            visit.reading.require_case(connection, case_id)
            case = cases.case(connection, case_id)
            visit.reading.record(Message("case"), case_id)
        earlier = audits.latest(connection, visit.reading.agency, ROWS)
        numbers = cases.numbers_of(connection, {each.case_id for each in earlier if each.case_id}, visit.reading.reader)
        size = log.tree(connection).size
    running = visit.service.audits.running
    values = {
        "asked": case,
        "looked_for": number.strip(),
        "named": named,
        "earlier": earlier,
        "numbers": numbers,
        "running": running,
        "size": size,
    }
    return visit.page("audit/audit.html", **values)


def _cases_called(visit: Visit, text: str) -> dict[str, str]:
    """Return the numbers of the cases that have this one, or else of those that a search for it finds, by their ids."""
    with visit.service.parts.database.read() as connection:
        exactly = cases.numbers_of(connection, cases.with_number(connection, text), visit.reading.reader)
    if exactly or not is_searchable(folded(text)):
        return dict(exactly)
    results = search_cases(visit.request.scope, visit.service, visit.reading, text, limit=ROWS, after=None)
    return {hit.case_id: hit.case_number for hit in results.hits}


@router.post("/audit")
def start(visit: VisitOf, form: FormOf) -> Response:
    """Start an audit of the case that the form names, or of the whole log."""
    case_id = form.get("case_id")
    if case_id is None:
        visit.reading.record(Message("audit of the log"))
    else:
        with visit.service.parts.database.read() as connection:
            visit.reading.require_case(connection, case_id)
        visit.reading.record(Message("audit of the case"), case_id)
    run = visit.service.audits.start(visit.reading, case_id)
    return RedirectResponse(f"{PATH}/audit/{run.audit_id}", 303)


@router.get("/audit/{audit_id}")
def audit_run(visit: VisitOf, audit_id: AuditIdPath) -> Response:
    """Show the progress or the findings of an audit."""
    return _shown(visit, audit_id, "audit/audit_run.html")


@router.get("/audit/{audit_id}/state")
def audit_state(visit: VisitOf, audit_id: AuditIdPath) -> Response:
    """Return the part of that page that changes while the audit runs."""
    return _shown(visit, audit_id, "audit/audit_state.html")


@router.get("/audit/{audit_id}/report")
def audit_report(visit: VisitOf, audit_id: AuditIdPath) -> Response:
    """Return the report, as the reader may see it, in the form of ``tally audit --json``."""
    report = _report(visit, _kept(visit, audit_id))
    return download(json.encode(report), f"{audit_id}.json")


@router.get("/audit/{audit_id}/paper")
def audit_paper(visit: VisitOf, audit_id: AuditIdPath) -> Response:
    """Return the report as a PDF in the reader's language. Raises NotFound if the audit did not come to its end."""
    kept = _kept(visit, audit_id)
    report, language = _report(visit, kept), language_for(visit.labels.language)
    if report is None:
        raise NotFound("the audit {audit_id} was not brought to its end", audit_id=audit_id, field="audit_id")
    pdf = documents.audited(visit.service, report, language, made_at=kept.ended_at // 1000, name=audit_id)
    return download(pdf, f"{audit_id}.pdf", "application/pdf")


def _shown(visit: Visit, audit_id: str, template: str) -> Response:
    running = visit.service.audits.running
    values: dict[str, Any] = {"running": None, "kept": None, "report": None, "shown": SHOWN}
    if running is not None and running.audit_id == audit_id:
        _require_visible(visit, running)
        seconds = (visit.service.parts.clock() - running.started_at) // 1000
        values |= {"running": running, "seconds": seconds}
    else:
        kept = _kept(visit, audit_id)
        report = _report(visit, kept)
        failure = Message.unpacked(decode_json(kept.failure, dict[str, Any])) if kept.failure else None
        seconds = (kept.ended_at - kept.started_at) // 1000
        values |= {"kept": kept, "report": report, "failure": failure, "seconds": seconds}
    about = values["running"] or values["kept"]
    with visit.service.parts.database.read() as connection:
        numbers = cases.numbers_of(connection, [about.case_id or ""], visit.reading.reader)
    return visit.page(
        template,
        audit_id=audit_id,
        verdict_means=VERDICT_MEANS,
        about=about,
        number=numbers.get(about.case_id or ""),
        **values,
    )


def _kept(visit: Visit, audit_id: str) -> KeptAudit:
    with visit.service.parts.database.read() as connection:
        kept = audits.stored_audit(connection, audit_id)
    _require_visible(visit, kept)
    visit.reading.record(Message("report of an audit"), *([kept.case_id] if kept.case_id else []))
    return kept


def _report(visit: Visit, kept: KeptAudit) -> AuditReport | None:
    """Return the report as the reader may see it; None if the audit did not come to its end."""
    if kept.report is None:
        return None
    with visit.service.parts.database.read() as connection:
        return visible_report(connection, visit.reading, decode_json(kept.report, AuditReport))


def _require_visible(visit: Visit, audit: KeptAudit | Running) -> None:
    """Raise NotFound unless the reader may see the audit.

    An audit of a case is for the auditors of the agency that ran it, as long as they may see the case.
    """
    if audit.case_id is None:
        return
    if audit.agency != visit.reading.agency:
        raise NotFound("no audit {audit.audit_id} that you may see", audit=audit, field="audit_id")
    with visit.service.parts.database.read() as connection:
        visit.reading.require_case(connection, audit.case_id)
