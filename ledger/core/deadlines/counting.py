"""Counting of legal time: when a period ends, and how that comes about (Criminal Procedure Law, art. 105).

1. The starting hour or day does not count: hours begin with the next full hour, days with the next day.
2. Periods are added as one, from the start: a base and its extensions, months first.
3. Time that does not count is added after them, in whole days. The law is silent about parts of a day; by our own
   convention such a time is as long as a period would be: the day on which it begins is not one of its days, the day on
   which it ends is. It has to begin by the day that is the last one then, before any roll: so no period runs out while
   time does not count. Overlapping times are added once. Hours likewise.
4. A last day that is a day off gives way to the first working day after it, once, at the very end; not while the person
   is in custody, and never for hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from ledger.core.deadlines.calendar import WorkCalendar
from ledger.core.deadlines.period import MonthEnd, Period, last_day_of
from ledger.core.deadlines.steps import (
    DaysExcluded,
    HeldInCustody,
    HoursAdded,
    HoursExcluded,
    PeriodAdded,
    RolledForward,
    StartDayLeftOut,
    StartHourLeftOut,
    Step,
)
from ledger.core.errors import MalformedInput
from ledger.core.event.terms import ExclusionGround
from ledger.core.legal_day import DAY, end_of, legal_day

COUNTS_KEPT = 4096  # most clocks of a day are of few kinds, and each is counted at every step of its case
_HOUR = 3600  # seconds


class Exclusion(Struct, frozen=True):
    """A time that does not count, for its ``ground``. Requires since <= until; both are aware."""

    since: datetime
    until: datetime
    ground: ExclusionGround


class Counted(Struct, frozen=True):
    """When a period ends: ``due_at`` (UTC) is the first instant that is too late, ``last_day`` None for hours.

    Of what was posted, the time of posting counts.
    """

    due_at: datetime
    last_day: date | None
    steps: tuple[Step, ...]


def count(
    started_at: datetime,
    periods: Sequence[Period],
    *,
    excluded: Iterable[Exclusion] = (),
    calendar: WorkCalendar,
    in_custody: bool,
    month_end: MonthEnd = "same_day",
) -> Counted:
    """When ``periods`` end that run, as one, from the aware instant ``started_at``.

    ``in_custody`` is of the last day; the calendar is asked only where it is False. Raises MalformedInput where there
    is no period, or hours stand beside other units, and UnknownYear where an end may be a day off and nobody knows.
    """
    in_order = sorted(excluded, key=lambda exclusion: (exclusion.since, exclusion.until))
    hours = sum(period.unit == "hour" for period in periods)
    if not periods or 0 < hours < len(periods):
        raise MalformedInput("expected at least one period, hours only or none of hours", field="periods")
    if hours:
        return _count_hours(started_at, periods, in_order)
    days_off = None if in_custody else calendar
    return _count_days(legal_day(started_at), tuple(periods), tuple(in_order), month_end, days_off)


@lru_cache(maxsize=COUNTS_KEPT)
def _count_days(
    start: date,
    periods: tuple[Period, ...],
    excluded: tuple[Exclusion, ...],
    month_end: MonthEnd,
    calendar: WorkCalendar | None,
) -> Counted:
    last = start
    steps: list[Step] = [StartDayLeftOut(start)]
    for n, period in enumerate(periods, 1):
        first, last = last + DAY, last_day_of(start, periods[:n], month_end)
        steps.append(PeriodAdded(period, first, last))
    spans = [(legal_day(e.since), legal_day(e.until)) for e in excluded]
    ordinals = [(since.toordinal(), until.toordinal()) for since, until in spans]
    lengths = _left_out(start.toordinal(), last.toordinal(), ordinals)
    for exclusion, (since, until), days in zip(excluded, spans, lengths, strict=True):
        last += days * DAY
        steps.append(DaysExcluded(exclusion.ground, since, until, days, last))
    if calendar is None:
        steps.append(HeldInCustody(last))
    elif days_off := tuple(calendar.days_off_from(last)):
        last = days_off[-1] + DAY
        steps.append(RolledForward(days_off, last))
    return Counted(end_of(last), last, tuple(steps))


def _count_hours(started_at: datetime, periods: Sequence[Period], excluded: Sequence[Exclusion]) -> Counted:
    start = last = _hour(started_at)
    steps: list[Step] = [StartHourLeftOut(_beginning(start), _beginning(start + 1))]
    for period in periods:
        first, last = last + 1, last + period.amount
        steps.append(HoursAdded(period, _beginning(first), _beginning(last + 1)))
    spans = [(_hour(e.since), _hour(e.until)) for e in excluded]
    for exclusion, hours in zip(excluded, _left_out(start, last, spans), strict=True):
        last += hours
        steps.append(HoursExcluded(exclusion.ground, exclusion.since, exclusion.until, hours, _beginning(last + 1)))
    return Counted(_beginning(last + 1), None, tuple(steps))


def _left_out(start: int, last: int, spans: Iterable[tuple[int, int]]) -> list[int]:
    """How many days or hours each span (a, b), sorted, adds to a period of those after ``start`` up to ``last``.

    It leaves out those above a up to b, but none twice; as many come on after ``last``, where the next may begin.
    """
    lengths = []
    for since, until in spans:
        after = max(since, start)
        length = max(until - after, 0) if after <= last else 0
        lengths.append(length)
        last += length
        start = max(start, until)
    return lengths


def _hour(instant: datetime) -> int:
    """The hour that ``instant`` falls in, from 1970 on. Beijing's hours begin with those of UTC."""
    return int(instant.timestamp() // _HOUR)


def _beginning(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
