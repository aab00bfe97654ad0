"""Cases as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import LabelsOf, Reads, ServiceOf, SlugPath
from api.routes.timelines import teller
from api.schemas.openapi import problems
from ledger.i18n import Labels
from ledger.interchange.exports import ocel
from ledger.interchange.exports.case_uco import case_uco
from ledger.interchange.exports.timeline_files import timeline_csv, timeline_json
from ledger.timeline import Chronicle, chronicle, names_by_id

router = APIRouter(prefix="/api/v1", tags=["cases"])

Format = Annotated[Literal["csv", "json", "ocel", "case-uco"], Query(alias="format", description="of the file")]
Bom = Annotated[bool, Query(description="begin a CSV file with a byte order mark, for Excel")]


class _Asked(NamedTuple):
    """In whose words a file is made."""

    labels: Labels
    names: Callable[[str], str]
    bom: bool


class _Kind(NamedTuple):
    """What a format is on the wire: media type, end of the file's name, and how it is made."""

    media_type: str
    suffix: str
    make: Callable[[Chronicle, _Asked], bytes]


_KINDS: dict[str, _Kind] = {
    "csv": _Kind("text/csv; charset=utf-8", "csv", lambda one, asked: timeline_csv(one, asked.labels, bom=asked.bom)),
    "json": _Kind("application/json", "json", lambda one, _: timeline_json(one)),
    "ocel": _Kind("application/json", "ocel.json", lambda one, _: ocel.encode(ocel.ocel([one]))),
    "case-uco": _Kind("application/ld+json", "case.jsonld", lambda one, asked: case_uco(one, asked.names)),
}
_FILES: dict[str, dict[str, str]] = {kind.media_type.partition(";")[0]: {} for kind in _KINDS.values()}


@router.get(
    "/cases/{case_id}/export",
    summary="Give a case as a file for other programs",
    responses={200: {"description": "The file", "content": _FILES}, **problems(400, 401, 404, 503)},
)
def export_case(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, file_format: Format, bom: Bom = False
) -> Response:
    """Its timeline as CSV or JSON, an OCEL 2.0 event log, or a CASE/UCO graph. Confidential sections are in none of
    them; what is exported is recorded as read."""
    kind = _KINDS[file_format]
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    with service.parts.workers.turn(reading.agency):  # of many events this takes seconds
        with service.parts.database.read() as connection:
            whole = chronicle(connection, teller(service, reading, labels), case_id)
        made = kind.make(whole, _Asked(labels, names_by_id(reading.authority.names, labels), bom))
    reading.record(f"export of the case as {file_format}", case_id)
    headers = {"Content-Disposition": f'attachment; filename="{case_id}.{kind.suffix}"'}
    return Response(made, media_type=kind.media_type, headers=headers)
