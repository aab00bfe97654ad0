"""Health: whether the process is alive, and whether it can do its work. Neither shows how it is built."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from api.dependencies import ServiceOf, json_response
from api.schemas.openapi import Routes
from api.services.readiness import Readiness, readiness_of

router = Routes(tags=["health"])


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str


@router.reads("/healthz", "Say that the process lives", Alive)
async def healthz() -> Response:
    """Answer without looking at anything."""
    return json_response(Alive("ok"))


@router.reads("/readyz", "Say whether submissions can be taken", Readiness, 503)
def readyz(service: ServiceOf) -> Response:
    """Return the state of the parts, with status 503 if submissions cannot be taken. No chain or witness is asked."""
    readiness = readiness_of(service.parts)
    return json_response(readiness, 200 if readiness.ready else 503)
