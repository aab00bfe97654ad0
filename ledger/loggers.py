"""Loggers: standard output is for results, so warnings go to standard error unless a process configures structlog."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict


class _Stderr:
    """Standard error; a line that cannot be written is lost, and stops nothing."""

    def write(self, line: str) -> None:
        with suppress(OSError):
            sys.stderr.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def to_stderr(*_: Any) -> structlog.PrintLogger:
    """Return what writes lines to standard error: the factory that stands until a process configures another."""
    return structlog.PrintLogger(_Stderr())  # type: ignore[arg-type]


def _only_warnings(_logger: object, method: str, event: EventDict) -> EventDict:
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return event


def get_logger(name: str) -> Any:
    """Return structlog's logger of this name."""
    if not structlog.is_configured():
        structlog.configure([_only_warnings, *structlog.get_config()["processors"]], logger_factory=to_stderr)
    return structlog.get_logger(name)
