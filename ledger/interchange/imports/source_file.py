"""A file that is imported: opened once, read twice, and the same from beginning to end.

The first reading (the survey) finds whatever is wrong with the file as a whole before anything is signed.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, Self

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, new_hasher
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.interchange.imports.mapping import Format, MappedFile, nearest
from ledger.interchange.imports.tables import CsvTable, JsonTable, SourceRow, SourceTable

CHUNK = 4 * 1024 * 1024  # bytes
BUCKETS = 256  # of fingerprints: only one is sorted at a time
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


class Layout(Struct, frozen=True):
    """How a file is read."""

    format: Format
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    header_row: int = 1


Pair = tuple[int, int]  # rows by their number in the file


class Survey(Struct, frozen=True):
    """The outcome of the first reading.

    ``repeated`` has the keys, and ``numbered`` the case numbers, that several rows have: by the fingerprint, the first
    two rows. ``named`` has the numbers of persons that stand with several names: by the number's fingerprint, and the
    name's, the first row.
    """

    digest: str
    rows: int
    repeated: Mapping[int, Pair]
    numbered: Mapping[int, Pair] = {}
    named: Mapping[int, Mapping[int, int]] = {}


def layout_of(path: Path, mapped: MappedFile) -> Layout:
    """Return the layout of the file, its format from its name if the mapping gives none."""
    return Layout(mapped.format or format_of(path), mapped.encoding, mapped.delimiter, mapped.sheet, mapped.header_row)


def format_of(path: Path) -> Format:
    """Return the format of a file with this name. Raises MalformedInput for an unknown suffix."""
    file_format = FORMATS.get(path.suffix.lower())
    if file_format is None:
        raise MalformedInput(
            "the name of {path} does not tell its format",
            path=path,
            field="FILE",
            hint="Say in the mapping: format = 'csv', 'xlsx' or 'json'",
        )
    return file_format


class SourceFile:
    """The file at ``path``, as it was when it was opened: one that gets its name later is another file."""

    def __init__(self, path: Path, layout: Layout):
        self.path = path
        self.layout = layout
        try:
            if not path.is_file():
                raise MalformedInput("{path} is no file", path=path, field="FILE")  # a pipe cannot be read twice
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise MalformedInput(
                "{path} cannot be read: {error.strerror}", path=path, error=error, field="FILE"
            ) from error
        self._before = self._stamp()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def table(self) -> SourceTable:
        """Return the rows from the beginning. Raises MalformedInput."""
        layout = self.layout
        if layout.format == "csv":
            return CsvTable(
                self._file, encoding=layout.encoding, delimiter=layout.delimiter, header_row=layout.header_row
            )
        if layout.format == "json":
            return JsonTable(self._file, encoding=layout.encoding)
        from ledger.interchange.imports.workbooks import XlsxTable

        return XlsxTable(self._file, sheet=layout.sheet, header_row=layout.header_row)

    def survey(
        self,
        columns: dict[str, str],
        fingerprint: Callable[[SourceRow], int | None],
        progress: Callable[[int], object],
        persons: Callable[[SourceRow], Iterable[tuple[int, int]]] = lambda _: (),
        number: Callable[[SourceRow], int | None] = lambda _: None,
    ) -> Survey:
        """Read the whole file once and return what it holds.

        ``columns`` are those that must exist, with the option or the path in the mapping that asks for each;
        ``fingerprint`` and ``number`` give what no two rows may share; ``progress`` is called with each row's number;
        ``persons`` gives the fingerprints of each person's number and name.

        Raises MalformedInput if the file is not of its kind, or lacks a column.
        """
        table = self.table()
        if table.columns is not None:
            self._require(columns, table.columns)
        of_keys = [array("Q") for _ in range(BUCKETS)]  # key and row in turn
        of_cases = [array("Q") for _ in range(BUCKETS)]  # case number and row in turn
        of_persons = [array("Q") for _ in range(BUCKETS)]  # number, name and row of each in turn
        present: set[str] = set()
        rows = 0
        for row in table.rows():
            rows += 1
            if table.columns is None and len(present) < len(columns):
                present.update(columns.keys() & row.cells.keys())
            for mark, buckets in ((fingerprint(row), of_keys), (number(row), of_cases)):
                if mark is not None:
                    buckets[mark % BUCKETS].extend((mark, row.number))
            for identity, name in persons(row):
                of_persons[identity % BUCKETS].extend((identity, name, row.number))
            progress(row.number)
        if table.columns is None and rows:
            self._require(columns, tuple(present))
        repeated, numbered = (
            dict(pair for bucket in each for pair in _repeated(bucket)) for each in (of_keys, of_cases)
        )
        named = {identity: names for bucket in of_persons for identity, names in _several_names(bucket)}
        return Survey(self.digest(), rows, repeated, numbered, named)

    def digest(self) -> str:
        """Return the SHA-256 of the bytes, as ``sha256sum`` gives it. Raises IntegrityBroken if they change."""
        hasher = new_hasher(Algorithm.SHA256)
        self._file.seek(0)
        while chunk := self._file.read(CHUNK):
            hasher.update(chunk)
        self.require_unchanged()
        return str(Digest(Algorithm.SHA256, hasher.digest()))

    def require_unchanged(self) -> None:
        """Raise IntegrityBroken if the file was written to since it was opened."""
        if self._stamp() != self._before:
            raise IntegrityBroken(
                "{path} changed while it was read",
                path=self.path,
                field="FILE",
                hint="Close what writes it and run this again: rows that are in already are not imported twice.",
            )

    def require_same(self, digest: str) -> None:
        """Raise IntegrityBroken if the file has another digest.

        Unlike ``require_unchanged`` this notices a change after which the file's times were set back.
        """
        if self.digest() != digest:
            raise IntegrityBroken("{path} is not the file that it was at the beginning", path=self.path, field="FILE")

    def batches(self, size: int) -> Iterator[list[SourceRow]]:
        """Yield the rows, at most ``size`` at a time.

        Raises IntegrityBroken if the file changed: it is looked at after each reading, before the rows are used.
        """
        rows = self.table().rows()
        while batch := list(islice(rows, size)):
            self.require_unchanged()
            yield batch
        self.require_unchanged()

    def _stamp(self) -> tuple[int, int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _require(self, columns: dict[str, str], present: tuple[str, ...]) -> None:
        repeated = [name for name, times in Counter(present).items() if times > 1 and name in columns]
        if repeated:
            raise MalformedInput("the column {column!r} is there twice", column=repeated[0], field=columns[repeated[0]])
        for column, asked_by in columns.items():
            if column not in present:
                raise MalformedInput(
                    "there is no column {column!r}, but {present}",
                    column=column,
                    present=", ".join(map(repr, present[:40])),
                    field=asked_by,
                    hint=nearest(column, present) or "Do encoding, delimiter and header_row fit the file?",
                )


def _repeated(marks: array[int]) -> Iterator[tuple[int, Pair]]:
    """Yield each mark of several rows, with the first two of them."""
    rows: dict[int, list[int]] = {}
    for mark, row in zip(marks[::2], marks[1::2], strict=True):
        rows.setdefault(mark, []).append(row)
    return ((mark, (having[0], having[1])) for mark, having in rows.items() if len(having) > 1)


def _several_names(persons: array[int]) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield each number that stands with several names, with the first row of each name."""
    rows: dict[int, dict[int, int]] = {}
    for identity, name, row in zip(persons[::3], persons[1::3], persons[2::3], strict=True):
        rows.setdefault(identity, {}).setdefault(name, row)
    return ((identity, names) for identity, names in rows.items() if len(names) > 1)
