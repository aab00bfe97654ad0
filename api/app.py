"""The application: every route over the parts of a running ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from difflib import get_close_matches
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from api.auth.sessions import SignInService
from api.console.app import make_console, to_console
from api.console.security import PATH
from api.console.verifying import to_verify_page
from api.dependencies import Service
from api.middleware import logs
from api.middleware.edge import EdgeMiddleware
from api.middleware.problems import HANDLERS
from api.middleware.rates import RateLimit
from api.middleware.submission_routes import PostDispatcher, submission_paths
from api.routes import (
    access,
    agencies,
    audit,
    cases,
    chain,
    deadlines,
    events,
    exports,
    health,
    imports,
    leads,
    library,
    log,
    models,
    papers,
    proofs,
    recommendations,
    reports,
    runs,
    search,
    sign_in,
    tiles,
    timelines,
    webhooks,
)
from api.routes.submissions import handover_routes, submission_endpoints
from api.schemas import openapi
from api.services.auditing import Audits
from api.services.cursors import Cursors
from api.services.parts import Parts
from api.services.submission import SubmissionService
from ledger.anchoring.state_proofs import StateProofs
from ledger.core.errors import MalformedInput
from ledger.procedures import shipped_rulebook
from ledger.proofs.bundles import JournalAnchors, Prover
from ledger.store.chain_journal import DatabaseJournal
from ledger.timeline import Histories
from ledger.timeline.diagrams import Pictures

API_VERSION = "1"
DESCRIPTION = "Case handovers and evidence between agencies, signed, logged and anchored. Times are UTC."
NO_CHAIN = 1  # EIP-155 id in sign-in texts while no chain is deployed; it binds nothing

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    parts: Parts, *, lifespan: Lifespan | None = None, write_log: Callable[..., Any] | None = None
) -> ASGIApp:
    """Return the application over these parts.

    ``write_log`` gets the line of each request; by default it goes to standard error.
    """
    logs.configure()
    settings = parts.settings
    service = make_service(parts)
    limits = {"limit": settings.max_body_bytes, "timeout_s": settings.request_timeout_s}
    endpoints = submission_endpoints(service.submissions, bulk_limit=settings.max_bulk_body_bytes, **limits)
    framework = make_framework(service, lifespan)
    framework.router.routes += handover_routes(service.submissions, **limits)
    return EdgeMiddleware(
        PostDispatcher(endpoints, framework),
        addresses=RateLimit(settings.max_requests_per_s, "requests of one address", time.monotonic),
        sizes=RateLimit(settings.max_body_bytes_per_s, "bytes of one address", time.monotonic),
        proxies=settings.proxy_networks,
        secure=settings.url.startswith("https://"),
        log=write_log or logs.request_log(),
    )


ROUTE_MODULES = (
    *(health, tiles, log, agencies, events, cases, search, timelines, exports, deadlines, imports, proofs, papers),
    *(runs, models, library, leads, recommendations, reports, access),
    *(sign_in, webhooks, audit, chain),
)


def make_framework(service: Service, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the FastAPI application: all routes but the plain ASGI ones, and the OpenAPI document of all."""
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
    )
    app.state.service = service
    for part in ROUTE_MODULES:
        # A client that sends an unknown parameter believes that it narrows the answer. Tiles and checkpoints have no
        # prefix and take anything, since programs of other projects read them.
        strict = [Depends(require_known_parameters)] if part.router.prefix else []
        app.include_router(part.router, dependencies=strict)
    openapi.install(app, submission_paths(), with_page=service.parts.settings.documentation)
    app.router.routes += [Route("/", to_console), Route("/verify", to_verify_page)]
    app.mount(PATH, make_console(service))
    return app


def require_known_parameters(request: Request) -> None:
    """Raise MalformedInput for a query parameter that the route does not take, naming the nearest that it takes."""
    names = sorted(set(_parameter_names(request.scope["route"].dependant)))
    for name in request.query_params:
        if name not in names:
            expected = ", ".join(get_close_matches(name, names, 1) or names) or "none"
            raise MalformedInput(f"there is no parameter {name!r} here, expected {expected}", field=name)


def _parameter_names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameter_names(dependency)


def make_service(parts: Parts) -> Service:
    """Build what the routes share."""
    settings = parts.settings
    trust = parts.trust
    sign_in = SignInService(
        parts.database,
        url=settings.url,
        log_id=trust.trust.log_id,
        token_key=parts.token_key,
        chain_id=lambda: trust.trust.chains[-1].chain_id if trust.trust.chains else NO_CHAIN,
        token_lifetime_s=settings.token_lifetime_s,
        challenge_lifetime_s=settings.challenge_lifetime_s,
        clock=lambda: parts.clock() // 1000,
    )
    submissions = SubmissionService(
        parts.validator,
        parts.sequencer,
        parts.publisher,
        parts.database,
        agencies=RateLimit(settings.max_events_per_s, "events of one agency", time.monotonic),
        timeout_s=settings.request_timeout_s,
        clock=parts.clock,
    )
    auditing = Audits(parts.database, audit.one_at_a_time, parts.clock)
    anchors = JournalAnchors(DatabaseJournal(parts.database), lambda: trust.trust)
    prover = Prover(
        parts.database,
        parts.registry,
        parts.publisher,
        anchors,
        states=StateProofs(parts.database, DatabaseJournal(parts.database), lambda: parts.chain_worker.link.chain),
        trust=lambda: trust.trust,
        book=shipped_rulebook(),
    )
    histories, pictures = Histories(parts.validator.states), Pictures()
    return Service(parts, sign_in, submissions, prover, histories, pictures, auditing, Cursors(parts.token_key))
