"""Tables in a terminal: columns side by side as far as they fit; what does not stands below its row.

A row whose ids are folded into its neighbours cannot be read, nor copied from.
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
    """What stands side by side, and what below each row: no more than is too wide for ``room`` columns."""
    beside, below = list(columns), []
    movable = sorted(columns[1:], key=lambda one: (one.aside, one.width))
    while movable and sum(one.width + GAP for one in beside) - GAP > room:
        moved = movable.pop()
        beside.remove(moved)
        below.append(moved)
    return beside, [one for one in columns if one in below]


def draw(console: Console, columns: Sequence[Shown], styles: Sequence[str]) -> None:
    """The rows, each in its style."""
    beside, below = arranged(columns, console.width)
    if not below:
        return _draw_rows(console, beside, range(len(styles)), styles)
    _draw_rows(console, beside, (), styles)
    for number, style in enumerate(styles):
        _draw_rows(console, beside, (number,), styles, headed=False)
        told = [(one.heading, " ".join(one.cells[number].split())) for one in below]
        console.print(_below(told), style=f"dim {style}".strip(), soft_wrap=True)
    return None


def _draw_rows(
    console: Console, columns: Sequence[Shown], numbers: Sequence[int], styles: Sequence[str], *, headed: bool = True
) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=headed)
    fits = sum(one.width + GAP for one in columns) - GAP <= console.width
    for one in columns:
        fixed = one.width if fits else None
        table.add_column(one.heading, style=one.style, overflow="fold", width=fixed, no_wrap=fits)
    for number in numbers:
        table.add_row(*(one.cells[number] for one in columns), style=styles[number])
    console.print(table)


def _below(told: Iterable[tuple[str, str]]) -> RenderableType:
    return INDENT + "  ".join(f"{heading}: {text}" for heading, text in told if text)
