"""Refusals in the reader's words: for scripts that were refused by the service's API, or by the signer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.console.rendering import page
from api.dependencies import ServiceOf
from api.middleware.problems import HINTS, Problem

router = APIRouter()
CodePath = Annotated[str, Path(pattern="^[a-z_]{1,64}$")]


@router.get("/refusals/{code}")
def refusal(
    request: Request, service: ServiceOf, code: CodePath, status: Annotated[int | None, Query(ge=400, le=599)] = None
) -> Response:
    """Return a part of a page: the meaning of the code, a place for the detail, and what to do next.

    Without ``status`` it was not the service that refused.
    """
    problem = Problem(status or 0, "", code, "", HINTS[400])
    return page(request, service, "refused.html", problem=problem)
