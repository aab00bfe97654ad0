"""Who read a case: for the auditors and supervisors of its parties; others see what their own officers read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console.access import Reads
from api.console.case_pages import see
from api.console.rendering import language, page
from api.dependencies import Following, ServiceOf, SlugPath, place
from api.routes.access import ROLES, told_reads
from ledger.i18n import Labels
from ledger.i18n.messages import said

ROWS = 50

router = APIRouter()
SCOPE = "reads of a case"


@router.get("/cases/{case_id}/reads")
def case_reads(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, before: Following = None
) -> Response:
    """The newest first. That this list is looked at stands in it the next time."""
    reading.require_role(*ROLES)
    last = place(service, SCOPE, before, field="before")
    seen = see(service, reading, case_id, "log of reads")
    is_party = seen.sight == "party"
    agency = None if is_party else reading.agency
    rows = service.parts.access.latest(case_id, ROWS, before=None if last is None else int(last), agency=agency)
    following = service.cursors.seal(SCOPE, str(rows[-1].number)) if len(rows) == ROWS else None
    return page(
        request,
        service,
        "reads.html",
        reading.session,
        case=seen.row,
        state=seen.state,
        rows=told_reads(service, reading, rows),
        is_party=is_party,
        following=following,
        told=lambda what: said(what, Labels(language(request))),
    )
