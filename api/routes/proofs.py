"""Proof bundles: files that anybody can check offline."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import EventIdPath, Ground, Reads, Service, ServiceOf, SlugPath
from api.routes.events import find, record
from api.schemas.openapi import problems
from ledger.core.visibility import Sight
from ledger.proofs.bundles import Withheld
from ledger.store import cases

router = APIRouter(prefix="/api/v1", tags=["proofs"])
_BUNDLE = problems(400, 401, 404, 503) | {
    200: {"content": {"application/json": {"schema": {"type": "object", "description": "tallystick/bundle@v1"}}}}
}


@router.get(
    "/events/{event_id}/proof", summary="Get the proof bundle of an event", response_class=Response, responses=_BUNDLE
)
def event_proof(
    service: ServiceOf,
    reading: Reads,
    event_id: EventIdPath,
    withhold: Withheld | None = None,
    ground: Ground = None,
) -> Response:
    """Return the event's bundle without the sections that you may not read; `withhold` leaves out more.

    The bundle is verified before it is returned.
    """
    bundle = bundle_of_event(service, reading, event_id, withhold, ground)
    return Response(bundle, media_type="application/json")


@router.get(
    "/cases/{case_id}/proof", summary="Get the proof bundle of a case", response_class=Response, responses=_BUNDLE
)
def case_proof(
    service: ServiceOf, reading: Reads, case_id: SlugPath, withhold: Withheld | None = None, ground: Ground = None
) -> Response:
    """Return the bundles of all events of the case in one file."""
    with service.parts.workers.turn(reading.agency):  # of many events this takes seconds
        bundle = bundle_of_case(service, reading, case_id, withhold, ground)
    return Response(bundle, media_type="application/json")


def bundle_of_event(
    service: Service, reading: Reading, event_id: str, withhold: Withheld | None, ground: str | None
) -> bytes:
    """Return the event's bundle as this reader may have it, and record the read."""
    with service.parts.database.read() as connection:
        entry, sight = find(connection, reading, event_id)
        shows_sections = reading.sees_sections(connection, entry, sight, ground)
    bundle = service.prover.bundle(event_id, _withheld(withhold, shows_sections=shows_sections))
    record(reading, "proof of event", entry, ground)
    return bundle


def bundle_of_case(
    service: Service, reading: Reading, case_id: str, withhold: Withheld | None, ground: str | None
) -> bytes:
    """Return the case's bundle as this reader may have it, and record the read."""
    with service.parts.database.read() as connection:
        sight: Sight = reading.require_case(connection, case_id)
        holds = cases.holds(connection, case_id, reading.agency)
    shows_sections = sight == "party" and (holds or ground is not None)
    bundle = service.prover.case_bundle(case_id, _withheld(withhold, shows_sections=shows_sections))
    reading.record("proof of the case", case_id, ground=ground)
    return bundle


def _withheld(requested: Withheld | None, *, shows_sections: bool) -> Withheld | None:
    return requested if requested is not None or shows_sections else "sections"
