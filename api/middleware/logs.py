"""The log of a service or witness: one JSON object a line, on standard error.

No field can break out of its line, and a traceback shows code but never values, so that tokens and payloads stay out.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import structlog

from ledger.loggers import to_stderr


class LossyStream:
    """Writes to a stream, and loses what it does not take: a full disk, or a reader that is gone, must end no thread.

    What fails is logged where it failed, so an error of the log itself would end the thread that handles another one.
    """

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write(self, data: bytes) -> None:
        with suppress(OSError):
            self._stream.write(data)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _ToStructlog(logging.Handler):
    """Passes on what is logged by the standard library's ``logging``, as packages do."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)  # structlog has no others
        try:
            structlog.get_logger().log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except (TypeError, ValueError):  # of the arguments: whoever logged goes on, as with handlers of the library
            self.handleError(record)


def configure() -> None:
    """Configure structlog and ``logging`` for the process, unless structlog writes somewhere else already."""
    if structlog.is_configured() and structlog.get_config()["logger_factory"] is not to_stderr:
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.BytesLoggerFactory(LossyStream(sys.stderr.buffer)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(_ToStructlog())
    logging.getLogger("ledger").setLevel(logging.INFO)  # packages log from warnings on, as by default


def request_log() -> Callable[..., None]:
    """Return a function for the event loop that writes the line of a request as cheaply as possible.

    Lines are flushed once a turn of the loop, which often answers many requests: each flush lets go of the interpreter.
    """
    stream = LossyStream(sys.stderr.buffer)
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
