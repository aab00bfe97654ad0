"""Audits: started with one click, watched while they run, and kept with their findings."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from api.auth.reading import Reading
from api.console.access import Reads
from api.console.forms import FormOf
from api.console.rendering import page
from api.console.security import PATH
from api.dependencies import Service, ServiceOf, SlugQuery
from api.routes.audit import kept_files, look_at, look_at_all, stored
from api.services.auditing import Progress, Running
from ledger.audit import AuditReport, audit_case, audit_log
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import NotFound
from ledger.store import audit as audits
from ledger.store import cases, log
from ledger.store.audit import KeptAudit

ROWS = 20
SHOWN = 200  # findings on the page; the file has all
WORTH_A_PROCESS = 2000  # entries from which the audit runs in processes of its own, beside the service's

router = APIRouter()
AuditIdPath = Annotated[str, Path(pattern=r"^audit-[0-9a-f]{10}$")]


@router.get("/audit")
def audit_page(request: Request, service: ServiceOf, reading: Reads, case_id: SlugQuery = None) -> Response:
    """Show what can be audited, the running audit, and earlier ones."""
    reading.require_role("auditor")
    with service.parts.database.read() as connection:
        case = None
        if case_id is not None:
            reading.require_case(connection, case_id)
            case = cases.case(connection, case_id)
            reading.record("case", case_id)
        earlier = audits.latest(connection, reading.agency, ROWS)
        size = log.tree(connection).size
    running = service.audits.running
    values: dict[str, Any] = {"asked": case, "earlier": earlier, "running": running, "size": size}
    return page(request, service, "audit.html", reading.session, **values)


@router.post("/audit")
def start(service: ServiceOf, reading: Reads, form: FormOf) -> Response:
    """Start an audit of the case that the form names, or of the whole log."""
    run = _start(service, reading, form.get("case_id"))
    return RedirectResponse(f"{PATH}/audit/{run.audit_id}", 303)


def _start(service: Service, reading: Reading, case_id: str | None) -> Running:
    reading.require_role("auditor")
    if case_id is None:
        reading.record("audit of the log")
        return service.audits.start(reading, None, lambda progress: _of_log(service, progress))
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    reading.record("audit of the case", case_id)
    return service.audits.start(
        reading, case_id, lambda _progress: audit_case(*stored(service), case_id, look=look_at(service))
    )


def _of_log(service: Service, progress: Progress) -> AuditReport:
    with service.parts.database.read() as connection:
        size = log.tree(connection).size
    processes = max(2, (os.cpu_count() or 1) // 2) if size >= WORTH_A_PROCESS else 1
    return audit_log(
        *stored(service),
        look=look_at_all(service),
        progress=progress,
        processes=processes,
        files=kept_files(service),
    )


@router.get("/audit/{audit_id}")
def audit_run(request: Request, service: ServiceOf, reading: Reads, audit_id: AuditIdPath) -> Response:
    """Show the progress or the findings of an audit."""
    return _shown(request, service, reading, audit_id, "audit_run.html")


@router.get("/audit/{audit_id}/state")
def audit_state(request: Request, service: ServiceOf, reading: Reads, audit_id: AuditIdPath) -> Response:
    """Return the part of that page that changes while the audit runs."""
    return _shown(request, service, reading, audit_id, "audit_state.html")


@router.get("/audit/{audit_id}/report")
def audit_report(service: ServiceOf, reading: Reads, audit_id: AuditIdPath) -> Response:
    """Return the whole report in the form of ``tally audit --json``."""
    kept = _kept(service, reading, audit_id)
    headers = {"Content-Disposition": f'attachment; filename="{audit_id}.json"'}
    return Response(kept.report or b"null", media_type="application/json", headers=headers)


def _shown(request: Request, service: Service, reading: Reading, audit_id: str, template: str) -> Response:
    reading.require_role("auditor")
    running = service.audits.running
    values: dict[str, Any] = {"running": None, "kept": None, "report": None, "shown": SHOWN}
    if running is not None and running.audit_id == audit_id:
        _require_visible(service, reading, running)
        seconds = (service.parts.clock() - running.started_at) // 1000
        values |= {"running": running, "seconds": seconds}
    else:
        kept = _kept(service, reading, audit_id)
        report = None if kept.report is None else decode_json(kept.report, AuditReport)
        values |= {"kept": kept, "report": report, "seconds": (kept.ended_at - kept.started_at) // 1000}
    return page(request, service, template, reading.session, audit_id=audit_id, **values)


def _kept(service: Service, reading: Reading, audit_id: str) -> KeptAudit:
    reading.require_role("auditor")
    with service.parts.database.read() as connection:
        kept = audits.one(connection, audit_id)
    _require_visible(service, reading, kept)
    reading.record("report of an audit", *([kept.case_id] if kept.case_id else []))
    return kept


def _require_visible(service: Service, reading: Reading, audit: KeptAudit | Running) -> None:
    """Raise NotFound unless the reader may see the audit.

    An audit of a case is for the auditors of the agency that ran it, as long as they may see the case.
    """
    if audit.case_id is None:
        return
    if audit.agency != reading.agency:
        raise NotFound(f"no audit {audit.audit_id} that you may see", field="audit_id")
    with service.parts.database.read() as connection:
        reading.require_case(connection, audit.case_id)
