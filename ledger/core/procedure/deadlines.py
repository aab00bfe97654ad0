"""Counting of legal time: periods, the calendar of working days, and each step of a count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import MalformedInput, UnknownYear
from ledger.core.events.terms import ExclusionGround
from ledger.core.procedure.legal_days import DAY
from ledger.core.procedure.zones import Zone

TEXTS_KEPT = 1024  # parsed periods in the cache; the rules have some dozens

Unit = Literal["hour", "day", "working_day", "month", "year"]
# Where a period of months ends that starts on the last day of a month. `same_day`: on the same day of the month that it
# ends in, 30 April + 1 m = 30 May. `last_day`: on the last day of that month, 31 May.
MonthEnd = Literal["same_day", "last_day"]
# Where a last day moves that is a day off: to the next working day, but not for whoever is in custody; to it whoever it
# is; to the working day before; or nowhere.
MovesFromDayOff = Literal["later_at_liberty", "later", "earlier", "never"]

_PART = r"([1-9][0-9]{0,2}) (h|d|wd|m|y)"
PERIOD = rf"{_PART}(?: {_PART})*"
_TEXT, _PARTS = re.compile(PERIOD), re.compile(_PART)
_UNITS: dict[str, Unit] = {"h": "hour", "d": "day", "wd": "working_day", "m": "month", "y": "year"}


class Manner(Struct, frozen=True):
    """How a period is counted. ``start_counts``: from the minute of its start, or with its day as the first."""

    month_end: MonthEnd = "same_day"
    days_off: MovesFromDayOff = "later_at_liberty"
    start_counts: bool = False


USUAL = Manner()


class Period(Struct, frozen=True):
    """An ``amount`` of one unit. Requires 1 <= amount <= 999."""

    amount: int
    unit: Unit


@lru_cache(maxsize=TEXTS_KEPT)
def parse_periods(text: str) -> tuple[Period, ...]:
    """Parse a period of the rules: ``24 h``, ``3 d``, ``3 wd`` (working days), ``1 m``, ``1 y``.

    ``1 m 15 d`` is a month and 15 days. Raises MalformedInput.
    """
    if not _TEXT.fullmatch(text):
        raise MalformedInput(
            "{text!r} is no period: expected 1 to 999 of h, d, wd, m or y, as in '24 h' or '1 m 15 d'",
            text=text,
            field="period",
        )
    return tuple(Period(int(amount), _UNITS[unit]) for amount, unit in _PARTS.findall(text))


def last_day_of(start: date, periods: Sequence[Period], manner: Manner = USUAL) -> date:
    """Return the last day of ``periods`` taken as one period from ``start``, a day that counts only if the manner says.

    Months are added first, all at once, then days, in whatever order they were given. So the end of a short month on
    the way does not shorten the period: 31 January + 1 m + 1 m = 31 March. Requires that no period is of hours; working
    days are counted as days.
    """
    months = sum(_MONTHS.get(period.unit, 0) * period.amount for period in periods)
    days = sum((_DAYS.get(period.unit, _NO_DAYS) * period.amount for period in periods), _NO_DAYS)
    years, month = divmod(start.month - 1 + months, 12)
    last = _last_of_month(start.year + years, month + 1)
    if manner.month_end == "last_day" and start == _last_of_month(start.year, start.month):
        return last + days
    # A month that is too short for the day of the start ends on its last day.
    if start.day > last.day:
        return last + days
    return last.replace(day=start.day) + days - (DAY if manner.start_counts else _NO_DAYS)


_MONTHS: dict[Unit, int] = {"month": 1, "year": 12}
_NO_DAYS = timedelta(0)
_DAYS: dict[Unit, timedelta] = {"day": DAY, "working_day": DAY}


def _last_of_month(year: int, month: int) -> date:
    # calendar.monthrange would do; importing it takes a millisecond, which a proof check need not wait for
    following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    return following - DAY


SATURDAY = 5  # of date.weekday()


class WorkCalendar(Struct, frozen=True):
    """The days off of ``years``: weekends and ``holidays``, but not ``make_up_days``, weekend days that are worked.

    Both are days of ``years``; a holiday may fall on a weekend. ``unsure_from`` are days of them from which on the rest
    of the year may still be arranged otherwise.
    """

    years: frozenset[int]
    holidays: frozenset[date]
    make_up_days: frozenset[date]
    unsure_from: frozenset[date] = frozenset()

    def is_day_off(self, day: date) -> bool:
        """Tell whether ``day`` is a day off. Raises UnknownYear."""
        if day.year not in self.years or any(first.year == day.year and first <= day for first in self.unsure_from):
            raise UnknownYear(
                "the days off of {day.year} are not all known, so whether {day} is one is not",
                day=day,
                hint="Adopt a version of the procedure that has them, once they are published.",
            )
        return day not in self.make_up_days and (day in self.holidays or day.weekday() >= SATURDAY)

    def days_off_from(self, day: date, step: timedelta = DAY) -> Iterator[date]:
        """Yield the unbroken run of days off from ``day`` on, none if ``day`` is a working day. Raises UnknownYear."""
        while self.is_day_off(day):
            yield day
            day += step


class StartDayLeftOut(Struct, frozen=True, tag_field="step", tag="start_day_left_out"):
    """The starting day does not count."""

    day: date


class StartCounts(Struct, frozen=True, tag_field="step", tag="start_counts"):
    """The time counts from ``since``: from that minute, or with that whole day as the first."""

    since: datetime


class StartHourLeftOut(Struct, frozen=True, tag_field="step", tag="start_hour_left_out"):
    """The starting hour, from ``since`` to ``until``, does not count."""

    since: datetime
    until: datetime


class PeriodAdded(Struct, frozen=True, tag_field="step", tag="period_added"):
    """The days that ``period`` adds after the periods before it."""

    period: Period
    first: date
    last: date


class WorkingDaysAdded(Struct, frozen=True, tag_field="step", tag="working_days_added"):
    """The working days that ``period`` adds; ``days_off`` among them do not count."""

    period: Period
    first: date
    last: date
    days_off: tuple[date, ...]


class HoursAdded(Struct, frozen=True, tag_field="step", tag="hours_added"):
    """The hours that ``period`` adds after those before it."""

    period: Period
    since: datetime
    until: datetime


class DaysExcluded(Struct, frozen=True, tag_field="step", tag="days_excluded"):
    """A time that does not count, from the day ``since`` to the day ``until``, moves the end to ``last``.

    ``days`` may be 0: it began and ended on one day, lay outside the period, or was excluded already.
    """

    ground: ExclusionGround
    since: date
    until: date
    days: int
    last: date


class HoursExcluded(Struct, frozen=True, tag_field="step", tag="hours_excluded"):
    """A time that does not count, in hours: ``ends_at`` is the first instant after the period."""

    ground: ExclusionGround
    since: datetime
    until: datetime
    hours: int
    ends_at: datetime


class RolledForward(Struct, frozen=True, tag_field="step", tag="rolled_forward"):
    """The last day was a day off: the period ends on ``last``, the first working day after ``days_off``."""

    days_off: tuple[date, ...]
    last: date


class MovedEarlier(Struct, frozen=True, tag_field="step", tag="moved_earlier"):
    """The last day was a day off: the period ends on ``last``, the last working day before ``days_off``."""

    days_off: tuple[date, ...]
    last: date


class DaysOffIgnored(Struct, frozen=True, tag_field="step", tag="days_off_ignored"):
    """The period ends on ``last`` even if that is a day off."""

    last: date


class EndNotKnown(Struct, frozen=True, tag_field="step", tag="end_not_known"):
    """The period ends on ``last`` at the earliest: the days off after it are not known yet."""

    last: date


class HeldInCustody(Struct, frozen=True, tag_field="step", tag="held_in_custody"):
    """The person is in custody: the period ends on ``last`` even if that is a day off."""

    last: date


class DayDecided(Struct, frozen=True, tag_field="step", tag="day_decided"):
    """A decision sets the day ``last`` as the last one."""

    last: date


class CountedBack(Struct, frozen=True, tag_field="step", tag="counted_back"):
    """The day ``last`` lies ``days`` before the day ``since``, that of a decision or of the end of another clock."""

    days: int
    since: date
    last: date


class DayBeyondLaw(Struct, frozen=True, tag_field="step", tag="day_beyond_law"):
    """A decision sets the day ``last``, which is later than the law allows: it is disregarded."""

    last: date


class FormerEnd(Struct, frozen=True, tag_field="step", tag="former_end"):
    """The period of another clock was changed, which would have ended on the day ``last``."""

    last: date


class MomentDecided(Struct, frozen=True, tag_field="step", tag="moment_decided"):
    """A paper sets the moment ``due_at``."""

    due_at: datetime


class StartTakenOver(Struct, frozen=True, tag_field="step", tag="start_taken_over"):
    """The clock ran before the ledger had the case: its start on the day ``start`` is stated by the source."""

    start: date


CountStep: TypeAlias = (
    StartTakenOver
    | StartDayLeftOut
    | StartHourLeftOut
    | StartCounts
    | PeriodAdded
    | WorkingDaysAdded
    | HoursAdded
    | DaysExcluded
    | HoursExcluded
    | RolledForward
    | MovedEarlier
    | DaysOffIgnored
    | EndNotKnown
    | HeldInCustody
    | DayDecided
    | CountedBack
    | DayBeyondLaw
    | FormerEnd
    | MomentDecided
)

STEP_NAMES: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(CountStep))


COUNTS_KEPT = 4096  # counts in the cache: clocks of a day are of few kinds, and are counted after each event
_MINUTE, _HOUR = 60, 3600  # seconds
_ONE_HOUR = timedelta(hours=1)


class Exclusion(Struct, frozen=True):
    """A time that does not count, for its ``ground``. Requires since <= until; both are aware."""

    since: datetime
    until: datetime
    ground: ExclusionGround


class _DaysOut(Struct, frozen=True):
    """The days of an exclusion: those after ``since``, up to ``until``."""

    since: date
    until: date
    ground: ExclusionGround


class PeriodEnd(Struct, frozen=True):
    """The end of a period: ``due_at`` (UTC) is the first instant that is too late, ``last_day`` is None for hours.

    A document sent by post is in time if it was posted in time.
    """

    due_at: datetime
    last_day: date | None
    steps: tuple[CountStep, ...]


class Counting(NamedTuple):
    """What is counted: ``periods`` as one from the aware instant ``since``, without the times ``excluded``.

    Each of ``then`` is counted on from the end of what came before it, whether or not that is a day off.
    """

    since: datetime
    periods: tuple[Period, ...]
    then: tuple[tuple[Period, ...], ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    manner: Manner = USUAL


def earliest_end(
    counting: Counting, zone: Zone, calendar: WorkCalendar | None, *, in_custody: bool
) -> tuple[PeriodEnd, UnknownYear | None]:
    """Return when the time ends, or where the calendar does not have the days that matter, also the error that says so.

    ``in_custody`` is about the last day, ``zone`` says when days begin. Without a calendar, and where it lacks the
    days, every day is a working day, which gives the earliest end that any calendar could, unless days off move it
    ``earlier``. Raises MalformedInput if there is no period or if hours or working days are mixed with other units.
    """
    since, periods, then, excluded, manner = counting
    # In order of time: the days that one adds may reach into the next.
    in_order = sorted(excluded, key=lambda exclusion: (exclusion.since, exclusion.until)) if excluded else ()
    if periods and periods[0].unit == "hour":
        return _count_hours(since, _of_one_kind((periods, *then)), in_order, manner, zone), None
    start = zone.day_of(since)
    out = tuple(_DaysOut(zone.day_of(e.since), zone.day_of(e.until), e.ground) for e in in_order) if in_order else ()
    last, steps, unknown = _last_of_days(start, (periods, *then), out, calendar, manner, in_custody=in_custody)
    first = StartCounts(zone.start_of(start)) if manner.start_counts else StartDayLeftOut(start)
    return PeriodEnd(zone.end_of(last), last, (first, *steps)), unknown


def _of_one_kind(parts: tuple[tuple[Period, ...], ...]) -> list[Period]:
    """Return the periods of all parts in one list. Raises MalformedInput as ``earliest_end``."""
    periods = [*chain(*parts)]
    units = {period.unit for period in periods}
    # Hours begin with the next hour and days with the next day: a mixture would have no one start.
    if not parts[0] or (len(units) > 1 and units & {"hour", "working_day"}):
        raise MalformedInput(
            "expected at least one period, hours or working days only or none of them", field="periods"
        )
    return periods


@lru_cache(maxsize=COUNTS_KEPT)
def _last_of_days(
    start: date,
    parts: tuple[tuple[Period, ...], ...],
    excluded: tuple[_DaysOut, ...],
    calendar: WorkCalendar | None,
    manner: Manner,
    *,
    in_custody: bool,
) -> tuple[date, tuple[CountStep, ...], UnknownYear | None]:
    """Return the last day of days, months and years, or of working days, as ``earliest_end``, and the steps to it."""
    periods = _of_one_kind(parts)
    try:
        # Of working days, as of hours, it is the same whether they are counted on or together.
        if periods[0].unit == "working_day":
            return *_count_working_days(start, periods, excluded, calendar, manner), None
        last, steps = _count_days(start, parts, excluded, manner)
        last, step = _moved_from_day_off(last, calendar, manner.days_off, in_custody=in_custody)
    except UnknownYear as error:
        last, steps, _ = _last_of_days(start, parts, excluded, None, manner, in_custody=in_custody)
        return last, steps, error.with_traceback(None)
    return last, steps if step is None else (*steps, step), None


def _count_days(
    start: date, parts: tuple[tuple[Period, ...], ...], excluded: tuple[_DaysOut, ...], manner: Manner
) -> tuple[date, tuple[CountStep, ...]]:
    """Return the last day, wherever days off may move it, and the steps to it after the first."""
    left_out = start - DAY if manner.start_counts else start
    last = left_out
    steps: list[CountStep] = []
    for number, part in enumerate(parts):
        since, counting = (last, replace(manner, start_counts=False)) if number else (start, manner)
        for n, period in enumerate(part, 1):
            # Each end is counted from the start, so that a short month on the way shortens nothing.
            first, last = last + DAY, last_day_of(since, part[:n], counting)
            steps.append(PeriodAdded(period, first, last))
    ordinals = [(days_out.since.toordinal(), days_out.until.toordinal()) for days_out in excluded]
    lengths = _left_out(left_out.toordinal(), last.toordinal(), ordinals)
    for days_out, days in zip(excluded, lengths, strict=True):
        last += days * DAY
        steps.append(DaysExcluded(days_out.ground, days_out.since, days_out.until, days, last))
    return last, tuple(steps)


def _moved_from_day_off(
    last: date, calendar: WorkCalendar | None, moves: MovesFromDayOff, *, in_custody: bool
) -> tuple[date, CountStep | None]:
    """Return the day on which a period ends whose last day falls on ``last``, and the step to it, if there is one."""
    if moves == "never":
        return last, DaysOffIgnored(last)
    if moves == "later_at_liberty" and in_custody:
        return last, HeldInCustody(last)
    if calendar is None:
        return last, EndNotKnown(last)
    step = -DAY if moves == "earlier" else DAY
    days_off = tuple(calendar.days_off_from(last, step))
    if not days_off:
        return last, None
    last = days_off[-1] + step
    return last, MovedEarlier(days_off, last) if moves == "earlier" else RolledForward(days_off, last)


def _count_working_days(
    start: date,
    periods: Sequence[Period],
    excluded: Sequence[_DaysOut],
    calendar: WorkCalendar | None,
    manner: Manner,
) -> tuple[date, tuple[CountStep, ...]]:
    last = start - DAY if manner.start_counts else start
    steps: list[CountStep] = []
    passed: list[set[date]] = [set() for _ in excluded]  # the working days that each leaves out
    for period in periods:
        first, days_off, left = last + DAY, [], period.amount
        while left:
            last += DAY
            if calendar is not None and calendar.is_day_off(last):
                days_off.append(last)
                continue
            holding = next((n for n, out in enumerate(excluded) if out.since < last <= out.until), None)
            if holding is None:
                left -= 1
            else:
                passed[holding].add(last)
        steps.append(WorkingDaysAdded(period, first, last, tuple(days_off)))
    for days_out, days in zip(excluded, passed, strict=True):
        steps.append(DaysExcluded(days_out.ground, days_out.since, days_out.until, len(days), last))
    if calendar is None:
        steps.append(EndNotKnown(last))
    return last, tuple(steps)


def _count_hours(
    started_at: datetime, periods: Sequence[Period], excluded: Sequence[Exclusion], manner: Manner, zone: Zone
) -> PeriodEnd:
    # Where the start counts, to the minute, the time is a number of minutes; else of hours, the first of them left out.
    tick = _MINUTE if manner.start_counts else _HOUR
    of_hour = _HOUR // tick
    # Hours of the zone may begin within one of UTC. From the start on they pass as they do, whatever clocks show.
    shift = 0 if manner.start_counts else zone.hour_shift(started_at)
    start = last = _tick(started_at, tick, shift) - (1 if manner.start_counts else 0)
    begins = _beginning(start + 1, tick, shift)
    steps: list[CountStep] = [
        StartCounts(begins) if manner.start_counts else StartHourLeftOut(begins - _ONE_HOUR, begins)
    ]
    for period in periods:
        first, last = last + 1, last + period.amount * of_hour
        steps.append(HoursAdded(period, _beginning(first, tick, shift), _beginning(last + 1, tick, shift)))
    spans = [(_tick(e.since, tick, shift), _tick(e.until, tick, shift)) for e in excluded]
    for exclusion, ticks in zip(excluded, _left_out(start, last, spans), strict=True):
        last += ticks
        ends_at = _beginning(last + 1, tick, shift)
        steps.append(HoursExcluded(exclusion.ground, exclusion.since, exclusion.until, ticks // of_hour, ends_at))
    return PeriodEnd(_beginning(last + 1, tick, shift), None, tuple(steps))


def _left_out(start: int, last: int, spans: Iterable[tuple[int, int]]) -> list[int]:
    """Return how many days or hours each span (a, b], in order, adds to a period from ``start`` (excluded) to ``last``.

    A span adds what it excludes of the period and no earlier span excluded. The period grows with each span, so a later
    span may begin in the part that was added.
    """
    lengths = []
    for since, until in spans:
        after = max(since, start)
        length = max(until - after, 0) if after <= last else 0
        lengths.append(length)
        last += length
        start = max(start, until)
    return lengths


def _tick(instant: datetime, seconds: int, shift: int) -> int:
    """Return the number of the hour or minute of ``instant``, counted from 1970; they begin ``shift`` seconds later."""
    return int((instant.timestamp() - shift) // seconds)


def _beginning(tick: int, seconds: int, shift: int) -> datetime:
    """Return the first instant of an hour or minute that is numbered as by ``_tick``."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=tick * seconds + shift)
