"""Warnings of clocks that run out: derived from the list of deadlines, stored once each, read as a feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, case, func, literal, select

from ledger.core.visibility import Reader
from ledger.store import bindings
from ledger.store.cases import visible
from ledger.store.tables import CASES, CLOCKS, WARNINGS


class Warned(Struct, frozen=True):
    """A warning (``tables.WarningRow``). ``number`` rises without a gap over all agencies; ``days`` 0: it has run out.

    ``agency`` and ``handler`` are those that the clock had then; ``warned_at`` is in unix milliseconds.
    """

    number: int
    case_id: str
    deadline_id: str
    clock: str
    subject: str
    agency: str
    handler: str | None
    due_at: str
    days: int
    warned_at: int


def due(connection: Connection, horizons: Mapping[int, str], limit: int) -> list[dict[str, Any]]:
    """Return at most ``limit`` new warnings, without their numbers, of running clocks that end by a horizon.

    ``horizons`` maps numbers of days to instants (RFC 3339), later ones for more days. A clock within several is warned
    of by the nearest one only, and once for each end.
    """
    nearest = case(*((CLOCKS.c.due_at <= end, days) for days, end in sorted(horizons.items())))
    names = [name for name in Warned.__struct_fields__ if name in CLOCKS.c]
    stored = select(literal(1)).where(
        WARNINGS.c.case_id == CLOCKS.c.case_id,
        WARNINGS.c.deadline_id == CLOCKS.c.deadline_id,
        WARNINGS.c.due_at == CLOCKS.c.due_at,
        WARNINGS.c.days == nearest,
    )
    query = select(*(CLOCKS.c[name] for name in names), nearest.label("days")).where(
        CLOCKS.c.status == "running", CLOCKS.c.due_at <= max(horizons.values()), ~stored.exists()
    )
    order = (CLOCKS.c.due_at, CLOCKS.c.case_id, CLOCKS.c.deadline_id)
    return [dict(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]


def tell(connection: Connection, warnings: list[dict[str, Any]], warned_at: int) -> None:
    """Append the warnings to those that are stored. Requires the writer's lock, held since ``due`` derived them."""
    last = connection.execute(select(func.max(WARNINGS.c.number))).scalar() or 0
    rows = [{**row, "number": last + n, "warned_at": warned_at} for n, row in enumerate(warnings, 1)]
    if rows:
        connection.execute(WARNINGS.insert(), rows)
        bindings.bind_rows(connection, WARNINGS, rows)


def listed(connection: Connection, reader: Reader, *, handler: str | None, after: int, limit: int) -> list[Warned]:
    """Return the warnings to the reader's agency of cases that it sees, or only those to one ``handler``, in order."""
    query = _of_agency(reader).where(WARNINGS.c.number > after)
    if handler is not None:
        query = query.where(WARNINGS.c.handler == handler)
    return [Warned(*row) for row in connection.execute(query.order_by(WARNINGS.c.number).limit(limit))]


def last_number(connection: Connection, agency: str) -> int:
    """Return the number of the agency's newest warning; 0 if there is none."""
    query = select(func.max(WARNINGS.c.number)).where(WARNINGS.c.agency == agency)
    return connection.execute(query).scalar() or 0


def _of_agency(reader: Reader) -> Select[Any]:
    columns = [WARNINGS.c[name] for name in Warned.__struct_fields__]
    joined = select(*columns).join(CASES, CASES.c.case_id == WARNINGS.c.case_id)
    return joined.where(WARNINGS.c.agency == reader.agency, visible(reader))
