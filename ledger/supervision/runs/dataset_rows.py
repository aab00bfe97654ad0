"""The rows of a data set: a pure function of the bytes of its file and of the layout that was signed with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import Algorithm, blake3_text, new_hasher, parse_digest
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.record import DatasetRegistered
from ledger.core.messages import Message
from ledger.interchange.imports.source_file import Layout, SourceFile
from ledger.interchange.imports.tables import MAX_COLUMNS, SourceRow, refuse_file
from ledger.interchange.imports.values import Misread, line, text
from ledger.supervision.view_catalogue import DATASET_COLUMNS

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 2_000_000  # of one file
WRITTEN_AT_ONCE = 10_000  # rows
HASHED_AT_ONCE = 1024 * 1024  # bytes


class Registered(Struct, frozen=True):
    """A registration: the agency that signed it, the digest of its event, and what it says."""

    agency: str
    digest: str
    body: DatasetRegistered


def table_of(path: Path, registered: Registered) -> pyarrow.Table:
    """Return the view of a data set from its file. Raises MalformedInput if it is not the file that was registered."""
    expected = registered.body.digest
    if (actual := digest_of_file(path, parse_digest(expected).algorithm)) != expected:
        raise MalformedInput(
            "expected the file {expected}, not {actual}", expected=expected, actual=actual, field=str(path)
        )
    columns, rows = _read_through(path, registered.body)
    return _table(columns, list(rows), registered.digest)


def rows_of_file(path: Path, registered: Registered, digests: Collection[str]) -> list[dict[str, str]]:
    """Return the rows with these digests of a data set's file, in its order: their cells that are not blank.

    Raises MalformedInput if it is not the file that was registered, NotFound for a digest that none of its rows has.
    """
    rows = [row for row in table_of(path, registered).to_pylist() if row["row_digest"] in digests]
    if missing := sorted(set(digests) - {row["row_digest"] for row in rows}):
        raise NotFound("no row of the file has the digest {missing}", missing=missing[0], field="digest")
    hidden = DATASET_COLUMNS.keys() - {"row_digest"}
    return [{name: cell for name, cell in row.items() if cell is not None and name not in hidden} for row in rows]


def columns_of(path: Path, registered: DatasetRegistered) -> tuple[str, ...]:
    """Return the columns of the file as it was registered, holding one row at a time.

    Raises MalformedInput if it is no table of so many rows.
    """
    columns, rows = _read_through(path, registered)
    deque(rows, maxlen=0)
    return columns


def write_table(path: Path, registered: DatasetRegistered, evidence: str, target: Path) -> bool:
    """Write the view of a data set, registered by the event ``evidence``, into an Arrow file.

    Return False if the bytes are not those that were registered. Raises as ``columns_of`` does.
    """
    if digest_of_file(path, parse_digest(registered.digest).algorithm) != registered.digest:
        return False
    import pyarrow.ipc

    columns, rows = _read_through(path, registered)
    text = pyarrow.string()
    schema = pyarrow.schema(
        [*((name, text) for name in columns), *zip(DATASET_COLUMNS, (text, pyarrow.list_(text)), strict=True)]
    )
    with pyarrow.ipc.new_file(str(target), schema) as writer:
        while part := list(islice(rows, WRITTEN_AT_ONCE)):
            for batch in _table(columns, part, evidence).to_batches():
                writer.write_batch(batch)
    return True


def _table(columns: tuple[str, ...], rows: list[tuple[str | None, ...]], evidence: str) -> pyarrow.Table:
    import pyarrow

    text = pyarrow.string()
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pyarrow.array(column, text) for column in cells]
    arrays.append(pyarrow.array([row_digest(columns, row) for row in rows], text))
    arrays.append(pyarrow.array([[evidence]] * len(rows), pyarrow.list_(text)))
    return pyarrow.table(arrays, names=[*columns, *DATASET_COLUMNS])


def digest_of_file(path: Path, algorithm: Algorithm) -> str:
    """Compute the digest of a file, of which a part is in memory at a time."""
    hasher = new_hasher(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(HASHED_AT_ONCE):
            hasher.update(chunk)
    return f"{algorithm}:{hasher.digest().hex()}"


def _read_through(
    path: Path, registered: DatasetRegistered
) -> tuple[tuple[str, ...], Iterator[tuple[str | None, ...]]]:
    """Return a file's columns and an iterator over its rows, which raises MalformedInput if they are not as many as
    were registered. A file whose rows name their columns is read twice."""
    signed = registered.layout
    layout = Layout(signed.format, signed.encoding, signed.delimiter, signed.sheet) if signed else Layout("csv")
    with _refusals(), SourceFile(path, layout) as source:
        table = source.table()
        columns = table.columns
        if columns is None:
            columns = _columns_of(_registered_rows(table.rows(), registered))
    taken = {*DATASET_COLUMNS}  # two columns are ours; SQL does not tell capitals apart in names
    for name in columns:
        if not name or name.lower() in taken:
            problem = (
                Message("a column without a name")
                if not name
                else Message("the column {name!r} more than once, or as one of ours", name=name)
            )
            raise MalformedInput(
                "the file has {problem}", problem=problem, field="file", hint="Give each column a name of its own."
            )
        taken.add(name.lower())

    def rows() -> Iterator[tuple[str | None, ...]]:
        count = 0
        with _refusals(), SourceFile(path, layout) as source:
            for count, row in enumerate(_registered_rows(source.table().rows(), registered), start=1):  # noqa: B007
                cells = _cells(row)
                yield tuple(cells.get(name) for name in columns)
        if count != registered.rows:
            _refuse_count(registered, str(count))

    return columns, rows()


@contextmanager
def _refusals() -> Iterator[None]:
    """Word a refusal of the file's rows as one of the file of a data set."""
    try:
        yield
    except MalformedInput as error:
        hint = (
            error.hint if error.field != "FILE" else Message("Register it with the encoding and delimiter that it has.")
        )
        raise MalformedInput("row by row this is no table: {error}", error=error, field="file", hint=hint) from error


def _refuse_count(registered: DatasetRegistered, count: str) -> NoReturn:
    message = Message(
        "{registered.rows} rows were registered, this layout finds {count}", registered=registered, count=count
    )
    raise MalformedInput(message, field="file", hint="Register it with the encoding, delimiter and sheet that it has.")


def row_digest(columns: tuple[str, ...], row: tuple[str | None, ...]) -> str:
    """Compute BLAKE3 of the canonical JSON ``[[column, text], ...]`` of the cells that are not blank, in file order."""
    cells = [pair for pair in zip(columns, row, strict=True) if pair[1] is not None]
    return blake3_text(canonical.encode(cells))


def _columns_of(rows: Iterator[SourceRow]) -> tuple[str, ...]:
    """Collect the columns that the rows name, in order of appearance. Raises MalformedInput at the first too many."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(_cells(row))
        if len(columns) > MAX_COLUMNS:
            refuse_file("expected at most {limit} columns, not {count}", limit=MAX_COLUMNS, count=len(columns))
    return tuple(columns)


def _registered_rows(rows: Iterator[SourceRow], registered: DatasetRegistered) -> Iterator[SourceRow]:
    """Yield as many rows as were registered. Raises MalformedInput at the first too many, before it costs more."""
    for number, row in enumerate(rows, start=1):
        if number > registered.rows:
            _refuse_count(registered, "more")
        if number > MAX_ROWS:
            raise MalformedInput("expected at most {limit:,} rows", limit=MAX_ROWS, field="file")
        yield row


def _cells(row: SourceRow) -> dict[str, str | None]:
    if row.fault is not None:
        raise MalformedInput("row {row.number}: {row.fault}", row=row, field="file")
    try:
        return {_column(name): text(cell) for name, cell in row.cells.items()}
    except Misread as error:
        raise MalformedInput("row {row.number}: {error}", row=row, error=error, field="file") from error


@lru_cache(maxsize=MAX_COLUMNS)
def _column(name: str) -> str:
    """Return the text of a column's name, cached as it stands in every row. Raises Misread."""
    return line(name) or ""
