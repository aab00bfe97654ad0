"""Origins of cases: their keys in agencies' own systems, and the outside data sets that were registered.

``imports`` is a read model that changes with the log. Data sets are few: they are read from their agency's stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection, and_, delete, func, select

from ledger.core.events import Event
from ledger.core.events.record import DatasetRegistered, ImportRecorded
from ledger.core.events.streams import StreamHead
from ledger.store import bindings, log, search
from ledger.store.cases import Page, paged
from ledger.store.database import Change, row_of, where_set
from ledger.store.tables import CASE_AGENCIES, DATASET_FILES, ENTRIES, IMPORTS, STREAMS

MAX_DATASETS = 10_000  # of one agency that are looked through
PART = 1 << 20  # bytes of a file in one row


class CaseImport(Struct, frozen=True):
    """An import as it was recorded last (``tables.ImportsTable``); ``updated_index`` is its log index."""

    case_id: str
    agency: str
    source_system: str
    source_key: str
    file_digest: str
    row: int
    row_digest: str | None
    updated_index: int


class CaseUnderNumber(Struct, frozen=True):
    """A case under a number of the agency, and the row of its own system that it was imported from, if one was."""

    case_id: str
    case_number: str
    source_system: str | None
    source_key: str | None
    row: int | None


class SystemImports(Struct, frozen=True):
    """How many cases an agency has imported from one of its systems, and the log index of the last import."""

    source_system: str
    cases: int
    last_index: int


class RegisteredDataset(Struct, frozen=True):
    """A registration as it was signed, at its place in the log."""

    index: int
    event_id: str
    agency: str
    officer: str
    registered_at: str
    body: DatasetRegistered


def projections(event: Event, index: int) -> Iterator[Change]:
    """Yield what the entry at ``index`` changes here."""
    if isinstance(event.body, ImportRecorded) and event.stream.kind == "case":
        own = {"case_id": event.stream.id, "agency": event.agency, "updated_index": index}
        yield IMPORTS, row_of(IMPORTS, event.body, **own)


def of_keys(connection: Connection, agency: str, source_system: str, keys: Sequence[str]) -> list[CaseImport]:
    """Return the agency's imports of these keys, by key and case. Requires at most 500 keys."""
    query = select(*_COLUMNS).where(IMPORTS.c.agency == agency, IMPORTS.c.source_system == source_system)
    query = query.where(IMPORTS.c.source_key.in_(keys)).order_by(IMPORTS.c.source_key, IMPORTS.c.case_id)
    return [CaseImport(*row) for row in connection.execute(query)]


def with_numbers(connection: Connection, agency: str, numbers: Sequence[str]) -> list[CaseUnderNumber]:
    """Return the cases that have one of these numbers at the agency, whatever its brackets, by case.

    Requires at most 500 numbers.
    """
    is_of_case = and_(IMPORTS.c.case_id == CASE_AGENCIES.c.case_id, IMPORTS.c.agency == CASE_AGENCIES.c.agency)
    of_case = (CASE_AGENCIES.c.case_id, CASE_AGENCIES.c.case_number)
    query = select(*of_case, IMPORTS.c.source_system, IMPORTS.c.source_key, IMPORTS.c.row)
    query = query.select_from(CASE_AGENCIES.outerjoin(IMPORTS, is_of_case))
    query = query.where(CASE_AGENCIES.c.case_id.in_(search.bearing_numbers(numbers)))
    query = query.where(CASE_AGENCIES.c.agency == agency, CASE_AGENCIES.c.case_number.is_not(None))
    cases = (CaseUnderNumber(*row) for row in connection.execute(query.order_by(CASE_AGENCIES.c.case_id)))
    asked = set(map(search.folded, numbers))  # a case may have had another one, or another agency has it
    return [case for case in cases if search.folded(case.case_number) in asked]


def own_heads(connection: Connection, agency: str, case_ids: Sequence[str]) -> dict[str, StreamHead]:
    """Return the heads of those cases in which the agency has a part, by case id. Requires at most 500 ids."""
    joined = STREAMS.join(CASE_AGENCIES, CASE_AGENCIES.c.case_id == STREAMS.c.id)
    query = select(STREAMS).select_from(joined)
    query = query.where(STREAMS.c.kind == "case", STREAMS.c.id.in_(case_ids), CASE_AGENCIES.c.agency == agency)
    return {row.id: StreamHead(row.sequence, row.head) for row in connection.execute(query)}


def listed(
    connection: Connection,
    agency: str,
    page: Page,
    *,
    source_system: str | None = None,
    source_key: str | None = None,
    case_id: str | None = None,
) -> list[CaseImport]:
    """Return the agency's imports in the order of their last change; ``page.after`` is an ``updated_index``."""
    query = select(*_COLUMNS).where(IMPORTS.c.agency == agency)
    query = where_set(query, source_system=source_system, source_key=source_key, case_id=case_id)
    return [CaseImport(*row) for row in connection.execute(paged(query, IMPORTS.c.updated_index, page))]


def by_system(connection: Connection, agency: str) -> list[SystemImports]:
    """Return what the agency has imported, by the system that it came from."""
    cases, last = func.count(IMPORTS.c.case_id.distinct()), func.max(IMPORTS.c.updated_index)
    query = select(IMPORTS.c.source_system, cases, last).where(IMPORTS.c.agency == agency)
    query = query.group_by(IMPORTS.c.source_system).order_by(IMPORTS.c.source_system)
    return [SystemImports(*row) for row in connection.execute(query)]


def datasets(connection: Connection, agency: str, page: Page) -> list[RegisteredDataset]:
    """Return what the agency registered, in the order of the log; ``page.after`` is an index."""
    query = select(*log.ENTRY_COLUMNS).where(ENTRIES.c.stream_kind == "agency", ENTRIES.c.stream_id == agency)
    query = query.where(ENTRIES.c.event_type == "dataset.registered")
    rows = connection.execute(paged(query, ENTRIES.c.log_index, page))
    return [_dataset(log.StoredEntry(*row)) for row in rows]


def every_dataset(connection: Connection) -> list[RegisteredDataset]:
    """Return what all agencies registered, in the order of the log."""
    return [_dataset(entry) for entry in log.registered_datasets(connection)]


def registrations(connection: Connection, agency: str, dataset_id: str) -> list[RegisteredDataset]:
    """Return what the agency registered under this id, in the order of the log."""
    registered = datasets(connection, agency, Page(MAX_DATASETS))
    return [dataset for dataset in registered if dataset.body.dataset_id == dataset_id]


def keep_file(connection: Connection, digest: str, data: bytes) -> None:
    """Keep the file of a data set that has this digest, unless it is as it was kept. Requires the writer's lock."""
    if digest in kept_files(connection) and not bindings.unlike(connection, DATASET_FILES, digest=digest):
        return
    starts = range(0, max(1, len(data)), PART)
    parts = [{"digest": digest, "part": part, "data": data[start : start + PART]} for part, start in enumerate(starts)]
    connection.execute(delete(DATASET_FILES).where(DATASET_FILES.c.digest == digest))
    connection.execute(DATASET_FILES.insert(), parts)
    bindings.bind_rows(connection, DATASET_FILES, parts)


def kept_files(connection: Connection) -> set[str]:
    """Return the digests of the files of data sets that are kept."""
    return set(connection.execute(select(DATASET_FILES.c.digest).where(DATASET_FILES.c.part == 0)).scalars())


def parts_of_file(connection: Connection, digest: str) -> Iterator[bytes]:
    """Yield the parts of a file that is kept; whoever reads it compares the digest."""
    query = select(DATASET_FILES.c.data).where(DATASET_FILES.c.digest == digest).order_by(DATASET_FILES.c.part)
    parts = connection.execute(query.execution_options(yield_per=bindings.PAGE_OF_FILES)).scalars()
    yield from (part for part in parts if isinstance(part, bytes))  # SQLite gives whatever somebody put there


_COLUMNS = [IMPORTS.c[name] for name in CaseImport.__struct_fields__]


def _dataset(entry: log.StoredEntry) -> RegisteredDataset:
    event = log.event_of(entry)
    assert isinstance(event.body, DatasetRegistered), "the payload is of the type that its entry says"
    return RegisteredDataset(
        entry.log_index, event.event_id, event.agency, event.officer, event.occurred_at, event.body
    )
