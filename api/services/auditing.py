"""Audits in the background: one at a time, with its progress; the report is kept."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from threading import Lock

import msgspec
import structlog
from msgspec import Struct

from api.auth.reading import Reading
from ledger.audit import AuditReport
from ledger.core.errors import TallystickError, Unavailable
from ledger.store import audit as audits
from ledger.store.audit import KeptAudit
from ledger.store.database import Database

logger = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]  # done, and in total
Audit = Callable[[Progress], AuditReport]


class Running(Struct):
    """An audit under way. ``total`` is 0 until it is known; ``started_at`` is in unix milliseconds."""

    audit_id: str
    case_id: str | None
    agency: str
    officer: str
    started_at: int
    done: int = 0
    total: int = 0

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Audits:
    """Runs audits. ``gate`` is held while one runs; ``clock`` returns unix milliseconds."""

    def __init__(self, database: Database, gate: Lock, clock: Callable[[], int]):
        self._database = database
        self._gate = gate
        self._clock = clock
        self.running: Running | None = None

    def start(self, reading: Reading, case_id: str | None, audit: Audit) -> Running:
        """Start an audit and return its state. Raises Unavailable while another one runs."""
        if not self._gate.acquire(blocking=False):
            raise Unavailable("another audit is running", code="busy", retry_after=10)
        grant = reading.session.grant
        run = Running(f"audit-{secrets.token_hex(5)}", case_id, grant.agency_id, grant.officer, self._clock())
        self.running = run
        threading.Thread(target=self._run, args=(run, audit), name="audit", daemon=True).start()
        return run

    def _run(self, run: Running, audit: Audit) -> None:
        report: AuditReport | None = None
        failure: str | None = None
        try:
            report = audit(run.progress)
        except TallystickError as error:
            failure = error.message
        except Exception:  # nothing else catches errors of this thread
            logger.exception("an audit failed", audit_id=run.audit_id)
            failure = "the audit failed; the service's own log says why"
        try:
            self._keep(run, report, failure)
        finally:
            self.running = None
            self._gate.release()

    def _keep(self, run: Running, report: AuditReport | None, failure: str | None) -> None:
        encoded = None if report is None else msgspec.json.encode(report)
        kept = KeptAudit(
            audit_id=run.audit_id,
            case_id=run.case_id,
            agency=run.agency,
            officer=run.officer,
            started_at=run.started_at,
            ended_at=self._clock(),
            verdict=report.verdict if report else None,
            failure=failure,
            report=encoded,
        )
        with self._database.write() as connection:
            audits.keep(connection, kept)
