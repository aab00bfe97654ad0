"""Where cases came from: look-ups during an import, and the outside data sets that were registered.

An agency sees what it imported and registered itself.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import Depends, Query, Request
from msgspec import Meta, Struct
from starlette.responses import Response

from api.dependencies import PageOf, Reads, ServiceOf, SlugPath, SlugQuery, json_body, json_response
from api.middleware.request_limits import read_body
from api.schemas.answers import view_of
from api.schemas.openapi import OF_A_BODY, Paged, Routes, answers
from api.services.governance import datasets_in_line, require_modelling
from ledger.core.errors import NotFound
from ledger.core.events import EVENT_TYPES
from ledger.core.events.record import DatasetRegistered, TableLayout
from ledger.core.events.terms import CaseId, Line
from ledger.core.messages import Message
from ledger.store import imports
from ledger.store.imports import CaseImport, CaseUnderNumber
from ledger.store.search import folded
from ledger.supervision.runs.dataset_rows import columns_of
from ledger.supervision.runs.datasets import DatasetFiles
from ledger.supervision.view_catalogue import dataset_view
from ledger.workers.sandbox import Files

MAX_LOOKED_UP = 500  # rows of one look-up
MAX_BODY = 1024 * 1024  # bytes
FILE = "application/octet-stream"
BYTES = {"type": "string", "format": "binary"}
REGISTERING = EVENT_TYPES["dataset.registered"].roles

router = Routes(400, 401, 503, prefix="/api/v1", tags=["imports"])
ForModels = Annotated[
    bool, Query(description="those that models of your agency compare with, of every agency in line with it")
]
Words = Annotated[str | None, Query(min_length=1, max_length=200)]


class SoughtRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of your own system, the id that its case has or would have here, and its case number."""

    source_key: Line
    case_id: CaseId
    case_number: Line | None = None


class LookUp(Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one system to look up."""

    source_system: Line
    rows: Annotated[tuple[SoughtRow, ...], Meta(min_length=1, max_length=MAX_LOOKED_UP)]


class ImportedRow(Struct, frozen=True):
    """What the ledger has of one row.

    ``sequence`` and ``head`` are those of the case's next event, null if there is no such case. ``imports`` are what
    was recorded of the key, in any case. ``same_number`` are other cases that your
    agency has under the row's case number, whatever its brackets.
    """

    source_key: str
    case_id: str
    sequence: int | None
    head: str | None
    imports: tuple[CaseImport, ...]
    same_number: tuple[CaseUnderNumber, ...]


class DatasetLine(Struct, frozen=True):
    """An outside data set as it was registered. ``index`` is the log index, ``kept`` whether its file is here,
    ``readable`` whether what models find may show its cells, ``compared`` the columns that they may compare if not."""

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
    layout: TableLayout | None = None
    readable: bool = False
    compared: tuple[str, ...] = ()


class DatasetKept(Struct, frozen=True):
    """What models can query now: ``view`` is its name, ``columns`` are those of the file."""

    dataset_id: str
    digest: str
    view: str
    columns: tuple[str, ...]
    rows: int


LookUpBody = Annotated[LookUp, json_body(LookUp, limit=MAX_BODY)]


@router.posts("/imports/look-up", "Look up rows of your own system", LookUp, Paged("rows", ImportedRow), *OF_A_BODY)
def look_up(service: ServiceOf, reading: Reads, asked: LookUpBody) -> Response:
    """Return what your agency has imported of these keys and the heads of their cases, in the order of the request."""
    keys = [row.source_key for row in asked.rows]
    imported: defaultdict[str, list[CaseImport]] = defaultdict(list)
    with service.parts.database.read() as connection:
        for case_import in imports.of_keys(connection, reading.agency, asked.source_system, keys):
            imported[case_import.source_key].append(case_import)
        heads = imports.own_heads(connection, reading.agency, [row.case_id for row in asked.rows])
        numbers = list(dict.fromkeys(row.case_number for row in asked.rows if row.case_number))
        numbered = imports.with_numbers(connection, reading.agency, numbers) if numbers else []
    read_ids = [*heads, *(case_import.case_id for group in imported.values() for case_import in group)]
    read_ids += (case.case_id for case in numbered)
    if read_ids:
        reading.record(Message("look-up of imports"), *dict.fromkeys(read_ids))
    rows = []
    for row in asked.rows:
        head = heads.get(row.case_id)
        sequence, previous = (head.sequence + 1, head.head) if head else (None, None)
        number = folded(row.case_number or "")
        same = tuple(case for case in numbered if folded(case.case_number) == number and case.case_id != row.case_id)
        rows.append(ImportedRow(row.source_key, row.case_id, sequence, previous, tuple(imported[row.source_key]), same))
    return json_response({"rows": rows})


@router.reads("/imports", "List your agency's imports", Paged("imports", CaseImport))
def list_imports(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    source_system: Words = None,
    source_key: Words = None,
    case_id: SlugQuery = None,
) -> Response:
    """List which case has which key of which of your systems."""
    window, wanted = page.window("imports"), {"source_system": source_system, "source_key": source_key}
    with service.parts.database.read() as connection:
        rows = imports.listed(connection, reading.agency, window, **wanted, case_id=case_id)
    reading.record(Message("list of imports"), *dict.fromkeys(row.case_id for row in rows))
    return page.response("imports", rows, lambda line: line.updated_index)


@router.reads("/datasets", "List the outside data sets that your agency registered", Paged("datasets", DatasetLine))
def list_datasets(service: ServiceOf, reading: Reads, page: PageOf, for_models: ForModels = False) -> Response:
    """List data sets with source, legal basis, period and digest.

    `for_models` is for clerks, auditors, analysts and supervisors of supervising agencies.
    """
    window = page.window("datasets")
    with service.parts.database.read() as connection:
        if for_models:
            require_modelling(reading)
            registered = datasets_in_line(connection, reading, window)
        else:
            registered = imports.datasets(connection, reading.agency, window)
        kept = imports.kept_files(connection)
    reading.record(Message("list of data sets"))
    row_fields = ("index", "event_id", "agency", "officer", "registered_at")
    lines = [
        view_of(
            DatasetLine,
            dataset.body,
            **{name: getattr(dataset, name) for name in row_fields},
            kept=dataset.body.digest in kept,
        )
        for dataset in registered
    ]
    return page.response("datasets", lines, lambda line: line.index)


def own_dataset(service: ServiceOf, reading: Reads, dataset_id: SlugPath) -> DatasetRegistered:
    """Return what the reader's agency registered under the id last, if the reader may register. Raises NotFound."""
    reading.require_role(*REGISTERING)
    with service.parts.database.read() as connection:
        registrations = imports.registrations(connection, reading.agency, dataset_id)
    if not registrations:
        raise NotFound("your agency registered no data set {dataset_id}", dataset_id=dataset_id, field="dataset_id")
    return registrations[-1].body


async def dataset_file(request: Request, service: ServiceOf) -> bytes:
    """Return the posted file."""
    settings = service.parts.settings
    limit, timeout_s = settings.max_dataset_bytes, settings.request_timeout_s
    return await read_body(request.scope, request.receive, FILE, limit=limit, timeout_s=timeout_s)


@router.post(
    "/datasets/{dataset_id}/file",
    summary="Give the file of a data set that you registered, so that models can ask it",
    responses=answers(DatasetKept, 400, 401, 403, 404, *OF_A_BODY, 503),
    openapi_extra={"requestBody": {"required": True, "content": {FILE: {"schema": BYTES}}}},
)
def keep_dataset(
    service: ServiceOf,
    reading: Reads,
    body: Annotated[DatasetRegistered, Depends(own_dataset)],
    data: Annotated[bytes, Depends(dataset_file)],
) -> Response:
    """Store the file of a data set that your agency registered.

    Takes a role that may register data sets. The bytes must have the digest that was signed, and be a table of as many
    rows. Only runs of models read them.
    """
    dataset_id, workers = body.dataset_id, service.parts.workers

    def read(path: FilePath, registered: DatasetRegistered) -> tuple[str, ...]:
        files = Files(read=(str(path),))
        return workers.run(columns_of, path, registered, agency=reading.agency, field="file", files=files)

    columns = DatasetFiles(service.parts.database).keep(body, data, read)
    reading.record(Message("file of the data set {dataset_id} given", dataset_id=dataset_id))
    return json_response(DatasetKept(dataset_id, body.digest, dataset_view(dataset_id), columns, body.rows))
