"""The table of a time zone for a procedure package, from the time zone database of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.procedure.zones import Zone

_STEP = timedelta(days=1)  # no zone has changed its offset and changed it back within less than four days
_SECOND = timedelta(seconds=1)
_YEARS_SHOWN = range(1990, 2061)


def zone_table(name: str, years: range) -> Zone:
    """Return the offsets of a zone in the ``years``, the first of them for what is earlier. Raises MalformedInput.

    What governments decide later is in no database: after the years, the offsets are not known. UTC has one for ever.
    """
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MalformedInput(
            "there is no time zone {name}",
            name=name,
            field="zone",
            hint="Name it as the time zone database does: Europe/London, America/Chicago, UTC.",
        ) from error
    first, after = (datetime(year, 1, 1, tzinfo=UTC) for year in (years.start, years.stop))
    offsets = {spelled(at): _text(at.astimezone(zone).utcoffset()) for at in (first, *_changes(zone, first, after))}
    return Zone(name, offsets, None if name == "UTC" else after.date().isoformat())


@cache
def named_zone(name: str) -> Zone:
    """Return a zone in which times are shown and typed; no day of a procedure is counted in it.

    Raises MalformedInput.
    """
    return zone_table(name, _YEARS_SHOWN)


def _changes(zone: ZoneInfo, first: datetime, after: datetime) -> Iterator[datetime]:
    """Yield the instants from which another offset holds."""
    at, offset = first, first.astimezone(zone).utcoffset()
    while at < after:
        before, at = at, at + _STEP
        if (following := at.astimezone(zone).utcoffset()) != offset:
            yield _change_between(zone, before, at)
            offset = following


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first second with the offset of ``after``, by bisection."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == offset else (middle, after)
    return after


def _text(offset: timedelta | None) -> str:
    assert offset is not None, "the moment has a zone"
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
