"""JSON files: an array of objects, or one object a line. What is nested is named by its path, ``suspects.0.name``."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from ledger.interchange.imports.rows import MAX_CELL, MAX_COLUMNS, MAX_RECORD, Cell, Row, refuse_file
from ledger.interchange.imports.text_tables import BOM, CODECS

CHUNK = 64 * 1024  # bytes
BLANK = " \t\r\n"


class JsonRows:
    """Each object brings its own columns; a column that it has not is blank in it."""

    columns = None

    def __init__(self, file: BinaryIO, *, encoding: str):
        self._file = file
        self._codec = CODECS[encoding]

    def rows(self) -> Iterator[Row]:
        self._file.seek(0)
        if self._file.read(len(BOM)) != BOM:
            self._file.seek(0)
        start = self._file.tell()
        first = self._file.read(CHUNK).lstrip(BLANK.encode())[:1]
        self._file.seek(start)
        return self._elements() if first == b"[" else self._lines()

    def _lines(self) -> Iterator[Row]:
        number = 0
        while line := self._file.readline(MAX_RECORD + 1):
            number += 1
            if len(line) > MAX_RECORD:
                refuse_file(f"a line has more than {MAX_RECORD} bytes", number=number)
            if line.strip():
                yield self._line(number, line)

    def _line(self, number: int, line: bytes) -> Row:
        try:
            text = line.decode(self._codec)
        except UnicodeDecodeError as error:
            return Row(number, {}, f"these are no bytes of {self._codec}: {error.reason}")
        try:
            return _row(number, _decoder.decode(text))
        except (ValueError, RecursionError) as error:
            return Row(number, {}, f"this is no JSON: {error}")

    def _elements(self) -> Iterator[Row]:
        text = _Text(self._file, self._codec)
        text.skip("[")
        number = 0
        while not text.at("]"):
            number += 1
            if number > 1:
                text.skip(",", number=number)
            yield _row(number, text.value(number))


class _Text:
    """Decoded text, of which only as much is held as the element under way takes."""

    def __init__(self, file: BinaryIO, codec: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._held = ""
        self._ended = False

    def at(self, mark: str) -> bool:
        """Whether the next character that is not blank is this one."""
        self._held = self._held.lstrip(BLANK)
        while not self._held and not self._ended:
            self._read()
            self._held = self._held.lstrip(BLANK)
        return self._held.startswith(mark)

    def skip(self, mark: str, number: int | None = None) -> None:
        if not self.at(mark):
            refuse_file(f"expected {mark!r}, not {self._held[:20]!r}", number=number)
        self._held = self._held[1:]

    def value(self, number: int) -> Any:
        """The next value; it is tried again with twice the text until it is whole."""
        self.at("{")
        while True:
            try:
                value, end = _decoder.raw_decode(self._held)
            except (ValueError, RecursionError) as error:
                if self._ended or isinstance(error, RecursionError):
                    refuse_file(f"this is no JSON: {error}", number=number)
                if len(self._held) > MAX_RECORD:
                    refuse_file(f"an element has more than {MAX_RECORD} characters, or is no JSON", number=number)
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
            refuse_file(f"these are no bytes of {error.encoding}: {error.reason}")


def _row(number: int, value: Any) -> Row:
    cells: dict[str, Cell] = {}
    if not isinstance(value, dict):
        return Row(number, {}, f"expected an object, not {type(value).__name__}")
    waiting: list[tuple[str, Any]] = list(value.items())
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, dict):
            waiting += ((f"{path}.{name}", inner) for name, inner in found.items())
        elif isinstance(found, list):
            waiting += ((f"{path}.{place}", inner) for place, inner in enumerate(found))
        else:
            cells[path] = found
        if len(cells) + len(waiting) > MAX_COLUMNS:
            return Row(number, {}, f"more than {MAX_COLUMNS} values")
    if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells.values()):
        return Row(number, {}, f"a value has more than {MAX_CELL} characters")
    return Row(number, cells)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


# Numbers stay as they are written: none is rounded on its way.
_decoder = json.JSONDecoder(
    object_pairs_hook=_distinct, parse_float=str, parse_int=str, parse_constant=_refuse_constant
)
