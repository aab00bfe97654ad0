"""Instants as the record spells them: RFC 3339 in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime


def spelled(at: datetime) -> str:
    """The text of an aware time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_text(unix_seconds: int) -> str:
    """The text of unix seconds."""
    return spelled(datetime.fromtimestamp(unix_seconds, UTC))


def unix_seconds(instant: str) -> int:
    """The unix seconds of such a text."""
    return int(datetime.fromisoformat(instant).timestamp())
