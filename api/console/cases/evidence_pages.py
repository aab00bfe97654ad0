"""Files of evidence on the page of an item: to give one, to look at one, to take one away."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from msgspec import Struct
from starlette.responses import Response

from api.console.cases.case_pages import VisibleCase, read_case
from api.console.shared.access import Visit, VisitOf, page_router
from api.dependencies import DigestPath, SlugPath
from api.services.evidence_files import (
    CheckedFile,
    ExpectedFile,
    RecordedFile,
    checks_of_item,
    expected_file,
    no_preview,
    preview_of_file,
    read_file,
    recorded_files,
)
from api.services.file_transfer import AS_FILE, file_response, received
from ledger.core.custody import Item
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message

router = page_router()
# Of a form's field, which may be empty.
GroundField = Annotated[str, Query(max_length=200)]


class FilesOnPage(Struct, frozen=True):
    """What an item's page shows of its files.

    ``reading`` says whether the reader may take them: yes, on a ground that he states, or not. ``gives`` are the
    recorded digests of which he may give the file; ``copies`` says that he may record working copies.
    """

    files: tuple[RecordedFile, ...]
    checks: tuple[CheckedFile, ...]
    reading: Literal["yes", "on_ground", "no"]
    gives: tuple[str, ...]
    copies: bool


def files_on_page(visit: Visit, visible: VisibleCase, item: Item) -> FilesOnPage | None:
    """Return what is shown of the item's files, None if the service keeps none and has none."""
    service, reading = visit.service, visit.reading
    case_id = visible.state.case_id
    files = recorded_files(service, case_id, item)
    has_store = service.parts.evidence is not None
    if not has_store and not any(file.kept for file in files):
        return None
    with service.parts.database.read() as connection:
        holds = reading.holds(connection, case_id)
    is_party = visible.sight == "party"
    is_holder = item.holder == reading.agency and item.is_live and reading.session.has_role(*HANDLING)
    return FilesOnPage(
        files=files,
        checks=checks_of_item(service, case_id, item.item_id),
        reading=("yes" if holds else "on_ground") if is_party else "no",
        gives=tuple(file.recorded for file in files if not file.kept) if has_store and is_holder else (),
        copies=is_holder,
    )


def expected(visit: VisitOf, case_id: SlugPath, item_id: SlugPath, digest: DigestPath) -> ExpectedFile:
    """Return what takes the file, if the reader may give it."""
    return expected_file(visit.service, visit.reading, case_id, item_id, digest)


async def given_file(request: Request, file: Annotated[ExpectedFile, Depends(expected)]) -> RecordedFile:
    """Return the file of the request's body once it is kept."""
    return await received(request, file)


@router.post("/cases/{case_id}/items/{item_id}/files/{digest}")
def give_file(
    visit: VisitOf, file: Annotated[RecordedFile, Depends(given_file)], case_id: SlugPath, item_id: SlugPath
) -> Response:
    """Keep a file that the browser sends, and return the part of the page that tells of the item's files."""
    assert file.kept, "else it was refused"
    visible = read_case(visit, case_id, Message("files of item {item_id}", item_id=item_id), whole=True)
    item = visible.state.items[item_id]
    files = files_on_page(visit, visible, item)
    return visit.page("cases/item_files.html", **visible._asdict(), item=item, files=files)


@router.get("/cases/{case_id}/items/{item_id}/files/{digest}")
def take_file(
    visit: VisitOf, case_id: SlugPath, item_id: SlugPath, digest: DigestPath, ground: GroundField = ""
) -> Response:
    """Return a file, which the browser saves."""
    file = read_file(visit.service, visit.reading, case_id, item_id, digest, ground=ground or None)
    return file_response(visit.request, file)


@router.get("/cases/{case_id}/items/{item_id}/files/{digest}/preview")
def file_preview(
    visit: VisitOf, case_id: SlugPath, item_id: SlugPath, digest: DigestPath, ground: GroundField = ""
) -> Response:
    """Show a picture of the file made anew, or the beginning of its text."""
    preview = preview_of_file(visit.service, visit.reading, case_id, item_id, digest, ground=ground or None)
    visible = read_case(visit, case_id, Message("files of item {item_id}", item_id=item_id), whole=True)
    item = visible.state.items[item_id]
    return visit.page(
        "cases/file_preview.html", **visible._asdict(), item=item, digest=digest, preview=preview, ground=ground
    )


@router.get("/cases/{case_id}/items/{item_id}/files/{digest}/picture")
def file_picture(
    visit: VisitOf, case_id: SlugPath, item_id: SlugPath, digest: DigestPath, ground: GroundField = ""
) -> Response:
    """Return the picture of a preview as a PNG."""
    preview = preview_of_file(visit.service, visit.reading, case_id, item_id, digest, ground=ground or None)
    if preview.png is None:
        raise no_preview(digest)
    return Response(preview.png, media_type="image/png", headers=AS_FILE)
