"""The time zone of a procedure as a table of offsets: on which day a moment lies, when a day begins, what clocks show.

The table is part of the package, and nothing else is asked: another release of the time zone database changes no due
day under one digest.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property, lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from ledger.core.errors import MalformedInput
from ledger.core.events import terms
from ledger.core.messages import Message
from ledger.core.procedure.legal_days import DAY

ZoneName = Annotated[str, terms.text(r"[A-Za-z0-9+_/-]{1,60}", "name of a time zone", "Europe/London")]
Offset = Annotated[str, terms.text(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]", "offset from UTC", "+08:00")]

DAYS_KEPT = 1024  # days of texts in the cache: that of an event is needed several times
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_SECONDS = int(DAY.total_seconds())
_INSTANT = re.compile(
    r"(?<!such as )(?<!例如 )(?<!\d)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
)  # an example of the format in a hint stays as it is


class Zone(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The ``offsets`` from UTC of a zone, each from an instant on; the first of them holds before its instant too.

    From the day ``until`` on the offsets are not known. Such a day is taken to begin, and to be that of a moment, at
    the earliest that it can by the offsets of the table. ``label`` is what people call the zone.
    """

    name: ZoneName
    offsets: Annotated[dict[terms.Instant, Offset], Meta(min_length=1)]
    until: terms.Date | None = None
    label: dict[str, str] = {}

    @cached_property
    def _table(self) -> tuple[list[int], list[int]]:
        """Return the unix seconds from which the offsets hold, in their order, and the offsets in seconds."""
        rows = sorted(self.offsets.items())
        starts = [int(datetime.fromisoformat(since).timestamp()) for since, _ in rows]
        return starts, [_seconds_of(offset) for _, offset in rows]

    @cached_property
    def _timezones(self) -> tuple[timezone, ...]:
        """Return the offset of each row, and last that of moments from ``until`` on, if there are any."""
        _, offsets = self._table
        in_order = offsets if self.until is None else [*offsets, min(offsets)]
        return tuple(timezone(timedelta(seconds=offset)) for offset in in_order)

    @cached_property
    def _starts(self) -> tuple[float, ...]:
        """Return from when each of ``_timezones`` but the first holds."""
        starts, _ = self._table
        if self.until is None:
            return tuple(starts[1:])
        return (*starts[1:], self.start_of(date.fromisoformat(self.until)).timestamp())

    def rows(self) -> tuple[tuple[float, int], ...]:
        """Return the offsets in seconds by which days are told, each with the unix seconds from which it holds."""
        offsets = (int(offset.utcoffset(None).total_seconds()) for offset in self._timezones)
        return tuple(zip((self._table[0][0], *self._starts), offsets, strict=True))

    def local(self, instant: datetime) -> datetime:
        """Return an aware instant as clocks of the zone show it, with its offset."""
        starts = self._starts
        return instant.astimezone(self._timezones[bisect_right(starts, instant.timestamp()) if starts else 0])

    def day_of(self, instant: datetime) -> date:
        """Return the day on which an aware instant lies."""
        return self.local(instant).date()

    @cached_property
    def day_of_text(self) -> Callable[[str], date]:
        """Return a cached function from an RFC 3339 text to the day on which it lies."""
        return lru_cache(maxsize=DAYS_KEPT)(lambda instant: self.day_of(datetime.fromisoformat(instant)))

    @cached_property
    def shown(self) -> Callable[[str, int], str]:
        """Return a cached function from a format, such as ``{:%H:%M}``, and unix seconds to what clocks then show."""
        return lru_cache(maxsize=DAYS_KEPT)(lambda form, at: form.format(self.local(_from_unix(at))))

    def start_of(self, day: date) -> datetime:
        """Return the first instant of ``day``, in UTC: 0:00, or later where clocks skip that.

        Where clocks go back over midnight, the day begins when they leave the day before for good.
        """
        starts, offsets = self._table
        midnight = (day.toordinal() - _EPOCH) * _DAY_SECONDS  # as if the zone were UTC
        if self.until is not None and day.isoformat() > self.until:
            return _from_unix(midnight - max(offsets))
        row = max(bisect_right(starts, midnight + _DAY_SECONDS) - 1, 0)
        while row and starts[row] + offsets[row] >= midnight:
            row -= 1
        begins = midnight - offsets[row]
        return _from_unix(min(begins, starts[row + 1]) if row + 1 < len(starts) else begins)

    @cached_property
    def end_of(self) -> Callable[[date], datetime]:
        """Return a cached function from a day to the first instant after it, in UTC."""
        return lru_cache(maxsize=DAYS_KEPT)(lambda day: self.start_of(day + DAY))

    def day_that_ends(self, instant: datetime) -> date | None:
        """Return the day of which ``instant`` is the end, 24:00, or None if it is another hour."""
        day = self.day_of(instant)
        return day - DAY if self.start_of(day) == instant else None

    def moments(self, shown: datetime) -> tuple[datetime, ...]:
        """Return the instants, in UTC, at which clocks of the zone show a time: usually one.

        It is none where clocks go forward over it, and two where they go back. Requires a naive time.
        """
        _, offsets = self._table
        moments = {shown.replace(tzinfo=UTC) - timedelta(seconds=offset) for offset in offsets}
        return tuple(sorted(at for at in moments if self.local(at).replace(tzinfo=None) == shown))

    def moment(self, shown: datetime, *, field: str) -> datetime:
        """Return the one instant at which clocks show a naive time. Raises MalformedInput if there are none or two."""
        moments = self.moments(shown)
        if len(moments) == 1:
            return moments[0]
        raise MalformedInput(
            "expected a time that clocks of {zone} show once: {shown} they show {count} times",
            zone=self.name,
            shown=f"{shown:%Y-%m-%d %H:%M}",
            count=len(moments),
            field=field,
            hint="Write the time in UTC, such as 2026-03-01T08:30:00Z.",
        )

    def unknown(self, day: date) -> Message | None:
        """Return why the end of ``day`` is not known, or None if it is."""
        if self.until is None or day.isoformat() < self.until:
            return None
        return Message(
            "the offsets of {zone} are known until {until}, so when {day} ends is not known. Adopt a version of the "
            "procedure that has them.",
            zone=self.name,
            until=self.until,
            day=day,
        )

    def hour_shift(self, instant: datetime) -> int:
        """Return how many seconds after an hour of UTC the hours of the zone begin: 1800 in India."""
        offset = self.local(instant).utcoffset()
        assert offset is not None, "it is aware"
        return -int(offset.total_seconds()) % 3600

    def readable(self, at: datetime) -> str:
        """Format an aware time for people, to the second, with its offset so that the zone is clear."""
        local = self.local(at).replace(microsecond=0)
        return f"{local:%Y-%m-%d %H:%M:%S} {local.isoformat()[-6:]}"

    def with_readable_times(self, text: str) -> str:
        """Replace each RFC 3339 time in UTC of a text by the time as ``readable`` formats it."""
        return _INSTANT.sub(lambda match: self._readable_or_unchanged(match[0]), text)

    def _readable_or_unchanged(self, instant: str) -> str:
        try:
            return self.readable(datetime.fromisoformat(instant))
        except (ValueError, OverflowError):  # quoted input may be no valid time, or be beyond the calendar
            return instant


UNIVERSAL = Zone("UTC", {"1970-01-01T00:00:00Z": "+00:00"})


def _seconds_of(offset: str) -> int:
    seconds = int(offset[1:3]) * 3600 + int(offset[4:6]) * 60
    return -seconds if offset[0] == "-" else seconds


def _from_unix(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
