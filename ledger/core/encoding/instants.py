"""Instants as the record spells them: RFC 3339 in UTC, to the second. Papers and people say minutes."""

from __future__ import annotations

from datetime import UTC, datetime

CLAIMED_WITHIN = 60  # seconds: as near as a time is known that somebody read from a paper or a clock on the wall


def spelled(at: datetime) -> str:
    """The text of an aware time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_text(unix_seconds: int) -> str:
    """The text of unix seconds."""
    return spelled(datetime.fromtimestamp(unix_seconds, UTC))


def unix_seconds(instant: str) -> int:
    """The unix seconds of such a text."""
    return int(datetime.fromisoformat(instant).timestamp())


def is_surely_before(one: str, other: str) -> bool:
    """Whether it lies before the other by more than a minute, within which claims say nothing of the order.

    A clerk's ``10:00`` is any second of that minute, recorded as its first.
    """
    return one < other and unix_seconds(other) - unix_seconds(one) > CLAIMED_WITHIN
