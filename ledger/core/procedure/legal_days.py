"""Days as the law counts them, from 0:00 to 24:00 of Beijing time, and times as people read them there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

# Fixed, and so without a time zone database: statutory time is Beijing time, eight hours ahead of UTC all year. The
# summer time of 1986 to 1991 is left out: no act that a clock of this ledger runs from is that old.
SHANGHAI = timezone(timedelta(hours=8))
DAY = timedelta(days=1)
_INSTANT = re.compile(
    r"(?<!such as )(?<!例如 )(?<!\d)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
)  # no example of how one is typed
YEARS = range(1949, 2201)  # that anybody may ask about: far from where dates end


def legal_day(instant: datetime) -> date:
    """The Asia/Shanghai day that an aware ``instant`` falls on."""
    return instant.astimezone(SHANGHAI).date()


def legal_day_of(instant: str) -> date:
    """The Asia/Shanghai day of an RFC 3339 text."""
    return legal_day(datetime.fromisoformat(instant))


def in_legal_zone(instant: str) -> str:
    """Give an RFC 3339 text in the zone of legal days, with its offset: ``2026-03-01T16:30:00+08:00``."""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).isoformat()


def readable(at: datetime) -> str:
    """Spell an aware time for people: Beijing's to the second, with the offset, so that no other zone is meant."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00"


def with_readable_times(text: str) -> str:
    """Give a text that was written for programs with each of its times (RFC 3339 in UTC) as people read it."""
    return _INSTANT.sub(lambda found: _readable_or_as_it_is(found[0]), text)


def _readable_or_as_it_is(instant: str) -> str:
    try:
        return readable(datetime.fromisoformat(instant))
    except (ValueError, OverflowError):  # what somebody typed may be no time, or beyond the calendar
        return instant


def start_of(day: date) -> datetime:
    """0:00 of ``day`` in UTC: its first instant."""
    return datetime.combine(day, datetime.min.time(), SHANGHAI).astimezone(UTC)


def end_of(day: date) -> datetime:
    """24:00 of ``day`` in UTC: the first instant that is no longer of it."""
    return start_of(day + DAY)


def day_that_ends(instant: datetime) -> date | None:
    """The day of which ``instant`` is 24:00; None where it is another hour."""
    day = legal_day(instant)
    return day - DAY if start_of(day) == instant else None


class Row(Protocol):
    """In force for acts of the days ``valid_from`` up to, not including, ``valid_until`` (``YYYY-MM-DD``)."""

    @property
    def name(self) -> str: ...

    @property
    def valid_from(self) -> str: ...

    @property
    def valid_until(self) -> str | None: ...


def holds_on(row: Row, day: str) -> bool:
    """Whether the row is in force on ``day``."""
    return row.valid_from <= day and (row.valid_until is None or day < row.valid_until)


def stands_alone(row: Row, rows: Iterable[Row]) -> bool:
    """Whether the row, and no other of its name, is in force on its own first day."""
    return [other for other in rows if other.name == row.name and holds_on(other, row.valid_from)] == [row]
