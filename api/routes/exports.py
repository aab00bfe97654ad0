"""Cases as files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import LabelsOf, Reads, ServiceOf, SlugPath
from api.routes.timelines import timeline_builder
from api.schemas.openapi import problems
from ledger.i18n import Labels
from ledger.interchange.exports import ocel
from ledger.interchange.exports.case_uco import case_uco
from ledger.interchange.exports.timeline_files import timeline_csv, timeline_json
from ledger.timeline import CaseTimeline, names_by_id

router = APIRouter(prefix="/api/v1", tags=["cases"])

Format = Annotated[Literal["csv", "json", "ocel", "case-uco"], Query(alias="format", description="of the file")]
Bom = Annotated[bool, Query(description="begin a CSV file with a byte order mark, for Excel")]


class _ExportOptions(NamedTuple):
    """The language and agency names in which a file is made, and whether it begins with a byte order mark."""

    labels: Labels
    names: Callable[[str], str]
    bom: bool


class _Format(NamedTuple):
    """A format: its media type, the suffix of its file name, and the function that makes a file of it."""

    media_type: str
    suffix: str
    make: Callable[[CaseTimeline, _ExportOptions], bytes]


_FORMATS: dict[str, _Format] = {
    "csv": _Format(
        "text/csv; charset=utf-8", "csv", lambda case, options: timeline_csv(case, options.labels, bom=options.bom)
    ),
    "json": _Format("application/json", "json", lambda case, _: timeline_json(case)),
    "ocel": _Format("application/json", "ocel.json", lambda case, _: ocel.encode(ocel.ocel([case]))),
    "case-uco": _Format("application/ld+json", "case.jsonld", lambda case, options: case_uco(case, options.names)),
}
_FILES: dict[str, dict[str, str]] = {kind.media_type.partition(";")[0]: {} for kind in _FORMATS.values()}


@router.get(
    "/cases/{case_id}/export",
    summary="Give a case as a file for other programs",
    responses={200: {"description": "The file", "content": _FILES}, **problems(400, 401, 404, 503)},
)
def export_case(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, file_format: Format, bom: Bom = False
) -> Response:
    """Return the case's timeline as CSV or JSON, an OCEL 2.0 event log, or a CASE/UCO graph.

    Confidential sections are in none of them. The export is recorded as a read.
    """
    kind = _FORMATS[file_format]
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    with service.parts.workers.turn(reading.agency):  # of many events this takes seconds
        with service.parts.database.read() as connection:
            timeline = timeline_builder(service, reading, labels).case(connection, case_id)
        file_bytes = kind.make(timeline, _ExportOptions(labels, names_by_id(reading.authority.names, labels), bom))
    reading.record(f"export of the case as {file_format}", case_id)
    headers = {"Content-Disposition": f'attachment; filename="{case_id}.{kind.suffix}"'}
    return Response(file_bytes, media_type=kind.media_type, headers=headers)
