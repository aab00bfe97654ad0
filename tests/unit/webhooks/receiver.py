"""A receiver of webhooks: a real HTTP server on loopback that checks signatures with the reference library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from standardwebhooks import Webhook

from tests.testkit.faulty_service import Answer, Asked, faulty_service


@dataclass
class Receiver:
    """What came in, in its order. ``status`` is answered; while ``gate`` is not set, nothing is answered."""

    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    gate: Event = field(default_factory=Event)
    bodies: list[bytes] = field(default_factory=list)
    request_headers: list[dict[str, str]] = field(default_factory=list)

    def checked(self, secret: str) -> list[Any]:
        """Return the messages, whose signatures must hold. Their age is not checked: the clock is the test's."""
        signing = Webhook(secret)
        for body, headers in zip(self.bodies, self.request_headers, strict=True):
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            expected = signing.sign(headers["webhook-id"], at, body.decode())
            assert expected in headers["webhook-signature"].split(" ")
        return [json.loads(body) for body in self.bodies]

    def events(self) -> list[tuple[str, int]]:
        """Stream and sequence of the events that came in."""
        events = [event for body in self.bodies for event in json.loads(body).get("events", ())]
        return [(event["envelope"]["stream"]["id"], event["envelope"]["sequence"]) for event in events]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver that takes everything, until the block is left."""
    receiver = Receiver()
    receiver.gate.set()

    def answer(asked: Asked) -> Answer:
        receiver.bodies.append(asked.body)
        receiver.request_headers.append({name.lower(): value for name, value in asked.headers.items()})
        receiver.gate.wait(30)
        return Answer(receiver.status, b"", receiver.headers)

    with faulty_service(answer) as service:
        receiver.url = f"{service.url}/hook"
        try:
            yield receiver
        finally:
            receiver.gate.set()
