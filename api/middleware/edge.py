"""The outermost middleware: what applies to every request.

A request gets an id, is counted against its address, is answered with the security headers, and leaves one line in the
request log. HEAD is answered as GET without the body (RFC 9110, 9.3.2), so routes need not handle it. Written as plain
ASGI because every submission passes through it.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.clients import Network, client_of, is_passed_on, subscriber_of
from api.middleware.measuring import MEASURES_IN_USE, RequestMeasures
from api.middleware.problems import HINTS, HINTS_IN_USE, answer_to, unexpected
from api.middleware.request_limits import BODYLESS, CHARGE, PACE, ClientGone, Pace, RateLimit, require_text
from api.middleware.tracing import TRACE_IN_USE, RequestTracer
from ledger.core.encoding.canonical import NUL
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.i18n import PROCEDURES_IN_USE, READERS_LANGUAGE, ZONE_IN_USE, language_accepted
from ledger.loggers import get_logger

_PROCESS = secrets.token_hex(6).encode()
_count = itertools.count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_POLICY = b"default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'"
_SECURITY = [
    (b"content-security-policy", _POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000")  # names below it may be of other servers
_NOT_KEPT = (b"cache-control", b"no-store")

logger = get_logger(__name__)


class EdgeMiddleware:
    """Wraps the application. ``secure`` means that clients come over TLS; ``proxies`` may name the client's address.

    ``addresses`` limits the requests of an address, ``sizes`` the bytes of their bodies. ``hints`` by status take the
    place of those of the service in problems whose error has none of its own. ``procedures`` returns those in force,
    which label their words. ``measures`` counts what is answered, ``tracer`` traces it if there is one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        addresses: RateLimit,
        secure: bool,
        log: Callable[..., Any],
        sizes: RateLimit | None = None,
        proxies: Sequence[Network] = (),
        hints: Mapping[int, str] = HINTS,
        procedures: Callable[[], Iterable[Rulebook]] = tuple,
        zone: Callable[[], Zone] = lambda: UNIVERSAL,
        measures: RequestMeasures | None = None,
        tracer: RequestTracer | None = None,
    ):
        self._app = app
        self._addresses = addresses
        self._sizes = sizes
        self._proxies = proxies
        self._headers = [*_SECURITY, _TRANSPORT_SECURITY] if secure else _SECURITY
        self._log = log
        self._hints = {**HINTS, **hints}
        self._procedures = procedures
        self._zone = zone
        self._measures = measures or RequestMeasures()
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        READERS_LANGUAGE.set(_language(scope))  # a request runs in a context of its own
        PROCEDURES_IN_USE.set(tuple(self._procedures()))
        ZONE_IN_USE.set(self._zone)
        HINTS_IN_USE.set(self._hints)
        MEASURES_IN_USE.set(self._measures)
        method = scope["method"]
        answer = _Answer(send, request_id(scope), self._headers, has_body=method != "HEAD")
        # Routes see GET only; the body is dropped on the way out.
        if method == "HEAD":
            scope = {**scope, "method": "GET", BODYLESS: True}
        began = time.perf_counter()
        trace, traced = None, dict[str, str]()
        if self._tracer is not None:
            trace = self._tracer.begin(scope, by_proxy=is_passed_on(scope, self._proxies))
            traced = {"trace": trace.trace_id}
            TRACE_IN_USE.set(trace)
        client = client_of(scope, self._proxies)
        subscriber = subscriber_of(client)
        try:
            self._addresses.take(subscriber)
            scope[CHARGE] = partial(self._addresses.take, subscriber)
            _require_text(scope)
            await self._app(scope, self._weighed(scope, receive, subscriber), answer.send)
        except TallystickError as error:
            await answer_to(error)(scope, receive, answer.send)
        except ClientGone:
            answer.status = 499  # nginx's number for a client that closed the connection; only the log sees it
        except Exception:
            logger.exception("request failed", request_id=answer.request_id.decode())
            if not answer.status:
                await unexpected()(scope, receive, answer.send)
            elif not answer.is_whole:
                raise
        finally:
            seconds = time.perf_counter() - began
            self._measures.note(scope, method, answer.status, seconds)
            if trace is not None:
                trace.end(scope, method, answer.status)
            self._log(
                "request",
                id=answer.request_id.decode(),
                method=method,
                path=scope["path"],
                status=answer.status,
                ms=round(1000 * seconds, 2),
                client=client,
                **traced,
            )

    def _weighed(self, scope: Scope, receive: Receive, subscriber: str) -> Receive:
        """Return ``receive`` with the bytes of the body counted against the address as they arrive."""
        if self._sizes is None:
            return receive
        pace = scope[PACE] = Pace(partial(self._sizes.take, subscriber))

        async def weighed() -> Message:
            message = await receive()
            if body := message.get("body"):
                pace.count(len(body))
            return message

        return weighed


class _Answer:
    """Sends a response with the common headers; ``status`` is 0 until the response has begun."""

    def __init__(self, send: Send, request_id: bytes, headers: list[tuple[bytes, bytes]], *, has_body: bool):
        self._send = send
        self._has_body = has_body
        self.request_id = request_id
        self._headers = headers
        self.status = 0
        self.is_whole = False

    async def send(self, message: Message) -> None:
        """Send one message of the response, adding the common headers to its start."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            named = {name for name, _ in headers}
            added = [pair for pair in self._headers if pair[0] not in named]
            if b"cache-control" not in named:
                added.append(_NOT_KEPT)
            message["headers"] = [*headers, *added, (b"x-request-id", self.request_id)]
        else:
            self.is_whole = not message.get("more_body", False)
            if not self._has_body:
                message = {**message, "body": b""}
        await self._send(message)


def _require_text(scope: Scope) -> None:
    """Raise MalformedInput for the character NUL, which no text of the record holds, and a query that is no UTF-8."""
    if "\0" in scope["path"]:
        raise MalformedInput(NUL, field="path")
    require_text(scope["query_string"])


def _language(scope: Scope) -> str:
    """Return the language that the client asks for."""
    return language_accepted(
        next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-language"), "")
    )


def request_id(scope: Scope) -> bytes:
    """Return the client's own request id if it is plain, or a new one: it only finds the request's line in the log."""
    client_id: bytes | None = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
    if client_id is not None and _REQUEST_ID.fullmatch(client_id):
        return client_id
    # Counted, because to ask the system for randomness lets go of the interpreter.
    return b"%b-%x" % (_PROCESS, next(_count))
