"""Data sets: files of others that were registered, kept beside the log, and their rows as models see them.

A file is kept under the digest that was signed and is read only where its bytes still have it. What a row says is a
pure function of these bytes and of the layout that was signed with them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from struct import unpack_from
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

import structlog
from msgspec import Struct

from ledger.config.secret_files import write_secret
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import Algorithm, blake3_text, digest_by, new_hasher, parse_digest
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.record import DatasetRegistered
from ledger.core.messages import Message
from ledger.interchange.imports.source_file import Layout, SourceFile
from ledger.interchange.imports.tables import MAX_COLUMNS, SourceRow, refuse_file
from ledger.interchange.imports.values import Misread, line, text
from ledger.store import bindings
from ledger.store.database import Database
from ledger.store.imports import RegisteredDataset
from ledger.supervision.runs.query_session import SessionDataset
from ledger.supervision.view_catalogue import DATASET_COLUMNS, dataset_view
from ledger.workers.pool import TooCostly, WorkFailed
from ledger.workers.sandbox import Files

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 2_000_000  # of one file
TABLE_TAKES = 4  # times the limits within which the same file was read once when it was given
# How large its table may become. Of CSV: beside its cells a row has two digests; a cell that is an octet in a list
# takes five. Elsewhere a file's size tells less: a workbook has a text once that stands in any number of cells, an
# object in JSON has not the columns that it leaves blank.
LEAST_ROOM, BYTES_OF_ROW, GROWTH = 64 * 1024 * 1024, 256, 16
MOST_BYTES = 4 * 1024**3
WRITTEN_AT_ONCE = 10_000  # rows
HASHED_AT_ONCE = 1024 * 1024  # bytes
# Of an Arrow file: where its messages begin; which fields are a message's header and metadata, and how its header, a
# record batch, is compressed.
_MAGIC_BYTES, _HEADER, _METADATA, _COMPRESSION = 8, 2, 4, 3
INCOMING = ".incoming"  # ends the name of a file that is not kept yet

logger = structlog.get_logger(__name__)
WriteTable = Callable[[Path, DatasetRegistered, str, Path], bool]
ReadColumns = Callable[[Path, DatasetRegistered], tuple[str, ...]]


class Registered(Struct, frozen=True):
    """A registration: the agency that signed it, the digest of its event, and what it says."""

    agency: str
    digest: str
    body: DatasetRegistered


class DatasetTable(NamedTuple):
    """A data set as a session has it: its registration, its rows, and the Arrow file that they are in."""

    registered: Registered
    table: pyarrow.Table
    path: str = ""

    @property
    def for_session(self) -> SessionDataset:
        """Return what a session has to know of it beside its rows."""
        body = self.registered.body
        return SessionDataset(body.readable, self.registered.digest, body.compared)


class DatasetFiles:
    """The files that are kept, in ``folder``: readable by the service alone, since they name persons.

    What is kept is bound in ``database``: an audit misses a file that is gone. To read them needs none.
    """

    def __init__(self, folder: Path, database: Database | None = None):
        self._folder = folder
        self._database = database

    def digests(self) -> dict[str, str]:
        """Return the digest of the bytes of each file that is kept, by the digest that it is kept under."""
        kept: dict[str, str] = {}
        for algorithm in Algorithm:
            for file in (self._folder / algorithm).glob("*"):
                if file.suffix != INCOMING:
                    with suppress(FileNotFoundError):  # it was replaced, or is gone
                        kept[f"{algorithm}:{file.name}"] = _digest_of(file, algorithm)
        return kept

    def path(self, digest: str) -> Path:
        """Return where a file of this digest is kept. Raises MalformedInput if it is no digest."""
        parsed = parse_digest(digest)
        return self._folder / parsed.algorithm / parsed.value.hex()

    def holds(self, digest: str) -> bool:
        """Return whether there is a file under this digest."""
        return self.path(digest).is_file()

    def keep(self, registered: DatasetRegistered, data: bytes, read: ReadColumns | None = None) -> tuple[str, ...]:
        """Keep the file that was registered, and return its columns; it is durable then. The same file may come again.

        ``read`` does what ``columns_of`` does, here or elsewhere. Raises MalformedInput if these are other bytes, or no
        table of as many rows as were registered.
        """
        digest, path = registered.digest, self.path(registered.digest)
        if (actual := str(digest_by(parse_digest(digest).algorithm, data))) != digest:
            raise MalformedInput(
                "the file of {registered.dataset_id} has the digest {registered.digest}, this one has {actual}",
                registered=registered,
                actual=actual,
                field="file",
                hint="Send the file that was registered, unchanged.",
            )
        # A reader must never see a part of a file under its digest.
        incoming = path.with_name(f"{path.name}{INCOMING}")
        write_secret(incoming, data, field="file", replace=True)
        try:
            columns = (read or columns_of)(incoming, registered)
            # Bound before it is in place: an audit takes a file that is not bound for a stranger's.
            if self._database is not None:
                with self._database.write() as connection:
                    if bindings.last_bound(connection, bindings.DATASET_FILES, digest) != digest:
                        bindings.bind(connection, bindings.DATASET_FILES, {digest: digest})
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
        return columns


class Datasets:
    """The data sets of a log as tables for a session: what was read once is kept while it is registered, in Arrow files
    of this process's own that are mapped into memory. ``write`` does what ``write_table`` does, here or elsewhere.
    """

    def __init__(self, files: DatasetFiles, write: WriteTable | None = None):
        self._files = files
        self._write = write or write_table
        self._read: dict[str, DatasetTable] = {}  # by the digest of the registration
        self._folder: TemporaryDirectory[str] | None = None
        self._lock = Lock()  # a file that is mapped is not written by anybody else

    def tables(
        self, registrations: Iterable[Registered], near: Collection[str] | None = None
    ) -> dict[str, DatasetTable]:
        """Return those of the agencies in ``near``, None for all, by the names of their views.

        There is none of a data set whose file is not here. Safe to call from several threads.
        """
        listed = list(registrations)
        latest = {(entry.agency, dataset_view(entry.body.dataset_id)): entry.digest for entry in listed}
        tables: dict[str, DatasetTable] = {}
        with self._lock:
            # What is no longer registered is let go.
            self._read = {digest: self._read[digest] for digest in latest.values() if digest in self._read}
            for name, registered in current_registrations(listed, near).items():
                outside = self._read.get(registered.digest) or self._outside(registered)
                if outside is not None:
                    tables[name] = self._read[registered.digest] = outside
        return tables

    def _outside(self, registered: Registered) -> DatasetTable | None:
        source = self._files.path(registered.body.digest)
        if not source.is_file():
            return None
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="tallystick-datasets-")
        target = Path(self._folder.name, f"{blake3_text(registered.digest.encode())[7:]}.arrow")
        try:
            if not self._write(source, registered.body, registered.digest, target):
                return None
        except TooCostly as error:
            # It was read once within the limits of time and memory, which the operator may have lowered since.
            target.unlink(missing_ok=True)
            logger.warning("a data set cannot be read", dataset=registered.body.dataset_id, reason=error.for_operator)
            return None
        return DatasetTable(registered, mapped_table(target, registered.body.rows), str(target))


def table_of(path: Path, registered: Registered) -> pyarrow.Table:
    """Return the view of a data set from its file. Raises MalformedInput if it is not the file that was registered."""
    expected = registered.body.digest
    if (actual := _digest_of(path, parse_digest(expected).algorithm)) != expected:
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


R = TypeVar("R", Registered, RegisteredDataset)


def current_registrations(registrations: Iterable[R], near: Collection[str] | None = None) -> dict[str, R]:
    """Return the registration of each view for the models of a jurisdiction, out of all in the order of the log.

    ``near`` are the agencies in line with it, None is all. An id belongs to the first of them that registered it: its
    latest registration counts, those of others do not.
    """
    by_view: dict[str, R] = {}
    for registered in registrations:
        if near is not None and registered.agency not in near:
            continue
        name = dataset_view(registered.body.dataset_id)
        if name not in by_view or by_view[name].agency == registered.agency:
            by_view[name] = registered
    return by_view


def _table(columns: tuple[str, ...], rows: list[tuple[str | None, ...]], evidence: str) -> pyarrow.Table:
    import pyarrow

    text = pyarrow.string()
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pyarrow.array(column, text) for column in cells]
    arrays.append(pyarrow.array([row_digest(columns, row) for row in rows], text))
    arrays.append(pyarrow.array([[evidence]] * len(rows), pyarrow.list_(text)))
    return pyarrow.table(arrays, names=[*columns, *DATASET_COLUMNS])


def columns_of(path: Path, registered: DatasetRegistered) -> tuple[str, ...]:
    """Return the columns of the file as it was registered, holding one row at a time.

    Raises MalformedInput if it is no table of so many rows.
    """
    columns, rows = _read_through(path, registered)
    deque(rows, maxlen=0)
    return columns


def files_of_table(path: Path, registered: DatasetRegistered, target: Path) -> Files:
    """Return the files that ``write_table`` opens, and how large the one may become that it writes."""
    most = MOST_BYTES
    if not registered.layout or registered.layout.format == "csv":
        most = LEAST_ROOM + registered.rows * BYTES_OF_ROW + path.stat().st_size * GROWTH
    return Files(read=(str(path),), write=(str(target),), most=most)


def write_table(path: Path, registered: DatasetRegistered, evidence: str, target: Path) -> bool:
    """Write the view of a data set, registered by the event ``evidence``, into an Arrow file.

    Return False if the bytes are not those that were registered. Raises as ``columns_of`` does.
    """
    if _digest_of(path, parse_digest(registered.digest).algorithm) != registered.digest:
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


def mapped_table(target: Path, rows: int) -> pyarrow.Table:
    """Map the table of so many rows that ``write_table`` wrote, in this process or another. Raises WorkFailed if it is
    no such table, or not whole.

    It is looked through once: where its cells begin and end is as whoever wrote it says, and is believed afterwards.
    What is compressed is not mapped: a few kilobytes could become any number of gigabytes.
    """
    import pyarrow.ipc

    text = pyarrow.string()
    own = dict(zip(DATASET_COLUMNS, (text, pyarrow.list_(text)), strict=True))
    try:
        file = pyarrow.memory_map(str(target))
        file.seek(_MAGIC_BYTES)
        messages = pyarrow.ipc.MessageReader.open_stream(file)
        schema = pyarrow.ipc.read_schema(messages.read_next_message())
        kinds = {field.name: field.type for field in schema}
        if any(kind != own.get(name, text) for name, kind in kinds.items()) or not own.keys() <= kinds.keys():
            raise WorkFailed(f"{target} is no table of a data set: {kinds}")
        batches = []
        for message in messages:
            if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
                raise WorkFailed(f"{target} is no table to be mapped: a part is compressed, or no batch of rows")
            batches.append(pyarrow.ipc.read_record_batch(message, schema))
        table = pyarrow.Table.from_batches(batches, schema)
        table.validate(full=True)
        # Other processes read it by its footer, which is missing where writing was interrupted.
        by_footer = pyarrow.ipc.open_file(file).count_rows()
    except (pyarrow.ArrowException, OSError, EOFError, StopIteration, UnicodeDecodeError) as error:
        raise WorkFailed(f"{target} is no table: {error}") from error
    if not table.num_rows == by_footer == rows:
        raise WorkFailed(f"{target} is no table of {rows} rows: it has {table.num_rows}, by its footer {by_footer}")
    return table


def _is_compressed(metadata: bytes) -> bool:
    """Return whether the message of a record batch, a table of flatbuffers that Arrow has verified, says so: now it is
    in the header, before Arrow 1.0 it was in metadata that we write none of. pyarrow tells it nowhere."""

    def at(place: int, form: str = "<i") -> int:
        number: int = unpack_from(form, metadata, place)[0]
        return number

    def field(table: int, number: int) -> int:
        places = table - at(table)
        place = places + 4 + 2 * number
        return at(place, "<H") if place < places + at(places, "<H") else 0

    message = at(0)
    header = message + field(message, _HEADER)
    return field(header + at(header), _COMPRESSION) != 0 or field(message, _METADATA) != 0


def _digest_of(path: Path, algorithm: Algorithm) -> str:
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
