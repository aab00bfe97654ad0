"""Source files as numbered rows of cells: what all formats share, and the readers of CSV and JSON."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, BinaryIO, NoReturn, Protocol

from msgspec import Struct

from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.messages import Message

MAX_COLUMNS = 1000
IN_PARTS = Message("Split the table, and take one part after the other.")
MAX_CELL = 32_767  # characters, as many as a spreadsheet's cell has
MAX_RECORD = 1024 * 1024  # bytes of one row
CHUNK = 64 * 1024  # bytes
BOM = b"\xef\xbb\xbf"
BLANK = " \t\r\n"


class Unusable(Struct, frozen=True):
    """A cell whose content cannot be recorded, such as a formula."""

    reason: Message


Cell = str | int | float | bool | datetime | date | time | Unusable | None


class SourceRow(Struct, frozen=True):
    """``number`` is the row as a spreadsheet counts it, of JSON the element from 1; ``fault`` is why it is not read."""

    number: int
    cells: Mapping[str, Cell]
    fault: str | None = None


class SourceTable(Protocol):
    """A file as rows. ``columns`` are its headings, None if each row brings its own."""

    @property
    def columns(self) -> tuple[str, ...] | None: ...

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows that are not blank. Raises MalformedInput where the file stops being one of its kind."""
        ...


class CellRefused(TallystickError):
    """A cell that does not give what the mapping asks of it; ``value`` is its content."""

    code = "cell_refused"
    column: str
    value: str

    def __init__(self, column: str, value: str, reason: str, /, **slots: object):
        super().__init__(reason, field=column, **slots)  # type: ignore[arg-type]
        self.column = column
        self.value = value


def refuse_file(reason: str, /, *, number: int | None = None, hint: str | None = None, **slots: object) -> NoReturn:
    """Raise MalformedInput for the whole file, naming the row ``number`` if there is one to name."""
    text = Message(reason, **slots)
    if number is not None:
        text = Message("row {number}: {reason}", number=number, reason=text)
    raise MalformedInput(text, field="FILE", hint=hint)


def column_names(cells: list[str]) -> tuple[str, ...]:
    """Return the names of the columns, stripped, without blank ones at the end. Raises MalformedInput."""
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        refuse_file("the row of headings is blank", hint="Say in the mapping which row it is: header_row = 1")
    if len(names) > MAX_COLUMNS:
        refuse_file("expected at most {limit} columns, not {count}", limit=MAX_COLUMNS, count=len(names))
    return tuple(names)


# -- CSV ---------------------------------------------------------------------------------------------------------------


class CsvTable:
    """A CSV file (RFC 4180, any delimiter), whose headings are in row ``header_row``, counted from 1.

    It is in UTF-8, with or without a byte order mark, or in GB18030.
    """

    def __init__(self, file: BinaryIO, *, encoding: str, delimiter: str, header_row: int):
        file.seek(0)
        self._number = 0
        self._lines = _DecodedLines(file, encoding)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        for _ in range(header_row - 1):
            self._next()
        first = self._next()
        if first is None:
            refuse_file("the file has no row of headings")
        self.columns = column_names(first)

    def rows(self) -> Iterator[SourceRow]:
        """Yield the rows that are not blank, those of another width as faults."""
        width = len(self.columns)
        while (cells := self._next()) is not None:
            if not any(cells):
                continue
            row = SourceRow(self._number, dict(zip(self.columns, cells, strict=False)))
            if any(cells[width:]) or len(cells) < width:
                fault = Message("expected {width} cells: is a delimiter or quotation mark too many?", width=width)
                row = SourceRow(self._number, {}, fault)
            elif max(map(len, cells)) > MAX_CELL:
                row = SourceRow(self._number, {}, Message("a cell has more than {limit} characters", limit=MAX_CELL))
            yield row

    def _next(self) -> list[str] | None:
        self._lines.begin(self._number + 1)
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            refuse_file(
                "this is no CSV: {error}",
                error=error,
                number=self._number + 1,
                hint="Look for a quotation mark that is not closed; within a cell it is written twice.",
            )
        if cells is not None:
            self._number += 1
        return cells


class _DecodedLines:
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

    def __iter__(self) -> _DecodedLines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_RECORD + 1)
        self._spent += len(line)
        if not line:
            raise StopIteration
        if self._spent > MAX_RECORD:
            refuse_file(
                "a row has more than {limit} bytes",
                limit=MAX_RECORD,
                number=self._record,
                hint="Look for a quotation mark that is not closed.",
            )
        try:
            return line.decode(self._codec)
        except UnicodeDecodeError as error:
            refuse_file(
                "the bytes {found} are no {codec}",
                found=line[error.start : error.start + 4].hex(" "),
                codec=self._codec,
                number=self._record,
                hint="Say in the mapping how the file is encoded: encoding = 'utf-8' or 'gb18030'",
            )


# -- JSON --------------------------------------------------------------------------------------------------------------


class JsonTable:
    """A JSON file: an array of objects, or one object a line.

    Each object brings its own columns. A nested value is named by its path, ``suspects.0.name``.
    """

    columns = None

    def __init__(self, file: BinaryIO, *, encoding: str):
        self._file = file
        self._codec = encoding

    def rows(self) -> Iterator[SourceRow]:
        """Yield a row for each object."""
        self._file.seek(0)
        if self._file.read(len(BOM)) != BOM:
            self._file.seek(0)
        start = self._file.tell()
        first = self._file.read(CHUNK).lstrip(BLANK.encode())[:1]
        self._file.seek(start)
        return self._elements() if first == b"[" else self._lines()

    def _lines(self) -> Iterator[SourceRow]:
        number = 0
        while line := self._file.readline(MAX_RECORD + 1):
            number += 1
            if len(line) > MAX_RECORD:
                refuse_file("a line has more than {limit} bytes", limit=MAX_RECORD, number=number)
            if not line.strip():
                continue
            try:
                yield _json_row(number, _decoder.decode(line.decode(self._codec)))
            except UnicodeDecodeError as error:
                fault = Message("these are no bytes of {encoding}: {reason}", encoding=self._codec, reason=error.reason)
                yield SourceRow(number, {}, fault)
            except (ValueError, RecursionError) as error:
                yield SourceRow(number, {}, Message("this is no JSON: {error}", error=error))

    def _elements(self) -> Iterator[SourceRow]:
        text = _JsonText(self._file, self._codec)
        text.skip("[")
        number = 0
        while not text.at("]"):
            number += 1
            if number > 1:
                text.skip(",", number=number)
            yield _json_row(number, text.value(number))


class _JsonText:
    """Decoded text, of which only as much is held as the current element takes."""

    def __init__(self, file: BinaryIO, codec: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._held = ""
        self._ended = False

    def at(self, mark: str) -> bool:
        """Return whether the next character that is not blank is this one."""
        self._held = self._held.lstrip(BLANK)
        while not self._held and not self._ended:
            self._read()
            self._held = self._held.lstrip(BLANK)
        return self._held.startswith(mark)

    def skip(self, mark: str, number: int | None = None) -> None:
        if not self.at(mark):
            refuse_file("expected {mark!r}, not {held!r}", mark=mark, held=self._held[:20], number=number)
        self._held = self._held[1:]

    def value(self, number: int) -> Any:
        """Return the next value; it is tried again with twice the text until it is whole."""
        self.at("{")
        while True:
            try:
                value, end = _decoder.raw_decode(self._held)
            except (ValueError, RecursionError) as error:
                if self._ended or isinstance(error, RecursionError):
                    refuse_file("this is no JSON: {error}", error=error, number=number)
                if len(self._held) > MAX_RECORD:
                    refuse_file("an element is over {limit} characters, or no JSON", limit=MAX_RECORD, number=number)
            else:
                self._held = self._held[end:]
                return value
            self._read(max(CHUNK, len(self._held)))

    def _read(self, size: int = CHUNK) -> None:
        data = self._file.read(size)
        self._ended = not data
        try:
            self._held += self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            refuse_file("these are no bytes of {error.encoding}: {error.reason}", error=error)


def _json_row(number: int, value: Any) -> SourceRow:
    cells: dict[str, Cell] = {}
    if not isinstance(value, dict):
        return SourceRow(number, {}, Message("expected an object, not {name}", name=type(value).__name__))
    pending: list[tuple[str, Any]] = list(value.items())
    while pending:
        path, part = pending.pop()
        if isinstance(part, dict):
            pending += ((f"{path}.{name}", inner) for name, inner in part.items())
        elif isinstance(part, list):
            pending += ((f"{path}.{position}", inner) for position, inner in enumerate(part))
        else:
            cells[path] = part
        if len(cells) + len(pending) > MAX_COLUMNS:
            return SourceRow(number, {}, Message("more than {limit} values", limit=MAX_COLUMNS))
    if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells.values()):
        return SourceRow(number, {}, Message("a value has more than {limit} characters", limit=MAX_CELL))
    return SourceRow(number, cells)


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


# Numbers stay as they are written: none is rounded on its way.
_decoder = json.JSONDecoder(
    object_pairs_hook=_distinct_keys, parse_float=str, parse_int=str, parse_constant=_refuse_constant
)
