"""Tables in a terminal: columns side by side as far as they fit, the others below their row.

Ids that are folded into their neighbours cannot be read, nor copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ledger.cli.printable import columns_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

GAP = 2  # columns between two cells
INDENT = "      "


class Shown(NamedTuple):
    """A column with its cells, and whether it goes below the rows before others do."""

    heading: str
    cells: tuple[str, ...]
    style: str = ""
    aside: bool = False

    @property
    def width(self) -> int:
        """Of the widest line, in columns of a terminal."""
        lines = (line for text in (self.heading, *self.cells) for line in text.split("\n"))
        return max(map(columns_of, lines))


def arranged(columns: Sequence[Shown], room: int) -> tuple[list[Shown], list[Shown]]:
    """Choose the columns that stay side by side within ``room``, and those that are printed below each row."""
    beside, below = list(columns), []
    movable = sorted(columns[1:], key=lambda column: (column.aside, column.width))
    while movable and sum(column.width + GAP for column in beside) - GAP > room:
        moved = movable.pop()
        beside.remove(moved)
        below.append(moved)
    return beside, [column for column in columns if column in below]


def draw(console: Console, columns: Sequence[Shown], styles: Sequence[str]) -> None:
    """Draw the rows, each in its style."""
    beside, below = arranged(columns, console.width)
    if not below:
        return _draw_rows(console, beside, range(len(styles)), styles)
    _draw_rows(console, beside, (), styles)
    for number, style in enumerate(styles):
        _draw_rows(console, beside, (number,), styles, headed=False)
        cells = [(column.heading, " ".join(column.cells[number].split())) for column in below]
        console.print(_below(cells), style=f"dim {style}".strip(), soft_wrap=True)
    return None


def _draw_rows(
    console: Console, columns: Sequence[Shown], numbers: Sequence[int], styles: Sequence[str], *, headed: bool = True
) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=headed)
    fits = sum(column.width + GAP for column in columns) - GAP <= console.width
    for column in columns:
        fixed = column.width if fits else None
        table.add_column(column.heading, style=column.style, overflow="fold", width=fixed, no_wrap=fits)
    for number in numbers:
        table.add_row(*(column.cells[number] for column in columns), style=styles[number])
    console.print(table)


def _below(cells: Iterable[tuple[str, str]]) -> RenderableType:
    return INDENT + "  ".join(f"{heading}: {text}" for heading, text in cells if text)
