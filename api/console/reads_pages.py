"""Who read a case: for the auditors and supervisors of its parties. Others see what their own officers read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console.access import Reads
from api.console.case_pages import read_case
from api.console.rendering import language, page
from api.dependencies import Following, ServiceOf, SlugPath, position_after
from api.routes.access import ROLES, visible_reads
from ledger.i18n import Labels
from ledger.i18n.messages import said

ROWS = 50

router = APIRouter()
SCOPE = "reads of a case"


@router.get("/cases/{case_id}/reads")
def case_reads(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, before: Following = None
) -> Response:
    """Show the reads, newest first. This read is in the list the next time."""
    reading.require_role(*ROLES)
    last = position_after(service, SCOPE, before, field="before")
    visible = read_case(service, reading, case_id, "log of reads")
    is_party = visible.sight == "party"
    agency = None if is_party else reading.agency
    rows = service.parts.access.latest(case_id, ROWS, before=None if last is None else int(last), agency=agency)
    following = service.cursors.seal(SCOPE, str(rows[-1].number)) if len(rows) == ROWS else None
    return page(
        request,
        service,
        "reads.html",
        reading.session,
        case=visible.row,
        state=visible.state,
        rows=visible_reads(service, reading, rows),
        is_party=is_party,
        following=following,
        told=lambda subject: said(subject, Labels(language(request))),
    )
