"""The console as an application mounted beside the API: its refusals are pages, not problem documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.auth.sessions import ReaderSession
from api.console import (
    act_pages,
    audit_pages,
    bench_pages,
    case_pages,
    correlation_pages,
    drafts,
    event_pages,
    lead_pages,
    library_pages,
    lineage_pages,
    lists,
    matter_drafts,
    operation,
    picture_pages,
    reads_pages,
    recommendation_pages,
    refusals,
    registry_pages,
    report_pages,
    samples,
    search_pages,
    signing_in,
    verifying,
)
from api.console.access import SignInNeeded, session_of, sign_in_first, visiting
from api.console.assets import Assets, release
from api.console.rendering import language, page
from api.console.security import OwnPages
from api.dependencies import Service, service_of
from api.middleware.problems import Problem, Refused, problem_of
from api.texts import Texts
from ledger.core.errors import MalformedInput, NotFound, TallystickError
from ledger.core.procedure.legal_days import with_readable_times
from ledger.i18n import Labels
from ledger.store.growth import KeyUses
from ledger.supervision.model_faults import ModelRefused

_PARTS = (
    signing_in,
    lists,
    case_pages,
    act_pages,
    drafts,
    lead_pages,
    bench_pages,
    library_pages,
    recommendation_pages,
    report_pages,
    correlation_pages,
    matter_drafts,
    operation,
    registry_pages,
    samples,
    verifying,
    picture_pages,
    lineage_pages,
    event_pages,
    reads_pages,
    search_pages,
    audit_pages,
    refusals,
)


def make_console(service: Service) -> FastAPI:
    """Return the application of the pages, to be mounted at ``security.PATH``."""
    own_pages = OwnPages(service.parts.settings.url)

    def require_own_page(request: Request) -> None:
        own_pages.require(request)

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict(HANDLERS),
        redirect_slashes=False,
        dependencies=[Depends(require_own_page)],
    )
    app.state.service = service
    app.state.pages = frozenset(route.path for route in routes() if "GET" in (route.methods or ()))
    app.state.uses = KeyUses()
    app.state.loading = samples.Loading(service.parts)
    for part in _PARTS:
        app.include_router(part.router)
    app.mount(f"/static/{release()}", Assets())
    return app


def routes() -> Iterator[APIRoute]:
    """Yield the routes of all pages, parts of pages, and forms."""
    for part in _PARTS:
        yield from (route for route in part.router.routes if isinstance(route, APIRoute))


def to_console(_request: Request) -> Response:
    """Redirect from the bare address to the console."""
    return RedirectResponse("/console/", 307)


def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, TallystickError)
    problem = problem_of(error)
    says = _of_model(error, language(request)) if isinstance(error, ModelRefused) else problem.detail
    problem = replace(problem, detail=with_readable_times(says))
    return _refusal_page(request, problem)


def _on_invalid_parameter(request: Request, _error: Exception) -> Response:
    return _refusal_page(request, problem_of(MalformedInput("this address has no such form")))


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refusal_page(request, problem_of(NotFound("there is no such page")))


def _on_unexpected(request: Request, _error: Exception) -> Response:
    return _refusal_page(request, problem_of(Refused(500, "the service failed at this request", code="internal_error")))


def _of_model(refused: ModelRefused, reader_language: str) -> str:
    """Return each fault of a model's file with its line, in the reader's language."""
    say, faults = Texts(reader_language), refused.told_in(Labels(reader_language))
    return "\n".join(f"{say('line {line}', line=fault.line)}: {fault.message}" for fault in faults)


def _refusal_page(request: Request, problem: Problem) -> Response:
    """Return the page, or the part that was asked for, with what was refused and what to do."""
    service = service_of(request)
    template = "refusal.html" if "hx-request" in request.headers else "error.html"
    return page(request, service, template, _session(request, service), status=problem.status, problem=problem)


def _session(request: Request, service: Service) -> ReaderSession | None:
    """Return the reader's session, or None, also if it cannot be determined because the database failed."""
    try:
        return session_of(visiting(request, service))
    except Exception:  # noqa: BLE001 - an error page comes, whatever failed
        return None


HANDLERS: Mapping[Any, Any] = {
    Exception: _on_unexpected,
    SignInNeeded: sign_in_first,
    TallystickError: _on_refusal,
    RequestValidationError: _on_invalid_parameter,
    HTTPException: _on_http_exception,
}
