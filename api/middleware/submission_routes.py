"""The routes that take events, as plain ASGI beside the framework, and their paths in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.bodies import NDJSON
from api.routes.submissions import ANSWER, ANSWERS, BATCH, EVENTS, MAX_LINES, OFFERS, BatchAnswer
from api.schemas.openapi import answers, problems, takes
from ledger.core.encoding import canonical
from ledger.core.events import NAME_OF, Stream, Submission, digest_of, encode_submission, make_payload
from ledger.core.events.handover import HandoverOffered, OfferedItem
from ledger.recording.publisher import Receipt
from ledger.recording.signing import envelope_of

_REFUSALS = (400, 403, 408, 409, 413, 415, 422, 429, 503)
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
    paths = {
        EVENTS: _post("events", "submit_event", "Submit a signed event", _WRITING),
        OFFERS: _post("handovers", "offer_handover", "Offer a handover", f"Takes `handover.offered`. {_WRITING}"),
        BATCH: {"post": _batch()},
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
    payload = make_payload(
        body=body,
        version=1,
        event_id="01940000-0000-7000-8000-000000000000",
        stream=Stream(kind="case", id="case-7f3a"),
        sequence=4,
        previous="blake3:" + "1a" * 32,
        agency="psb-east",
        officer="p-0417",
        occurred_at="2026-03-01T08:30:00Z",
        salt="5a" * 16,
    )
    envelope = envelope_of(
        payload,
        digest_of(canonical.encode(payload)),
        key_id="0x" + "1a" * 20,
        signed_at=1772353800,
        signature="0x" + "1b" * 65,
    )
    return encode_submission(envelope, payload, {})


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


def _batch() -> dict[str, Any]:
    lines = {"schema": {"type": "string"}, "example": example_submission().decode() + "\n"}
    return {
        "tags": ["events"],
        "operationId": "submit_events",
        "summary": "Submit many signed events",
        "description": f"At most {MAX_LINES} submissions, one a line. Each is judged in its order and answered on its "
        "own; a later one may stand on an earlier one.",
        "requestBody": {"required": True, "content": {NDJSON: lines}},
        "responses": _by_text(answers(BatchAnswer) | problems(408, 413, 415, 429)),
    }


def _by_text(responses: dict[int | str, Any]) -> dict[str, Any]:
    return {str(status): response for status, response in responses.items()}


class PostDispatcher:
    """Dispatches a POST to ``endpoints`` by its path, and everything else, the lifespan included, to ``rest``."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], rest: ASGIApp):
        self._endpoints = endpoints
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._rest
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"], self._rest)
        await endpoint(scope, receive, send)
