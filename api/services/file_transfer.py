"""Files of evidence on their way in and out, for the API and the console alike.

Few are on their way at once, of an agency fewer, and each goes at a least rate: else slow connections would keep all
others out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.middleware import request_limits
from api.middleware.problems import Refused
from api.middleware.request_limits import BODYLESS, ClientGone, LeastRate, require_content_type, take_time
from api.services.evidence_files import ExpectedFile, ReadFile, RecordedFile
from ledger.core.errors import MalformedInput, TallystickError

FILE: Final = "application/octet-stream"
PIECE: Final = 1024 * 1024  # bytes that are hashed and encrypted at once
SLICE: Final = 256 * 1024  # bytes that are sent at once, and wait in the connection until they are received
# What others wrote runs nowhere: it is saved, never shown.
AS_FILE: Final = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


async def received(request: Request, file: ExpectedFile) -> RecordedFile:
    """Take the body of the request as the file, which is kept once it is whole.

    What it says of its length is judged before a byte is read. Raises Refused, ClientGone and MalformedInput.
    """
    require_content_type(request.scope["headers"], FILE)
    if "content-range" in request.headers:
        raise MalformedInput("a file is taken as a whole, not in parts", field="Content-Range")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20:
        file.arrival.require_room(int(length))
    with file.store.arriving.place(file.reading.agency):
        try:
            async for piece in _pieces(request, file.service.parts.settings.request_timeout_s):
                await run_in_threadpool(file.arrival.take, piece)
            return await run_in_threadpool(file.keep)
        except BaseException:
            # What cannot be deleted now is deleted later.
            with suppress(TallystickError):
                await asyncio.shield(run_in_threadpool(file.store.discard, file.arrival))
            raise


async def _pieces(request: Request, pause_s: float) -> AsyncIterator[bytes]:
    pace, rate = take_time(request.scope), LeastRate(pause_s)
    stream, waiting, is_whole = request.stream(), bytearray(), False
    while not is_whole:
        try:
            part = await rate.wait_for(anext(stream))
            rate.count(len(part))
            waiting += part
        except StopAsyncIteration:
            is_whole = True
        except ClientDisconnect as error:
            raise ClientGone from error
        except TimeoutError:
            raise Refused(
                408,
                "expected more of the file within {pause_s:g} seconds, and {least} bytes in each {within_s:g} seconds",
                pause_s=pause_s,
                least=request_limits.LEAST_BYTES,
                within_s=request_limits.LEAST_WITHIN_S,
                code="body_too_slow",
            ) from None
        await pace.catch_up()
        if len(waiting) >= PIECE or (is_whole and waiting):
            yield bytes(waiting)
            waiting.clear()


def file_response(request: Request, file: ReadFile) -> Response:
    """Return a response with the file, or with the part of it that the request asks for. Raises Refused (416)."""
    size, status = file.opened.size, 200
    start, end = 0, size
    if match := _RANGE.fullmatch(request.headers.get("range", "")):
        first, last = match.groups()
        if first:
            start, end = int(first), min(size, int(last) + 1) if last else size
        elif last:
            start = max(0, size - int(last))
        if start >= end:
            raise Refused(416, "the file has {size} bytes", size=size, code="no_such_range", field="Range")
        status = 206
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Length": str(end - start),
        "Accept-Ranges": "bytes",
        **AS_FILE,
    }
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return _FileResponse(file, start, end, status, headers)


class _FileResponse(StreamingResponse):
    """Bytes of a file, of which a segment is in memory until it is sent. Nothing is read for HEAD."""

    def __init__(self, file: ReadFile, start: int, end: int, status: int, headers: dict[str, str]):
        self._file = file
        self._pieces = file.opened.pieces(start, end)
        super().__init__(iter(()), status, headers, FILE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if BODYLESS in scope:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with self._file.store.leaving.place(self._file.agency):
            # The first bytes are verified before anything is answered.
            self._first = await run_in_threadpool(next, self._pieces, b"")
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the bytes as fast as they are received. Raises ClientGone if that is too slow."""
        rate = LeastRate(self._file.pause_s)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        piece: bytes | None = self._first
        del self._first
        while piece is not None:
            for start in range(0, len(piece), SLICE):
                part = piece[start : start + SLICE]
                try:
                    await rate.wait_for(send({"type": "http.response.body", "body": part, "more_body": True}))
                except TimeoutError:
                    raise ClientGone from None
                rate.count(len(part))
            piece = await run_in_threadpool(next, self._pieces, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
