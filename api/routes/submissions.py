"""The routes that take signed events. They ask for nothing but the signature.

These are plain ASGI endpoints: the posted bytes are validated as they are, and nothing is parsed twice.
``submission_paths`` describes them for the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.measuring import ROUTE, MeasuredRoute
from api.middleware.problems import DISPATCHED, Refused, answer_to
from api.middleware.request_limits import JSON, NDJSON, charge, read_body
from api.schemas.openapi import answers, require_parameters_among, takes
from api.services.submission import LineAnswer, RefusedLine, SubmissionService
from ledger.core.errors import MalformedInput
from ledger.core.events import (
    NAME_OF,
    Body,
    Event,
    Payload,
    Stream,
    Submission,
    encode_submission,
    handover,
    unsigned_envelope,
)
from ledger.core.events.handover import HandoverOffered, OfferedItem
from ledger.core.messages import Message, Term
from ledger.i18n import in_readers_language
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import MAX_BATCH

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
MAX_TOGETHER = MAX_BATCH  # events of one that is recorded all or not at all: in one transaction
ALL_OR_NONE = "all_or_none"  # the parameter that asks for it

_encoder = msgspec.json.Encoder(enc_hook=in_readers_language)


class BatchAnswer(Struct, frozen=True):
    """One result for each line, in order."""

    results: list[LineAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class _EventEndpoint:
    """One submission, one receipt. With ``body``, only events of this type, and of the handover in the address."""

    submissions: SubmissionService
    limit: int
    timeout_s: float
    body: type[Body] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        require_parameters_among((), QueryParams(scope["query_string"]))
        data = await read_body(scope, receive, JSON, limit=self.limit, timeout_s=self.timeout_s)
        check = partial(_require_fitting, expected=self.body, ids=scope["path_params"]) if self.body else None
        submitted = await self.submissions.submit(data, check)
        await _send(send, submitted.status, _encoder.encode(submitted.receipt))


class _BatchEndpoint(_EventEndpoint):
    """POST /events/batch: many submissions, each answered on its own, or recorded all or not at all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        together = _all_or_none(scope)
        data = await read_body(scope, receive, NDJSON, limit=self.limit, timeout_s=self.timeout_s)
        lines = data.removesuffix(b"\n").split(b"\n")
        limit = MAX_TOGETHER if together else MAX_LINES
        if len(lines) > limit:
            raise Refused(
                413,
                "expected at most {limit} lines, not {count}",
                limit=limit,
                count=len(lines),
                code="too_many_events",
            )
        charge(scope, len(lines) - 1)
        if not together:
            results = await self.submissions.submit_each(lines)
            await _send(send, 200, _encoder.encode(BatchAnswer(results)))
            return
        outcome = await self.submissions.submit_together(lines)
        if isinstance(outcome, RefusedLine):
            await answer_to(outcome.refusal, line=outcome.line)(scope, receive, send)
            return
        results = [LineAnswer(result.status, receipt=result.receipt) for result in outcome]
        await _send(send, max(result.status for result in results), _encoder.encode(BatchAnswer(results)))


def _all_or_none(scope: Scope) -> bool:
    """Return whether the query asks that all lines are recorded or none. Raises MalformedInput."""
    query = QueryParams(scope["query_string"])
    require_parameters_among((ALL_OR_NONE,), query)
    value = ",".join(query.getlist(ALL_OR_NONE) or ["false"])  # twice, it asks for both and is refused
    if value not in ("true", "false"):
        raise MalformedInput("expected true or false, not {value!r}", value=value[:20], field=ALL_OR_NONE)
    return value == "true"


def submission_endpoints(
    submissions: SubmissionService, *, limit: int, bulk_limit: int, timeout_s: float
) -> dict[str, ASGIApp]:
    """Return the endpoints that are posted to most, by path. Limits are in bytes."""
    return {
        EVENTS: _EventEndpoint(submissions=submissions, limit=limit, timeout_s=timeout_s),
        BATCH: _BatchEndpoint(submissions=submissions, limit=bulk_limit, timeout_s=timeout_s),
    }


def handover_routes(submissions: SubmissionService, *, limit: int, timeout_s: float) -> list[BaseRoute]:
    """Return the routes that take handovers and the answers to them."""
    bodies = {OFFERS: handover.HandoverOffered} | {f"{ANSWER}/{word}": body for word, body in ANSWERS.items()}
    endpoint = partial(_EventEndpoint, submissions=submissions, limit=limit, timeout_s=timeout_s)
    return [MeasuredRoute(path, endpoint(body=body), methods=["POST"]) for path, body in bodies.items()]


def _require_fitting(event: Event, expected: type[Body], ids: Mapping[str, str]) -> None:
    """Raise MalformedInput unless the event is of the expected type, and of the case and handover in the address."""
    body = event.body
    if not isinstance(body, expected):
        raise MalformedInput(
            "this address takes another event, not {event_type}",
            event_type=Term("event_type", event.event_type),
            field="envelope.event_type",
            code="wrong_address",
            hint=Message("Every event may be posted to {events}.", events=EVENTS),
        )
    handover_id = body.returns if isinstance(body, handover.HandoverReturned) else getattr(body, "handover_id", None)
    for name, field, actual in (
        ("case_id", "envelope.stream.id", event.stream.id),
        ("handover_id", "payload.body.handover_id", handover_id),
    ):
        if ids.get(name, actual) != actual:
            raise MalformedInput(
                "expected {expected}, as in the address, not {actual}",
                expected=ids[name],
                actual=actual,
                field=field,
                code="wrong_address",
            )


async def _send(send: Send, status: int, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_REFUSALS = (400, 403, 408, 409, 413, 415, 422, 503)
_WRITING = (
    "The body is the canonical submission (RFC 8785 under the ledger's profile), signed with EIP-712 by the officer's "
    "key: `tally event sign` writes it to a file that goes in here as it is. No token is asked for. When the receipt "
    "comes, the event is durable. The same event again gets the same receipt with 200: where an outcome is not known, "
    "send the same bytes again."
)
_SUMMARIES = {
    "accept": "Accept a handover, item by item",
    "refuse": "Refuse a handover",
    "recall": "Recall an offer of your own",
    "return": "Offer what was accepted back to its sender",
    "check": "Record the check before the answer",
}


def submission_paths() -> dict[str, Any]:
    """Return the OpenAPI paths of the routes that take events."""
    lines = {"schema": {"type": "string"}, "example": example_submission().decode() + "\n"}
    paths = {
        EVENTS: _post("events", "submit_event", "Submit a signed event", _WRITING),
        OFFERS: _post("handovers", "offer_handover", "Offer a handover", f"Takes `handover.offered`. {_WRITING}"),
        BATCH: {
            "post": {
                "tags": ["events"],
                "operationId": "submit_events",
                "summary": "Submit many signed events",
                "description": f"At most {MAX_LINES} submissions, one a line. Each is judged in its order and answered "
                f"on its own; a later one may stand on an earlier one. With `{ALL_OR_NONE}=true` (at most "
                f"{MAX_TOGETHER} lines) all are recorded in one transaction or none is: 201 with a receipt for each "
                "line (200 if all were recorded before), or the problem of the first line that is refused, whose "
                "number is `line`. The same lines again get the same receipts: where the outcome is not known, send "
                "them again. An event can cite no event of the same request.",
                "parameters": [
                    {
                        "name": ALL_OR_NONE,
                        "in": "query",
                        "description": "whether the first refusal refuses all",
                        "schema": {"type": "boolean", "default": False},
                    }
                ],
                "requestBody": {"required": True, "content": {NDJSON: lines}},
                "responses": _by_text(answers(BatchAnswer) | answers(BatchAnswer, *_REFUSALS, status=201)),
            }
        },
    }
    ids = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("case_id", "handover_id")
    ]
    for word, body in ANSWERS.items():
        description = f"Takes `{NAME_OF[body]}` of this case and handover. {_WRITING}"
        operation = _post("handovers", f"{word}_handover", _SUMMARIES[word], description)
        operation["post"]["parameters"] = ids
        paths[f"{ANSWER}/{word}"] = operation
    return paths


def example_submission() -> bytes:
    """Return an example of a submission; its signature is made up."""
    body = HandoverOffered(
        handover_id="handover-1",
        to_agency="procuratorate-east",
        purpose="prosecution_review",
        items=(OfferedItem(item_id="item-7f3a-01"),),
    )
    payload = Payload(officer="p-0417", occurred_at="2026-03-01T08:30:00Z", salt="5a" * 16, body=body)
    envelope = unsigned_envelope(
        payload,
        event_id="01940000-0000-7000-8000-000000000000",
        stream=Stream(kind="case", id="case-7f3a"),
        sequence=4,
        previous="sha256:" + "1a" * 32,
        agency="psb-east",
        key_id="0x" + "1a" * 20,
        signed_at=1772353800,
    )
    return encode_submission(replace(envelope, signature="0x" + "1b" * 65), payload, {})


def _post(tag: str, operation_id: str, summary: str, description: str) -> dict[str, Any]:
    request = takes(Submission)
    request["requestBody"]["content"]["application/json"]["example"] = msgspec.json.decode(example_submission())
    return {
        "post": {
            "tags": [tag],
            "operationId": operation_id,
            "summary": summary,
            "description": description,
            **request,
            "responses": _by_text(answers(Receipt, *_REFUSALS, status=201) | answers(Receipt)),
        }
    }


def _by_text(responses: dict[int | str, Any]) -> dict[str, Any]:
    return {str(status): response for status, response in responses.items()}


def dispatching_posts(endpoints: Mapping[str, ASGIApp], rest: ASGIApp) -> ASGIApp:
    """Dispatch a POST to ``endpoints`` by its path, and everything else, the lifespan included, to ``rest``."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints.get(path := scope["path"]) if scope["type"] == "http" else None
        if endpoint is not None and scope["method"] == "POST":
            scope[ROUTE] = path
            await endpoint(scope, receive, send)
        else:
            if endpoint is not None:
                scope[DISPATCHED] = {"POST"}
            await rest(scope, receive, send)

    return dispatch
