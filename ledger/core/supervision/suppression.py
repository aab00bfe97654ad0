"""Suppression: a table of counts and its totals, made fit to be published.

1. Every count under 5 is published as "fewer than 5" and no more.
2. A total that includes such a count is published as the sum of the published counts: "at least so many".

So the publication depends on a count under 5 only in that it is one: each may be anything from 0 to 4, whatever a
reader computes, even one who knows these rules. Exact totals with further counts withheld would reveal more, and would
be safe only from readers who do not know how those are chosen.

No protection is promised against a comparison of publications at different times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

SMALLEST_PUBLISHED = 5

Cell = tuple[str, str]  # row, column
Counts = Mapping[Cell, int]


class Total(Struct, frozen=True):
    """A sum of counts, ``exact``, or a lower bound if some of them are withheld."""

    at_least: int
    exact: bool


class Published(Struct, frozen=True):
    """The published table: each count, or None for fewer than 5; totals by row, by column and of all."""

    cells: Mapping[Cell, int | None]
    rows: Mapping[str, Total]
    columns: Mapping[str, Total]
    total: Total


def publish(counts: Counts) -> Published:
    """Return what may be published of a table; missing counts are 0. Requires counts that are not negative."""
    rows, columns = (sorted({cell[place] for cell in counts}) for place in (0, 1))
    cells = {(row, column): _published_count(counts.get((row, column), 0)) for row in rows for column in columns}
    return Published(
        cells=cells,
        rows={row: _total(cells[row, column] for column in columns) for row in rows},
        columns={column: _total(cells[row, column] for row in rows) for column in columns},
        total=_total(cells.values()),
    )


def _published_count(count: int) -> int | None:
    return count if count >= SMALLEST_PUBLISHED else None


def _total(counts: Iterable[int | None]) -> Total:
    """Sum the published counts alone."""
    published = list(counts)
    return Total(sum(count for count in published if count is not None), None not in published)
