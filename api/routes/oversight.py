"""Oversight: who read what, when, and on what ground; and audits that compute everything stored again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import PageOf, Reads, ServiceOf, SlugQuery, json_response, page_response, shown_pdf
from api.routes.proofs import PDF, Language
from api.schemas.openapi import Paged, Routes
from api.services import documents
from api.services.auditing import visible_report
from api.services.case_reading import ACCESS_LOG_ROLES, ReadView, visible_reads
from api.services.service import Service
from ledger.audit import AuditReport
from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.store import cases

LOOKED_AT = 10_000  # records that one request looks through at most

router = Routes(401, 403, 404, 503, prefix="/api/v1", tags=["audit"])
OfficerQuery = Annotated[str | None, Query(min_length=1, max_length=64, description="only what this officer read")]


@router.reads("/access", "List who read what of your agency's cases", Paged("reads", ReadView), 400)
def access(
    service: ServiceOf, reading: Reads, page: PageOf, case_id: SlugQuery = None, officer: OfficerQuery = None
) -> Response:
    """List all reads by your own officers, and reads by anybody of cases that your agency holds or held a part of.

    They are in the order in which they were made. The purpose of a read by supervision is shown for your own agency
    only. Takes the role auditor or supervisor. A page may have fewer entries than asked for, or none, and still have
    `next`: continue until it is absent. This request is recorded as well; the list ends with what was recorded before
    its first page.
    """
    reading.require_role(*ACCESS_LOG_ROLES)
    if case_id is not None:
        with service.parts.database.read() as connection:
            if not cases.parties_among(connection, reading.agency, [case_id]):
                raise NotFound(
                    "no case {case_id} that your agency holds or held a part of", case_id=case_id, field="case_id"
                )
    position = page.position("access")
    # Each page is a read itself: without an end that stands, small pages would never come to it.
    last_number, end = map(int, position.split(",")) if position else (-1, service.parts.access.head().count)
    is_end = False
    reads: list[ReadView] = []
    for _ in range(max(1, LOOKED_AT // page.limit)):
        records = service.parts.access.since(last_number, page.limit, before=end, case_id=case_id)
        visible = [view for view in visible_reads(service, reading, records) if officer in (None, view.officer)]
        reads += visible[: page.limit - len(reads)]
        if len(reads) == page.limit:
            last_number = reads[-1].number
            break
        if len(records) < page.limit:
            is_end = True
            break
        last_number = records[-1].number
    reading.record(Message("log of reads"), *([case_id] if case_id else []))
    return page_response("reads", reads, None if is_end else service.cursors.seal("access", f"{last_number},{end}"))


@router.reads("/audit", "Audit a case, or everything", AuditReport)
def audit(service: ServiceOf, reading: Reads, case_id: SlugQuery = None) -> Response:
    """Audit a case as far as you may see it, or the whole log if there is no `case_id`.

    Of findings in cases that you may not see, a report on the whole log has step, index and kind; key and values are
    shown as `…`. Takes the role auditor. Only one audit of the whole log runs at a time.
    """
    return json_response(_audited(service, reading, case_id))


@router.files("/audit/report", "Audit a case, or everything, and print the report", PDF)
def audit_report(service: ServiceOf, reading: Reads, language: Language, case_id: SlugQuery = None) -> Response:
    """Return the report of `audit` as a paper: steps and findings in words, the root of the log, what is not proven.

    The report is attached as `audit` returns it.
    """
    report, name = _audited(service, reading, case_id), f"audit-{case_id or 'log'}"
    pdf = documents.audited(service, report, language, made_at=service.parts.clock() // 1000, name=name)
    return shown_pdf(pdf, name)


def _audited(service: Service, reading: Reading, case_id: str | None) -> AuditReport:
    """Audit what the reader may, and record the read."""
    reading.require_role("auditor")
    if case_id is None:
        reading.record(Message("audit of the log"))
        report = service.audits.of_log_alone()
        with service.parts.database.read() as connection:
            return visible_report(connection, reading, report)
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    reading.record(Message("audit of the case"), case_id)
    with service.parts.workers.turn(reading.agency):
        return service.audits.of_case(case_id)
