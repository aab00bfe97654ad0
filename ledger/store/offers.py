"""Open offers of handovers, those of a case whose clock ends first at the top."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, select, tuple_

from ledger.core.errors import MalformedInput
from ledger.store.clocks import first_end
from ledger.store.tables import HANDOVERS

Box = Literal["inbox", "outbox"]


class OfferPlace(Struct, frozen=True):
    """The position in a list of offers after which the next page starts."""

    first_end: str
    offered_at: str
    case_id: str
    handover_id: str

    def __str__(self) -> str:
        return f"{self.first_end},{self.offered_at},{self.case_id},{self.handover_id}"


def open_offers(
    connection: Connection, agency: str, box: Box, *, as_of: str, limit: int, after: OfferPlace | None = None
) -> list[dict[str, Any]]:
    """Return rows of ``tables.HandoverRow`` offered to (inbox) or by (outbox) the agency.

    Each row also has its case's ``first_end``. ``as_of`` is RFC 3339 in UTC.
    """
    side = HANDOVERS.c.to_agency if box == "inbox" else HANDOVERS.c.from_agency
    ends = first_end(HANDOVERS.c.case_id, as_of).label("first_end")
    offers = select(HANDOVERS, ends).where(side == agency, HANDOVERS.c.status == "offered").subquery()
    order = [offers.c[name] for name in OfferPlace.__struct_fields__]
    query = select(offers)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*(getattr(after, name) for name in OfferPlace.__struct_fields__)))
    rows = connection.execute(query.order_by(*order).limit(limit)).mappings()
    return [{str(name): value for name, value in row.items()} for row in rows]


def place_of(row: dict[str, Any]) -> OfferPlace:
    """Return the position of the list after this row."""
    return OfferPlace(*(row[name] for name in OfferPlace.__struct_fields__))


def parse_place(text: str) -> OfferPlace:
    """Parse the position of a list. Raises MalformedInput."""
    parts = text.split(",")
    if len(parts) != len(OfferPlace.__struct_fields__):
        raise MalformedInput("expected the place that the page before names", field="after")
    return OfferPlace(*parts)
