"""A real HTTP server that misbehaves on demand: what a healthy service cannot be asked to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from time import sleep
from typing import Any, Literal

from tests.testkit.machine import Quiet, listening


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered; ``hang_up`` closes the connection without a word.

    ``drip_s`` are seconds between bytes of the body, or between headers that do not end before so many were sent.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    drip_s: float = 0.0
    drips: Literal["body", "headers"] = "body"


def problem(status: int, code: str = "refused", **more: Any) -> Answer:
    """Build a problem document."""
    document = {"status": status, "title": "No", "detail": "it is not to be", "code": code, "field": "f", "hint": "h"}
    return Answer(status, json.dumps(document | more).encode(), {"Content-Type": "application/problem+json"})


@dataclass
class FaultyService:
    """Answers by ``script``; keeps what it was asked."""

    url: str
    script: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def faulty_service(script: Callable[[Asked], Answer], port: int = 0) -> Iterator[FaultyService]:
    """Run on a free loopback port, unless one is named, until the block is left."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            service.asked.append(asked)
            answer = service.script(asked)
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            if answer.drips == "headers":
                with suppress(ConnectionError):
                    for number in range(len(answer.body)):
                        self.send_header(f"X-{number}", "drip")
                        self.flush_headers()
                        sleep(answer.drip_s)
            self.end_headers()
            if not answer.drip_s:
                self.wfile.write(answer.body)
                return
            with suppress(ConnectionError):  # the client has had enough, as it should
                for byte in answer.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    sleep(answer.drip_s)

    with listening(Handler, port) as url:
        service = FaultyService(url, script)
        yield service
