"""Faults around a commit: the driver says one thing, the database has another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from unittest.mock import patch

import psycopg
from sqlalchemy import Connection, Engine, event

When = Literal["before", "after"]


def disk_error() -> Exception:
    """Return what sqlite3 raises where the sync of a commit fails."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error


def database_error() -> Exception:
    """Return what sqlite3 raises for a fault that is none of the disk."""
    return sqlite3.OperationalError("injected: the outcome was not told")


def server_error() -> Exception:
    """Return what psycopg raises where the connection is lost."""
    return psycopg.OperationalError("injected: server closed the connection unexpectedly")


def programming_error() -> Exception:
    """Return a fault that nobody foresaw."""
    return RuntimeError("injected: nobody foresaw this")


@contextmanager
def failing_commits(engine: Engine, when: When, error: Exception) -> Iterator[list[When]]:
    """Let the next commit raise ``error``: before anything is persisted, or after everything is.

    Gives the list of the faults that happened.
    """
    original: Callable[[Any], None] = engine.dialect.do_commit
    happened: list[When] = []

    def commit(connection: Any) -> None:
        if happened or when == "after":
            original(connection)
        if not happened:
            happened.append(when)
            raise error

    with patch.object(engine.dialect, "do_commit", commit):
        yield happened


@contextmanager
def silent_after_commit(engine: Engine, when: When, error: Exception) -> Iterator[None]:
    """Fail the next commit as ``failing_commits`` does, and every begin after it: nothing can be looked up."""
    original: Callable[[Any], None] = engine.dialect.do_begin

    def begin(connection: Any) -> None:
        if happened:
            raise error
        original(connection)

    with failing_commits(engine, when, error) as happened, patch.object(engine.dialect, "do_begin", begin):
        yield


@contextmanager
def full_disk(engine: Engine) -> Iterator[None]:
    """Forbid SQLite to grow its file by a single page, which it tells in the words of a full disk."""

    def bound(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "begin", bound)
    try:
        yield
    finally:
        event.remove(engine, "begin", bound)
        engine.dispose()
