"""Files of evidence on their way in and out, for the API and the console alike."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from api.middleware.problems import Refused
from api.middleware.request_limits import ClientGone, require_content_type, take_time
from api.services.evidence_files import ExpectedFile, ReadFile, RecordedFile
from ledger.core.errors import TallystickError

FILE: Final = "application/octet-stream"
PIECE: Final = 1024 * 1024  # bytes that are hashed and encrypted at once
# What others wrote runs nowhere: it is saved, never shown.
AS_FILE: Final = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


async def received(request: Request, file: ExpectedFile) -> RecordedFile:
    """Take the body of the request as the file, which is kept once it is whole. Raises Refused and ClientGone."""
    require_content_type(request.scope["headers"], FILE)
    take_time(request.scope)
    timeout_s = file.service.parts.settings.request_timeout_s
    with file.store.turn():
        try:
            async for piece in _pieces(request, timeout_s):
                await run_in_threadpool(file.arrival.take, piece)
            return await run_in_threadpool(file.keep)
        except BaseException:
            # A check removes what cannot be deleted now.
            with suppress(TallystickError):
                await asyncio.shield(run_in_threadpool(file.arrival.discard))
            raise


async def _pieces(request: Request, timeout_s: float) -> AsyncIterator[bytes]:
    stream, waiting, is_whole = request.stream(), bytearray(), False
    while not is_whole:
        try:
            async with asyncio.timeout(timeout_s):
                waiting += await anext(stream)
        except StopAsyncIteration:
            is_whole = True
        except ClientDisconnect as error:
            raise ClientGone from error
        except TimeoutError:
            raise Refused(
                408, "expected more of the file within {timeout_s:g} seconds", timeout_s=timeout_s, code="body_too_slow"
            ) from None
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
    return StreamingResponse(file.pieces(start, end), status, headers, FILE)
