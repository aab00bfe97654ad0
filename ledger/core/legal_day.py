"""Days as the law counts them: Beijing time, from 0:00 to 24:00."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

# Fixed, and so without a time zone database: statutory time is Beijing time, eight hours ahead of UTC all year. The
# summer time of 1986 to 1991 is left out: no act that a clock of this ledger runs from is that old.
SHANGHAI = timezone(timedelta(hours=8))
DAY = timedelta(days=1)
YEARS = range(1949, 2201)  # that anybody may ask about: far from where dates end


def legal_day(instant: datetime) -> date:
    """The Asia/Shanghai day that an aware ``instant`` falls on."""
    return instant.astimezone(SHANGHAI).date()


def legal_day_of(instant: str) -> date:
    """The Asia/Shanghai day of an RFC 3339 text."""
    return legal_day(datetime.fromisoformat(instant))


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
