"""What the service writes about itself: one JSON object a line, on standard error.

No field can break out of its line, and a traceback shows code, never values: tokens and payloads do not get in here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)


def configure() -> None:
    """Makes every module's log lines look like this, unless somebody has configured them already."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _STAMP,
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )


def request_log() -> Callable[..., Any]:
    """Takes the line of each request, with as little ado as can be."""
    logger = structlog.BytesLogger(sys.stderr.buffer)
    wrapped = structlog.wrap_logger(
        logger,
        processors=[_STAMP, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.BoundLogger,
    )
    write: Callable[..., Any] = wrapped.bind().info
    return write


def _json(event: Any, **_options: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
