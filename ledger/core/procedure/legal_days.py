"""Instants as the record spells them (RFC 3339 in UTC, to the second), and the legal days on which they fall.

Legal days last from 0:00 to 24:00 of Beijing time. Papers and people give times to the minute, so claimed times are
compared with that tolerance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

CLAIMED_WITHIN = 60  # seconds: the precision of a time read from a paper or a clock on the wall


def spelled(at: datetime) -> str:
    """Format an aware time as an instant."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


# Fixed, and so without a time zone database: statutory time is Beijing time, eight hours ahead of UTC all year. The
# summer time of 1986 to 1991 is left out: no act that a clock of this ledger runs from is that old.
SHANGHAI = timezone(timedelta(hours=8))
DAY = timedelta(days=1)
_INSTANT = re.compile(
    r"(?<!such as )(?<!例如 )(?<!\d)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
)  # an example of the format in a hint stays as it is
YEARS = range(1949, 2201)  # accepted in questions; well within what date can represent


def legal_day(instant: datetime) -> date:
    """Return the Asia/Shanghai day of an aware ``instant``."""
    return instant.astimezone(SHANGHAI).date()


def legal_day_of(instant: str) -> date:
    """Return the Asia/Shanghai day of an RFC 3339 text."""
    return legal_day(datetime.fromisoformat(instant))


def in_legal_zone(instant: str) -> str:
    """Convert an RFC 3339 text to the zone of legal days: ``2026-03-01T16:30:00+08:00``."""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).isoformat()


def readable(at: datetime) -> str:
    """Format an aware time for people: Beijing time to the second, with the offset so that the zone is clear."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00"


def with_readable_times(text: str) -> str:
    """Replace each RFC 3339 time in UTC of a text by the time as ``readable`` formats it."""
    return _INSTANT.sub(lambda match: _readable_or_unchanged(match[0]), text)


def _readable_or_unchanged(instant: str) -> str:
    try:
        return readable(datetime.fromisoformat(instant))
    except (ValueError, OverflowError):  # quoted input may be no valid time, or be beyond the calendar
        return instant


def start_of(day: date) -> datetime:
    """Return 0:00 of ``day`` in UTC, its first instant."""
    return datetime.combine(day, datetime.min.time(), SHANGHAI).astimezone(UTC)


def end_of(day: date) -> datetime:
    """Return 24:00 of ``day`` in UTC, the first instant after it."""
    return start_of(day + DAY)


def days_before(day: date, period: str) -> date:
    """Return the day that lies so many days (``10 d``) before ``day``."""
    return day - int(period.partition(" ")[0]) * DAY


def day_that_ends(instant: datetime) -> date | None:
    """Return the day of which ``instant`` is 24:00, or None if it is another hour."""
    day = legal_day(instant)
    return day - DAY if start_of(day) == instant else None


class DatedRow(Protocol):
    """A row in force for acts of the days from ``valid_from`` to, not including, ``valid_until`` (``YYYY-MM-DD``)."""

    @property
    def name(self) -> str: ...

    @property
    def valid_from(self) -> str: ...

    @property
    def valid_until(self) -> str | None: ...


def holds_on(row: DatedRow, day: str) -> bool:
    """Tell whether the row is in force on ``day``."""
    return row.valid_from <= day and (row.valid_until is None or day < row.valid_until)


def stands_alone(row: DatedRow, rows: Iterable[DatedRow]) -> bool:
    """Tell whether the row, and no other of its name, is in force on its own first day."""
    return [other for other in rows if other.name == row.name and holds_on(other, row.valid_from)] == [row]
