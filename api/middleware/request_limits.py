"""Limits of requests: bodies under a limit of size and time, and rates of an address or an agency in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar
from urllib.parse import unquote_plus, unquote_to_bytes

import msgspec
from starlette.types import Receive, Scope

from api.middleware.problems import Refused
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


async def read_body(scope: Scope, receive: Receive, content_type: str | None, *, limit: int, timeout_s: float) -> bytes:
    """Return the whole body of at most ``limit`` bytes, received within ``timeout_s`` seconds.

    Bytes are counted as they arrive. ``content_type`` None accepts any type. Raises Refused (415, 413, 408) or
    ClientGone.
    """
    if content_type is not None:
        require_content_type(scope["headers"], content_type)
    try:
        async with asyncio.timeout(timeout_s):
            # Most bodies come in one message and need not be copied.
            message = await receive()
            body: bytes = message.get("body", b"")
            if not message.get("more_body", False) and message["type"] == "http.request" and len(body) <= limit:
                return body
            return await _read_on(receive, message, limit)
    except TimeoutError:
        raise Refused(
            408, "expected the whole body within {timeout_s:g} seconds", timeout_s=timeout_s, code="body_too_slow"
        ) from None


def require_content_type(headers: Iterable[tuple[bytes, bytes]], expected: str, *encodings: str) -> None:
    """Raise Refused (415) unless the request declares this content type, with no charset or UTF-8.

    Its body has no encoding, or one of ``encodings``.
    """
    by_name = dict(reversed([*headers]))  # the first of a name counts
    encoding = by_name.get(b"content-encoding", b"").decode("latin-1")
    if encoding.strip().lower() not in ("", "identity", *encodings):
        raise Refused(
            415,
            "expected a body as it is, not in the encoding {encoding!r}",
            encoding=encoding[:100],
            code="unsupported_media_type",
            field="Content-Encoding",
            hint=Message("Send the body without Content-Encoding."),
        )
    content_type = by_name.get(b"content-type", b"").decode("latin-1")
    essence, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower() in ("", "charset=utf-8", 'charset="utf-8"')
    if essence.strip().lower() != expected or not charset:
        raise Refused(
            415,
            "expected the content type {expected} in UTF-8, not {content_type!r}",
            expected=expected,
            content_type=content_type[:100],
            code="unsupported_media_type",
            field="Content-Type",
        )


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the value of a JSON body. Raises MalformedInput, naming the field, also for a duplicate key and a NUL."""
    value = canonical.parse(body, decoder)
    canonical.require_distinct_keys(body)
    canonical.require_no_nul(body)
    return value


def require_text(encoded: bytes) -> None:
    """Accept the fields of a query or form, as they are encoded, if all are UTF-8 and none holds the character NUL.

    Raises MalformedInput, which names the field: PostgreSQL has no text with a NUL to look for, and bytes that are no
    text would be replaced by characters that nobody sent.
    """
    plain = unquote_to_bytes(encoded.replace(b"%26", b"+"))  # all at once, with only the & between fields
    try:
        plain.decode()
    except UnicodeDecodeError as error:
        raise MalformedInput("expected text in UTF-8", field=_field(encoded, plain, error.start)) from error
    if b"\0" in plain:
        raise MalformedInput(canonical.NUL, field=_field(encoded, plain, plain.index(b"\0")))


def _field(encoded: bytes, plain: bytes, at: int) -> str:
    """Return the name of the field that ``plain`` has at this byte, as a problem shows it."""
    field = encoded.split(b"&")[plain.count(b"&", 0, at)]
    return canonical.shown(unquote_plus(field.partition(b"=")[0].decode("utf-8", "replace")))


async def _read_on(receive: Receive, message: object, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        assert isinstance(message, dict)
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise Refused(413, "expected a body of at most {limit} bytes", limit=limit, code="body_too_large")
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


BURST_S = 10  # seconds' worth of tokens that a full bucket holds
CHARGE: Final = "tallystick.charge"  # key in a request's scope of the function that takes further tokens
PACE: Final = "tallystick.pace"  # key in a request's scope of its Pace
BODYLESS: Final = "tallystick.bodyless"  # key in a request's scope, there if it is HEAD: no body is sent
KEPT = 10_000  # buckets; beyond that the least recently used are dropped, that is, refilled


LEAST_BYTES: Final = 2 * 1024 * 1024  # of a file, within
LEAST_WITHIN_S: Final = 60.0  # seconds: 35 KB/s, less than any line has by which agencies send each other files


class Pace:
    """How the bytes of a request's body are taken that are too many for a moment: refused, or later.

    A large file may take its time: who sends it waits by the flow control of the connection. ``take`` counts bytes
    against the address of the request, and raises Refused (429) if there are too many.
    """

    may_wait = False

    def __init__(self, take: Callable[[int], object] = lambda _size: None):
        self._take = take
        self._uncounted = 0

    def count(self, size: int) -> None:
        """Count bytes that have arrived, of a body that may wait once ``catch_up`` is called. Raises Refused."""
        if self.may_wait:
            self._uncounted += size
        else:
            self._take(size)

    async def catch_up(self) -> None:
        """Wait until the bytes that have arrived are not too many any more."""
        while self._uncounted:
            try:
                self._take(self._uncounted)
            except Refused as refusal:
                await asyncio.sleep(refusal.retry_after)
            else:
                self._uncounted = 0


class LeastRate:
    """The least rate of a file on its way: each ``LEAST_BYTES`` within ``LEAST_WITHIN_S`` of waiting for the other.

    What this side does meanwhile does not count. ``pause_s`` is the longest that the other side may do nothing.
    """

    def __init__(self, pause_s: float):
        self._pause_s = pause_s
        self._left_s, self._size = LEAST_WITHIN_S, 0

    async def wait_for(self, step: Awaitable[T]) -> T:
        """Wait for what the other side does. Raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(min(self._pause_s, self._left_s)):
            result = await step
        self._left_s -= time.monotonic() - began
        return result

    def count(self, size: int) -> None:
        """Count bytes that went."""
        self._size += size
        if self._size >= LEAST_BYTES:
            self._left_s, self._size = LEAST_WITHIN_S, 0


class RateLimit:
    """A token bucket for each name, filled at ``per_second``.

    ``clock`` returns monotonic seconds; ``unit`` names what is counted in the refusal.
    """

    def __init__(self, per_second: int, unit: str, clock: Callable[[], float]):
        self._per_second = per_second
        self._unit = unit
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()  # a route that runs in a thread counts for more than one request

    def take(self, name: str, count: int = 1) -> None:
        """Take ``count`` tokens of ``name``, at most a full bucket. Raises Refused (429) if there are too few."""
        with self._lock:
            now = self._clock()
            full = float(self._per_second * BURST_S)
            count = min(count, self._per_second * BURST_S)
            left, since = self._buckets.get(name, (full, now))
            left = min(full, left + (now - since) * self._per_second) - count
            if left < 0:
                raise Refused(
                    429,
                    "expected at most {per_second} {unit} a second; this counts as {count}",
                    per_second=self._per_second,
                    unit=self._unit,
                    count=count,
                    code="too_many_requests",
                    retry_after=int(-left / self._per_second) + 1,
                )
            self._buckets[name] = (left, now)
            self._buckets.move_to_end(name)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)

    def give_back(self, name: str, count: int = 1) -> None:
        """Put back tokens of ``name`` that were taken for nothing."""
        with self._lock:
            if name in self._buckets:
                left, since = self._buckets[name]
                self._buckets[name] = (left + count, since)


def take_time(scope: Scope) -> Pace:
    """Let the bytes of the request's body come as fast as the limit of its address allows, without a refusal.

    Whoever takes them calls ``catch_up`` between two messages.
    """
    pace: Pace = scope.get(PACE) or Pace()
    pace.may_wait = True
    return pace


def charge(scope: Scope, count: int) -> None:
    """Count the request as ``count`` more against its address. Raises Refused (429)."""
    if count > 0 and CHARGE in scope:
        scope[CHARGE](count)
