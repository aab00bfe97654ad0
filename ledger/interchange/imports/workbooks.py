"""XLSX files, row by row. What a formula would give is not what somebody wrote down: it is not read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from ledger.core.errors import NotFound
from ledger.interchange.imports.archives import require_sane
from ledger.interchange.imports.rows import MAX_CELL, MAX_COLUMNS, Cell, Row, Unusable, headings, refuse_file

MAX_ROWS = 1_048_576  # of a sheet
EXACT = 10**15  # integers from here on have lost digits in a spreadsheet, which calculates with 15
FORMULA = Unusable("a formula: paste its value")
LOST_DIGITS = Unusable("a number of more than 15 digits, of which a spreadsheet has lost some: format the cell as text")
_BROKEN = (
    *(BadZipFile, InvalidFileException, ParseError, zlib.error, EOFError, OSError, RuntimeError, ArithmeticError),
    *(LookupError, ValueError, TypeError, AttributeError),
)


class Workbook:
    """One sheet: the one that is named, else the first. Headings stand in row ``header_row``, counted from 1."""

    def __init__(self, file: BinaryIO, *, sheet: str | None, header_row: int):
        file.seek(0)
        require_sane(file)
        file.seek(0)
        try:
            self._book = load_workbook(file, read_only=True, keep_links=False)
        except _BROKEN as error:
            refuse_file(f"this is no XLSX file: {type(error).__name__}: {error}")
        self._sheet = self._chosen(sheet)
        self._sheet.reset_dimensions()
        rows = self._sheet.iter_rows(min_row=header_row, max_row=header_row, max_col=MAX_COLUMNS + 1)
        cells = self._next(rows, header_row - 1) or ()
        first = [str(cell.value) if cell.value is not None else "" for cell in cells]
        self._columns = headings(first)
        self._header_row = header_row

    def _chosen(self, name: str | None) -> Any:
        sheets = {sheet.title: sheet for sheet in self._book.worksheets}
        chosen = next(iter(sheets.values()), None) if name is None else sheets.get(name)
        if chosen is None:
            raise NotFound(f"the file has no sheet {name or ''!r}, but {', '.join(map(repr, sheets))}", field="sheet")
        return chosen

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def rows(self) -> Iterator[Row]:
        number = self._header_row
        width = len(self._columns)
        rows = self._sheet.iter_rows(min_row=number + 1, max_col=width)
        while (found := self._next(rows, number)) is not None:
            number += 1
            if number > MAX_ROWS:
                refuse_file(f"a sheet has at most {MAX_ROWS} rows")
            cells = [_cell(cell) for cell in found]
            if any(cell is not None for cell in cells):
                yield _row(number, dict(zip(self._columns, cells, strict=False)))

    @staticmethod
    def _next(rows: Iterator[Any], number: int) -> Any:
        try:
            return next(rows, None)
        except _BROKEN as error:
            refuse_file(f"this is no XLSX file: {type(error).__name__}: {error}", number=number + 1)


def _row(number: int, cells: dict[str, Cell]) -> Row:
    if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells.values()):
        return Row(number, {}, f"a cell has more than {MAX_CELL} characters")
    return Row(number, cells)


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == "f":
        return FORMULA
    if cell.data_type == "e":
        return Unusable(f"the error {value}")
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= EXACT:
        return LOST_DIGITS
    return value if isinstance(value, Cell) else Unusable(f"a {type(value).__name__}")
