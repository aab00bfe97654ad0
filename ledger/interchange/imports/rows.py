"""What all files come to: numbered rows of cells under the names of columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import NoReturn, Protocol

from msgspec import Struct

from ledger.core.errors import MalformedInput, TallystickError

MAX_COLUMNS = 1000
MAX_CELL = 32_767  # characters, as many as a spreadsheet's cell has
MAX_RECORD = 1024 * 1024  # bytes of one row


class Unusable(Struct, frozen=True):
    """A cell whose content says nothing that could be recorded, such as a formula."""

    reason: str


Cell = str | int | float | bool | datetime | date | time | Unusable | None


class Row(Struct, frozen=True):
    """``number`` is the row as a spreadsheet counts it, of JSON the element from 1; ``fault`` is why it is not read."""

    number: int
    cells: Mapping[str, Cell]
    fault: str | None = None


class Table(Protocol):
    """A file as rows. ``columns`` are its headings, None where each row brings its own."""

    @property
    def columns(self) -> tuple[str, ...] | None: ...

    def rows(self) -> Iterator[Row]:
        """The rows that are not blank. Raises MalformedInput where the file ends to be one of its kind."""
        ...


class CellRefused(TallystickError):
    """A cell that does not give what the mapping asks of it; ``value`` is what stands there."""

    code = "cell_refused"

    def __init__(self, column: str, value: str, reason: str):
        super().__init__(reason, field=column)
        self.column = column
        self.value = value


def refuse_file(reason: str, *, number: int | None = None, hint: str | None = None) -> NoReturn:
    """Refuses the whole file, at a row where one can be named."""
    where = "" if number is None else f"row {number}: "
    raise MalformedInput(f"{where}{reason}", field="FILE", hint=hint)


def headings(cells: list[str]) -> tuple[str, ...]:
    """The names of the columns, without the blanks around them and without blank ones at the end."""
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        refuse_file("the row of headings is blank", hint="Say in the mapping which row it is: header_row = 1")
    if len(names) > MAX_COLUMNS:
        refuse_file(f"expected at most {MAX_COLUMNS} columns, not {len(names)}")
    return tuple(names)
