"""XLSX files: checked before anything unpacks them, then read row by row.

Formats of spreadsheets need no document types, comments or CDATA, and no software writes a megabyte between two tags or
a row of many megabytes. A file with these is made to fill the memory of whoever opens it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile, ZipInfo

from openpyxl import load_workbook
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml.functions import iterparse

from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.interchange.imports.tables import (
    IN_PARTS,
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
FORMULA = Unusable(Message("a formula: paste its value"))
LOST_DIGITS = Unusable(
    Message("a number of more than 15 digits, of which a spreadsheet has lost some: format the cell as text")
)
MERGED = Unusable(Message("merged cells: unmerge them, and fill in each row"))
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


def _open_sheets(file: BinaryIO) -> list[Any]:
    """Return the sheets of a workbook that is sane, to be read row by row. Raises MalformedInput."""
    file.seek(0)
    require_sane(file)
    file.seek(0)
    try:
        sheets: list[Any] = load_workbook(file, read_only=True, keep_links=False).worksheets
    except _BROKEN as error:
        _refuse_broken(error)
    return sheets


def _refuse_broken(error: Exception, number: int | None = None) -> NoReturn:
    refuse_file("this is no XLSX file: {name}: {error}", name=type(error).__name__, error=error, number=number)


def small_sheets(file: BinaryIO, *, most_rows: int, most_columns: int) -> Iterator[list[list[Cell]]]:
    """Yield the cells of each sheet; those that lie below others merged with them are not usable.

    Rows have at most ``most_columns`` cells. Raises MalformedInput for a sheet with something below ``most_rows``.
    """
    for sheet in _open_sheets(file):
        sheet.reset_dimensions()
        rows: list[list[Cell]] = []
        for number, row in enumerate(_rows(sheet, first=1, most_columns=most_columns), 1):
            cells = list(map(_cell, row))
            if number > MAX_ROWS:
                refuse_file("a sheet has at most {limit} rows", limit=MAX_ROWS)
            if any(cell is not None for cell in cells):
                if number > most_rows:
                    refuse_file("expected at most {limit} rows", limit=most_rows, hint=IN_PARTS)
                rows += [[] for _ in range(number - 1 - len(rows))]
                rows.append(cells)
        for first_column, first_row, last_column, last_row in _merged_ranges(sheet) if rows else ():
            for number in range(first_row, min(last_row, len(rows)) + 1):
                row_cells = rows[number - 1]
                for column in range(first_column, min(last_column, len(row_cells)) + 1):
                    if number > first_row:
                        row_cells[column - 1] = MERGED
        yield rows


def _rows(sheet: Any, *, first: int, most_columns: int) -> Iterator[Any]:
    rows, number = sheet.iter_rows(min_row=first, max_col=most_columns), first
    while True:
        try:
            row = next(rows, None)
        except _BROKEN as error:
            _refuse_broken(error, number)
        if row is None:
            return
        number += 1
        yield row


def _merged_ranges(sheet: Any) -> Iterator[tuple[int, int, int, int]]:
    """Yield what is merged, as first column and row, last column and row: a sheet that is read by rows leaves it out.

    Nothing is kept of the other elements.
    """
    try:
        with sheet._get_source() as source:  # noqa: SLF001 - it has no other way to its XML
            for _, element in iterparse(source):
                if element.tag.endswith("}mergeCell"):
                    yield range_boundaries(element.get("ref"))
                if element.tag.endswith(("}row", "}mergeCell")):
                    element.clear()
    except _BROKEN as error:
        _refuse_broken(error)


class XlsxTable:
    """One sheet: the one that is named, else the first. Headings are in row ``header_row``, counted from 1."""

    def __init__(self, file: BinaryIO, *, sheet: str | None, header_row: int):
        sheets = {each.title: each for each in _open_sheets(file)}
        self._sheet: Any = next(iter(sheets.values()), None) if sheet is None else sheets.get(sheet)
        if self._sheet is None:
            raise NotFound(
                "the file has no sheet {sheet!r}, but {sheets}",
                sheet=sheet or "",
                sheets=", ".join(map(repr, sheets)),
                field="sheet",
            )
        self._sheet.reset_dimensions()  # what the sheet says of its size is not believed
        cells = next(_rows(self._sheet, first=header_row, most_columns=MAX_COLUMNS + 1), ())
        self.columns = column_names([str(cell.value) if cell.value is not None else "" for cell in cells])
        self._header_row = header_row

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows that are not blank. A formula is not read: nobody wrote down what it gives."""
        first = self._header_row + 1
        for number, row in enumerate(_rows(self._sheet, first=first, most_columns=len(self.columns)), first):
            if number > MAX_ROWS:
                refuse_file("a sheet has at most {limit} rows", limit=MAX_ROWS)
            cells = list(map(_cell, row))
            if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells):
                yield SourceRow(number, {}, Message("a cell has more than {limit} characters", limit=MAX_CELL))
            elif any(cell is not None for cell in cells):
                yield SourceRow(number, dict(zip(self.columns, cells, strict=False)))


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == "f":
        return FORMULA
    if cell.data_type == "e":
        return Unusable(Message("the error {value}", value=value))
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= EXACT:
        return LOST_DIGITS
    return value if isinstance(value, Cell) else Unusable(Message("a {name}", name=type(value).__name__))
