"""XLSX files: checked before anything unpacks them, then read row by row.

Formats of spreadsheets need no document types, comments or CDATA, and no software writes a megabyte between two tags or
a row of many megabytes. A file with these is made to fill the memory of whoever opens it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile, ZipInfo

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from ledger.core.errors import NotFound
from ledger.interchange.imports.tables import MAX_CELL, MAX_COLUMNS, Cell, Row, Unusable, headings, refuse_file

MAX_PARTS = 5000
MAX_UNPACKED = 2 * 1024**3  # bytes of all parts
MAX_KEPT = 64 * 1024**2  # bytes of a part that is held in memory: all but sheets
MAX_BETWEEN_TAGS = 1024**2  # bytes
MAX_ROW = 16 * 1024**2  # bytes
CHUNK = 256 * 1024  # bytes
SHEETS = "xl/worksheets/"
_UNREADABLE = (BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError)  # by zipfile
SAVE_AS_CSV = "Save the sheet as CSV (UTF-8) and import that."


def require_sane(file: BinaryIO) -> None:
    """Raises MalformedInput for an archive that would be too large unpacked, or holds XML that is not plain."""
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
            _require_small(parts)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _require_plain(archive, part)
    except _UNREADABLE as error:
        refuse_file(f"this is no XLSX file: {error}", hint="Older .xls files are saved as .xlsx first.")


def _require_small(parts: list[ZipInfo]) -> None:
    if len(parts) > MAX_PARTS:
        refuse_file(f"the archive has {len(parts)} parts, expected at most {MAX_PARTS}")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED:
        refuse_file(f"the archive unpacks to {unpacked} bytes, expected at most {MAX_UNPACKED}", hint=SAVE_AS_CSV)
    for part in parts:
        if part.file_size > MAX_KEPT and not part.filename.startswith(SHEETS):
            refuse_file(
                f"{part.filename!r} unpacks to {part.file_size} bytes, expected at most {MAX_KEPT}", hint=SAVE_AS_CSV
            )


def _require_plain(archive: ZipFile, part: ZipInfo) -> None:
    """Reads the part in chunks; what a tag or a row may reach across chunks is carried over."""
    since_tag = since_row = 0
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(CHUNK):
            if not tail:
                _require_utf8(chunk, part.filename)
            if b"<!" in tail[-1:] + chunk:
                refuse_file(f"{part.filename!r} holds a document type, a comment or CDATA")
            since_tag = _distance(tail[-1:] + chunk, b"<", since_tag + len(chunk))
            since_row = _distance(tail + chunk, b"row>", since_row + len(chunk))
            if since_tag > MAX_BETWEEN_TAGS:
                refuse_file(f"a cell of {part.filename!r} has more than {MAX_BETWEEN_TAGS} bytes")
            if since_row > MAX_ROW and part.filename.startswith(SHEETS):
                refuse_file(f"a row of {part.filename!r} has more than {MAX_ROW} bytes")
            tail = chunk[-8:]


def _distance(window: bytes, mark: bytes, without: int) -> int:
    """Bytes since the last mark in the window; ``without`` where there is none."""
    found = window.rfind(mark)
    return without if found < 0 else len(window) - found


def _require_utf8(head: bytes, name: str) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    declaration = text[: text.find(b"?>") + 1].lower() if text.startswith(b"<?xml") else b""
    if not text.startswith(b"<") or (b"encoding" in declaration and b"utf-8" not in declaration):
        refuse_file(f"{name!r} is no XML in UTF-8")


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
