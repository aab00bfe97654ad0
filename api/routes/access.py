"""The log of reads, for those whose cases were read: who saw what of them, when, and on what ground."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from api.dependencies import After, Limit, Reads, Service, ServiceOf, SlugQuery, answer
from api.openapi import answers, page_of
from api.reading import Reading
from ledger.core.errors import NotFound
from ledger.store import cases
from ledger.store.access import Recorded

ROLES = ("auditor", "supervisor")
LOOKED_AT = 10_000  # records that one request looks through at most

router = APIRouter(prefix="/api/v1", tags=["audit"])
OfficerQuery = Annotated[str | None, Query(min_length=1, max_length=64, description="only what this officer read")]


class ReadView(Struct, frozen=True):
    """A read as it was recorded; ``read_at`` is in unix milliseconds, ``number`` its place in the log of reads."""

    number: int
    read_at: int
    agency: str
    officer: str
    key_id: str
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
    after: After = -1,
) -> Response:
    """Reads by anybody of cases that your agency holds or held a part of, and all reads by your own officers, in the
    order in which they were made. Takes the role auditor or supervisor. A page may have fewer entries than asked for,
    or none, and still say `next`: go on until it does not. That you look is recorded, too.
    """
    reading.require_role(*ROLES)
    if case_id is not None:
        _require_own(service, reading, case_id)
    count = service.limit(limit)
    found, reached, is_end = _collected(service, reading, after, count, case_id=case_id, officer=officer)
    reading.record("log of reads", *([case_id] if case_id else []))
    body: dict[str, object] = {"reads": [_view(record) for record in found]}
    return answer(body if is_end else body | {"next": reached})


def _require_own(service: Service, reading: Reading, case_id: str) -> None:
    with service.parts.database.read() as connection:
        if not cases.parties_among(connection, reading.agency, [case_id]):
            raise NotFound(f"no case {case_id} that your agency holds or held a part of", field="case_id")


def _collected(
    service: Service, reading: Reading, after: int, limit: int, *, case_id: str | None, officer: str | None
) -> tuple[list[Recorded], int, bool]:
    """Records that may be shown, the last number looked at, and whether the log ends there."""
    found: list[Recorded] = []
    for _ in range(max(1, LOOKED_AT // limit)):
        records = service.parts.access.since(after, limit, case_id=case_id)
        for record in _own(service, reading, records):
            if officer in (None, record.read.officer):
                found.append(record)
                if len(found) == limit:
                    return found, record.number, False
        if len(records) < limit:
            return found, after, True
        after = records[-1].number
    return found, after, False


def _own(service: Service, reading: Reading, records: list[Recorded]) -> list[Recorded]:
    """Those of the agency's officers or cases."""
    others = {record.read.case_id for record in records if record.read.agency != reading.agency and record.read.case_id}
    with service.parts.database.read() as connection:
        own = cases.parties_among(connection, reading.agency, [name for name in others if name])
    return [record for record in records if record.read.agency == reading.agency or record.read.case_id in own]


def _view(record: Recorded) -> ReadView:
    read = record.read
    return ReadView(
        record.number, read.read_at, read.agency, read.officer, read.key_id, read.what, read.case_id, read.ground
    )
