"""A case: its blocks, clocks, items, persons, handovers and timeline; and the forms of acts."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from api.auth.reading import Reading
from api.console.access import LabelsOf, Reads
from api.console.blocks import blocks, free_items
from api.console.bodies import CHECKED
from api.console.case_parts import FirstQuery, Kind, PartRequest, PartRequested, list_part
from api.console.forms import FormOf
from api.console.moments import minute
from api.console.recorded import RecordedQuery, recorded
from api.console.rendering import names_of, page
from api.console.security import PATH
from api.dependencies import After, Service, ServiceOf, SlugPath
from api.routes.cases import require_handover
from api.routes.timelines import timeline_builder
from ledger.core.custody import CaseState, Handover
from ledger.core.errors import NotFound
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.procedure.legal_days import unix_seconds
from ledger.core.visibility import Sight
from ledger.recording.signing import new_id
from ledger.store import cases
from ledger.timeline.sentences import EventWords

STEPS = 50  # of the timeline at a time
UNITS = ("piece", "volume", "page", "copy", "note", "vehicle", "gram", "kilogram", "litre", "metre")

router = APIRouter()
ReturnsQuery = Annotated[str | None, Query(max_length=64)]


class VisibleCase(NamedTuple):
    """A case that the reader may see."""

    row: dict[str, Any]
    state: CaseState
    sight: Sight


@router.get("/cases/new")
def new_case(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """Show the form of a case's first event."""
    reading.require_role(*HANDLING)
    lines = {name: terms.choices(getattr(terms, name)) for name in ("BusinessLine", "Stage")}
    return page(request, service, "new_case.html", reading.session, case_id=new_id("case"), words=lines)


@router.post("/find")
def find(service: ServiceOf, reading: Reads, form: FormOf) -> Response:
    """Redirect to the case of a typed or scanned code: its id, or that of an item."""
    code = (form.get("code") or "").lower()
    with service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, code, reading.reader) or code
        cases.require_sight(connection, case_id, reading.reader)
    return RedirectResponse(f"{PATH}/cases/{case_id}", 303)


@router.get("/cases/{case_id}")
def case(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    case_id: SlugPath,
    event: RecordedQuery = None,
) -> Response:
    """Show the case in its present state. Its timeline is loaded after it."""
    visible = read_case(service, reading, case_id, "case")
    return page(
        request,
        service,
        "case.html",
        reading.session,
        **_values(visible),
        clocks=list_part("clocks", service, reading, visible.state, labels),
        items=list_part("items", service, reading, visible.state, labels),
        handovers=list_part("handovers", service, reading, visible.state, labels),
        blocks=list(blocks(visible.state, reading.agency)),
        words=EventWords(labels, names_of(service, labels), "", visible.state),
        free=len(free_items(visible.state, reading.agency)),
        told=recorded(service, reading, labels, event),
    )


@router.get("/cases/{case_id}/parts/{kind}")
def case_part(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    labels: LabelsOf,
    case_id: SlugPath,
    kind: Kind,
    first: FirstQuery = 0,
) -> Response:
    """Return a part of the case's page: more of its items, handovers or clocks."""
    visible = read_case(service, reading, case_id, f"{kind} of the case")
    rows = list_part(kind, service, reading, visible.state, labels, first=first)
    return page(request, service, "case_part.html", reading.session, state=visible.state, kind=kind, part=rows)


@router.get("/cases/{case_id}/timeline")
def timeline(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, before: After = -1
) -> Response:
    """Return a part of the case's page: the newest steps, or those before a sequence number."""
    visible = read_case(service, reading, case_id, "timeline of the case")
    end = visible.state.sequence + 1 if before < 0 else before
    first = max(0, end - STEPS)
    with service.parts.database.read() as connection:
        steps = timeline_builder(service, reading, labels).page(connection, case_id, after=first - 1, limit=end - first)
    return page(request, service, "timeline.html", reading.session, case_id=case_id, steps=steps[::-1], first=first)


@router.get("/cases/{case_id}/items/new")
def new_item(request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Show the form of an item's registration."""
    reading.require_role(*HANDLING)
    visible = read_case(service, reading, case_id, "case")
    kinds = [kind for kind in terms.choices(terms.ItemKind) if kind != "detainee"]
    return page(request, service, "new_item.html", reading.session, **_values(visible), kinds=kinds, units=UNITS)


@router.get("/cases/{case_id}/offer")
def offer(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, returns: ReturnsQuery = None
) -> Response:
    """Show the form of an offer, with ``returns`` of an offer to give back what that handover brought."""
    reading.require_role(*HANDLING)
    visible = read_case(service, reading, case_id, "case")
    persons = [person for person in visible.state.persons.values() if person.responsible == reading.agency]
    agencies = [agency for agency in service.authority().agencies.values() if agency.agency_id != reading.agency]
    values: dict[str, Any] = {
        **_offer_lines(visible.state, reading, returns, PartRequest()),
        "persons": persons,
        "agencies": sorted(agencies, key=lambda agency: (agency.kind, agency.agency_id)),
        "purposes": terms.choices(terms.Purpose),
        "reasons": terms.choices(terms.ReasonCode),
        "remedies": terms.choices(terms.Remedy),
        "earlier": [earlier for earlier in visible.state.handovers.values() if not earlier.is_open],
    }
    return page(request, service, "offer.html", reading.session, **_values(visible), **values)


@router.get("/cases/{case_id}/offer/lines")
def offer_lines(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    rest: PartRequested,
    returns: ReturnsQuery = None,
) -> Response:
    """Return a part of the offer's form: more of the items that can be picked."""
    reading.require_role(*HANDLING)
    visible = read_case(service, reading, case_id, "items of the case")
    values = _offer_lines(visible.state, reading, returns, rest)
    return page(request, service, "offer_lines.html", reading.session, **_values(visible), **values)


@router.get("/cases/{case_id}/handovers/{handover_id}/lines")
def handover_lines(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    handover_id: SlugPath,
    rest: PartRequested,
) -> Response:
    """Return a part of the acceptance's form: more of the sender's list."""
    reading.require_role(*HANDLING)
    visible = read_case(service, reading, case_id, f"handover {handover_id}")
    offered = _handover(visible.state, handover_id)
    values = {"handover": offered, "lines": rest.of(list(offered.items.values())), **_findings()}
    return page(request, service, "handover_lines.html", reading.session, **_values(visible), **values)


@router.get("/cases/{case_id}/handovers/{handover_id}")
def handover(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath
) -> Response:
    """Show the sender's list and the answer, or its form if the handover is offered to the reader's agency.

    What was refused, recalled or has expired is shown to the agency that it was offered to without its case.
    """
    shown = _shown_handover(service, reading, case_id, handover_id)
    shown_handover: Handover = shown["handover"]
    expired = (
        shown_handover.is_open
        and shown_handover.expires_at is not None
        and shown_handover.expires_at < reading.reader.now
    )
    signs = reading.session.has_role(*HANDLING)
    is_offered_to_us = shown_handover.is_open and shown_handover.to_agency == reading.agency
    values: dict[str, Any] = {
        **shown,
        "is_mine_to_accept": is_offered_to_us and signs and not expired,
        "is_mine_to_refuse": is_offered_to_us and signs and shown["sight"] is not None,
        "is_mine_to_recall": shown_handover.is_open and shown_handover.from_agency == reading.agency and signs,
        "is_mine_to_return": shown_handover.is_accepted and shown_handover.to_agency == reading.agency and signs,
        "is_for_others_to_sign": shown_handover.is_open and reading.agency in shown_handover.parties and not signs,
        "lines": PartRequest().of(list(shown_handover.items.values())),
        **_findings(),
        "remedies": terms.choices(terms.Remedy),
        "checked": CHECKED,
        "results": terms.choices(terms.CheckResult),
        "expired": expired,
        "this_minute": minute(unix_seconds(reading.reader.now)),
    }
    return page(request, service, "handover.html", reading.session, **values)


@router.get("/cases/{case_id}/handovers/{handover_id}/list")
def handover_list(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    handover_id: SlugPath,
    rest: PartRequested,
) -> Response:
    """Return a part of the page of a handover that the reader does not answer: more of the sender's list."""
    values = _shown_handover(service, reading, case_id, handover_id)
    lines = rest.of(list(values["handover"].items.values()))
    return page(request, service, "handover_list.html", reading.session, **values, lines=lines)


def _shown_handover(service: Service, reading: Reading, case_id: str, handover_id: str) -> dict[str, Any]:
    """Return the handover with its case as far as the reader may see it, and record the read."""
    with service.parts.database.read() as connection:
        handover_state = require_handover(connection, service, reading, case_id, handover_id)
        sight = cases.sight(connection, case_id, reading.reader)
        row = cases.case(connection, case_id)
    reading.record(f"handover {handover_id}", case_id)
    return {
        "case": row,
        "state": service.parts.validator.states.of_case(case_id),
        "sight": sight,
        "handover": handover_state,
    }


def _findings() -> dict[str, Any]:
    """Return what may be found of an item that does not arrive as listed."""
    return {"reasons": terms.choices(terms.ReasonCode), "seals": terms.choices(terms.SealState)}


def _offer_lines(state: CaseState, reading: Reading, returns: str | None, rest: PartRequest) -> dict[str, Any]:
    """Return the items that may be picked, and the handover that is returned."""
    original = _handover(state, returns) if returns else None
    items = free_items(state, reading.agency)
    if original is not None:
        items = [item for item in items if item.item_id in original.accepted_items]
    return {"original": original, "lines": rest.of(items)}


def read_case(service: Service, reading: Reading, case_id: str, subject: str) -> VisibleCase:
    """Return the case and record the read of its part ``subject``. Raises NotFound if the reader may not see it."""
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        row = cases.case(connection, case_id)
        state = service.histories.state(connection, case_id)
    reading.record(subject, case_id)
    return VisibleCase(row, state, sight)


def _values(visible: VisibleCase) -> dict[str, Any]:
    return {"case": visible.row, "state": visible.state, "sight": visible.sight}


def _handover(state: CaseState, handover_id: str) -> Handover:
    handover_state = state.handovers.get(handover_id)
    if handover_state is None:
        raise NotFound(f"this case has no handover {handover_id[:64]}", field="handover_id")
    return handover_state
