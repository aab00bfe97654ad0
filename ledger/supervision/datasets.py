"""Data sets: files of others that were registered, kept beside the log, and their rows as models see them.

A file is kept under the digest that was signed and is read only where its bytes still have it. What a row says is a
pure function of these bytes and of the layout that was signed with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import pyarrow
from msgspec import Struct

from ledger.core import canonical
from ledger.core.digest import blake3_text, digest_of, parse_digest
from ledger.core.errors import MalformedInput
from ledger.core.event.record import DatasetRegistered, TableLayout
from ledger.exchange.rows import Row
from ledger.exchange.source_file import Layout, SourceFile
from ledger.exchange.values import Misread, line, text
from ledger.secret_files import write_secret
from ledger.supervision.catalogue import DATASET_COLUMNS, dataset_view

MAX_ROWS = 2_000_000  # of one file: they are held in memory while they are read


class Registered(Struct, frozen=True):
    """A registration: the agency that signed it, the digest of its event, and what it says."""

    agency: str
    digest: str
    body: DatasetRegistered


class DatasetRows(Struct, frozen=True):
    """The rows of a data set, each value as text; a blank cell is None. ``digests`` has one for each row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    digests: tuple[str, ...]


class Outside(NamedTuple):
    """A data set as a session has it: its rows, and the agency that registered it."""

    agency: str
    table: pyarrow.Table


class DatasetFiles:
    """The files that are kept, in ``folder``: readable by the service alone, since they name persons."""

    def __init__(self, folder: Path):
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Where a file of this digest is kept. Raises MalformedInput for what is no digest."""
        known = parse_digest(digest)
        return self._folder / known.algorithm / known.value.hex()

    def holds(self, digest: str) -> bool:
        """Whether there is a file under this digest."""
        return self.path(digest).is_file()

    def keep(self, registered: DatasetRegistered, data: bytes) -> DatasetRows:
        """Keeps the file that was registered; when it returns, the file is durable. The same file may come again.

        Raises MalformedInput where these are other bytes, or no table of as many rows as were registered.
        """
        path = self.path(registered.digest)
        algorithm = parse_digest(registered.digest).algorithm
        if (found := str(digest_of(algorithm, data))) != registered.digest:
            told = f"the file of {registered.dataset_id} has the digest {registered.digest}, this one has {found}"
            raise MalformedInput(told, field="file", hint="Send the file that was registered, unchanged.")
        incoming = path.with_name(f"{path.name}.incoming")
        write_secret(incoming, data, field="file", replace=True)
        try:
            rows = read_rows(incoming, registered)
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
        return rows

    def rows(self, registered: DatasetRegistered) -> DatasetRows | None:
        """The rows of a data set; None where its file is not here, or is not the one that was registered any more."""
        path = self.path(registered.digest)
        if not path.is_file():
            return None
        algorithm = parse_digest(registered.digest).algorithm
        if str(digest_of(algorithm, path.read_bytes())) != registered.digest:
            return None
        return read_rows(path, registered)


class Datasets:
    """The data sets of a log as tables for a session: what was read once is kept while it is registered."""

    def __init__(self, files: DatasetFiles):
        self._files = files
        self._read: dict[str, tuple[Registered, pyarrow.Table]] = {}

    def tables(self, registrations: Iterable[Registered]) -> dict[str, Outside]:
        """By the names of their views; none of a data set whose file is not here."""
        read: dict[str, tuple[Registered, pyarrow.Table]] = {}
        for name, registered in current(registrations).items():
            known = self._read.get(name)
            if known is not None and known[0] == registered:
                read[name] = known
            elif (rows := self._files.rows(registered.body)) is not None:
                read[name] = registered, _table(rows, registered.digest)
        self._read = read
        return {name: Outside(registered.agency, table) for name, (registered, table) in read.items()}


def table_of(path: Path, registered: Registered) -> pyarrow.Table:
    """The view of a data set whose file somebody holds. Raises MalformedInput where it is not the one registered."""
    algorithm = parse_digest(registered.body.digest).algorithm
    if (found := str(digest_of(algorithm, path.read_bytes()))) != registered.body.digest:
        raise MalformedInput(f"expected the file {registered.body.digest}, not {found}", field=str(path))
    return _table(read_rows(path, registered.body), registered.digest)


class ByAgency(Protocol):
    """A registration, however it is kept."""

    @property
    def agency(self) -> str: ...

    @property
    def body(self) -> DatasetRegistered: ...


R = TypeVar("R", bound=ByAgency)


def current(registrations: Iterable[R]) -> dict[str, R]:
    """The registration of each view, out of all in the order of the log.

    An id belongs to the agency that registered it first: its latest registration counts, those of others do not.
    """
    found: dict[str, R] = {}
    for registered in registrations:
        name = dataset_view(registered.body.dataset_id)
        if name not in found or found[name].agency == registered.agency:
            found[name] = registered
    return found


def _table(rows: DatasetRows, evidence: str) -> pyarrow.Table:
    columns = list(zip(*rows.rows, strict=True)) or [()] * len(rows.columns)
    text = pyarrow.string()
    arrays = [pyarrow.array(column, text) for column in columns]
    arrays.append(pyarrow.array(rows.digests, text))
    arrays.append(pyarrow.array([[evidence]] * len(rows.rows), pyarrow.list_(text)))
    return pyarrow.table(arrays, names=[*rows.columns, *DATASET_COLUMNS])


def read_rows(path: Path, registered: DatasetRegistered) -> DatasetRows:
    """The rows of the file as it was registered. Raises MalformedInput where it is no table of so many rows."""
    try:
        with SourceFile(path, _layout(registered.layout)) as source:
            table = source.table()
            cells = [_cells(row) for row in _some(table.rows())]
            columns = table.columns or tuple(dict.fromkeys(name for row in cells for name in row))
    except MalformedInput as error:
        hint = error.hint if error.field != "FILE" else "Register it with the encoding and delimiter that it has."
        raise MalformedInput(f"row by row this is no table: {error.message}", field="file", hint=hint) from error
    _require_columns(columns)
    if len(cells) != registered.rows:
        told = f"{registered.rows} rows were registered, this layout finds {len(cells)}"
        raise MalformedInput(told, field="file", hint="Register it with the encoding, delimiter and sheet that it has.")
    rows = tuple(tuple(row.get(name) for name in columns) for row in cells)
    return DatasetRows(columns, rows, tuple(row_digest(columns, row) for row in rows))


def row_digest(columns: tuple[str, ...], row: tuple[str | None, ...]) -> str:
    """BLAKE3 of the canonical JSON ``[[column, text], ...]`` of the cells that are not blank, in the file's order."""
    said = [pair for pair in zip(columns, row, strict=True) if pair[1] is not None]
    return blake3_text(canonical.encode(said))


def _layout(said: TableLayout | None) -> Layout:
    """What was signed; a CSV file in UTF-8 where nothing was."""
    if said is None:
        return Layout("csv")
    return Layout(said.format, said.encoding, said.delimiter, said.sheet)


def _some(rows: Iterator[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise MalformedInput(f"expected at most {MAX_ROWS:,} rows", field="file")
        yield row


def _cells(row: Row) -> dict[str, str | None]:
    if row.fault is not None:
        raise MalformedInput(f"row {row.number}: {row.fault}", field="file")
    try:
        return {line(name) or "": text(cell) for name, cell in row.cells.items()}
    except Misread as error:
        raise MalformedInput(f"row {row.number}: {error}", field="file") from error


def _require_columns(columns: tuple[str, ...]) -> None:
    """SQL tells no capitals apart in names, and two of them are ours."""
    seen = {*DATASET_COLUMNS}
    for name in columns:
        if not name or name.lower() in seen:
            told = "a column without a name" if not name else f"the column {name!r} more than once, or as one of ours"
            raise MalformedInput(f"the file has {told}", field="file", hint="Give each column a name of its own.")
        seen.add(name.lower())
