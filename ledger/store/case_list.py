"""The list of cases by filters and in an order: of the cases that the reader sees, and no others."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, literal, select, tuple_

from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.core.visibility import Reader
from ledger.store import clocks, search
from ledger.store.cases import reader_sees, visible
from ledger.store.clocks import DeadlineFilter, ListPosition
from ledger.store.database import Row, fetched, one_of, where_set
from ledger.store.tables import CASES, ENTRIES, FLAGS

Order = Literal["id", "number", "opened", "changed", "deadline"]
DESCENDING: Final[tuple[Order, ...]] = ("opened", "changed")  # the newest first


class CaseFilter(Struct, frozen=True):
    """The filter of a list of cases as of ``as_of`` (RFC 3339). None restricts nothing.

    ``person`` is a part of a name that the reader may read, or the beginning of a pseudonym; ``flag`` one that an event
    of the case has; ``within_days`` of the ``zone`` a clock of the case runs out, 0 today; ``overdue`` one has run out.
    """

    as_of: str
    responsible: str | None = None
    stage: str | None = None
    person: str | None = None
    flag: str | None = None
    within_days: int | None = None
    overdue: bool = False
    zone: Zone = UNIVERSAL


class CasePosition(ListPosition, frozen=True):
    """The case after which a list continues, and the value by which the list is ordered."""

    value: str
    case_id: str


def filtered(
    connection: Connection,
    reader: Reader,
    wanted: CaseFilter,
    *,
    order: Order,
    limit: int,
    after: CasePosition | None,
) -> list[Row]:
    """Return the cases of the filter that the reader sees, each with the ``place`` by which it is ordered."""
    keys: dict[Order, ColumnElement[Any]] = {
        "id": CASES.c.case_id,
        "number": CASES.c.case_number,
        "opened": CASES.c.opened_at,
        "changed": CASES.c.updated_index,
        "deadline": clocks.first_end(CASES.c.case_id, literal(wanted.as_of)),
    }
    key = keys[order]
    query = where_set(select(CASES, key.label("place")), stage=wanted.stage, responsible=wanted.responsible)
    own = wanted.responsible == reader.agency
    query = query.where(reader_sees(reader, CASES.c.case_id) if own else visible(reader))
    if wanted.person is not None:
        query = query.where(one_of(CASES.c.case_id, search.cases_of_person(connection, reader, wanted.person)))
    if wanted.flag is not None:
        of_case = (ENTRIES.c.stream_kind == "case", ENTRIES.c.stream_id == CASES.c.case_id)
        flagged = select(literal(1)).join_from(FLAGS, ENTRIES, ENTRIES.c.log_index == FLAGS.c.log_index)
        query = query.where(flagged.where(FLAGS.c.name == wanted.flag, *of_case).correlate(CASES).exists())
    if wanted.overdue:
        late = DeadlineFilter(wanted.as_of, status="overdue", zone=wanted.zone)
        query = query.where(clocks.has_clock(CASES.c.case_id, late))
    if wanted.within_days is not None:
        near = DeadlineFilter(wanted.as_of, within_days=wanted.within_days, zone=wanted.zone)
        query = query.where(clocks.has_clock(CASES.c.case_id, near))
    descends = order in DESCENDING
    if after is not None:
        here = tuple_(key, CASES.c.case_id)
        place = tuple_(literal(int(after.value) if order == "changed" else after.value), literal(after.case_id))
        query = query.where(here < place if descends else here > place)
    by = (key, CASES.c.case_id)
    return fetched(connection, query.order_by(*(each.desc() if descends else each for each in by)).limit(limit))


def position_of(row: Row) -> CasePosition:
    """Return the position of the list after this row."""
    return CasePosition(str(row["place"]), row["case_id"])
