"""The routes that take signed events. They ask for nothing but the signature.

These are plain ASGI endpoints: the posted bytes are validated as they are, and nothing is parsed twice.
``api.middleware.submission_routes`` documents them.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.bodies import JSON, NDJSON, read_body
from api.middleware.problems import Refused
from api.middleware.rates import charge
from api.services.submission import LineAnswer, RouteCheck, SubmissionService
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, Payload, handover

EVENTS = "/api/v1/events"
BATCH = "/api/v1/events/batch"
OFFERS = "/api/v1/handovers"
ANSWERS: dict[str, type[Body]] = {
    "accept": handover.HandoverAccepted,
    "refuse": handover.HandoverRefused,
    "recall": handover.HandoverRecalled,
    "return": handover.HandoverReturned,
    "check": handover.HandoverChecked,
}
ANSWER = "/api/v1/cases/{case_id}/handovers/{handover_id}"
MAX_LINES = 1000  # events of one bulk request

_encoder = msgspec.json.Encoder()


class BatchAnswer(Struct, frozen=True):
    """One result for each line, in order."""

    results: list[LineAnswer]


class _EventEndpoint:
    """POST /events: one submission, one receipt."""

    def __init__(self, submissions: SubmissionService, *, limit: int, timeout_s: float):
        self._submissions = submissions
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, JSON, limit=self._limit, timeout_s=self._timeout_s)
        submitted = await self._submissions.submit(body, self.route_check(scope))
        await _send(send, submitted.status, _encoder.encode(submitted.receipt))

    def route_check(self, _scope: Scope) -> RouteCheck | None:
        """Return the check of the payload for this route, or None if it takes any event."""
        return None


class _OfferEndpoint(_EventEndpoint):
    """POST /handovers: the sender's half."""

    def route_check(self, _scope: Scope) -> RouteCheck | None:
        return lambda payload: _require_type(payload, handover.HandoverOffered)


class _AnswerEndpoint(_EventEndpoint):
    """POST /cases/{case_id}/handovers/{handover_id}/accept and the like: the answers to one handover."""

    def __init__(self, submissions: SubmissionService, body: type[Body], *, limit: int, timeout_s: float):
        super().__init__(submissions, limit=limit, timeout_s=timeout_s)
        self._body = body

    def route_check(self, scope: Scope) -> RouteCheck | None:
        ids = scope["path_params"]
        return lambda payload: _require_answer(payload, self._body, ids["case_id"], ids["handover_id"])


class _BatchEndpoint:
    """POST /events/batch: many submissions, each answered on its own."""

    def __init__(self, submissions: SubmissionService, *, limit: int, timeout_s: float):
        self._submissions = submissions
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, NDJSON, limit=self._limit, timeout_s=self._timeout_s)
        lines = body.removesuffix(b"\n").split(b"\n")
        if len(lines) > MAX_LINES:
            raise Refused(413, f"expected at most {MAX_LINES} lines, not {len(lines)}", code="too_many_events")
        charge(scope, len(lines) - 1)
        await _send(send, 200, _encoder.encode(BatchAnswer(await self._submissions.submit_each(lines))))


def submission_endpoints(
    submissions: SubmissionService, *, limit: int, bulk_limit: int, timeout_s: float
) -> dict[str, ASGIApp]:
    """Return the endpoints that are posted to most, by path. Limits are in bytes."""
    return {
        EVENTS: _EventEndpoint(submissions, limit=limit, timeout_s=timeout_s),
        BATCH: _BatchEndpoint(submissions, limit=bulk_limit, timeout_s=timeout_s),
    }


def handover_routes(submissions: SubmissionService, *, limit: int, timeout_s: float) -> list[BaseRoute]:
    """Return the routes that take handovers and the answers to them."""
    answers = [
        Route(
            f"{ANSWER}/{word}", _AnswerEndpoint(submissions, body, limit=limit, timeout_s=timeout_s), methods=["POST"]
        )
        for word, body in ANSWERS.items()
    ]
    return [Route(OFFERS, _OfferEndpoint(submissions, limit=limit, timeout_s=timeout_s), methods=["POST"]), *answers]


def _require_type(payload: Payload, expected: type[Body]) -> None:
    if not isinstance(payload.body, expected):
        raise MalformedInput(
            f"this address takes another event, not {payload.event_type}",
            field="payload.event_type",
            code="wrong_address",
            hint=f"Every event may be posted to {EVENTS}.",
        )


def _require_answer(payload: Payload, expected: type[Body], case_id: str, handover_id: str) -> None:
    _require_type(payload, expected)
    body = payload.body
    handover_id_given = (
        body.returns if isinstance(body, handover.HandoverReturned) else getattr(body, "handover_id", None)
    )
    for field, in_address, in_payload in (
        ("payload.stream.id", case_id, payload.stream.id),
        ("payload.body.handover_id", handover_id, handover_id_given),
    ):
        if in_address != in_payload:
            raise MalformedInput(
                f"expected {in_address}, as in the address, not {in_payload}", field=field, code="wrong_address"
            )


async def _send(send: Send, status: int, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
