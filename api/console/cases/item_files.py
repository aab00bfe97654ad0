"""Files of the table of items: the template, and what somebody opens or pastes, which comes back as rows."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import JSONResponse, Response

from api.console.cases.case_pages import ROWS, ProcedureQuery, book_of, book_of_new_case, read_case
from api.console.cases.item_rows import columns_of_case
from api.console.shared.access import Visit, VisitOf, page_router
from api.dependencies import LabelsWanted, SlugPath, download, shown_pdf
from api.middleware.request_limits import charge, read_body
from api.services.documents import labels_of_items
from api.texts import Texts
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.exports.workbook import MEDIA_TYPE, workbook
from ledger.interchange.imports.item_table import (
    DIGESTS,
    CellFault,
    ItemColumn,
    TableRow,
    block_of,
    item_fields,
    normalized_cells,
    pasted_rows,
    table_of,
)

router = page_router()
AtQuery = Annotated[str | None, Query(max_length=4000)]


async def posted_table(request: Request, visit: VisitOf) -> bytes:
    """Return the file or the block of cells of a reader who may register items. Raises Unauthorized, or Refused."""
    visit.reading.require_role(*HANDLING)
    settings = visit.service.parts.settings
    limits = {"limit": settings.max_body_bytes, "timeout_s": settings.request_timeout_s}
    return await read_body(request.scope, request.receive, None, **limits)


@router.get("/cases/{case_id}/items/new/template")
def template(visit: VisitOf, case_id: SlugPath, procedure: ProcedureQuery = None) -> Response:
    """Return an empty table as XLSX, with the choices of its columns; of a new case by its ``procedure``."""
    visit.reading.require_role(*HANDLING)
    _, columns = _columns(visit, case_id, procedure)
    texts = Texts(visit.labels.language)
    headings = [column.label for column in columns if column.path != DIGESTS]
    choices = {column.label: tuple(column.options.values()) for column in columns if column.options}
    file = workbook(texts("Items"), headings, [], choices, texts("Choices"))
    return download(file, "items.xlsx", MEDIA_TYPE)


@router.post("/cases/{case_id}/items/new/table")
def read_table(
    visit: VisitOf,
    content: Annotated[bytes, Depends(posted_table)],
    case_id: SlugPath,
    procedure: ProcedureQuery = None,
    at: AtQuery = None,
) -> Response:
    """Return the rows of a file as JSON, each with its faults; with ``at``, of a block pasted into these columns."""
    book, columns = _columns(visit, case_id, procedure)
    if at is None:
        workers, agency = visit.service.parts.workers, visit.reading.agency
        table = workers.run(table_of, content, columns, agency=agency, field="FILE")
    else:
        table = block_of(pasted_rows(content.decode(errors="replace")), columns, at.split(","))
    charge(visit.request.scope, len(table.rows) // ROWS)
    rows = [_row(visit, row, columns, book) for row in table.rows]
    return JSONResponse({"rows": rows, "ignored": list(table.ignored)})


@router.get("/cases/{case_id}/labels")
def item_labels(visit: VisitOf, case_id: SlugPath, wanted: LabelsWanted) -> Response:
    """Return labels of items as a PDF: of one, or of all from an item's number on."""
    pdf = labels_of_items(visit.service, visit.reading, case_id, visit.labels, wanted)
    return shown_pdf(pdf, f"{case_id}.labels")


def _columns(visit: Visit, case_id: str, procedure: str | None) -> tuple[Rulebook, tuple[ItemColumn, ...]]:
    """Return the procedure and the columns of a case, of a new one by its ``procedure``."""
    if procedure is not None:
        book = book_of_new_case(visit, procedure)
        return book, columns_of_case(visit, book, None, {})
    visible = read_case(visit, case_id, Message("case"))
    book = book_of(visit, visible.state)
    return book, columns_of_case(visit, book, visible.state, visible.person_names)


def _row(visit: Visit, row: TableRow, columns: tuple[ItemColumn, ...], book: Rulebook) -> dict[str, Any]:
    cells = normalized_cells(row.cells, columns)
    faults: list[CellFault] = [*item_fields(cells, columns, book)[1], *row.faults]
    # What could not be read is not taken for what a row has by itself: the form is not accepted before it is mended.
    has_options = {column.path: bool(column.options) for column in columns}
    cells |= {fault.path: "?" if has_options[fault.path] else "" for fault in row.faults}
    return {"cells": cells, "faults": {fault.path: visit.labels.translate(fault.reason) for fault in faults}}
