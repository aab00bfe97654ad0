"""Audit: everything that is stored is recomputed, on an auditor's word."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Reads, Service, ServiceOf, SlugQuery, answer
from api.openapi import answers
from ledger.audit import AuditReport, ChainRecord, audit_case, audit_log
from ledger.chain.eth import BlockRef
from ledger.core.errors import Unavailable
from ledger.follow import Link
from ledger.record import shipped_rulebook

router = APIRouter(prefix="/api/v1", tags=["audit"])
_one_at_a_time = Lock()  # an audit of the whole log keeps all processors busy


@router.get("/audit", summary="Audit a case, or everything", responses=answers(AuditReport, 401, 403, 404, 503))
def audit(service: ServiceOf, reading: Reads, case_id: SlugQuery = None) -> Response:
    """Takes the role auditor. A case as far as you may see it; without `case_id` the whole log, one audit at a time."""
    reading.require_role("auditor")
    if case_id is not None:
        with service.parts.database.read() as connection:
            reading.require_case(connection, case_id)
        reading.record("audit of the case", case_id)
        return answer(audit_case(service.parts.database, service.parts.trust.trust, shipped_rulebook(), case_id))
    reading.record("audit of the log")
    if not _one_at_a_time.acquire(blocking=False):
        raise Unavailable("another audit is running", code="busy", retry_after=10)
    try:
        return answer(_whole(service))
    finally:
        _one_at_a_time.release()


def _whole(service: Service) -> AuditReport:
    parts = service.parts
    return audit_log(parts.database, parts.trust.trust, shipped_rulebook(), contracts=_contracts(service))


def _contracts(service: Service) -> Contracts | None:
    """The contracts at the newest final block; None where the chain does not answer: that step is then not checked."""
    try:
        link = service.parts.follower.link
        final = link.chain.final_block()
    except Unavailable:
        return None
    return None if final is None else Contracts(link, final)


class Contracts:
    """What the chain says, for an audit (``ledger.audit.ContractView``)."""

    def __init__(self, link: Link, at: BlockRef):
        self._link = link
        self._at = at

    def records(self) -> Iterator[ChainRecord]:
        """All anchors but the state that the contract started with."""
        for number in range(1, self._link.anchors.record_count(self._at.hash) + 1):
            record = self._link.anchors.record(number, self._at.hash)
            yield ChainRecord(record.number, record.size, record.root)

    def registry(self) -> tuple[int, bytes]:
        """How many changes, and the hash after them."""
        state = self._link.registry.state(self._at.hash)
        return state.change_count, state.registry_hash
