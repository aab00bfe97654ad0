"""Where cases came from: look-ups for whoever imports, and the outside data sets that were registered.

An agency sees what it imported and registered itself.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import (
    Following,
    Limit,
    Reads,
    Service,
    ServiceOf,
    SlugPath,
    SlugQuery,
    answer,
    listed,
    page,
    posted,
)
from api.middleware.bodies import read_body
from api.routes.reports import require_governing
from api.schemas.openapi import answers, page_of, takes
from ledger.config.installation import DataDirectory
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import NotFound
from ledger.core.events import EVENT_TYPES
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.terms import CaseId, Line
from ledger.core.procedure.jurisdiction import in_line
from ledger.store import imports
from ledger.store.cases import Page
from ledger.store.database import Connection
from ledger.store.imports import CaseImport, RegisteredDataset
from ledger.store.log import Head
from ledger.supervision.catalogue import dataset_view
from ledger.supervision.runs.datasets import DatasetFiles, DatasetShape, current, shape_of

MAX_LOOKED_UP = 500  # rows of one look-up
MAX_BODY = 1024 * 1024  # bytes
FILE = "application/octet-stream"
BYTES = {"type": "string", "format": "binary"}
REGISTERING = EVENT_TYPES["dataset.registered"].roles

router = APIRouter(prefix="/api/v1")
ForModels = Annotated[
    bool, Query(description="those that models of your procuratorate compare with, of every agency in line with it")
]
Words = Annotated[str | None, Query(min_length=1, max_length=200)]


class Sought(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of one's own system, and the id that its case has or would have here."""

    source_key: Line
    case_id: CaseId


class LookUp(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of one system that are sought."""

    source_system: Line
    rows: Annotated[tuple[Sought, ...], Meta(min_length=1, max_length=MAX_LOOKED_UP)]


class Found(Struct, frozen=True):
    """What the ledger has of one row: ``sequence`` and ``head`` are what the next event of its case stands on, null
    where there is no such case; ``imports`` are what was recorded of the key, in whatever case."""

    source_key: str
    case_id: str
    sequence: int | None
    head: str | None
    imports: tuple[CaseImport, ...]


class DatasetLine(Struct, frozen=True):
    """An outside data set as it was registered; ``index`` is the log index, ``kept`` whether its file is here."""

    index: int
    event_id: str
    dataset_id: str
    agency: str
    officer: str
    registered_at: str
    source: str
    legal_basis: str
    period_from: str
    period_until: str
    rows: int
    digest: str
    kept: bool


class DatasetKept(Struct, frozen=True):
    """What models can ask now: ``view`` is its name, ``columns`` are those of the file."""

    dataset_id: str
    digest: str
    view: str
    columns: tuple[str, ...]
    rows: int


_look_up = decoder_of(LookUp)


@router.post(
    "/imports/look-up",
    tags=["imports"],
    summary="Look up rows of your own system",
    responses=answers(page_of("rows", Found), 400, 401, 408, 413, 415, 503),
    openapi_extra=takes(LookUp),
)
async def look_up(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """What your agency has imported of these keys, and where the cases stand. In the order of the question."""
    asked = await posted(request, service, _look_up, limit=MAX_BODY)
    found = await run_in_threadpool(_found, service, reading, asked)
    return answer({"rows": found})


def _found(service: Service, reading: Reading, asked: LookUp) -> list[Found]:
    keys = [row.source_key for row in asked.rows]
    with service.parts.database.read() as connection:
        known: dict[str, list[CaseImport]] = {}
        for one in imports.of_keys(connection, reading.agency, asked.source_system, keys):
            known.setdefault(one.source_key, []).append(one)
        heads = imports.own_heads(connection, reading.agency, [row.case_id for row in asked.rows])
    seen = [*heads, *(one.case_id for several in known.values() for one in several)]
    if seen:
        reading.record("look-up of imports", *dict.fromkeys(seen))
    return [_row(row, heads.get(row.case_id), tuple(known.get(row.source_key, ()))) for row in asked.rows]


def _row(row: Sought, head: Head | None, imported: tuple[CaseImport, ...]) -> Found:
    sequence, digest = (head.sequence + 1, head.digest) if head else (None, None)
    return Found(row.source_key, row.case_id, sequence, digest, imported)


@router.get(
    "/imports",
    tags=["imports"],
    summary="List your agency's imports",
    responses=answers(page_of("imports", CaseImport), 400, 401, 503),
)
def list_imports(
    *,
    service: ServiceOf,
    reading: Reads,
    source_system: Words = None,
    source_key: Words = None,
    case_id: SlugQuery = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """Which case has which key of which of your systems."""
    window = page(service, "imports", limit, after)
    wanted = {"source_system": source_system, "source_key": source_key, "case_id": case_id}
    with service.parts.database.read() as connection:
        found = imports.listed(connection, reading.agency, window, **wanted)
    reading.record("list of imports", *dict.fromkeys(one.case_id for one in found))
    return listed(service, "imports", found, window.limit, lambda line: line.updated_index)


@router.get(
    "/datasets",
    tags=["imports"],
    summary="List the outside data sets that your agency registered",
    responses=answers(page_of("datasets", DatasetLine), 400, 401, 503),
)
def list_datasets(
    *, service: ServiceOf, reading: Reads, for_models: ForModels = False, limit: Limit = 100, after: Following = None
) -> Response:
    """With source, legal basis, period and digest. `for_models` is for auditors, analysts and
    supervisors of procuratorates."""
    window = page(service, "datasets", limit, after)
    with service.parts.database.read() as connection:
        if for_models:
            require_governing(reading)
            found = _compared_with(connection, reading, window)
        else:
            found = imports.datasets(connection, reading.agency, window)
    reading.record("list of data sets")
    files = _files(service)
    lines = [_dataset_line(one, kept=files.holds(one.body.digest)) for one in found]
    return listed(service, "datasets", lines, window.limit, lambda line: line.index)


@router.post(
    "/datasets/{dataset_id}/file",
    tags=["imports"],
    summary="Give the file of a data set that you registered, so that models can ask it",
    responses=answers(DatasetKept, 400, 401, 403, 404, 408, 413, 415, 503),
    openapi_extra={"requestBody": {"required": True, "content": {FILE: {"schema": BYTES}}}},
)
async def keep_dataset(request: Request, dataset_id: SlugPath, service: ServiceOf, reading: Reads) -> Response:
    """Takes a role that may register data sets, at the agency that registered this one. The bytes must have the digest
    that was signed, and be a table of as many rows. Only runs of models read them.
    """
    reading.require_role(*REGISTERING)
    body = await run_in_threadpool(_registered, service, reading, dataset_id)
    settings = service.parts.settings
    limit, timeout_s = settings.max_dataset_bytes, settings.request_timeout_s
    data = await read_body(request.scope, request.receive, FILE, limit=limit, timeout_s=timeout_s)
    return await run_in_threadpool(_kept, service, reading, body, data)


def _registered(service: Service, reading: Reading, dataset_id: str) -> DatasetRegistered:
    """What the reader's agency registered under the id last. Raises NotFound."""
    with service.parts.database.read() as connection:
        found = imports.registrations(connection, reading.agency, dataset_id)
    if not found:
        raise NotFound(f"your agency registered no data set {dataset_id}", field="dataset_id")
    return found[-1].body


def _kept(service: Service, reading: Reading, body: DatasetRegistered, data: bytes) -> Response:
    dataset_id = body.dataset_id
    workers = service.parts.workers

    def read(path: FilePath, registered: DatasetRegistered) -> DatasetShape:
        return workers.run(shape_of, path, registered, agency=reading.agency, field="file")

    shape = _files(service).keep_read(body, data, read)
    reading.record(f"file of the data set {dataset_id} given")
    return answer(DatasetKept(dataset_id, body.digest, dataset_view(dataset_id), shape.columns, shape.rows))


def known_to_models(service: Service, reading: Reading) -> frozenset[str]:
    """The ids of the data sets that models of the reader's agency can ask: registered in line with it, and given."""
    with service.parts.database.read() as connection:
        found = _compared_with(connection, reading, Page(imports.MAX_DATASETS))
    files = _files(service)
    return frozenset(one.body.dataset_id for one in found if files.holds(one.body.digest))


def _compared_with(connection: Connection, reading: Reading, window: Page) -> list[RegisteredDataset]:
    """The registrations that count, of agencies in line with the reader's."""
    agencies = reading.authority.agencies
    own, after = agencies[reading.agency], -1 if window.after is None else int(window.after)
    near = {name for name, agency in agencies.items() if in_line(agency, own)}
    counting = current(imports.every_dataset(connection), near).values()
    return sorted((one for one in counting if one.index > after), key=lambda one: one.index)[: window.limit]


def _files(service: Service) -> DatasetFiles:
    return DatasetFiles(DataDirectory(service.parts.settings.data_dir).datasets, service.parts.database)


def _dataset_line(dataset: RegisteredDataset, *, kept: bool) -> DatasetLine:
    body = dataset.body
    return DatasetLine(
        index=dataset.index,
        event_id=dataset.event_id,
        dataset_id=body.dataset_id,
        agency=dataset.agency,
        officer=dataset.officer,
        registered_at=dataset.registered_at,
        source=body.source,
        legal_basis=body.legal_basis,
        period_from=body.period_from,
        period_until=body.period_until,
        rows=body.rows,
        digest=body.digest,
        kept=kept,
    )
