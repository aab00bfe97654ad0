"""Data sets: files of others that were registered, kept beside the log, and their tables as models see them.

A file is kept under the digest that was signed and is read only where its bytes still have it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from struct import unpack_from
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from ledger.config.secret_files import write_secret
from ledger.core.encoding.digests import Algorithm, blake3_text, digest_by, parse_digest
from ledger.core.errors import MalformedInput
from ledger.core.events.record import DatasetRegistered
from ledger.store import bindings
from ledger.store.database import Database
from ledger.store.imports import RegisteredDataset
from ledger.supervision.runs.dataset_rows import Registered, columns_of, digest_of_file, write_table
from ledger.supervision.runs.query_session import SessionDataset
from ledger.supervision.view_catalogue import DATASET_COLUMNS, dataset_view
from ledger.workers.pool import TooCostly, WorkFailed
from ledger.workers.sandbox import Files

if TYPE_CHECKING:
    import pyarrow

TABLE_TAKES = 4  # times the limits within which the same file was read once when it was given
# How large its table may become. Of CSV: beside its cells a row has two digests; a cell that is an octet in a list
# takes five. Elsewhere a file's size tells less: a workbook has a text once that stands in any number of cells, an
# object in JSON has not the columns that it leaves blank.
LEAST_ROOM, BYTES_OF_ROW, GROWTH = 64 * 1024 * 1024, 256, 16
MOST_BYTES = 4 * 1024**3
# Of an Arrow file: where its messages begin; which fields are a message's header and metadata, and how its header, a
# record batch, is compressed.
_MAGIC_BYTES, _HEADER, _METADATA, _COMPRESSION = 8, 2, 4, 3
INCOMING = ".incoming"  # ends the name of a file that is not kept yet

logger = structlog.get_logger(__name__)
WriteTable = Callable[[Path, DatasetRegistered, str, Path], bool]
ReadColumns = Callable[[Path, DatasetRegistered], tuple[str, ...]]


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
                        kept[f"{algorithm}:{file.name}"] = digest_of_file(file, algorithm)
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


def files_of_table(path: Path, registered: DatasetRegistered, target: Path) -> Files:
    """Return the files that ``write_table`` opens, and how large the one may become that it writes."""
    most = MOST_BYTES
    if not registered.layout or registered.layout.format == "csv":
        most = LEAST_ROOM + registered.rows * BYTES_OF_ROW + path.stat().st_size * GROWTH
    return Files(read=(str(path),), write=(str(target),), most=most)


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
