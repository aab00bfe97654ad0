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
from ledger.interchange.imports.tables import (
    MAX_CELL,
    MAX_COLUMNS,
    Cell,
    SourceRow,
    Unusable,
    column_names,
    refuse_file,
)

MAX_PARTS = 5000
MAX_UNPACKED = 2 * 1024**3  # bytes of all parts
MAX_KEPT = 64 * 1024**2  # bytes of a part that is held in memory: all but sheets
MAX_BETWEEN_TAGS = 1024**2  # bytes
MAX_ROW = 16 * 1024**2  # bytes
CHUNK = 256 * 1024  # bytes
SHEETS = "xl/worksheets/"
SAVE_AS_CSV = "Save the sheet as CSV (UTF-8) and import that."
MAX_ROWS = 1_048_576  # of a sheet
EXACT = 10**15  # integers from here on have lost digits in a spreadsheet, which calculates with 15
FORMULA = Unusable("a formula: paste its value")
LOST_DIGITS = Unusable("a number of more than 15 digits, of which a spreadsheet has lost some: format the cell as text")
# What zipfile, and then openpyxl, raise for a broken file.
_UNREADABLE = (BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError)
_BROKEN = (
    *(BadZipFile, InvalidFileException, ParseError, zlib.error, EOFError, OSError, RuntimeError, ArithmeticError),
    *(LookupError, ValueError, TypeError, AttributeError),
)


def require_sane(file: BinaryIO) -> None:
    """Raise MalformedInput for an archive that would be too large unpacked, or holds XML that is not plain."""
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS:
                refuse_file("the archive has more than {limit} parts", limit=MAX_PARTS)
            if sum(part.file_size for part in parts) > MAX_UNPACKED:
                refuse_file("the archive unpacks to more than {limit} bytes", limit=MAX_UNPACKED, hint=SAVE_AS_CSV)
            for part in parts:
                if part.file_size > MAX_KEPT and not part.filename.startswith(SHEETS):
                    refuse_file("{part.filename!r} unpacks to too much", part=part, hint=SAVE_AS_CSV)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _require_plain(archive, part)
    except _UNREADABLE as error:
        refuse_file("this is no XLSX file: {error}", error=error, hint="Older .xls files are saved as .xlsx first.")


def _require_plain(archive: ZipFile, part: ZipInfo) -> None:
    """Read the part in chunks; what a tag or a row may reach across chunks is carried over."""
    since_tag = since_row = 0
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(CHUNK):
            # In another encoding nothing that is looked for below would be found.
            if not tail and not _is_utf8_xml(chunk):
                refuse_file("{part.filename!r} is no XML in UTF-8", part=part)
            if b"<!" in tail[-1:] + chunk:
                refuse_file("{part.filename!r} holds a document type, a comment or CDATA", part=part)
            since_tag = _since(b"<", tail[-1:] + chunk, since_tag + len(chunk))
            since_row = _since(b"row>", tail + chunk, since_row + len(chunk))
            if since_tag > MAX_BETWEEN_TAGS:
                refuse_file(
                    "a cell of {part.filename!r} has more than {limit} bytes", part=part, limit=MAX_BETWEEN_TAGS
                )
            if since_row > MAX_ROW and part.filename.startswith(SHEETS):
                refuse_file("a row of {part.filename!r} has more than {limit} bytes", part=part, limit=MAX_ROW)
            tail = chunk[-8:]


def _since(mark: bytes, window: bytes, without: int) -> int:
    """Return the bytes since the last mark in the window, or ``without`` if it has none."""
    position = window.rfind(mark)
    return without if position < 0 else len(window) - position


def _is_utf8_xml(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    declaration = text[: text.find(b"?>") + 1].lower() if text.startswith(b"<?xml") else b""
    return text.startswith(b"<") and (b"encoding" not in declaration or b"utf-8" in declaration)


class XlsxTable:
    """One sheet: the one that is named, else the first. Headings are in row ``header_row``, counted from 1."""

    def __init__(self, file: BinaryIO, *, sheet: str | None, header_row: int):
        file.seek(0)
        require_sane(file)
        file.seek(0)
        try:
            book = load_workbook(file, read_only=True, keep_links=False)
        except _BROKEN as error:
            refuse_file("this is no XLSX file: {name}: {error}", name=type(error).__name__, error=error)
        sheets = {each.title: each for each in book.worksheets}
        self._sheet: Any = next(iter(sheets.values()), None) if sheet is None else sheets.get(sheet)
        if self._sheet is None:
            raise NotFound(
                "the file has no sheet {sheet!r}, but {sheets}",
                sheet=sheet or "",
                sheets=", ".join(map(repr, sheets)),
                field="sheet",
            )
        self._sheet.reset_dimensions()  # what the sheet says of its size is not believed
        rows = self._sheet.iter_rows(min_row=header_row, max_row=header_row, max_col=MAX_COLUMNS + 1)
        cells = self._next(rows, header_row - 1) or ()
        self.columns = column_names([str(cell.value) if cell.value is not None else "" for cell in cells])
        self._header_row = header_row

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows that are not blank. A formula is not read: nobody wrote down what it gives."""
        number = self._header_row
        rows = self._sheet.iter_rows(min_row=number + 1, max_col=len(self.columns))
        while (row := self._next(rows, number)) is not None:
            number += 1
            if number > MAX_ROWS:
                refuse_file("a sheet has at most {limit} rows", limit=MAX_ROWS)
            cells = list(map(_cell, row))
            if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells):
                yield SourceRow(number, {}, f"a cell has more than {MAX_CELL} characters")
            elif any(cell is not None for cell in cells):
                yield SourceRow(number, dict(zip(self.columns, cells, strict=False)))

    @staticmethod
    def _next(rows: Iterator[Any], number: int) -> Any:
        try:
            return next(rows, None)
        except _BROKEN as error:
            refuse_file(
                "this is no XLSX file: {name}: {error}", name=type(error).__name__, error=error, number=number + 1
            )


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
