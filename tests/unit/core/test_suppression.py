"""No small count can be worked out from what is published, by whatever means: held against every other table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.core.supervision.anonymity import SMALLEST_PUBLISHED, Cell, PublishedCounts, Total, publish

Table = dict[Cell, int]
COUNTS = st.one_of(st.integers(0, 7), st.sampled_from([0, 4, 5, 6, 9, 20]))
TABLES = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda shape: st.fixed_dictionaries(
        {(f"r{row}", f"c{column}"): COUNTS for row in range(shape[0]) for column in range(shape[1])}
    )
)


def small(table: Table) -> list[Cell]:
    return [cell for cell, count in table.items() if count < SMALLEST_PUBLISHED]


def agrees(table: Table, published: PublishedCounts) -> bool:
    """Whether a reader who believes what is published could have this table before him."""
    sums = [(published.total, table.values())]
    sums += [
        (total, [count for (row, _), count in table.items() if row == name]) for name, total in published.rows.items()
    ]
    sums += [
        (total, [count for (_, col), count in table.items() if col == name])
        for name, total in published.columns.items()
    ]
    return all(
        count < SMALLEST_PUBLISHED if published.cells[cell] is None else count == published.cells[cell]
        for cell, count in table.items()
    ) and all(sum(counts) == total.at_least if total.exact else sum(counts) >= total.at_least for total, counts in sums)


def alternatives(table: Table, published: PublishedCounts) -> Iterator[Table]:
    """Every table that agrees with what is published, by trying all."""
    ranges = [range(SMALLEST_PUBLISHED) if published.cells[cell] is None else (count,) for cell, count in table.items()]
    for values in itertools.product(*ranges):
        alternative = dict(zip(table, values, strict=True))
        if agrees(alternative, published):
            yield alternative


@given(TABLES)
def test_no_small_count_can_be_worked_out_from_the_totals(table: Table) -> None:
    """Everything from 0 to 4 remains possible for each, in some table that agrees with every published number."""
    assume(len(small(table)) <= 6)
    published = publish(table)
    assert agrees(table, published)
    possible: dict[Cell, set[int]] = {cell: set() for cell in small(table)}
    for alternative in alternatives(table, published):
        for cell, values in possible.items():
            values.add(alternative[cell])
    assert all(values == set(range(SMALLEST_PUBLISHED)) for values in possible.values())


@given(TABLES, st.data())
def test_what_is_published_is_the_same_whatever_the_small_counts_are(table: Table, data: st.DataObject) -> None:
    """So that even who knows by which rules it was made learns nothing of them."""
    alternative = table | {cell: data.draw(st.integers(0, SMALLEST_PUBLISHED - 1)) for cell in small(table)}
    assert publish(alternative) == publish(table)


@given(TABLES)
def test_what_is_told_is_so(table: Table) -> None:
    """Counts from 5 on as they are, totals without a small count exactly, others by what is told of them."""
    published = publish(table)
    assert {cell: count for cell, count in published.cells.items() if count is not None} == {
        cell: count for cell, count in table.items() if count >= SMALLEST_PUBLISHED
    }
    for row, total in published.rows.items():
        counts = [count for (name, _), count in table.items() if name == row]
        assert total == Total(
            sum(count for count in counts if count >= SMALLEST_PUBLISHED), min(counts) >= SMALLEST_PUBLISHED
        )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((3, 50, 60), Total(110, exact=False)),
        ((5, 50, 60), Total(115, exact=True)),
        ((0, 0), Total(0, exact=False)),
        ((4, 4, 4), Total(0, exact=False)),
    ],
)
def test_a_total_of_all_is_told_by_what_is_told(counts: tuple[int, ...], expected: Total) -> None:
    """One small count makes it a lower bound; that all are small says nothing of their sum."""
    published = publish({("m", f"c{place}"): count for place, count in enumerate(counts)})
    assert published.total == published.rows["m"] == expected


def test_missing_counts_are_none_and_there_may_be_nothing() -> None:
    """A model that never raised a lead has small counts, too."""
    published = publish({("a", "x"): 9, ("b", "y"): 9})
    assert (published.cells["a", "y"], published.columns["x"]) == (None, Total(9, exact=False))
    assert publish({}).total == Total(0, exact=True)
