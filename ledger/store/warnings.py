"""Warnings of clocks that run out: found in the list of clocks, told once each, read as a feed."""

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

    ``agency`` and ``handler`` are those that the clock had then, ``warned_at`` is in unix milliseconds.
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
    """At most ``limit`` warnings to be told, without their numbers: of the running clocks, those that end by a horizon.

    ``horizons`` has the instant (RFC 3339) for each number of days, later ones for more. A clock within several is
    warned of by the nearest one only, and of each end once.
    """
    nearest = case(*((CLOCKS.c.due_at <= end, days) for days, end in sorted(horizons.items())))
    names = [name for name in Warned.__struct_fields__ if name in CLOCKS.c]
    told = select(literal(1)).where(
        WARNINGS.c.case_id == CLOCKS.c.case_id,
        WARNINGS.c.deadline_id == CLOCKS.c.deadline_id,
        WARNINGS.c.due_at == CLOCKS.c.due_at,
        WARNINGS.c.days == nearest,
    )
    query = select(*(CLOCKS.c[name] for name in names), nearest.label("days")).where(
        CLOCKS.c.status == "running", CLOCKS.c.due_at <= max(horizons.values()), ~told.exists()
    )
    order = (CLOCKS.c.due_at, CLOCKS.c.case_id, CLOCKS.c.deadline_id)
    return [dict(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]


def tell(connection: Connection, warnings: list[dict[str, Any]], warned_at: int) -> None:
    """Puts them behind those that are there. Requires the writer's lock, under which they were found."""
    last = connection.execute(select(func.max(WARNINGS.c.number))).scalar() or 0
    rows = [{**row, "number": last + n, "warned_at": warned_at} for n, row in enumerate(warnings, 1)]
    if rows:
        connection.execute(WARNINGS.insert(), rows)
        bindings.bind_rows(connection, WARNINGS, rows)


def listed(connection: Connection, reader: Reader, *, handler: str | None, after: int, limit: int) -> list[Warned]:
    """What the reader's agency was warned of, in cases that it sees, or only what that officer was: in their order."""
    query = _of_agency(reader).where(WARNINGS.c.number > after)
    if handler is not None:
        query = query.where(WARNINGS.c.handler == handler)
    return [Warned(*row) for row in connection.execute(query.order_by(WARNINGS.c.number).limit(limit))]


def last_number(connection: Connection, agency: str) -> int:
    """That of the agency's newest warning; 0 where there is none."""
    query = select(func.max(WARNINGS.c.number)).where(WARNINGS.c.agency == agency)
    return connection.execute(query).scalar() or 0


def _of_agency(reader: Reader) -> Select[Any]:
    columns = [WARNINGS.c[name] for name in Warned.__struct_fields__]
    joined = select(*columns).join(CASES, CASES.c.case_id == WARNINGS.c.case_id)
    return joined.where(WARNINGS.c.agency == reader.agency, visible(reader))
