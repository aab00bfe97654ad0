"""Suppression: a table of counts and its totals, made fit to be published.

1. Every count under 5 is told as "fewer than 5" and no more.
2. A total that has such a count in it is told as the sum of the counts that are told: "at least so many".

So nothing that is published depends on a count under 5 beyond that it is one: each of them may be anything from 0 to 4,
whatever a reader works out, also one who knows these rules. Exact totals with other counts withheld in their stead
would tell more, and be safe only from readers who do not know by which rule these are chosen.

Nothing is promised to a reader who compares what is published at different times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

LEAST_TOLD = 5

Cell = tuple[str, str]  # row, column
Counts = Mapping[Cell, int]


class Total(Struct, frozen=True):
    """A sum of counts: exactly so many, or at least so many where some of them are not told."""

    at_least: int
    exact: bool


class Published(Struct, frozen=True):
    """What is told of each count: the count itself, None for fewer than 5; totals by row, by column and of all."""

    cells: Mapping[Cell, int | None]
    rows: Mapping[str, Total]
    columns: Mapping[str, Total]
    total: Total


def publish(counts: Counts) -> Published:
    """What may be told of a table; counts that are missing are 0. Requires counts that are not negative."""
    rows, columns = (sorted({cell[place] for cell in counts}) for place in (0, 1))
    cells = {(row, column): _told(counts.get((row, column), 0)) for row in rows for column in columns}
    return Published(
        cells=cells,
        rows={row: _total(cells[row, column] for column in columns) for row in rows},
        columns={column: _total(cells[row, column] for row in rows) for column in columns},
        total=_total(cells.values()),
    )


def _told(count: int) -> int | None:
    return count if count >= LEAST_TOLD else None


def _total(told: Iterable[int | None]) -> Total:
    """Of what is told alone."""
    counts = list(told)
    return Total(sum(count for count in counts if count is not None), None not in counts)
