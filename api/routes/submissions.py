"""Writing: signed events come in. Nothing but the signature is asked for.

These are plain ASGI endpoints: the bytes that were posted are judged as they are, and nothing is parsed twice.
``api.schemas.openapi`` documents them.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.bodies import JSON, NDJSON, read_body
from api.middleware.problems import Refused
from api.middleware.rates import charge
from api.services.submission import Desk, Fits, LineAnswer
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
    """One result for each line, in their order."""

    results: list[LineAnswer]


class _Events:
    """POST /events: one submission, one receipt."""

    def __init__(self, desk: Desk, *, limit: int, timeout_s: float):
        self._desk = desk
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, JSON, limit=self._limit, timeout_s=self._timeout_s)
        accepted = await self._desk.take(body, self.fits(scope))
        await _send(send, accepted.status, _encoder.encode(accepted.receipt))

    def fits(self, _scope: Scope) -> Fits | None:
        """What the submission must be for this address; None for anything."""
        return None


class _Offers(_Events):
    """POST /handovers: the sender's half."""

    def fits(self, _scope: Scope) -> Fits | None:
        return lambda payload: _require_type(payload, handover.HandoverOffered)


class _Answers(_Events):
    """POST /cases/{case_id}/handovers/{handover_id}/accept and the like: what is said of one handover."""

    def __init__(self, desk: Desk, body: type[Body], *, limit: int, timeout_s: float):
        super().__init__(desk, limit=limit, timeout_s=timeout_s)
        self._body = body

    def fits(self, scope: Scope) -> Fits | None:
        ids = scope["path_params"]
        return lambda payload: _require_answer(payload, self._body, ids["case_id"], ids["handover_id"])


class _Batch:
    """POST /events/batch: many submissions, each answered on its own."""

    def __init__(self, desk: Desk, *, limit: int, timeout_s: float):
        self._desk = desk
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, NDJSON, limit=self._limit, timeout_s=self._timeout_s)
        lines = body.removesuffix(b"\n").split(b"\n")
        if len(lines) > MAX_LINES:
            raise Refused(413, f"expected at most {MAX_LINES} lines, not {len(lines)}", code="too_many_events")
        charge(scope, len(lines) - 1)
        await _send(send, 200, _encoder.encode(BatchAnswer(await self._desk.take_each(lines))))


def busy_endpoints(desk: Desk, *, limit: int, bulk_limit: int, timeout_s: float) -> dict[str, ASGIApp]:
    """What is posted to all day, by path; limits are in bytes."""
    return {
        EVENTS: _Events(desk, limit=limit, timeout_s=timeout_s),
        BATCH: _Batch(desk, limit=bulk_limit, timeout_s=timeout_s),
    }


def handover_routes(desk: Desk, *, limit: int, timeout_s: float) -> list[BaseRoute]:
    """The routes that take handovers and what is said of them."""
    answers = [
        Route(f"{ANSWER}/{word}", _Answers(desk, body, limit=limit, timeout_s=timeout_s), methods=["POST"])
        for word, body in ANSWERS.items()
    ]
    return [Route(OFFERS, _Offers(desk, limit=limit, timeout_s=timeout_s), methods=["POST"]), *answers]


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
    said = body.returns if isinstance(body, handover.HandoverReturned) else getattr(body, "handover_id", None)
    for field, asked, given in (
        ("payload.stream.id", case_id, payload.stream.id),
        ("payload.body.handover_id", handover_id, said),
    ):
        if asked != given:
            raise MalformedInput(f"expected {asked}, as in the address, not {given}", field=field, code="wrong_address")


async def _send(send: Send, status: int, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
