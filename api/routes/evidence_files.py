"""Evidence files of items: which are kept, to give one, to take one away."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from api.dependencies import DigestPath, Ground, Reads, ServiceOf, SlugPath, json_response
from api.schemas.openapi import OF_A_BODY, Routes, answers, problems
from api.services.evidence_files import (
    ExpectedFile,
    ItemFiles,
    RecordedFile,
    expected_file,
    files_of_item,
    no_preview,
    preview_of_file,
    read_file,
)
from api.services.file_transfer import AS_FILE, FILE, file_response, received

router = Routes(400, 401, 404, 503, prefix="/api/v1")
_BYTES: dict[str, Any] = {"content": {FILE: {"schema": {"type": "string", "format": "binary"}}}}


@router.reads("/cases/{case_id}/items/{item_id}/files", "List the files of an item", ItemFiles, tags=["items"])
def list_files(service: ServiceOf, reading: Reads, case_id: SlugPath, item_id: SlugPath) -> Response:
    """Return which files of the item are kept here, which are only recorded, and when each was hashed again."""
    return json_response(files_of_item(service, reading, case_id, item_id))


def expected(
    service: ServiceOf, reading: Reads, case_id: SlugPath, item_id: SlugPath, digest: DigestPath
) -> ExpectedFile:
    """Return what takes the file, if the reader may give it."""
    return expected_file(service, reading, case_id, item_id, digest)


@router.post(
    "/cases/{case_id}/items/{item_id}/files/{digest}",
    summary="Give a file of an item that your agency holds",
    responses=answers(RecordedFile, 400, 401, 403, 404, *OF_A_BODY, 503),
    openapi_extra={"requestBody": {"required": True, **_BYTES}},
    tags=["items"],
)
async def give_file(request: Request, file: Annotated[ExpectedFile, Depends(expected)]) -> Response:
    """Keep a file whose digest the record of the item has.

    It is hashed and encrypted while it arrives, and kept only if it has the digest. Sent again, it is found. A file may
    take its time; a pause may be no longer than a request.
    """
    return json_response(await received(request, file))


@router.get(
    "/cases/{case_id}/items/{item_id}/files/{digest}",
    summary="Take a file of an item away",
    responses={
        200: {"description": "The file", **_BYTES},
        206: {"description": "The part that the header Range asks for", **_BYTES},
        **problems(400, 401, 403, 404, 416, 503),
    },
    response_class=Response,
    tags=["items"],
)
def take_file(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    item_id: SlugPath,
    digest: DigestPath,
    ground: Ground = None,
) -> Response:
    """Return the file, each part of it verified, for who may read confidential sections of the case.

    The read is recorded. Hash what you receive and compare it with the record.
    """
    return file_response(request, read_file(service, reading, case_id, item_id, digest, ground=ground))


@router.files(
    "/cases/{case_id}/items/{item_id}/files/{digest}/preview",
    "Look at a file of an item",
    {
        "description": "A picture made anew, also of a PDF's first page, or the beginning of a text",
        "content": {"image/png": {}, "text/plain": {}},
    },
    403,
    tags=["items"],
)
def preview_file(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    item_id: SlugPath,
    digest: DigestPath,
    ground: Ground = None,
) -> Response:
    """Return a PNG of a picture or a PDF's first page, or the first bytes of a text, for who may take the file.

    Neither has anything of the file but pixels or characters. The read is recorded.
    """
    preview = preview_of_file(service, reading, case_id, item_id, digest, ground=ground)
    if preview.png is not None:
        return Response(preview.png, media_type="image/png", headers=AS_FILE)
    if preview.text is not None:
        return Response(preview.text, media_type="text/plain; charset=utf-8", headers=AS_FILE)
    raise no_preview(digest)
