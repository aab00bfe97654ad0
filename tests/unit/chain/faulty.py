"""A JSON-RPC server that answers wrongly, or passes on to a real node and then answers wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.testkit.faulty_service import Answer, Asked, faulty_service

HANG_UP = Answer(hang_up=True)
Fault = Callable[[dict[str, Any], Callable[[], bytes]], Answer]


class FaultyNode:
    """``faults`` by method: called with the request and a way to pass it on to the real node."""

    def __init__(self, target: str | None):
        self.url = ""
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []  # methods, in their order
        self._target = target
        self._client = httpx.Client(verify=False, headers={"Content-Type": "application/json"})

    def answer(self, asked: Asked) -> Answer:
        body, request = asked.body, json.loads(asked.body)
        method = request["method"] if isinstance(request, dict) else "batch"
        self.requests.append(method)
        fault = self.faults.get(method) or self.faults.get("*")
        if fault is not None:
            return fault(request, lambda: self._pass_on(body))
        return Answer(body=self._pass_on(body))

    def _pass_on(self, body: bytes) -> bytes:
        assert self._target is not None
        return self._client.post(self._target, content=body).content


def _result(request: dict[str, Any], **outcome: object) -> Answer:
    return Answer(body=json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}).encode())


def result(value: object) -> Fault:
    """A well-formed answer with this result."""
    return lambda request, _: _result(request, result=value)


def refusal(message: str, code: int = -32000) -> Fault:
    """A well-formed answer with this error."""
    error = {"code": code, "message": message}
    return lambda request, _: _result(request, error=error)


def fixed(body: bytes, status: int = 200, **headers: str) -> Fault:
    """These bytes, whatever was asked."""
    return lambda *_: Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def lost_answer(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer:
    """The node has done it, and the answer never comes."""
    pass_on()
    return HANG_UP


def lost_request(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer:
    """The node has never heard of it."""
    return HANG_UP


def wrong_refusal(request: dict[str, Any], pass_on: Callable[[], bytes]) -> Answer:
    """The node has done it, and the answer is an error."""
    pass_on()
    return refusal("internal error")(request, pass_on)


@contextmanager
def faulty_node(target: str | None = None) -> Iterator[FaultyNode]:
    """Serves until the end of the block."""
    node = FaultyNode(target)
    with faulty_service(node.answer) as service:
        node.url = service.url
        yield node
