"""Search by a word, or by a file that the browser hashes, for the cases whose events contain it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.console.access import Reads
from api.console.rendering import page
from api.dependencies import Following, ServiceOf
from api.routes.search import LONGEST, SHORTEST, Results, looked_up
from ledger.store.search import folded

ROWS = 50

router = APIRouter()
Asked = Annotated[str, Query(max_length=LONGEST)]


@router.get("/search")
def search_page(
    request: Request, service: ServiceOf, reading: Reads, q: Asked = "", after: Following = None
) -> Response:
    """Show the form, and below it the results."""
    is_short = len(folded(q)) < SHORTEST
    results = Results(()) if is_short else looked_up(service, reading, q, ROWS, after)
    values: dict[str, Any] = {
        "q": q,
        "is_short": is_short,
        "shortest": SHORTEST,
        "found": results,
        "following": results.following,
        "word": folded(q),
    }
    return page(request, service, "search.html", reading.session, **values)
