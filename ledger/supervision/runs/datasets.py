"""Data sets: files of others that were registered, kept in the database, and their tables as models see them.

A file is kept under the digest that was signed and is read only where its bytes still have it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from struct import unpack_from
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ledger.core.encoding.digests import blake3_text, digest_by, parse_digest
from ledger.core.errors import MalformedInput
from ledger.core.events.record import DatasetRegistered
from ledger.core.procedure.jurisdiction import in_line, supervises
from ledger.core.signing.authority import Agency
from ledger.loggers import get_logger
from ledger.store import imports
from ledger.store.database import Database
from ledger.store.imports import RegisteredDataset
from ledger.supervision.runs.dataset_rows import Registered, columns_of, write_table
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
JURISDICTION_LEVELS = 5  # parts of a jurisdiction at most
# Of an Arrow file: where its messages begin; which fields are a message's header and metadata, and how its header, a
# record batch, is compressed.
_MAGIC_BYTES, _HEADER, _METADATA, _COMPRESSION = 8, 2, 4, 3

logger = get_logger(__name__)
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
    """The files that are kept, in the database: every service on it has them, and an audit misses what is gone."""

    def __init__(self, database: Database):
        self._database = database

    def digests(self) -> set[str]:
        """Return the digests under which files are kept."""
        with self._database.read() as connection:
            return imports.kept_files(connection)

    @contextmanager
    def written(self, digest: str) -> Iterator[Path | None]:
        """Write the file of this digest where a process may read it until the block ends; None if none is kept."""
        with TemporaryDirectory(prefix="tallystick-dataset-") as folder:
            path = Path(folder, "file")
            with self._database.read() as connection, path.open("wb") as file:
                count = sum(1 for part in imports.parts_of_file(connection, digest) if file.write(part) >= 0)
            yield path if count else None

    def keep(self, registered: DatasetRegistered, data: bytes, read: ReadColumns | None = None) -> tuple[str, ...]:
        """Keep the file that was registered, and return its columns; it is durable then. The same file may come again.

        ``read`` does what ``columns_of`` does, here or elsewhere. Raises MalformedInput if these are other bytes, or no
        table of as many rows as were registered.
        """
        digest = registered.digest
        if (actual := str(digest_by(parse_digest(digest).algorithm, data))) != digest:
            raise MalformedInput(
                "the file of {registered.dataset_id} has the digest {registered.digest}, this one has {actual}",
                registered=registered,
                actual=actual,
                field="file",
                hint="Send the file that was registered, unchanged.",
            )
        with TemporaryDirectory(prefix="tallystick-dataset-") as folder:
            path = Path(folder, "file")
            path.write_bytes(data)
            columns = (read or columns_of)(path, registered)
        with self._database.write() as connection:
            imports.keep_file(connection, digest, data)
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
        self,
        registrations: Iterable[Registered],
        ranks: Mapping[str, int] | None = None,
        ids: Collection[str] | None = None,
    ) -> dict[str, DatasetTable]:
        """Return those that ``current_registrations`` does, by the names of their views, or those of these ids.

        There is none of a data set whose file is not here. Safe to call from several threads.
        """
        if ids is not None and not ids:
            return {}  # another list may be read just now, which takes seconds
        listed = list(registrations)
        latest = {(entry.agency, dataset_view(entry.body.dataset_id)): entry.digest for entry in listed}
        tables: dict[str, DatasetTable] = {}
        with self._lock:
            # What is no longer registered is let go.
            self._read = {digest: self._read[digest] for digest in latest.values() if digest in self._read}
            for name, registered in current_registrations(listed, ranks).items():
                if ids is not None and registered.body.dataset_id not in ids:
                    continue
                outside = self._read.get(registered.digest) or self._outside(registered)
                if outside is not None:
                    tables[name] = self._read[registered.digest] = outside
        return tables

    def _outside(self, registered: Registered) -> DatasetTable | None:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="tallystick-datasets-")
        target = Path(self._folder.name, f"{blake3_text(registered.digest.encode())[7:]}.arrow")
        try:
            with self._files.written(registered.body.digest) as source:
                if source is None or not self._write(source, registered.body, registered.digest, target):
                    return None
        except TooCostly as error:
            # It was read once within the limits of time and memory, which the operator may have lowered since.
            target.unlink(missing_ok=True)
            logger.warning("a data set cannot be read", dataset=registered.body.dataset_id, reason=error.for_operator)
            return None
        return DatasetTable(registered, mapped_table(target, registered.body.rows), str(target))


R = TypeVar("R", Registered, RegisteredDataset)


def rank_in_line(agency_id: str, agencies: Mapping[str, Agency]) -> dict[str, int]:
    """Return the agencies in line with this one, each with a rank: the lists of the lowest come first for its models.

    Its own list is before that of one that supervises it, the nearest first, and both before any other's: nobody whom
    it supervises decides what its models compare with.
    """
    own = agencies[agency_id]
    ranks = {}
    for agency in (agency for agency in agencies.values() if in_line(agency, own)):
        nearness = JURISDICTION_LEVELS - agency.profile.jurisdiction.count("/")
        ranks[agency.agency_id] = nearness if supervises(agency, own) else JURISDICTION_LEVELS + 1
    return ranks | {agency_id: 0}


def current_registrations(registrations: Iterable[R], ranks: Mapping[str, int] | None = None) -> dict[str, R]:
    """Return the registration of each view for the models of an agency, out of all in the order of the log.

    ``ranks`` are those of ``rank_in_line``, None is all agencies alike. An id belongs to the agency of the lowest rank
    that registered it, of several to the first: its latest registration counts, those of others do not.
    """
    by_view: dict[str, R] = {}
    for registered in registrations:
        name, agency = dataset_view(registered.body.dataset_id), registered.agency
        if ranks is not None and agency not in ranks:
            continue
        current = by_view.get(name)
        if current is None or current.agency == agency or (ranks is not None and ranks[agency] < ranks[current.agency]):
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
