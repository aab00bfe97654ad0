"""Audits that auditors ran, kept with what they found."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, or_, select

from ledger.core.errors import NotFound
from ledger.store import bindings
from ledger.store.tables import AUDITS


class KeptAudit(Struct, frozen=True):
    """See ``tables.AuditRow``; ``report`` is left out of lists."""

    audit_id: str
    case_id: str | None
    agency: str
    officer: str
    started_at: int
    ended_at: int
    verdict: str | None
    failure: str | None
    report: bytes | None = None


_LISTED = [AUDITS.c[name] for name in KeptAudit.__struct_fields__ if name != "report"]


def keep(connection: Connection, audit: KeptAudit) -> None:
    """Puts one in. Requires the writer's lock."""
    connection.execute(AUDITS.insert(), {name: getattr(audit, name) for name in KeptAudit.__struct_fields__})
    bindings.bind_rows(connection, AUDITS, [{"audit_id": audit.audit_id}])


def latest(connection: Connection, agency: str, limit: int) -> list[KeptAudit]:
    """Those of the whole log, and those that the agency ran of cases, without their reports; the newest first."""
    query = select(*_LISTED).where(or_(AUDITS.c.case_id.is_(None), AUDITS.c.agency == agency))
    rows = connection.execute(query.order_by(AUDITS.c.started_at.desc()).limit(limit))
    return [KeptAudit(*row) for row in rows]


def one(connection: Connection, audit_id: str) -> KeptAudit:
    """With its report. Raises NotFound."""
    row: Any = connection.execute(select(*_LISTED, AUDITS.c.report).where(AUDITS.c.audit_id == audit_id)).first()
    if row is None:
        raise NotFound(f"no audit {audit_id}", field="audit_id")
    return KeptAudit(*row)
