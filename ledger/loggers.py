"""Loggers: standard output is for results, so warnings go to standard error unless a process configures structlog."""

from __future__ import annotations

import sys
from typing import Any

import structlog
from structlog.typing import EventDict


def to_stderr(*_: Any) -> structlog.PrintLogger:
    """Return what writes lines to standard error: the factory that stands until a process configures another."""
    return structlog.PrintLogger(sys.stderr)


def _only_warnings(_logger: object, method: str, event: EventDict) -> EventDict:
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return event


def get_logger(name: str) -> Any:
    """Return structlog's logger of this name."""
    if not structlog.is_configured():
        structlog.configure([_only_warnings, *structlog.get_config()["processors"]], logger_factory=to_stderr)
    return structlog.get_logger(name)
