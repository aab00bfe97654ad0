"""What the service writes about itself: one JSON object a line, on standard error.

No field can break out of its line, and a traceback shows code, never values: tokens and payloads do not get in here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog


def configure() -> None:
    """Makes every module's log lines look like this, unless somebody has configured them already."""
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
    """Takes the line of each request, with as little ado as can be."""
    logger = structlog.BytesLogger(sys.stderr.buffer)
    encode = msgspec.json.Encoder(enc_hook=str).encode

    def write(event: str, **fields: Any) -> None:
        logger.msg(encode({"timestamp": datetime.now(UTC).isoformat(), "event": event, **fields}))

    return write


def _json(event: Any, **_options: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
