"""A file that is imported: opened once, read twice, and the same from beginning to end.

The first reading (the survey) finds whatever is wrong with the file as a whole before anything is signed.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from msgspec import UNSET, Struct

from ledger.core.encoding.digests import Algorithm, Digest, new_hasher
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.interchange.imports.mapping import Mapping, nearest
from ledger.interchange.imports.tables import JsonRows, Row, Table, TextTable

CHUNK = 4 * 1024 * 1024  # bytes
BUCKETS = 256  # of fingerprints: only one is sorted at a time
Format = Literal["csv", "xlsx", "json"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}

Told = Callable[[int], object]


class Layout(Struct, frozen=True):
    """How a file is read."""

    format: Format
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    header_row: int = 1


class Survey(Struct, frozen=True):
    """What the first reading found. ``repeated`` are the fingerprints that more than one row has."""

    digest: str
    rows: int
    repeated: frozenset[int]


def layout_of(path: Path, mapping: Mapping) -> Layout:
    """As the mapping says; the format is told by the file's name where it says none."""
    known = format_of(path) if mapping.format is UNSET else mapping.format
    return Layout(known, mapping.encoding, mapping.delimiter, mapping.sheet, mapping.header_row)


def format_of(path: Path) -> Format:
    """The format that the file's name tells. Raises MalformedInput."""
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        raise MalformedInput(
            f"the name of {path} does not tell its format",
            field="FILE",
            hint="Say in the mapping: format = 'csv', 'xlsx' or 'json'",
        )
    return known


class SourceFile:
    """The file at ``path``, as it was when it was opened: what comes to stand under its name later is another one."""

    def __init__(self, path: Path, layout: Layout):
        self.path = path
        self.layout = layout
        try:
            if not path.is_file():
                raise MalformedInput(f"{path} is no file", field="FILE")  # a pipe cannot be read twice
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise MalformedInput(f"{path} cannot be read: {error.strerror}", field="FILE") from error
        self._before = _stamp(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def table(self) -> Table:
        """The rows from the beginning. Raises MalformedInput."""
        layout = self.layout
        if layout.format == "csv":
            return TextTable(
                self._file, encoding=layout.encoding, delimiter=layout.delimiter, header_row=layout.header_row
            )
        if layout.format == "json":
            return JsonRows(self._file, encoding=layout.encoding)
        from ledger.interchange.imports.workbooks import Workbook  # noqa: PLC0415 - half a second that only spreadsheets need

        return Workbook(self._file, sheet=layout.sheet, header_row=layout.header_row)

    def survey(self, columns: dict[str, str], fingerprint: Callable[[Row], int | None], told: Told) -> Survey:
        """Reads the whole file once. ``columns`` are those that must be there, with who asks for them; ``fingerprint``
        is what no two rows may share; ``told`` is called with each row's number.

        Raises MalformedInput where the file is not of its kind, or lacks a column.
        """
        table = self.table()
        if table.columns is not None:
            self._require(columns, table.columns)
        buckets = [array("Q") for _ in range(BUCKETS)]
        seen: set[str] = set()
        rows = 0
        for row in table.rows():
            rows += 1
            if table.columns is None and len(seen) < len(columns):
                seen.update(columns.keys() & row.cells.keys())
            if (found := fingerprint(row)) is not None:
                buckets[found % BUCKETS].append(found)
            told(row.number)
        if table.columns is None and rows:
            self._require(columns, tuple(seen))
        return Survey(self.digest(), rows, frozenset(_repeated(buckets)))

    def count(self) -> int:
        """How many rows there are. Raises MalformedInput."""
        return sum(1 for _ in self.table().rows())

    def digest(self) -> str:
        """SHA-256 of the bytes, as ``sha256sum`` gives it. Raises IntegrityBroken where they change meanwhile."""
        hasher = new_hasher(Algorithm.SHA256)
        self._file.seek(0)
        while chunk := self._file.read(CHUNK):
            hasher.update(chunk)
        self.require_unchanged()
        return str(Digest(Algorithm.SHA256, hasher.digest()))

    def require_unchanged(self) -> None:
        """Raises IntegrityBroken where the file was written to since it was opened."""
        if _stamp(self._file) != self._before:
            raise IntegrityBroken(
                f"{self.path} changed while it was read",
                field="FILE",
                hint="Close what writes it and run this again: rows that are in already are not imported twice.",
            )

    def require_same(self, digest: str) -> None:
        """The same by the digest, which sees what the time of the last change does not."""
        if self.digest() != digest:
            raise IntegrityBroken(f"{self.path} is not the file that it was at the beginning", field="FILE")

    def _require(self, columns: dict[str, str], present: tuple[str, ...]) -> None:
        twice = [name for name, times in Counter(present).items() if times > 1 and name in columns]
        if twice:
            raise MalformedInput(f"{self.path} has the column {twice[0]!r} more than once", field=columns[twice[0]])
        for column, asked_by in columns.items():
            if column not in present:
                there = ", ".join(map(repr, present[:40]))
                raise MalformedInput(
                    f"{self.path} has no column {column!r}; there are {there}",
                    field=asked_by,
                    hint=nearest(column, present)
                    or "Do the mapping's encoding, delimiter and header_row fit the file?",
                )


def rows_of(file: SourceFile, every: int) -> Iterator[list[Row]]:
    """The rows, ``every`` so many at a time; the file is looked at after each reading and before its rows are used."""
    gathered: list[Row] = []
    for row in file.table().rows():
        gathered.append(row)
        if len(gathered) == every:
            file.require_unchanged()
            yield gathered
            gathered = []
    file.require_unchanged()
    if gathered:
        yield gathered


def _repeated(buckets: list[array[int]]) -> Iterator[int]:
    for bucket in buckets:
        ordered = sorted(bucket)
        yield from (one for one, other in pairwise(ordered) if one == other)


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
