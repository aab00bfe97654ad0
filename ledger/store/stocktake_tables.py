"""The tables of stocktakes: those that are recorded, and what is counted for those that are open."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field

from ledger.store.tables import StoreTable, big, core_of, text


class StocktakesTable(StoreTable):
    """A stocktake as its agency recorded it, with the counts of its lines.

    Each event has a row of its own, so that no later one under the same id takes the place of the first.
    """

    __table_args__ = (
        Index("ix_stocktakes_agency", "agency", "updated_index"),
        Index("ix_stocktakes_id", "agency", "stocktake_id"),
    )

    event_id: str = Field(primary_key=True)
    stocktake_id: str
    agency: str
    storage_location: str
    number: str | None = None
    started_at: str
    ended_at: str
    present: int
    differences: int
    unknown_codes: int
    updated_index: int = Field(sa_column=big())


class OpenStocktakesTable(StoreTable):
    """A stocktake that is not recorded yet. Times are in unix seconds.

    ``tree_size`` is the size of the log at the opening, ``expected`` how many things lay there by it.
    """

    stocktake_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True, index=True)
    storage_location: str
    number: str | None = None
    officer: str
    opened_at: int = Field(sa_column=big())
    tree_size: int = Field(sa_column=big())
    expected: int


class StocktakeExpectedTable(StoreTable):
    """A thing that lay in the place by the record when an open stocktake of it was opened."""

    stocktake_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    case_id: str = Field(primary_key=True)
    item_id: str = Field(primary_key=True)


class StocktakeScansTable(StoreTable):
    """A code that was scanned for an open stocktake, with the ``result`` that was told then.

    ``seal_fitted`` tells whether the record had this ``seal_number`` when it was read: the thing may be resealed later.
    ``number`` counts them from 1. One that was taken back stays, with the officer who did that, and counts no more.
    """

    stocktake_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    number: int = Field(sa_column=big(primary_key=True))
    code: str = Field(sa_column=text())
    seal_number: str | None = None
    seal_fitted: bool = False
    case_id: str | None = None
    item_id: str | None = None
    result: str
    officer: str
    scanned_at: int = Field(sa_column=big(), description="unix seconds")
    taken_back_by: str | None = None


STOCKTAKES = core_of(StocktakesTable)
OPEN_STOCKTAKES = core_of(OpenStocktakesTable)
STOCKTAKE_EXPECTED = core_of(StocktakeExpectedTable)
STOCKTAKE_SCANS = core_of(StocktakeScansTable)
