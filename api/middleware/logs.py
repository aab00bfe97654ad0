"""The service's own log: one JSON object a line, on standard error.

No field can break out of its line, and a traceback shows code but never values, so that tokens and payloads stay out.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog


def configure() -> None:
    """Configure structlog for the service, unless it is configured already."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )


def request_log() -> Callable[..., None]:
    """Return a function for the event loop that writes the line of a request as cheaply as possible.

    Lines are flushed once a turn of the loop, which often answers many requests: each flush lets go of the interpreter.
    """
    stream = sys.stderr.buffer
    encode = msgspec.json.Encoder(enc_hook=str).encode
    is_flush_due = False

    def write(event: str, **fields: Any) -> None:
        nonlocal is_flush_due
        stream.write(encode({"timestamp": datetime.now(UTC).isoformat(), "event": event, **fields}) + b"\n")
        if not is_flush_due:
            is_flush_due = True
            asyncio.get_running_loop().call_soon(flush)

    def flush() -> None:
        nonlocal is_flush_due
        is_flush_due = False
        stream.flush()

    return write


def _json(event: Any, **_options: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
