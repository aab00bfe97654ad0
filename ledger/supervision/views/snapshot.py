"""The snapshot: the views in a DuckDB file, brought up to the log case by case, and sessions that ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from ledger.config.secret_files import make_private_folder
from ledger.core.encoding.digests import blake3_text
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import Agency
from ledger.loggers import get_logger
from ledger.supervision.runs.datasets import DatasetTable
from ledger.supervision.runs.export_runs import Export, ExportedDataset
from ledger.supervision.runs.query_session import QuerySession, open_database, register_under_random_name, table_of
from ledger.supervision.view_catalogue import views
from ledger.supervision.views import snapshot_tables
from ledger.supervision.views.case_cache import CachedCase, CaseCache, build_rows
from ledger.supervision.views.case_record import Acts, Row, SourceEvent, read_case
from ledger.supervision.views.view_rows import SupervisionRecord

if TYPE_CHECKING:
    import duckdb

VERSION = 6  # of what the rows say: raised where a view is made otherwise of the same events
CASES_AT_ONCE = 200
DATASET_FILE = ".outside"  # ends the names of files with data sets that are in no file yet
EXPORTS = "run-"  # begins the names of their folders, beside the file of the views
_HEAD = {"mark": "VARCHAR", "size": "BIGINT", "digest": "VARCHAR", "settled": "BIGINT"}

logger = get_logger(__name__)


def no_datasets(_size: int, _agency: str | None, _ids: Collection[str] | None) -> Mapping[str, DatasetTable]:
    """Return no data sets."""
    return {}


class LogHead(Struct, frozen=True):
    """How far a log has come: its size, and the digest of its last entry's payload, None where it is empty."""

    size: int
    digest: str | None


class Anchors(Struct, frozen=True):
    """Number, size and block time of anchors; of those up to the number ``settled`` none will become final later."""

    settled: int
    rows: list[Row]


class ViewSource(Protocol):
    """A log, as far as views are made of it."""

    @property
    def acts(self) -> Acts:
        """Return what makes acts of the log's events."""
        ...

    def head(self) -> LogHead:
        """Return how far the log has come."""
        ...

    def digest_at(self, size: int) -> str | None:
        """Return the payload digest of the last entry below ``size``."""
        ...

    def touched(self, start: int, end: int) -> list[str]:
        """Return the cases with events at ``start <= index < end``, and those that these take over from, sorted."""
        ...

    def case(self, case_id: str, end: int, *, after: int = -1) -> list[SourceEvent]:
        """Return the events of a case below ``end``, of a sequence number above ``after``, in their order."""
        ...

    def supervision_records(self, start: int, end: int) -> list[SupervisionRecord]:
        """Return the leads and recommendations with events at ``start <= index < end``, as they stand below ``end``."""
        ...

    def agencies(self) -> list[Row]:
        """Return the rows of the view."""
        ...

    def datasets(self, end: int) -> list[Row]:
        """Return the rows of the view."""
        ...

    def anchors(self, after: int, end: int) -> Anchors:
        """Return the final anchors of a number above ``after`` and of at most ``end`` entries.

        None beyond the first whose time is not known yet: an event has the first anchor over it, or none.
        """
        ...


class LeftDigest(Protocol):
    """Remembers with what digest the file of the views was left, out of reach of whoever writes to the file."""

    def last(self) -> str | None:
        """Return the digest, or None if nothing is known of the file."""
        ...

    def keep(self, digest: str) -> None:
        """Keep the digest. Raises Unavailable if it cannot be kept."""
        ...


class Views:
    """One writer, and any number of sessions, each of which sees the views of one tree size."""

    def __init__(
        self,
        path: Path | None,
        source: ViewSource,
        *,
        datasets: Callable[[int, str | None, Collection[str] | None], Mapping[str, DatasetTable]] = no_datasets,
        left_with: LeftDigest | None = None,
    ):
        """Set up views over a source; ``path`` None keeps them in memory.

        With ``left_with`` a file is used only as it was left; one that was changed, not closed, or made by other
        procedures is made anew. ``datasets`` returns the data sets of a tree size, by the names of their views: those
        that an agency's models compare with, or all; and of them those of these ids, or all.
        """
        self._path = path
        self._source = source
        self._datasets = datasets
        self._left_with = left_with
        self._lock = Lock()
        self._cache = CaseCache()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def refresh(self) -> LogHead:
        """Bring the views up to the log and return how far that is. Raises what reading the log raises."""
        with self._lock:
            connection = self._open()
            size, digest = _kept_head(connection)
            head = self._source.head()
            # The file may outlive a log that was restored from a backup, or be of another one.
            is_of_another = size > head.size or self._source.digest_at(size) != digest
            if is_of_another:
                logger.warning("the views are of another log, and made anew")
            # Days off, for one, are of what is in force now.
            if is_of_another or _mark_of(connection) != self._mark(head.size):
                connection, size = self._anew(head.size), 0
            if size == head.size:
                self._add_anchors(connection, head.size)
            else:
                self._write(connection, self._source.touched(size, head.size), size, head)
            return head

    def touched(self, since: LogHead, until: LogHead) -> frozenset[str] | None:
        """Return the cases with events between the two heads, whoever brought the views up to them.

        None if ``since`` is of another log.
        """
        if since.size > until.size or self._source.digest_at(since.size) != since.digest:
            return None
        return frozenset(self._source.touched(since.size, until.size))

    @contextmanager
    def session(
        self,
        cases: Iterable[str] | None = None,
        *,
        jurisdiction: str | None = None,
        now: datetime | None = None,
        with_datasets: bool = False,
    ) -> Iterator[QuerySession]:
        """Open a session over all cases, or over these, at one tree size, whatever is written meanwhile.

        With a ``jurisdiction`` only over what its supervisors may see ``now``. ``with_datasets`` includes all
        registered data sets, which are for runs of models alone: they name persons.
        """
        with self._cursor() as connection:
            # The transaction holds one tree size, whatever is written meanwhile.
            connection.execute("BEGIN TRANSACTION")
            own = snapshot_tables.views_of(connection, cases, jurisdiction=jurisdiction, now=now)
            size, _ = _kept_head(connection)
            datasets = self._datasets(size, None, None) if with_datasets else {}
            opened = {
                name: replace(dataset.for_session, table=register_under_random_name(connection, dataset.table))
                for name, dataset in datasets.items()
            }
            yield QuerySession(connection, own, zone=self.zone, size=size, datasets=opened)

    def read_datasets(self, agency: str, ids: Collection[str]) -> None:
        """Read the data sets of these ids that an export for an agency includes, if they were not read yet.

        That may need a worker, so it is done by whoever holds none.
        """
        self._datasets(self.size(), agency, ids)

    @contextmanager
    def export(
        self,
        cases: Iterable[str] | None = None,
        *,
        of: Agency | None = None,
        now: datetime | None = None,
        dataset_ids: Collection[str] | None = None,
    ) -> Iterator[Export]:
        """Export what a session over these cases, within the jurisdiction of an agency, and the data sets that its
        models compare with, or those of them with these ids, would ask, as files of this block.

        For a model that is run in another process, which has nothing else within reach.
        """
        beside = None if self._path is None else self._path.parent
        jurisdiction, agency = (None, None) if of is None else (of.profile.jurisdiction, of.agency_id)
        with self._cursor() as connection, TemporaryDirectory(prefix=EXPORTS, dir=beside) as folder:
            connection.execute("BEGIN TRANSACTION")
            snapshot_tables.export(connection, Path(folder), cases, jurisdiction=jurisdiction, now=now)
            size, _ = _kept_head(connection)
            datasets = self._datasets(size, agency, dataset_ids)
            connection.execute("ROLLBACK")
            files = {
                name: ExportedDataset(
                    dataset.path or snapshot_tables.write(Path(folder, f"{name}{DATASET_FILE}"), dataset.table),
                    dataset.for_session,
                    dataset.registered.agency,
                )
                for name, dataset in datasets.items()
            }
            yield Export(folder, size, files, self.zone)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """Open a connection of its own, which is closed as a block is left, to the database of the views."""
        with self._lock:
            return self._open().cursor()

    def size(self) -> int:
        """Return the tree size of the views."""
        with self._cursor() as connection:
            return _kept_head(connection)[0]

    def close(self) -> None:
        """Close the database; sessions end."""
        with self._lock:
            self._cache = CaseCache()
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                if self._left_with is not None and self._path is not None:
                    self._left_with.keep(_digest_of(self._path))

    def _write(self, connection: duckdb.DuckDBPyConnection, touched: list[str], start: int, head: LogHead) -> None:
        """Bring the views up in one transaction: a session sees the views of before or of after."""
        began = time.monotonic()
        in_tables, self._cache = self._cache, CaseCache()  # if this fails, it is not known what the tables have
        connection.execute("BEGIN TRANSACTION")
        try:
            for first in range(0, len(touched), CASES_AT_ONCE):
                part = touched[first : first + CASES_AT_ONCE]
                snapshot_tables.replace_cases(
                    connection, (self._fold_on(in_tables, case_id, head.size) for case_id in part)
                )
            snapshot_tables.replace_supervision(connection, self._source.supervision_records(start, head.size))
            snapshot_tables.replace_all(connection, "agencies", self._source.agencies())
            snapshot_tables.replace_all(connection, "datasets", self._source.datasets(head.size))
            self._add_anchors(connection, head.size)
            connection.execute("UPDATE kept.head SET size = $1, digest = $2", [head.size, head.digest])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        self._cache = in_tables
        if (took := time.monotonic() - began) > 1:
            logger.info("views brought up to the log", size=head.size, cases=len(touched), seconds=round(took, 1))

    def _fold_on(self, in_tables: CaseCache, case_id: str, size: int) -> tuple[str, CachedCase, CachedCase | None]:
        """Return a case's id, the case as it is below ``size``, and as the tables have it, if that is kept."""
        kept = in_tables.get(case_id)
        record = None if kept is None else kept.record
        later = self._source.case(case_id, size, after=-1 if record is None else record.state.sequence)
        case = build_rows(read_case(later, self._source.acts, size, record), kept)
        in_tables.keep(case)
        return case_id, case, kept

    def _add_anchors(self, connection: duckdb.DuckDBPyConnection, size: int) -> None:
        ((settled,),) = connection.execute("SELECT settled FROM kept.head").fetchall()
        anchors = self._source.anchors(settled, size)
        if anchors.rows:
            snapshot_tables.add_anchors(connection, anchors.rows)
        if anchors.settled != settled:
            connection.execute("UPDATE kept.head SET settled = $1", [anchors.settled])

    # -- the file ------------------------------------------------------------------------------------------------------

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is not None:
            return self._connection
        import duckdb

        is_as_left = True
        if self._left_with is not None and self._path is not None and self._path.exists():
            is_as_left = not _log_of(self._path).exists() and self._left_with.last() == _digest_of(self._path)
        try:
            self._connection = self._opened()  # whoever has the file open keeps it: it is not looked into before
            if not is_as_left:
                logger.warning("the views are not as they were left, and are made anew")
            # A new file has no mark, and no head to compare it with.
            elif (mark := _mark_of(self._connection)) and mark == self._mark(_kept_head(self._connection)[0]):
                self._remove_exports()
                return self._connection
        except (duckdb.Error, OSError) as error:
            reason = str(error).partition("\n")[0]
            # DuckDB lets one process open a file for writing.
            if "lock" in reason:  # another process of this installation keeps them: this one has its own
                logger.info("the views are kept in memory", reason=reason)
                self._path = None
            else:
                logger.warning("the views cannot be read, and are made anew", reason=reason)
        return self._anew(0)

    @property
    def zone(self) -> Zone:
        """Return the zone by whose days models count: that of the first procedure, whatever is shown."""
        return self._source.acts.procedures().zone

    def procedures(self, size: int) -> tuple[str, ...]:
        """Return the digests of the procedures in force at this tree size, in the order of their ids."""
        return tuple(book.digest for _, book in sorted(self._source.acts.procedures().at(size).items()))

    def _mark(self, size: int) -> str:
        """Return the mark of what views of this tree size are made by."""
        return blake3_text(f"{VERSION} {self.procedures(size)} {sorted(views().items())!r}".encode())

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._path is None:
            return open_database()
        make_private_folder(self._path.parent)
        return open_database(str(self._path))

    def _remove_exports(self) -> None:
        """Remove what runs of a killed service left beside the file, whose only keeper is whoever has it open."""
        if self._path is not None:
            for folder in self._path.parent.glob(f"{EXPORTS}*/"):
                rmtree(folder, ignore_errors=True)

    def _anew(self, size: int) -> duckdb.DuckDBPyConnection:
        self._cache = CaseCache()
        if self._connection is not None:
            self._connection.close()
        if self._path is not None:
            for path in (self._path, _log_of(self._path)):
                with suppress(FileNotFoundError):
                    path.unlink()
        self._connection = self._opened()
        self._remove_exports()
        snapshot_tables.create(self._connection)
        self._connection.execute(table_of("head", _HEAD, schema=snapshot_tables.KEPT))
        self._connection.execute("INSERT INTO kept.head VALUES ($1, 0, NULL, 0)", [self._mark(size)])
        return self._connection


def _log_of(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log; a file that was closed in order has none."""
    return path.with_name(path.name + ".wal")


def _digest_of(path: Path) -> str:
    return "blake3:" + blake3().update_mmap(path).hexdigest()


def _mark_of(connection: duckdb.DuckDBPyConnection) -> str | None:
    import duckdb

    try:
        row = connection.execute("SELECT mark FROM kept.head").fetchone()
    except duckdb.CatalogException:
        return None
    return None if row is None else str(row[0])


def _kept_head(connection: duckdb.DuckDBPyConnection) -> tuple[int, str | None]:
    size, digest = connection.execute("SELECT size, digest FROM kept.head").fetchall()[0]
    return size, digest
