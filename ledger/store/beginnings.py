"""Whether there is anything yet: what guides the first steps of an installation."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ledger.store.supervision_tables import LEADS, MODELS
from ledger.store.tables import CASE_AGENCIES


def has_case(connection: Connection, agency: str | None = None) -> bool:
    """A case of the agency's, or of anybody's."""
    query = select(CASE_AGENCIES.c.case_id)
    if agency is not None:
        query = query.where(CASE_AGENCIES.c.agency == agency)
    return connection.execute(query.limit(1)).first() is not None


def has_model(connection: Connection) -> bool:
    """A published model that is not retired."""
    return connection.execute(select(MODELS.c.model_id).where(~MODELS.c.retired).limit(1)).first() is not None


def has_lead(connection: Connection) -> bool:
    """A lead, in whatever state."""
    return connection.execute(select(LEADS.c.lead_id).limit(1)).first() is not None
