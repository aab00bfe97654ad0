"""Audits at an auditor's request: one of the whole log at a time. Those in the background have their report kept."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Collection
from threading import Lock

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from api.auth.reading import Reading, sides_of_streams
from api.schemas.answers import view_of
from api.services.parts import Parts
from ledger.audit import AuditReport, Look, NodeContracts, asking, audit_case, audit_log, replaying
from ledger.audit.findings import AuditFinding
from ledger.config.settings import EMBEDDED
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.messages import Message, Progress
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust
from ledger.core.visibility import can_see_event
from ledger.loggers import get_logger
from ledger.store import audit as audits
from ledger.store import log
from ledger.store.audit import KeptAudit
from ledger.store.database import Connection, Database

logger = get_logger(__name__)

WORTH_A_PROCESS = 2000  # entries from which the audit runs in processes of its own, beside the service's


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


def visible_report(connection: Connection, reading: Reading, report: AuditReport) -> AuditReport:
    """Return the report as the reader may see it.

    An audit of the log finds faults in streams that are not the reader's: of these it tells step, index and kind, and
    so of those that name no stream.
    """
    if report.scope != "log":
        return report
    quoting = [fault for fault in report.findings if fault.quotes_stream]
    at = log.streams_at(connection, {fault.index for fault in quoting if fault.index is not None})

    def stream_of(fault: AuditFinding) -> tuple[str, str] | None:
        return fault.named_stream if fault.index is None else at.get(fault.index)

    visible = _seen_among(connection, reading, {stream for stream in map(stream_of, quoting) if stream})
    findings = (
        fault.without_values() if fault.quotes_stream and stream_of(fault) not in visible else fault
        for fault in report.findings
    )
    return replace(report, findings=tuple(findings))


def _seen_among(connection: Connection, reading: Reading, streams: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of the streams that the reader sees. There may be thousands: it asks for all of them at once."""
    sides = sides_of_streams(connection, streams)
    signers = log.signers(connection, "case", [stream_id for kind, stream_id in streams if kind == "case"])
    for stream, of_stream in sides.items():
        if stream[0] == "case":  # whoever signed is a party, also where the row that says so is missing
            sides[stream] = replace(of_stream, parties=of_stream.parties | signers[stream[1]])
    return {
        stream
        for stream in streams
        if can_see_event(reading.reader, *stream, signer="", sides=sides.get(stream)) is not None
    }


class Audits:
    """Audits the log of one service for its auditors. ``running`` is the audit in the background, if one runs."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._gate = Lock()  # an audit of the whole log keeps all processors busy
        self.running: Running | None = None

    def of_case(self, case_id: str) -> AuditReport:
        """Audit a case."""
        return audit_case(*self._stored(), case_id, look=self._look_at())

    def of_log_alone(self) -> AuditReport:
        """Audit the whole log. Raises Unavailable while another audit of it runs."""
        self._close_gate()
        try:
            return self._of_log(None)
        finally:
            self._gate.release()

    def start(self, reading: Reading, case_id: str | None) -> Running:
        """Start an audit of a case, or of the whole log, in the background and return its state.

        Raises Unavailable while another one runs.
        """
        self._close_gate()
        grant = reading.session.grant
        run = Running(f"audit-{secrets.token_hex(5)}", case_id, grant.agency_id, grant.officer, self._parts.clock())
        self.running = run
        threading.Thread(target=self._run, args=(run,), name="audit", daemon=True).start()
        return run

    def _close_gate(self) -> None:
        if not self._gate.acquire(blocking=False):
            raise Unavailable("another audit is running", code="busy", retry_after=10)

    def _of_log(self, progress: Progress | None) -> AuditReport:
        with self._parts.database.read() as connection:
            size = log.tree(connection).size
        is_watched = progress is not None and size >= WORTH_A_PROCESS
        parts, look = self._parts, self._look_at()
        if parts.settings.chain == EMBEDDED:
            # The embedded chain is replayed from its journal, and the running node is compared with it.
            live = parts.chain_worker.link.chain if parts.chain_worker.state.connected else None
            node = (lambda: live.eth) if live else None
            look = replaying(parts.database, parts.trust.trust.log_id, parts.settings.anvil, live=node)
        return audit_log(
            *self._stored(),
            look=look,
            progress=progress or (lambda _done, _total: None),
            processes=max(2, (os.cpu_count() or 1) // 2) if is_watched else 1,
        )

    def _stored(self) -> tuple[Database, Trust, Procedures]:
        """Return what an audit computes again, and by which trust file: in force is what the log adopts."""
        return self._parts.database, self._parts.trust.trust, Procedures()

    def _look_at(self) -> Look:
        """Return the check of the node that the service is connected to; without one that step is not checked."""

        def connect() -> NodeContracts:
            link = self._parts.chain_worker.link
            return NodeContracts(link.chain.eth, link.deployment, link.chain.final_block())

        return asking(connect)

    def _run(self, run: Running) -> None:
        report: AuditReport | None = None
        failure: Message | None = None
        try:
            report = self._of_log(run.progress) if run.case_id is None else self.of_case(run.case_id)
        except TallystickError as error:
            failure = error.text
        except Exception:  # nothing else catches errors of this thread
            logger.exception("an audit failed", audit_id=run.audit_id)
            failure = Message("the audit failed; the service's own log says why")
        try:
            kept = view_of(
                KeptAudit,
                run,
                ended_at=self._parts.clock(),
                verdict=report.verdict if report else None,
                failure=failure and msgspec.json.encode(failure.packed()).decode(),
                report=None if report is None else msgspec.json.encode(report),
            )
            with self._parts.database.write() as connection:
                audits.keep(connection, kept)
        finally:
            self.running = None
            self._gate.release()
