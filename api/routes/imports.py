"""Where cases came from: look-ups during an import, and the outside data sets that were registered.

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
    ServiceOf,
    SlugPath,
    SlugQuery,
    json_response,
    page_response,
    read_json,
    window_of,
)
from api.middleware.request_limits import read_body
from api.schemas.openapi import answers, page_of, takes
from api.services.governance import dataset_files, datasets_in_line, require_governing
from api.services.service import Service
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import NotFound
from ledger.core.events import EVENT_TYPES
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.terms import CaseId, Line
from ledger.core.log.replay import StreamHead
from ledger.store import imports
from ledger.store.imports import CaseImport, RegisteredDataset
from ledger.supervision.runs.datasets import DatasetShape, shape_of
from ledger.supervision.view_catalogue import dataset_view

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


class SoughtRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of your own system, and the id that its case has or would have here."""

    source_key: Line
    case_id: CaseId


class LookUp(Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one system to look up."""

    source_system: Line
    rows: Annotated[tuple[SoughtRow, ...], Meta(min_length=1, max_length=MAX_LOOKED_UP)]


class ImportedRow(Struct, frozen=True):
    """What the ledger has of one row.

    ``sequence`` and ``head`` are those of the case's next event, null if there is no such case. ``imports`` are what
    was recorded of the key, in any case.
    """

    source_key: str
    case_id: str
    sequence: int | None
    head: str | None
    imports: tuple[CaseImport, ...]


class DatasetLine(Struct, frozen=True):
    """An outside data set as it was registered. ``index`` is the log index, ``kept`` whether its file is here."""

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
    """What models can query now: ``view`` is its name, ``columns`` are those of the file."""

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
    responses=answers(page_of("rows", ImportedRow), 400, 401, 408, 413, 415, 503),
    openapi_extra=takes(LookUp),
)
async def look_up(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """Return what your agency has imported of these keys and the heads of their cases, in the order of the request."""
    look_up_request = await read_json(request, service, _look_up, limit=MAX_BODY)
    rows = await run_in_threadpool(_looked_up_rows, service, reading, look_up_request)
    return json_response({"rows": rows})


def _looked_up_rows(service: Service, reading: Reading, look_up_request: LookUp) -> list[ImportedRow]:
    keys = [row.source_key for row in look_up_request.rows]
    with service.parts.database.read() as connection:
        imports_by_key: dict[str, list[CaseImport]] = {}
        for imported in imports.of_keys(connection, reading.agency, look_up_request.source_system, keys):
            imports_by_key.setdefault(imported.source_key, []).append(imported)
        heads = imports.own_heads(connection, reading.agency, [row.case_id for row in look_up_request.rows])
    read_ids = [*heads, *(imported.case_id for group in imports_by_key.values() for imported in group)]
    if read_ids:
        reading.record("look-up of imports", *dict.fromkeys(read_ids))
    return [
        _row(row, heads.get(row.case_id), tuple(imports_by_key.get(row.source_key, ()))) for row in look_up_request.rows
    ]


def _row(row: SoughtRow, head: StreamHead | None, imported: tuple[CaseImport, ...]) -> ImportedRow:
    sequence, digest = (head.sequence + 1, head.digest) if head else (None, None)
    return ImportedRow(row.source_key, row.case_id, sequence, digest, imported)


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
    """List which case has which key of which of your systems."""
    window = window_of(service, "imports", limit, after)
    wanted = {"source_system": source_system, "source_key": source_key, "case_id": case_id}
    with service.parts.database.read() as connection:
        rows = imports.listed(connection, reading.agency, window, **wanted)
    reading.record("list of imports", *dict.fromkeys(row.case_id for row in rows))
    return page_response(service, "imports", rows, window.limit, lambda line: line.updated_index)


@router.get(
    "/datasets",
    tags=["imports"],
    summary="List the outside data sets that your agency registered",
    responses=answers(page_of("datasets", DatasetLine), 400, 401, 503),
)
def list_datasets(
    *, service: ServiceOf, reading: Reads, for_models: ForModels = False, limit: Limit = 100, after: Following = None
) -> Response:
    """List data sets with source, legal basis, period and digest.

    `for_models` is for auditors, analysts and supervisors of procuratorates.
    """
    window = window_of(service, "datasets", limit, after)
    with service.parts.database.read() as connection:
        if for_models:
            require_governing(reading)
            registered = datasets_in_line(connection, reading, window)
        else:
            registered = imports.datasets(connection, reading.agency, window)
    reading.record("list of data sets")
    files = dataset_files(service)
    lines = [_dataset_line(dataset, kept=files.holds(dataset.body.digest)) for dataset in registered]
    return page_response(service, "datasets", lines, window.limit, lambda line: line.index)


@router.post(
    "/datasets/{dataset_id}/file",
    tags=["imports"],
    summary="Give the file of a data set that you registered, so that models can ask it",
    responses=answers(DatasetKept, 400, 401, 403, 404, 408, 413, 415, 503),
    openapi_extra={"requestBody": {"required": True, "content": {FILE: {"schema": BYTES}}}},
)
async def keep_dataset(request: Request, dataset_id: SlugPath, service: ServiceOf, reading: Reads) -> Response:
    """Store the file of a data set that your agency registered.

    Takes a role that may register data sets. The bytes must have the digest that was signed, and be a table of as many
    rows. Only runs of models read them.
    """
    reading.require_role(*REGISTERING)
    body = await run_in_threadpool(_registered, service, reading, dataset_id)
    settings = service.parts.settings
    limit, timeout_s = settings.max_dataset_bytes, settings.request_timeout_s
    data = await read_body(request.scope, request.receive, FILE, limit=limit, timeout_s=timeout_s)
    return await run_in_threadpool(_kept, service, reading, body, data)


def _registered(service: Service, reading: Reading, dataset_id: str) -> DatasetRegistered:
    """Return what the reader's agency registered under the id last. Raises NotFound."""
    with service.parts.database.read() as connection:
        registrations = imports.registrations(connection, reading.agency, dataset_id)
    if not registrations:
        raise NotFound(f"your agency registered no data set {dataset_id}", field="dataset_id")
    return registrations[-1].body


def _kept(service: Service, reading: Reading, body: DatasetRegistered, data: bytes) -> Response:
    dataset_id = body.dataset_id
    workers = service.parts.workers

    def read(path: FilePath, registered: DatasetRegistered) -> DatasetShape:
        return workers.run(shape_of, path, registered, agency=reading.agency, field="file")

    shape = dataset_files(service).keep_read(body, data, read)
    reading.record(f"file of the data set {dataset_id} given")
    return json_response(DatasetKept(dataset_id, body.digest, dataset_view(dataset_id), shape.columns, shape.rows))


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
