"""The server process: uvicorn with limits and deadlines that it lacks.

A client that is slow with its headers or leaves its answer unread is cut off, one that sends too many headers is
refused, and what is not HTTP is answered with a problem document.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import lru_cache
from socket import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.middleware.clients import Connections
from api.middleware.measuring import RequestMeasures
from api.middleware.problems import MEDIA_TYPE, Refused, response_of
from ledger.recording.case_states import GARBAGE_THRESHOLDS

MAX_HEADER_BYTES = 32 * 1024  # request line and headers together
IDLE_S = 15  # seconds a connection is kept for the next request
LINGER_S = 5  # seconds for reading and dropping the rest of a request that was answered early
STALLED_S = 30  # seconds a client may leave full buffers of its answer unread
ARENAS = 2  # of memory that threads take from
_M_ARENA_MAX = -8  # of mallopt, in glibc's malloc.h
GRACE_S = 20  # seconds that requests under way get when the service stops


def make_server(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    header_timeout_s: float,
    connections: Connections | None = None,
    requests: RequestMeasures | None = None,
    is_beside: bool = False,
) -> uvicorn.Server:
    """Return a server for the application; its ``run()`` serves until a signal, or ``should_exit``, stops it.

    ``requests`` counts what is refused before it reaches the application. One that ``is_beside`` that of the process,
    in a thread, leaves the process's memory as it is.
    """

    class Protocol(_BoundedProtocol):
        deadline_s = header_timeout_s
        others = connections or Connections()
        measures = requests or RequestMeasures()

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config, is_beside=is_beside)


class _Server(uvicorn.Server):
    """Returns from ``run()`` after a signal instead of raising it again, which would end the process before its parts
    close.

    Garbage is collected seldom: case states hold no reference cycles, and a collection would walk through all of them.
    What was made before the start stays, and no collection looks at it again.

    At rest it waits for its end; uvicorn would look ten times a second whether ``should_exit`` is set.
    """

    def __init__(self, config: uvicorn.Config, *, is_beside: bool):
        self._is_beside = is_beside
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Return whether the service is to end. Signals set it, or another thread."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, ends: bool) -> None:
        self._should_exit = ends
        if ends and self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:  # also if it was set before there was a loop to wake
            await self._ending.wait()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        if not self._is_beside:
            _return_freed_memory()
            gc.freeze()
            gc.set_threshold(*GARBAGE_THRESHOLDS)
            gc.enable()
        await super().startup(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def save_memory() -> None:
    """Look for no garbage until the server starts, and let the threads share memory. Call it before there are any.

    Among new modules there is no garbage, and the search would take a tenth of the start. glibc would give each thread
    an arena of its own, which keeps what was freed; other C libraries have no such function.
    """
    gc.disable()
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def _return_freed_memory() -> None:
    """Give what the start has freed back to the machine: keys alone take megabytes while they open."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class _BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, with limits.

    The headers of each request must be whole within ``deadline_s`` of its first byte, or of the connection's beginning,
    and have at most ``MAX_HEADER_BYTES``. ``others`` decides whether there is room for the connection; ``measures``
    counts refusals.
    """

    deadline_s: float
    others: Connections
    measures: RequestMeasures

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_bytes = 0
        self._timers: dict[str, TimerHandle] = {}
        self._start("headers", self.deadline_s, self._too_slow)
        if not self.others.admit(self, self.client[0] if self.client else None):
            self._stop("headers")
            self._refuse(Refused(503, "this service has as many connections as it takes", code="too_many_connections"))

    def drop(self) -> None:
        """Abort the connection, which waits for a request while others have no room, or leaves its answer unread."""
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start("stalled", STALLED_S, self.drop)

    def resume_writing(self) -> None:
        self._stop("stalled")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.others.leave(self)
        for name in list(self._timers):
            self._stop(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if "headers" in self._timers and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(
                Refused(
                    431, "expected at most {limit} bytes of headers", limit=MAX_HEADER_BYTES, code="headers_too_large"
                )
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if "headers" not in self._timers:
            self._start("headers", self.deadline_s, self._too_slow)

    def on_headers_complete(self) -> None:
        self._stop("headers")
        self.server_state.default_headers = _date_header(int(time.time()))
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # An interim response (100 Continue) must not be held back, so requests that wait for it are left out.
        if cycle.scope["method"] == "POST" and not cycle.waiting_for_100_continue:
            cycle.transport = _OneWrite(cycle.transport)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if not self.cycle.response_complete:
            self.others.work(self)
        self._header_bytes = 0
        self._stop("lingering")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.pipeline:
            self.others.wait(self)
        # Closing at once would reset the connection and could destroy the answer before the client reads it.
        if self.cycle.more_body and not self.transport.is_closing():
            self._start("lingering", LINGER_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refuses: no HTTP, or two different lengths of a body."""
        self._stop("headers")
        self._refuse(Refused(400, "expected an HTTP/1.1 request: {expected}", expected=msg, code="not_http"))

    def _too_slow(self) -> None:
        self._stop("headers")
        self._refuse(
            Refused(
                408,
                "expected all headers within {deadline_s:g} seconds",
                deadline_s=self.deadline_s,
                code="headers_too_slow",
            )
        )

    def _start(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        self._timers[name] = self.loop.call_later(seconds, then)

    def _stop(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()

    def _refuse(self, refusal: Refused) -> None:
        """Write the whole response, after which the connection is closed."""
        if self.transport.is_closing():
            return
        response: Any = response_of(refusal)
        self.measures.note_refusal(response.status_code, refusal.code)
        body: bytes = response.body
        head = f"HTTP/1.1 {response.status_code} \r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()


@lru_cache(maxsize=1)
def _date_header(now_s: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of each response of this second: its date (RFC 9110 6.6.1)."""
    return [(b"date", formatdate(now_s, usegmt=True).encode())]


class _OneWrite:
    """Holds the head of a response back until its body comes, because each write costs much.

    For responses that have a body, even an empty one, and no interim response before them.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: Transport):
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def close(self) -> None:
        self._transport.close()
