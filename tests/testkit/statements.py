"""Statements are compiled once in a process: SQLAlchemy would compile them anew for each database that a test opens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_compiled: LRUCache[Any, Any] = LRUCache(4000)


def share_compiled_statements() -> None:
    """Let all engines of this process keep them together: a statement is the same for each server of one version."""
    shared = property(lambda _engine: _compiled, lambda _engine, _own: None)
    Engine._compiled_cache = shared  # type: ignore[assignment]
    DefaultDialect.__eq__ = _is_same  # type: ignore[method-assign, assignment]
    DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign]


def _is_same(dialect: DefaultDialect, candidate: object) -> bool:
    return type(dialect) is type(candidate) and dialect.server_version_info == candidate.server_version_info
