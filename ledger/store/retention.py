"""The lists of legal holds and of what is due after its time of retention, as far as the reader may see the cases."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select, text, tuple_

from ledger.core.custody.triggers import CASE
from ledger.core.visibility import Reader
from ledger.store.cases import Page, paged, reader_sees, visible
from ledger.store.clock_lines import ClockLine
from ledger.store.clocks import COLUMNS, FIRST_TESTED, MOST_TESTED, DeadlinePosition, deadline_position
from ledger.store.database import fetched, where_set
from ledger.store.tables import CLOCKS, HOLDS, IS_OPEN


def list_holds(
    connection: Connection,
    reader: Reader,
    page: Page,
    *,
    case_id: str | None = None,
    agency: str | None = None,
    review_by: str | None = None,
    placed_by: str | None = None,
    released: bool = False,
) -> list[dict[str, Any]]:
    """Return the holds of cases that the reader sees, the latest change last: those that stand, or all of them.

    ``agency`` is the one that placed them; of ``review_by`` only those to be looked at by that day, of ``placed_by``
    those that were placed by that instant (RFC 3339).
    """
    query = where_set(select(HOLDS).where(visible(reader, HOLDS.c.case_id)), case_id=case_id, agency=agency)
    if not released:
        query = query.where(HOLDS.c.released_at.is_(None))
    if review_by is not None:
        query = query.where(HOLDS.c.review_on <= review_by)
    if placed_by is not None:
        query = query.where(HOLDS.c.placed_at <= placed_by)
    return fetched(connection, paged(query, HOLDS.c.updated_index, page))


def count_due(connection: Connection, until: str, most: int) -> Counter[bool]:
    """Return how many cases (True) and things are kept no longer than ``until`` (RFC 3339), counted up to ``most``."""
    ended = select((CLOCKS.c.subject == CASE).label("is_case"))
    ended = ended.where(text(IS_OPEN), CLOCKS.c.at_end == "due", CLOCKS.c.due_at <= until).limit(most)
    some = ended.with_hint(CLOCKS, "INDEXED BY ix_clocks_open", "sqlite").subquery()
    counts = connection.execute(select(some.c.is_case, func.count()).group_by(some.c.is_case))
    return Counter({bool(is_case): int(count) for is_case, count in counts})


class DuePage(NamedTuple):
    """A page of what is due, and where the next one starts, None at the end."""

    lines: list[ClockLine]
    following: DeadlinePosition | None


_ORDER = (CLOCKS.c.due_at, CLOCKS.c.case_id, CLOCKS.c.deadline_id)


def list_due(
    connection: Connection,
    reader: Reader,
    *,
    until: str,
    agency: str | None = None,
    limit: int,
    after: DeadlinePosition | None = None,
) -> DuePage:
    """Return what is kept no longer than ``until`` (RFC 3339) in the cases that the reader sees, what is due first.

    Times of retention are read from an index in the order of their ends, of the ``agency`` or of all. A page may have
    fewer than ``limit`` lines where very many are passed over that the reader does not see.
    """
    lines: list[ClockLine] = []
    tested, portion = 0, max(limit, FIRST_TESTED)
    index = "ix_clocks_open" if agency is None else "ix_clocks_open_agency"
    is_seen = reader_sees(reader, CLOCKS.c.case_id).label("is_seen")
    while tested < max(MOST_TESTED, 2 * limit):
        query: Select[Any] = select(*COLUMNS, is_seen).where(
            text(IS_OPEN), CLOCKS.c.at_end == "due", CLOCKS.c.due_at <= until
        )
        query = where_set(query, agency=agency).order_by(*_ORDER).limit(portion)
        if after is not None:
            query = query.where(tuple_(*_ORDER) > (after.due_at, after.case_id, after.deadline_id))
        passed = connection.execute(query.with_hint(CLOCKS, f"INDEXED BY {index}", "sqlite")).all()
        for row in passed:
            after = deadline_position(ClockLine(*row[:-1]))
            if row.is_seen:
                lines.append(ClockLine(*row[:-1]))
            if len(lines) == limit:
                return DuePage(lines, after)
        if len(passed) < portion:
            return DuePage(lines, None)
        tested += portion
    return DuePage(lines, after)
