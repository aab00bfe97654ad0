"""What became of the items of a case, as a graph and as a table."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console.access import Reads
from api.console.case_pages import read_case
from api.console.drawing import fitted
from api.console.graph import laid_out
from api.console.rendering import page
from api.dependencies import ServiceOf, SlugPath
from ledger.timeline.diagrams import lineage

router = APIRouter()


@router.get("/cases/{case_id}/lineage")
def case_lineage(request: Request, service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Show splits, merges, proceeds, items taken from others, and loans."""
    visible = read_case(service, reading, case_id, "lineage of the items")
    with service.parts.database.read() as connection:
        descents = lineage(service.histories.of(connection, case_id))
    graph = laid_out(descents.descents)
    values: dict[str, Any] = {"case": visible.row, "state": visible.state, "lineage": descents, "graph": graph}
    return page(request, service, "lineage.html", reading.session, **values, fitted=fitted)
