"""A service under test, and a client that speaks HTTP to it without a socket."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import structlog
from httpx._transports import asgi as _asgi
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict

from api.middleware.clients import Connections
from api.middleware.server import make_server
from api.services.parts import Parts
from ledger.core.events.case import PersonNamed
from ledger.core.events.registry import RegistryChange
from ledger.core.signing.signatures import personal_digest
from tests.testkit.builders import Officer, SignedEvent, section, signature_of
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger
from tests.testkit.machine import free_port
from tests.testkit.time_zones import utc_times_of_page

JSON = {"content-type": "application/json"}
T = TypeVar("T")


FAILURES: deque[str] = deque(maxlen=1)  # the traceback that was logged last


def keep_failure(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Keep the traceback that is logged: an answer 500 tells nothing of its cause."""
    if event.get("exc_info"):
        FAILURES.append(traceback.format_exc())
    return event


structlog.configure(
    [keep_failure, *structlog.get_config()["processors"]], logger_factory=structlog.ReturnLoggerFactory()
)
_asgi.is_running_trio = lambda: False  # it looks for a package that is not there, in each request


class ZoneWatch:
    """Passes requests on to an application, and collects in ``utc_times`` what its pages for people show in UTC.

    What measures the application sets ``is_on`` to false: to look through a long page takes a tenth of its time.
    """

    def __init__(self, app: ASGIApp):
        self._app = app
        self.is_on = True
        self.utc_times: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page, body = False, b""

        async def watched(message: Message) -> None:
            nonlocal is_page, body
            if message["type"] == "http.response.start":
                is_page = any(
                    value.startswith(b"text/html") for name, value in message["headers"] if name == b"content-type"
                )
            elif is_page:
                body += message.get("body", b"")
            await send(message)

        await self._app(scope, receive, watched if self.is_on else send)
        # Documents give examples as the log has them.
        if is_page and scope["path"].startswith("/console") and not scope["path"].startswith("/console/documents/"):
            self.utc_times += [f"{scope['path']}: {utc_time}" for utc_time in utc_times_of_page(body.decode())]


class Served:
    """Requests go through the whole application; ``lines`` are those of the request log."""

    def __init__(self, ledger: Ledger, parts: Parts, app: ASGIApp, lines: list[dict[str, object]]):
        self.ledger = ledger
        self.parts = parts
        self.app = ZoneWatch(app)
        self.lines = lines
        # In a thread of its own: the loop of a test's browser, which runs in the test's, bars every other one there.
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        # As a server does, until a task ends: threads of a task that ends with its request would be started for each.
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._ended.wait(),))
        self._thread.start()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="https://ledger.test")
        self._tokens: dict[str, str] = {}
        self.may_fail = False  # whether an unforeseen failure is what the test is about

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._await(self._client.aclose())
        self._await(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()
        assert kind is not None or self.app.utc_times == []

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._await(self._client.request(method, path, **options))
        assert self.may_fail or answer.status_code != 500 or "internal_error" not in answer.text, FAILURES
        return answer

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def get(self, path: str, by: Officer | None = None, **query: Any) -> httpx.Response:
        """Read, signed in as ``by``; without a token where there is none."""
        return self.request("GET", path, params=query or None, headers=self.token(by) if by else {})

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        """Post JSON; header names with underscores."""
        own_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, content=body, headers=JSON | own_headers)

    def post_lines(self, *lines: bytes, query: str = "", **headers: str) -> httpx.Response:
        """Post events in bulk, one a line."""
        body, kind = b"\n".join(lines), {"content-type": "application/x-ndjson"}
        return self.request("POST", f"/api/v1/events/batch{query}", content=body, headers=kind | headers)

    def post_together(self, *lines: bytes) -> httpx.Response:
        """Post events of which all are recorded or none."""
        return self.post_lines(*lines, query="?all_or_none=true")

    def pages(self, path: str, by: Officer | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Give the pages of a list, one after the other by their ``next``."""
        while True:
            page: dict[str, Any] = self.get(path, by, **query).json()
            yield page
            if "next" not in page:
                return
            query["after"] = page["next"]

    def reads(self) -> int:
        """Return how many reads are recorded."""
        return self.parts.access.head().count

    def submit(self, event: SignedEvent | bytes, path: str = "/api/v1/events") -> httpx.Response:
        return self.post(path, event if isinstance(event, bytes) else event.submission)

    def record(self, case: Case) -> Case:
        """Submit those events of the case that are not in the log yet."""
        for event in case.events:
            with self.ledger.clock.not_before(event.envelope.signed_at):
                answer = self.submit(event)
            assert answer.status_code in (200, 201), answer.text
        return case

    def mirror(self, change: RegistryChange) -> None:
        self.ledger.mirror(change)

    def publish(self) -> int:
        """Publish the present size and return it."""
        self.ledger.clock.forward(2)
        self.ledger.publisher.publish(self.ledger.database, self.ledger.clock())
        return int(self.get("/api/v1/log").json()["published"])

    def token(self, officer: Officer) -> dict[str, str]:
        """Return the Authorization header of an officer, signed in once."""
        if officer.key_id not in self._tokens:
            self._tokens[officer.key_id] = self.sign_in(officer).json()["access_token"]
        return {"authorization": f"Bearer {self._tokens[officer.key_id]}"}

    def forget_tokens(self) -> None:
        """Let everybody sign in again: tokens end, and tests let time pass."""
        self._tokens.clear()

    def forget_cookies(self) -> None:
        """Forget what pages gave to be kept, as a browser does that is another one."""
        self._client.cookies.clear()

    def cookie(self, officer: Officer | None) -> dict[str, str]:
        """Return the same as the console's pages take it; without an officer it has no token of anybody."""
        token = self.token(officer)["authorization"].removeprefix("Bearer ") if officer else "none"
        return {"cookie": f"__Secure-tallystick={token}"}

    def challenge(self, officer: Officer) -> dict[str, str]:
        """Return a nonce and the text to sign."""
        asked = self.request("POST", "/api/v1/sign-in/challenge", json={"key_id": officer.key_id})
        assert asked.status_code == 200, asked.text
        answer: dict[str, str] = asked.json()
        return answer

    def sign_in(self, officer: Officer) -> httpx.Response:
        challenge = self.challenge(officer)
        signature = signature_of(personal_digest(challenge["message"]), officer.key)
        return self.answer(challenge["nonce"], signature)

    def answer(self, nonce: str, signature: bytes) -> httpx.Response:
        body = {"nonce": nonce, "signature": "0x" + signature.hex()}
        return self.request("POST", "/api/v1/sign-in/token", json=body)

    def size(self) -> int:
        """How many entries the log has."""
        return int(self.get("/api/v1/log").json()["size"])


def name_confidentially(case: Case, by: Officer | None = None) -> Case:
    """Add a person whose name is in a confidential section, as the case's next event."""
    body = PersonNamed(person_id=person_id("li"), role="suspect", section="person:1")
    return case.act(body, by, sections={"person:1": section("person", name="a name")})


def until(holds: Callable[[], object], within_s: float = 120) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def listening_for(
    served: Served, header_timeout_s: float = 10, connections: Connections | None = None
) -> Iterator[int]:
    """Give the port of a real server for this application, until the block is left."""
    with listening_at(free_port(), served.app, header_timeout_s, connections) as port:
        yield port


@contextmanager
def listening_at(
    port: int, app: ASGIApp, header_timeout_s: float = 10, connections: Connections | None = None
) -> Iterator[int]:
    """Do the same for an application that must be told its port beforehand.

    Raises AssertionError where it does not start: mostly because whoever listened there before has not left.
    """
    running = make_server(app, host="127.0.0.1", port=port, header_timeout_s=header_timeout_s, connections=connections)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive(), f"nothing started at port {port}: has whoever was there before left (Clerk.leave)?"
        time.sleep(0.01)
    try:
        yield port
    finally:
        running.should_exit = True
        thread.join()


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Return the problem document, which must be of this status and code, name this field, and tell what to do."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code), document
    assert document.get("field") == field, document
    assert document["detail"]
    assert document["hint"]
    assert document["title"]
    return document
