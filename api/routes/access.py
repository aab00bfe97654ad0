"""The access log for those whose cases were read: who read what, when, and on what ground."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Following, Limit, Reads, Service, ServiceOf, SlugQuery, json_response, position_after
from api.routes.search import SEARCH_FOR
from api.schemas.openapi import answers, page_of
from ledger.core.errors import NotFound
from ledger.core.visibility import concerned
from ledger.store import cases
from ledger.store.access import RecordedRead

ROLES = ("auditor", "supervisor")
LOOKED_AT = 10_000  # records that one request looks through at most

router = APIRouter(prefix="/api/v1", tags=["audit"])
OfficerQuery = Annotated[str | None, Query(min_length=1, max_length=64, description="only what this officer read")]


SEARCH = "search"
BY_SUPERVISION = "read by supervision"


class ReadView(Struct, frozen=True):
    """A read. ``read_at`` is in unix milliseconds; ``number`` is its place in the access log.

    A read by your own agency's officers is shown as it was recorded. The words that another agency searched for are
    left out. Of a read by supervision only the fact is shown: neither who read nor for what.
    """

    number: int
    read_at: int
    agency: str
    officer: str | None
    key_id: str | None
    what: str
    case_id: str | None
    ground: str | None


@router.get(
    "/access",
    summary="List who read what of your agency's cases",
    responses=answers(page_of("reads", ReadView), 400, 401, 403, 404, 503),
)
def access(
    *,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugQuery = None,
    officer: OfficerQuery = None,
    limit: Limit = 100,
    after: Following = None,
) -> Response:
    """List all reads by your own officers, and reads by anybody of cases that your agency holds or held a part of.

    They are in the order in which they were made. The purpose of a read by supervision is shown for your own agency
    only. Takes the role auditor or supervisor. A page may have fewer entries than asked for, or none, and still have
    `next`: continue until it is absent. This request is recorded as well.
    """
    reading.require_role(*ROLES)
    if case_id is not None:
        _require_own(service, reading, case_id)
    count = service.limit(limit)
    last_number = int(position_after(service, "reads", after) or -1)
    reads, last_seen, is_end = _collected(service, reading, last_number, count, case_id=case_id, officer=officer)
    reading.record("log of reads", *([case_id] if case_id else []))
    body: dict[str, object] = {"reads": reads}
    return json_response(body if is_end else body | {"next": service.cursors.seal("reads", str(last_seen))})


def _require_own(service: Service, reading: Reading, case_id: str) -> None:
    with service.parts.database.read() as connection:
        if not cases.parties_among(connection, reading.agency, [case_id]):
            raise NotFound(f"no case {case_id} that your agency holds or held a part of", field="case_id")


def _collected(
    service: Service, reading: Reading, after: int, limit: int, *, case_id: str | None, officer: str | None
) -> tuple[list[ReadView], int, bool]:
    """Return the reads that may be shown, the last number looked at, and whether the log ends there."""
    reads: list[ReadView] = []
    for _ in range(max(1, LOOKED_AT // limit)):
        records = service.parts.access.since(after, limit, case_id=case_id)
        for view in visible_reads(service, reading, records):
            if officer in (None, view.officer):
                reads.append(view)
                if len(reads) == limit:
                    return reads, view.number, False
        if len(records) < limit:
            return reads, after, True
        after = records[-1].number
    return reads, after, False


def visible_reads(service: Service, reading: Reading, records: list[RecordedRead]) -> list[ReadView]:
    """Return the reads by the agency's officers, and those of its cases by others as far as it may know of them."""
    foreign = {
        record.read.case_id for record in records if record.read.agency != reading.agency and record.read.case_id
    }
    with service.parts.database.read() as connection:
        own = cases.parties_among(connection, reading.agency, [case_id for case_id in foreign if case_id])
        sides = {case_id: concerned(cases.sides(connection, case_id)) for case_id in own}
    views = []
    for record in records:
        read = record.read
        if read.agency == reading.agency:
            views.append(_view(record))
        elif read.case_id in own:
            by_a_side = read.agency in sides[read.case_id]
            hidden = read.supervision or (not by_a_side and reading.is_supervising(read.agency))
            views.append(_view_of_supervision(record) if hidden else _view_of_another(record))
    return views


def _view(record: RecordedRead) -> ReadView:
    read = record.read
    return ReadView(
        record.number, read.read_at, read.agency, read.officer, read.key_id, read.what, read.case_id, read.ground
    )


def _view_of_another(record: RecordedRead) -> ReadView:
    """Return the view without the words of a search, which may be of the other agency's own cases."""
    view = _view(record)
    return replace(view, what=SEARCH) if view.what.startswith(SEARCH_FOR) else view


def _view_of_supervision(record: RecordedRead) -> ReadView:
    return replace(_view(record), officer=None, key_id=None, what=BY_SUPERVISION, ground=None)
