"""Audits at an auditor's request: everything that is stored is computed again."""

from __future__ import annotations

from threading import Lock

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Reads, Service, ServiceOf, SlugQuery, json_response
from api.schemas.openapi import answers
from ledger.audit import AuditReport, KeptFiles, Look, Node, asking, audit_case, audit_log, replaying
from ledger.config.installation import DataDirectory
from ledger.config.settings import EMBEDDED
from ledger.core.errors import Unavailable
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.verification.trust import Trust
from ledger.procedures import shipped_rulebook
from ledger.store.database import Database
from ledger.supervision.runs.datasets import DatasetFiles

router = APIRouter(prefix="/api/v1", tags=["audit"])
one_at_a_time = Lock()  # an audit of the whole log keeps all processors busy


@router.get("/audit", summary="Audit a case, or everything", responses=answers(AuditReport, 401, 403, 404, 503))
def audit(service: ServiceOf, reading: Reads, case_id: SlugQuery = None) -> Response:
    """Audit a case as far as you may see it, or the whole log if there is no `case_id`.

    Takes the role auditor. Only one audit of the whole log runs at a time.
    """
    reading.require_role("auditor")
    if case_id is not None:
        with service.parts.database.read() as connection:
            reading.require_case(connection, case_id)
        reading.record("audit of the case", case_id)
        with service.parts.workers.turn(reading.agency):
            return json_response(audit_case(*stored(service), case_id, look=look_at(service)))
    reading.record("audit of the log")
    if not one_at_a_time.acquire(blocking=False):
        raise Unavailable("another audit is running", code="busy", retry_after=10)
    try:
        return json_response(audit_log(*stored(service), look=look_at_all(service), files=kept_files(service)))
    finally:
        one_at_a_time.release()


def stored(service: Service) -> tuple[Database, Trust, Rulebook]:
    """Return what an audit computes again, and by which trust file and rules."""
    return service.parts.database, service.parts.trust.trust, shipped_rulebook()


def kept_files(service: Service) -> KeptFiles:
    """Return the function that hashes the files of data sets that the service keeps."""
    return DatasetFiles(DataDirectory(service.parts.settings.data_dir).datasets).digests


def look_at(service: Service) -> Look:
    """Return the check of the node that the service is connected to; without a connection that step is not checked."""

    def connect() -> Node:
        link = service.parts.chain_worker.link
        return Node(link.chain.eth, link.deployment, link.chain.final_block())

    return asking(connect)


def look_at_all(service: Service) -> Look:
    """Return a check that replays the embedded chain from its journal and compares the running node with it, if any.

    For another chain, return the check of the connected node.
    """
    parts = service.parts
    if parts.settings.chain != EMBEDDED:
        return look_at(service)
    live = parts.chain_worker.link.chain if parts.chain_worker.state.connected else None
    return replaying(
        parts.database, parts.trust.trust.log_id, parts.settings.anvil, live=(lambda: live.eth) if live else None
    )
