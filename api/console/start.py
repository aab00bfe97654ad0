"""The start page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console.access import Reads
from api.console.rendering import page
from api.dependencies import ServiceOf

router = APIRouter()


@router.get("/")
def start(request: Request, service: ServiceOf, reading: Reads) -> Response:
    """What waits."""
    return page(request, service, "start.html", reading.session)
