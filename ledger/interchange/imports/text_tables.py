"""CSV files (RFC 4180, any delimiter) in UTF-8, with or without a byte order mark, or GB18030."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from ledger.interchange.imports.rows import MAX_CELL, MAX_RECORD, Row, headings, refuse_file

CODECS = {"utf-8": "utf-8", "gb18030": "gb18030"}
BOM = b"\xef\xbb\xbf"


class TextTable:
    """A CSV file whose headings stand in row ``header_row``, counted from 1."""

    def __init__(self, file: BinaryIO, *, encoding: str, delimiter: str, header_row: int):
        file.seek(0)
        self._number = 0
        self._lines = _Lines(file, CODECS[encoding])
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        for _ in range(header_row - 1):
            self._next()
        first = self._next()
        if first is None:
            refuse_file("the file has no row of headings")
        self._columns = headings(first)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def rows(self) -> Iterator[Row]:
        width = len(self._columns)
        while (cells := self._next()) is not None:
            if any(cells):
                yield self._row(cells, width)

    def _row(self, cells: list[str], width: int) -> Row:
        extra = any(cells[width:])
        if extra or len(cells) < width:
            fault = f"expected {width} cells, not {len(cells)}: is there a delimiter or a quotation mark too many?"
            return Row(self._number, {}, fault)
        if max(map(len, cells)) > MAX_CELL:
            return Row(self._number, {}, f"a cell has more than {MAX_CELL} characters")
        return Row(self._number, dict(zip(self._columns, cells, strict=False)))

    def _next(self) -> list[str] | None:
        self._lines.begin(self._number + 1)
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            refuse_file(
                f"this is no CSV: {error}",
                number=self._number + 1,
                hint="Look for a quotation mark that is not closed; within a cell it is written twice.",
            )
        if cells is not None:
            self._number += 1
        return cells


class _Lines:
    """Decoded lines; a record of more than ``MAX_RECORD`` bytes is refused before it fills the memory."""

    def __init__(self, file: BinaryIO, codec: str):
        self._file = file
        self._codec = codec
        self._record = 1
        self._spent = 0
        if file.read(len(BOM)) != BOM:
            file.seek(0)

    def begin(self, record: int) -> None:
        self._record = record
        self._spent = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_RECORD + 1)
        self._spent += len(line)
        if not line:
            raise StopIteration
        if self._spent > MAX_RECORD:
            refuse_file(
                f"a row has more than {MAX_RECORD} bytes",
                number=self._record,
                hint="Look for a quotation mark that is not closed.",
            )
        try:
            return line.decode(self._codec)
        except UnicodeDecodeError as error:
            found = line[error.start : error.start + 4].hex(" ")
            refuse_file(
                f"the bytes {found} are no {self._codec}",
                number=self._record,
                hint="Say in the mapping how the file is encoded: encoding = 'utf-8' or 'gb18030'",
            )
