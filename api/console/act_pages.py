"""Forms of the acts that remove what blocks a case, and of the act that closes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.console.access import LabelsOf, Reads
from api.console.blocks import BAR_CLOSING, blocks, changes_due, changes_to_serve, may_resolve
from api.console.case_pages import read_case
from api.console.moments import minute
from api.console.rendering import names_of, page
from api.dependencies import Service, ServiceOf, SlugPath
from ledger.core.custody import CaseState
from ledger.core.errors import NotFound
from ledger.core.events.catalogue import HANDLING
from ledger.core.procedure.jurisdiction import may_detain
from ledger.core.procedure.legal_days import unix_seconds
from ledger.timeline.sentences import EventWords

router = APIRouter()
OfQuery = Annotated[str | None, Query(max_length=200)]


@router.get("/cases/{case_id}/acts/{act}")
def act_form(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    case_id: SlugPath,
    act: str,
    of: OfQuery = None,
) -> Response:
    """Show the form of an act, with ``of`` for one thing only.

    If the reader's agency has nothing to sign for, the page says so and has no form.
    """
    reading.require_role(*HANDLING)
    if act not in FORMS:
        raise NotFound(f"no act {act[:40]} has a form here", field="act")
    visible = read_case(service, reading, case_id, "case")
    values = FORMS[act](visible.state, reading.agency)
    return page(
        request,
        service,
        "act.html",
        reading.session,
        case=visible.row,
        state=visible.state,
        act=act,
        of=of,
        houses=_detention_houses(service),
        words=EventWords(labels, names_of(service, labels), "", visible.state),
        this_minute=minute(unix_seconds(reading.reader.now)),
        **values,
    )


def _resolution(state: CaseState, agency: str) -> dict[str, Any]:
    return {"things": [discrepancy for discrepancy in state.discrepancies.values() if may_resolve(discrepancy, agency)]}


def _request(state: CaseState, agency: str) -> dict[str, Any]:
    accepted = [
        candidate for candidate in state.handovers.values() if candidate.is_accepted and candidate.to_agency == agency
    ]
    return {"things": changes_due(state, agency), "accepted": accepted[::-1]}


def _service(state: CaseState, agency: str) -> dict[str, Any]:
    return {"things": changes_to_serve(state, agency)}


def _closing(state: CaseState, agency: str) -> dict[str, Any]:
    """Return what is needed to close the case, or what the custody rules bar it by."""
    barred = [block for block in blocks(state, agency) if block.kind in BAR_CLOSING]
    free = state.responsible == agency and not state.closed
    return {"things": [state] if free and not barred else [], "blocks": barred if free else []}


FORMS: dict[str, Callable[[CaseState, str], dict[str, Any]]] = {
    "resolve": _resolution,
    "request-custody": _request,
    "serve-custody": _service,
    "close": _closing,
}


def _detention_houses(service: Service) -> list[str]:
    agencies = service.authority().agencies.values()
    return sorted(agency.agency_id for agency in agencies if may_detain(agency))
