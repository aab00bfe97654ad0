"""What the ledger and each agency still lack, with the command that provides it on the machine where it is typed."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.console.shared.access import PublicVisitOf
from api.dependencies import OfficerQuery, SlugQuery
from api.services.setup import ledger_setup

router = APIRouter()


@router.get("/setup")
def setup(visit: PublicVisitOf, agency: SlugQuery = None, officer: OfficerQuery = None) -> Response:
    """Show all agencies, the reader's own or the one asked for opened; commands that make a key are for ``officer``."""
    own = agency or (visit.visitor.agency if visit.visitor else None)
    shown = ledger_setup(visit.service, visit.labels, officer=officer)
    if all(each.agency_id != own for each in shown.agencies):
        own = None
    return visit.page("registry/setup.html", of=shown, own=own, officer=officer or "")
