"""No small count can be worked out from what is published: held against every table that would look the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.suppression import LEAST_TOLD, TOTAL, Cell, Mark, arcs_of, can_differ, publish

Table = dict[Cell, int]


def with_totals(table: Mapping[Cell, int]) -> Table:
    rows, columns = (sorted({cell[place] for cell in table}) for place in (0, 1))
    whole = dict(table)
    whole |= {(row, TOTAL): sum(table[row, column] for column in columns) for row in rows}
    whole |= {(TOTAL, column): sum(table[row, column] for row in rows) for column in columns}
    return whole | {(TOTAL, TOTAL): sum(table.values())}


def agrees(count: int, told: int | Mark) -> bool:
    """What a reader knows of a count by what is told of it."""
    if told == "fewer":
        return count < LEAST_TOLD
    return count >= LEAST_TOLD if told == "withheld" else count == told


def alternatives(table: Table, told: Mapping[Cell, int | Mark]) -> Iterator[Table]:
    """Tables that agree with what is published, by trying all around this one."""
    nearby: dict[int | Mark, Callable[[int], Iterable[int]]] = {
        "fewer": lambda _: range(LEAST_TOLD),
        "withheld": lambda count: range(max(LEAST_TOLD, count - 3), count + 4),
    }
    ranges = [nearby.get(told[cell], lambda count: (count,))(count) for cell, count in table.items()]
    for values in itertools.product(*ranges):
        other = dict(zip(table, values, strict=True))
        if all(agrees(count, told[cell]) for cell, count in with_totals(other).items()):
            yield other


def everything_is_withheld(told: Mapping[Cell, int | Mark]) -> bool:
    return set(told.values()) == {"withheld"}


def require_safe(table: Table) -> None:
    """Each small count has at least two values among the tables that look the same; what is told is so."""
    told, whole = publish(table).cells, with_totals(table)
    assert told.keys() == whole.keys()
    if everything_is_withheld(told):
        return
    assert all(agrees(count, told[cell]) for cell, count in whole.items())
    assert all(told[cell] == "fewer" for cell, count in whole.items() if count < LEAST_TOLD)
    seen: dict[Cell, set[int]] = {cell: set() for cell, mark in told.items() if mark == "fewer"}
    for other in alternatives(table, told):
        other_whole = with_totals(other)
        for cell, values in seen.items():
            values.add(other_whole[cell])
        if all(len(values) > 1 for values in seen.values()):
            return
    worked_out = {cell: values for cell, values in seen.items() if len(values) < 2}
    assert worked_out == {}, (table, told)


SHAPES = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (3, 1), (2, 2), (2, 3), (3, 2)]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_small_count_can_be_worked_out(data: st.DataObject) -> None:
    """For tables of every small shape, around the border between what is told and what is not."""
    rows, columns = data.draw(st.sampled_from(SHAPES))
    counts = st.one_of(st.integers(0, 7), st.sampled_from([0, 4, 5, 6, 9, 20]))
    table = {(f"r{row}", f"c{column}"): data.draw(counts) for row in range(rows) for column in range(columns)}
    require_safe(table)


@pytest.mark.parametrize(
    "row",
    [(3, 50, 60), (0, 5, 40), (4, 1), (0, 0, 0, 40), (4, 4, 4), (4, 5), (0, 5), (1, 9, 9), (4,), (0,), (5,), (3, 3)],
)
def test_known_hard_rows_are_safe(row: tuple[int, ...]) -> None:
    """One small count beside its total, small ones at their bounds, and those that just are told."""
    require_safe({("m", f"c{place}"): count for place, count in enumerate(row)})


def test_one_small_count_takes_another_one_with_it() -> None:
    """Else the total less the rest is it: in its row, and through the columns in a second row."""
    table = {
        ("a", "x"): 3, ("a", "y"): 20, ("a", "z"): 30,
        ("b", "x"): 40, ("b", "y"): 12, ("b", "z"): 60,
    }  # fmt: skip
    told = publish(table).cells
    assert told["a", "x"] == "fewer"
    hidden = {cell for cell, mark in told.items() if mark == "withheld"}
    assert hidden == {("a", "y"), ("b", "x"), ("b", "y")}, "the cycle that costs least"
    assert told[TOTAL, TOTAL] == 165


def test_what_is_large_is_told() -> None:
    """A table without small counts is published whole."""
    table = {("a", "x"): 5, ("a", "y"): 20, ("b", "x"): 40, ("b", "y"): 12}
    assert publish(table).cells == with_totals(table)


def test_missing_counts_are_none_and_there_may_be_nothing() -> None:
    """A model that never raised a lead has small counts, too; of no models nothing can be told."""
    assert publish({("a", "x"): 9, ("b", "y"): 9}).cells["a", "y"] == "fewer"
    assert publish({}).cells == {(TOTAL, TOTAL): "withheld"}


def test_it_is_the_same_every_time() -> None:
    """Whatever the order in which counts are given."""
    table = {(f"r{row}", f"c{column}"): (row * 7 + column * 5) % 11 for row in range(6) for column in range(5)}
    turned = dict(reversed(table.items()))
    assert publish(table) == publish(turned)


def test_a_table_of_a_library_is_safe() -> None:
    """Thirty models by seven outcomes, too many to try all: every small count lies on a cycle within the bounds."""

    table = {
        (f"m{row:02}", f"c{column}"): (row * row * 3 + column * 17) % 13 for row in range(30) for column in range(7)
    }
    told = publish(table).cells
    marks: dict[Cell, Mark] = {cell: mark for cell, mark in told.items() if not isinstance(mark, int)}
    arcs = list(arcs_of(table))
    assert not everything_is_withheld(told)
    assert all(can_differ(arcs, marks, arc) for arc in arcs if marks.get(arc.cell) == "fewer")
