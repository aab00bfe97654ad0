"""A JSON-RPC server that answers wrongly, or passes on to a real node and then answers wrongly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import httpx

from tests.testkit.machine import Quiet, listening


class Answer(NamedTuple):
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    drip_seconds: float = 0.0  # between bytes


HANG_UP = None  # the connection is closed without an answer
Fault = Callable[[dict[str, Any], Callable[[], bytes]], Answer | None]


class FaultyNode:
    """``faults`` by method: called with the request and a way to pass it on to the real node."""

    def __init__(self, url: str, target: str | None):
        self.url = url
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []  # methods, in their order
        self._target = target
        self._client = httpx.Client(verify=False, headers={"Content-Type": "application/json"})

    def answer(self, body: bytes) -> Answer | None:
        request = json.loads(body)
        method = request["method"] if isinstance(request, dict) else "batch"
        self.requests.append(method)
        fault = self.faults.get(method) or self.faults.get("*")
        if fault is not None:
            return fault(request, lambda: self._pass_on(body))
        return Answer(self._pass_on(body))

    def _pass_on(self, body: bytes) -> bytes:
        assert self._target is not None
        return self._client.post(self._target, content=body).content


def result(value: object) -> Fault:
    """A well-formed answer with this result."""
    return lambda request, _: Answer(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}).encode())


def refusal(message: str, code: int = -32000) -> Fault:
    """A well-formed answer with this error."""
    error = {"code": code, "message": message}
    return lambda request, _: Answer(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode())


def fixed(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Fault:
    """These bytes, whatever was asked."""
    return lambda *_: Answer(body, status, headers)


def lost_answer(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer | None:
    """The node has done it, and the answer never comes."""
    pass_on()
    return HANG_UP


def lost_request(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer | None:
    """The node has never heard of it."""
    return HANG_UP


def wrong_refusal(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer | None:
    """The node has done it, and the answer is an error."""
    pass_on()
    return refusal("internal error")(request, pass_on)


@contextmanager
def faulty_node(target: str | None = None) -> Iterator[FaultyNode]:
    """Serves until the end of the block."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = node.answer(self.rfile.read(int(self.headers["Content-Length"])))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self._write(answer)

        def _write(self, answer: Answer) -> None:
            if not answer.drip_seconds:
                self.wfile.write(answer.body)
                return
            try:
                for byte in answer.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(answer.drip_seconds)
            except ConnectionError:
                pass  # the client has had enough, as it should

    with listening(Handler) as url:
        node = FaultyNode(url, target)
        yield node
