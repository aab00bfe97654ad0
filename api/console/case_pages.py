"""A case: what stands in its way, its clocks, items, persons, handovers and timeline; and the forms of acts."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from api.auth.reading import Reading
from api.console.access import LabelsOf, Reads
from api.console.blocks import blocks, free_items
from api.console.bodies import CHECKED
from api.console.case_parts import FirstQuery, Kind, Rest, RestOf, part
from api.console.forms import FormOf
from api.console.moments import minute
from api.console.recorded import RecordedQuery, recorded
from api.console.rendering import names_of, page
from api.console.security import PATH
from api.dependencies import After, Service, ServiceOf, SlugPath
from api.routes.cases import require_handover
from api.routes.timelines import teller
from ledger.core.custody import CaseState, Handover
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import NotFound
from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING
from ledger.core.visibility import Sight
from ledger.recording.signing import new_id
from ledger.store import cases
from ledger.timeline.sentences import Words

STEPS = 50  # of the timeline at a time
UNITS = ("piece", "volume", "page", "copy", "note", "vehicle", "gram", "kilogram", "litre", "metre")

router = APIRouter()
ReturnsQuery = Annotated[str | None, Query(max_length=64)]


class Seen(NamedTuple):
    """A case that the reader may see."""

    row: dict[str, Any]
    state: CaseState
    sight: Sight


@router.get("/cases/new")
def new_case(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """The form of a case's first event."""
    reading.require_role(*HANDLING)
    lines = {name: terms.choices(getattr(terms, name)) for name in ("BusinessLine", "Stage")}
    return page(request, service, "new_case.html", reading.session, case_id=new_id("case"), words=lines)


@router.post("/find")
def find(service: ServiceOf, reading: Reads, form: FormOf) -> Response:
    """To the case of a code that was typed or scanned: its id, or that of an item."""
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
    """As it stands. Its timeline comes after it."""
    seen = see(service, reading, case_id, "case")
    return page(
        request,
        service,
        "case.html",
        reading.session,
        **_values(seen),
        clocks=part("clocks", service, reading, seen.state, labels),
        items=part("items", service, reading, seen.state, labels),
        handovers=part("handovers", service, reading, seen.state, labels),
        blocks=list(blocks(seen.state, reading.agency)),
        words=Words(labels, names_of(service, labels), "", seen.state),
        free=len(free_items(seen.state, reading.agency)),
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
    """A part of the case's page: more of its items, handovers or clocks."""
    seen = see(service, reading, case_id, f"{kind} of the case")
    found = part(kind, service, reading, seen.state, labels, first=first)
    return page(request, service, "case_part.html", reading.session, state=seen.state, kind=kind, part=found)


@router.get("/cases/{case_id}/timeline")
def timeline(
    *, request: Request, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, before: After = -1
) -> Response:
    """A part of the case's page: the newest steps first, or those before a sequence number."""
    seen = see(service, reading, case_id, "timeline of the case")
    end = seen.state.sequence + 1 if before < 0 else before
    first = max(0, end - STEPS)
    with service.parts.database.read() as connection:
        steps = teller(service, reading, labels).page(connection, case_id, after=first - 1, limit=end - first)
    return page(request, service, "timeline.html", reading.session, case_id=case_id, steps=steps[::-1], first=first)


@router.get("/cases/{case_id}/items/new")
def new_item(request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """The form of an item's registration."""
    reading.require_role(*HANDLING)
    seen = see(service, reading, case_id, "case")
    kinds = [kind for kind in terms.choices(terms.ItemKind) if kind != "detainee"]
    return page(request, service, "new_item.html", reading.session, **_values(seen), kinds=kinds, units=UNITS)


@router.get("/cases/{case_id}/offer")
def offer(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, returns: ReturnsQuery = None
) -> Response:
    """The form of an offer; with ``returns`` of an offer back of what that handover brought."""
    reading.require_role(*HANDLING)
    seen = see(service, reading, case_id, "case")
    persons = [one for one in seen.state.persons.values() if one.responsible == reading.agency]
    agencies = [one for one in service.authority().agencies.values() if one.agency_id != reading.agency]
    values: dict[str, Any] = {
        **_offer_lines(seen.state, reading, returns, Rest()),
        "persons": persons,
        "agencies": sorted(agencies, key=lambda one: (one.kind, one.agency_id)),
        "purposes": terms.choices(terms.Purpose),
        "reasons": terms.choices(terms.ReasonCode),
        "remedies": terms.choices(terms.Remedy),
        "earlier": [one for one in seen.state.handovers.values() if not one.is_open],
    }
    return page(request, service, "offer.html", reading.session, **_values(seen), **values)


@router.get("/cases/{case_id}/offer/lines")
def offer_lines(
    *,
    request: Request,
    service: ServiceOf,
    reading: Reads,
    case_id: SlugPath,
    rest: RestOf,
    returns: ReturnsQuery = None,
) -> Response:
    """A part of the offer's form: more of the items that could be picked."""
    reading.require_role(*HANDLING)
    seen = see(service, reading, case_id, "items of the case")
    values = _offer_lines(seen.state, reading, returns, rest)
    return page(request, service, "offer_lines.html", reading.session, **_values(seen), **values)


@router.get("/cases/{case_id}/handovers/{handover_id}/lines")
def handover_lines(
    *, request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath, rest: RestOf
) -> Response:
    """A part of the acceptance's form: more of the sender's list."""
    reading.require_role(*HANDLING)
    seen = see(service, reading, case_id, f"handover {handover_id}")
    found = _handover(seen.state, handover_id)
    values = {"handover": found, "lines": rest.of(list(found.items.values())), **_findings()}
    return page(request, service, "handover_lines.html", reading.session, **_values(seen), **values)


@router.get("/cases/{case_id}/handovers/{handover_id}")
def handover(
    request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath
) -> Response:
    """The sender's list and its answer: to be given where it is offered to the reader's agency.

    What was refused, recalled or has expired is shown to the agency that it was offered to without its case.
    """
    shown = _shown_handover(service, reading, case_id, handover_id)
    found: Handover = shown["handover"]
    expired = found.is_open and found.expires_at is not None and found.expires_at < reading.reader.now
    signs = reading.session.has_role(*HANDLING)
    is_offered_to_us = found.is_open and found.to_agency == reading.agency
    values: dict[str, Any] = {
        **shown,
        "is_mine_to_accept": is_offered_to_us and signs and not expired,
        "is_mine_to_refuse": is_offered_to_us and signs and shown["sight"] is not None,
        "is_mine_to_recall": found.is_open and found.from_agency == reading.agency and signs,
        "is_mine_to_return": found.is_accepted and found.to_agency == reading.agency and signs,
        "is_for_others_to_sign": found.is_open and reading.agency in found.parties and not signs,
        "lines": Rest().of(list(found.items.values())),
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
    *, request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath, rest: RestOf
) -> Response:
    """A part of the page of a handover that the reader does not answer: more of the sender's list."""
    shown = _shown_handover(service, reading, case_id, handover_id)
    lines = rest.of(list(shown["handover"].items.values()))
    return page(request, service, "handover_list.html", reading.session, **shown, lines=lines)


def _shown_handover(service: Service, reading: Reading, case_id: str, handover_id: str) -> dict[str, Any]:
    """The handover with its case, as far as the reader sees it; recorded as read."""
    with service.parts.database.read() as connection:
        found = require_handover(connection, service, reading, case_id, handover_id)
        sight = cases.sight(connection, case_id, reading.reader)
        row = cases.case(connection, case_id)
    reading.record(f"handover {handover_id}", case_id)
    return {"case": row, "state": service.parts.validator.states.of_case(case_id), "sight": sight, "handover": found}


def _findings() -> dict[str, Any]:
    """What may be found of an item that does not come as listed."""
    return {"reasons": terms.choices(terms.ReasonCode), "seals": terms.choices(terms.SealState)}


def _offer_lines(state: CaseState, reading: Reading, returns: str | None, rest: Rest) -> dict[str, Any]:
    """The items that may be picked, and the handover that is returned."""
    original = _handover(state, returns) if returns else None
    items = free_items(state, reading.agency)
    if original is not None:
        items = [item for item in items if item.item_id in original.accepted_items]
    return {"original": original, "lines": rest.of(items)}


def see(service: Service, reading: Reading, case_id: str, what: str) -> Seen:
    """The case, recorded as read: ``what`` says what of it. Raises NotFound for one that the reader may not see."""
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        row = cases.case(connection, case_id)
        state = service.walks.state(connection, case_id)
    reading.record(what, case_id)
    return Seen(row, state, sight)


def _values(seen: Seen) -> dict[str, Any]:
    return {"case": seen.row, "state": seen.state, "sight": seen.sight}


def _handover(state: CaseState, handover_id: str) -> Handover:
    found = state.handovers.get(handover_id)
    if found is None:
        raise NotFound(f"this case has no handover {handover_id[:64]}", field="handover_id")
    return found
