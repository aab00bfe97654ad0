"""Instants as the record spells them: RFC 3339 in UTC, to the second.

On which day an instant lies is a question to a ``procedure.zones.Zone``. Papers and people give times to the minute, so
claimed times are compared with that tolerance.
"""

from __future__ import annotations

from datetime import UTC, datetime

CLAIMED_WITHIN = 60  # seconds: the precision of a time read from a paper or a clock on the wall


def spelled(at: datetime) -> str:
    """Format an aware time as an instant."""
    return f"{at.astimezone(UTC).isoformat(timespec='seconds').removesuffix('+00:00')}Z"


def instant_text(unix_seconds: int) -> str:
    """Format unix seconds as an instant."""
    return spelled(datetime.fromtimestamp(unix_seconds, UTC))


def unix_seconds(instant: str) -> int:
    """Parse an instant to unix seconds."""
    return int(datetime.fromisoformat(instant).timestamp())


def is_surely_before(earlier: str, later: str) -> bool:
    """Tell whether ``earlier`` lies more than a minute before ``later``; within a minute, claims do not prove an order.

    A clerk's ``10:00`` may be any second of that minute; it is recorded as the first.
    """
    return earlier < later and unix_seconds(later) - unix_seconds(earlier) > CLAIMED_WITHIN
