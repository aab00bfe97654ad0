"""The application: every route over the parts of a running ledger."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from api.console.app import make_console, to_console
from api.console.shared.rendering import PATH
from api.console.verify.verify_pages import to_verify_page
from api.middleware import logs
from api.middleware.edge import EdgeMiddleware
from api.middleware.measuring import MeasuredRoute
from api.middleware.problems import HANDLERS
from api.middleware.request_limits import RateLimit
from api.middleware.tracing import NO_TELEMETRY, RequestTracer
from api.routes import (
    agencies,
    analyses,
    cases,
    chain,
    deadlines,
    drafts,
    events,
    evidence_files,
    health,
    imports,
    library,
    log,
    notices,
    oversight,
    procedures,
    proofs,
    pseudonyms,
    retention,
    stocktakes,
    supervision,
    tiles,
    timelines,
    webhooks,
)
from api.routes.submissions import dispatching_posts, handover_routes, submission_endpoints, submission_paths
from api.schemas import openapi
from api.services.parts import Parts
from api.services.service import Service
from api.wiring import make_service

API_VERSION = "1"
DESCRIPTION = (
    "Case handovers and evidence between agencies, signed, logged and anchored. Times are UTC. No text has a NUL."
)


def create_app(
    parts: Parts,
    *,
    write_log: Callable[..., Any] | None = None,
    tracer: RequestTracer | None = None,
) -> ASGIApp:
    """Return the application over these parts.

    ``write_log`` gets the line of each request; by default it goes to standard error. ``tracer`` traces requests.
    """
    logs.configure()
    settings = parts.settings
    service = make_service(parts)
    limits = {"limit": settings.max_body_bytes, "timeout_s": settings.request_timeout_s}
    endpoints = submission_endpoints(service.submissions, bulk_limit=settings.max_bulk_body_bytes, **limits)
    framework = make_framework(service)
    framework.router.routes += handover_routes(service.submissions, **limits)
    return EdgeMiddleware(
        dispatching_posts(endpoints, framework),
        addresses=RateLimit(settings.max_requests_per_s, "requests of one address", time.monotonic),
        sizes=RateLimit(settings.max_body_bytes_per_s, "bytes of one address", time.monotonic),
        proxies=settings.proxy_networks,
        secure=settings.url.startswith("https://"),
        log=write_log or logs.request_log(),
        procedures=parts.validator.procedures_in_force,
        zone=parts.zone,
        measures=parts.measures.requests,
        tracer=tracer,
    )


ROUTE_MODULES = (
    *(health, tiles, log, agencies, procedures, events, drafts, cases, evidence_files, timelines, deadlines, imports),
    *(proofs, retention, stocktakes, pseudonyms, analyses, supervision, library, oversight, notices, webhooks, chain),
)


def make_framework(service: Service) -> FastAPI:
    """Return the FastAPI application: all routes but the plain ASGI ones, and the OpenAPI document of all."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.parts.peers.leave()  # once the requests under way are answered

    app = FastAPI(
        title="Tallystick",
        version=API_VERSION,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=dict(HANDLERS),
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.service = service
    app.mount(PATH, make_console(service))  # before all others, which each page would be compared with
    # As they are: a router that is included is asked first whether it has a route, which takes longer than to compare.
    for module in ROUTE_MODULES:
        app.router.routes += module.router.routes
    openapi.install(app, submission_paths(), with_page=service.parts.settings.documentation)
    app.router.routes += [MeasuredRoute("/", to_console), MeasuredRoute("/verify", to_verify_page)]
    return app
