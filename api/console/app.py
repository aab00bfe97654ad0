"""The console as an application mounted beside the API: its refusals are pages, not problem documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.console.audit import audit_pages
from api.console.cases import (
    case_acts,
    case_lists,
    case_pages,
    event_pages,
    evidence_pages,
    item_files,
    item_pages,
    letter_pages,
    list_files,
    phone_pages,
    picture_pages,
    retention_pages,
)
from api.console.documents import document_pages
from api.console.notices import notice_pages
from api.console.operation import operation_pages
from api.console.registry import registry_pages
from api.console.shared.access import SignInNeeded, page_router, sign_in_first, visiting
from api.console.shared.refusals import LineRefused, RefusalWords
from api.console.shared.rendering import Assets, language, names_of, page, release
from api.console.sign_in import sign_in_pages
from api.console.stocktakes import stocktake_pages
from api.console.supervision import (
    correlation_pages,
    lead_pages,
    library_pages,
    recommendation_pages,
    report_pages,
    supervision_acts,
)
from api.console.verify import verify_pages
from api.console.workbench import bench_pages
from api.dependencies import ServiceOf, service_of
from api.middleware.problems import HINTS, Problem, Refused, count_refusal, problem_of
from api.middleware.tracing import NO_TELEMETRY
from api.services.service import Service
from api.texts import Texts
from ledger.core.errors import MalformedInput, NotFound, TallystickError
from ledger.i18n import Labels
from ledger.supervision.model_faults import ModelRefused

router = page_router()
_FEATURES = (
    sign_in_pages,
    case_lists,
    case_pages,
    case_acts,
    phone_pages,
    item_files,
    item_pages,
    evidence_pages,
    letter_pages,
    retention_pages,
    list_files,
    stocktake_pages,
    lead_pages,
    bench_pages,
    library_pages,
    recommendation_pages,
    report_pages,
    correlation_pages,
    supervision_acts,
    notice_pages,
    operation_pages,
    registry_pages,
    verify_pages,
    picture_pages,
    event_pages,
    audit_pages,
    document_pages,
)
_ROUTERS = (*(feature.router for feature in _FEATURES), router)


def make_console(service: Service) -> FastAPI:
    """Return the application of the pages, to be mounted at ``rendering.PATH``."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict(HANDLERS),
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.service = service
    app.state.pages = frozenset(route.path for route in routes() if "GET" in (route.methods or ()))
    app.state.loading = operation_pages.Loading(service.parts)
    # As they are: a router that is included has every route made once more, at the first request that passes it.
    app.router.routes += routes()
    app.mount(f"/static/{release()}", Assets())
    return app


def routes() -> Iterator[APIRoute]:
    """Yield the routes of all pages, parts of pages, and forms."""
    for feature_router in _ROUTERS:
        yield from (route for route in feature_router.routes if isinstance(route, APIRoute))


@router.get("/refusals/{code}")
def refusal(
    request: Request,
    service: ServiceOf,
    code: Annotated[str, Path(pattern="^[a-z_]{1,64}$")],
    status: Annotated[int | None, Query(ge=400, le=599)] = None,
) -> Response:
    """Return a part of a page for scripts that were refused by the service's API or by the signer.

    It says what the code means and what to do next, and has a place for the detail. Without ``status`` it was not the
    service that refused.
    """
    problem = Problem(status or 0, "", code, "", HINTS[400])
    return page(request, service, "shared/refused.html", problem=problem)


def to_console(_request: Request) -> Response:
    """Redirect from the bare address to the console."""
    return RedirectResponse("/console/", 307)


def _refusal_page(request: Request, error: Exception) -> Response:
    """Return the page, or the part that was asked for, with what was refused and what to do."""
    match error:
        case TallystickError():
            refused = error
        case RequestValidationError():
            refused = MalformedInput("this address has no such form")
        case HTTPException():
            refused = NotFound("there is no such page")
        case _:
            refused = Refused(500, "the service failed at this request", code="internal_error")
    problem, reader_language = problem_of(refused), language(request)
    count_refusal(problem)
    service, labels = service_of(request), Labels(reader_language)
    own: RefusalWords | None = getattr(request.state, "refusal_words", None)
    words = own or RefusalWords(labels, names_of(service, labels))
    detail = words.translated(problem.detail)
    if isinstance(refused, ModelRefused):  # each fault with its line, in the reader's language
        say, faults = Texts(reader_language), refused.told_in(labels)
        detail = "\n".join(f"{say('line {line}', line=fault.line)}: {fault.message}" for fault in faults)
    # The faults of a model have lines, and fields of their own.
    field = problem.field if isinstance(problem.field, str) and not isinstance(refused, ModelRefused) else None
    problem = replace(problem, detail=detail, hint=words.translated(problem.hint))
    template = "shared/refusal.html" if "hx-request" in request.headers else "shared/error.html"
    try:
        visitor = visiting(request)
    except Exception:  # noqa: BLE001 - an error page comes, whatever failed, also without a database
        visitor = None
    return page(
        request,
        service,
        template,
        visitor,
        status=problem.status,
        problem=problem,
        field=field and words.field(field),
        thing=refused.thing if isinstance(refused, LineRefused) else None,
    )


_REFUSED = (Exception, TallystickError, RequestValidationError, HTTPException)
HANDLERS: Mapping[Any, Any] = {SignInNeeded: sign_in_first, **dict.fromkeys(_REFUSED, _refusal_page)}
