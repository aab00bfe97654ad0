"""The routes of a witness (C2SP tlog-witness, and two of our own) over a ``Cosigner``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from api.middleware import logs
from api.middleware.bodies import JSON, read_body
from api.middleware.edge import EdgeMiddleware
from api.middleware.problems import HANDLERS, HintsMiddleware
from api.middleware.rates import RateLimit
from ledger.core.log.witness_protocol import (
    ADD_CHECKPOINT,
    COSIGN_ANCHOR,
    COSIGN_BLOCK,
    MAX_ADD_CHECKPOINT,
    SIZE_MEDIA_TYPE,
    parse_add_checkpoint,
    parse_cosign_anchor,
    parse_cosign_block,
)
from ledger.store.witness import Moved
from ledger.witness.signing import Cosigner
from ledger.witness.status import Health, Status

MAX_COSIGN = 4096  # bytes
HINTS = {
    400: "Correct the field named here; docs/protocol.md tells what a witness is asked, and in which form.",
    403: "This witness takes what is signed by the log's key in its trust file.",
    404: "This witness follows one log on one chain: GET /status tells which.",
    409: "GET /status tells how far this witness has come: ask again for what it has.",
    413: "Send one wish at a time, in the form that docs/protocol.md tells.",
    422: "Nothing was signed: mend what is named here, then ask again.",
    500: "Tell whoever operates this witness the request id in the header X-Request-Id.",
    503: "Try again after the time in the header Retry-After: the same may be asked again.",
}
JSON_TYPE = {"content-type": JSON}
TEXT_TYPE = {"content-type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class WitnessRoutes:
    """The routes of a witness."""

    cosigner: Cosigner
    status: Callable[[], Status]
    timeout_s: float

    def routes(self) -> list[Route]:
        return [
            Route(ADD_CHECKPOINT, self.add_checkpoint, methods=["POST"]),
            Route(COSIGN_ANCHOR, self.cosign_anchor, methods=["POST"]),
            Route(COSIGN_BLOCK, self.cosign_block, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", self.show_checkpoint),
            Route("/status", self.show_status),
            Route("/status.txt", self.show_plain_status),
        ]

    async def add_checkpoint(self, request: Request) -> Response:
        body = await self._body(request, None, MAX_ADD_CHECKPOINT)
        checkpoint_request = parse_add_checkpoint(body)
        try:
            line = await run_in_threadpool(self.cosigner.add_checkpoint, checkpoint_request)
        except Moved as error:
            return Response(f"{error.size}\n", 409, {"content-type": SIZE_MEDIA_TYPE})
        return Response(line, 200, TEXT_TYPE)

    async def cosign_anchor(self, request: Request) -> Response:
        body = await self._body(request, JSON, MAX_COSIGN)
        signed = await run_in_threadpool(self.cosigner.cosign_anchor, parse_cosign_anchor(body))
        return Response(msgspec.json.encode(signed), 200, JSON_TYPE)

    async def cosign_block(self, request: Request) -> Response:
        body = await self._body(request, JSON, MAX_COSIGN)
        line = await run_in_threadpool(self.cosigner.cosign_block, parse_cosign_block(body))
        return Response(line, 200, TEXT_TYPE)

    async def show_checkpoint(self, request: Request) -> Response:
        note = await run_in_threadpool(self.cosigner.checkpoint, request.path_params["origin_hash"])
        return Response(note, 200, TEXT_TYPE)

    async def show_status(self, _request: Request) -> Response:
        status = await run_in_threadpool(self.status)
        return Response(msgspec.json.encode(status), 200, JSON_TYPE)

    async def show_plain_status(self, _request: Request) -> Response:
        status = await run_in_threadpool(self.status)
        return Response(status.lines(), 200 if status.health is Health.WATCHING else 503, TEXT_TYPE)

    async def _body(self, request: Request, media_type: str | None, limit: int) -> bytes:
        return await read_body(request.scope, request.receive, media_type, limit=limit, timeout_s=self.timeout_s)


def create_app(
    cosigner: Cosigner,
    status: Callable[[], Status],
    *,
    max_requests_per_s: int,
    request_timeout_s: float,
    write_log: Callable[..., Any] | None = None,
) -> ASGIApp:
    """Return the application.

    ``write_log`` gets the line of each request; by default it goes to standard error.
    """
    logs.configure()
    routes = WitnessRoutes(cosigner, status, request_timeout_s)
    edge = EdgeMiddleware(
        Starlette(routes=routes.routes(), exception_handlers=dict(HANDLERS)),
        addresses=RateLimit(max_requests_per_s, "requests of one address", time.monotonic),
        secure=False,
        log=write_log or logs.request_log(),
    )
    return HintsMiddleware(edge, HINTS)
