"""Counting of legal time: periods, the calendar of working days, and each step of a count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from ledger.core.errors import MalformedInput, UnknownYear
from ledger.core.events.terms import ExclusionGround
from ledger.core.procedure.legal_days import DAY, end_of, legal_day

TEXTS_KEPT = 1024  # parsed periods in the cache; the rules have some dozens

Unit = Literal["hour", "day", "half_month", "month", "year"]
# Where a period of months ends that starts on the last day of a month. `same_day`: on the same day of the month that it
# ends in, 30 April + 1 m = 30 May. `last_day`: on the last day of that month, 31 May (SPC interpretation 202, courts).
MonthEnd = Literal["same_day", "last_day"]

HALF_MONTH = 15 * DAY  # always, SPC interpretation 202

_TEXT = re.compile(r"(?P<whole>[0-9]{1,3})(?P<half>\.5)? (?P<unit>[hdmy])")
_UNITS: dict[str, Unit] = {"h": "hour", "d": "day", "m": "month", "y": "year"}


class Period(Struct, frozen=True):
    """An ``amount`` of one unit. Requires 1 <= amount <= 999."""

    amount: int
    unit: Unit


@lru_cache(maxsize=TEXTS_KEPT)
def parse_periods(text: str, *, field: str = "period") -> tuple[Period, ...]:
    """Parse a period of the rules: ``24 h``, ``3 d``, ``1 m``, ``1 y``; ``1.5 m`` is a month and half a month.

    Raises MalformedInput.
    """
    match = _TEXT.fullmatch(text)
    whole = int(match["whole"]) if match else 0
    if match is None or (match["half"] and match["unit"] != "m") or not (whole or match["half"]):
        raise MalformedInput(
            "{text!r} is no period: expected 1 to 999 of h, d, m or y, half months too, as in '24 h' or '1.5 m'",
            text=text,
            field=field,
        )
    periods = (Period(whole, _UNITS[match["unit"]]),) if whole else ()
    return (*periods, Period(1, "half_month")) if match["half"] else periods


def last_day_of(start: date, periods: Sequence[Period], month_end: MonthEnd = "same_day") -> date:
    """Return the last day of ``periods`` taken as one period from ``start``, a day that does not count.

    Months are added first, all at once, then days, in whatever order they were given. So the end of a short month on
    the way does not shorten the period: 31 January + 1 m + 1 m = 31 March. Requires that no period is of hours.
    """
    months = sum(_MONTHS.get(period.unit, 0) * period.amount for period in periods)
    days = sum((_DAYS.get(period.unit, _NO_DAYS) * period.amount for period in periods), _NO_DAYS)
    years, month = divmod(start.month - 1 + months, 12)
    last = _last_of_month(start.year + years, month + 1)
    if month_end == "last_day" and start == _last_of_month(start.year, start.month):
        return last + days
    # A month that is too short for the day of the start ends on its last day.
    return last.replace(day=min(start.day, last.day)) + days


_MONTHS: dict[Unit, int] = {"month": 1, "year": 12}
_NO_DAYS = timedelta(0)
_DAYS: dict[Unit, timedelta] = {"day": DAY, "half_month": HALF_MONTH}


def _last_of_month(year: int, month: int) -> date:
    # calendar.monthrange would do; importing it takes a millisecond, which a proof check need not wait for
    following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    return following - DAY


SATURDAY = 5  # of date.weekday()


class WorkCalendar(Struct, frozen=True):
    """The days off of ``years``: weekends and ``holidays``, but not ``make_up_days``, weekend days that are worked.

    Both are Asia/Shanghai days of ``years``; a holiday may fall on a weekend.
    """

    years: frozenset[int]
    holidays: frozenset[date]
    make_up_days: frozenset[date]

    def is_day_off(self, day: date) -> bool:
        """Tell whether ``day`` is a day off. Raises UnknownYear."""
        if day.year not in self.years:
            raise UnknownYear(
                "the public holidays of {day.year} are not known, so whether {day} is a day off is not",
                day=day,
                hint="Update the package holidays once the State Council has published the holidays of that year.",
            )
        return day not in self.make_up_days and (day in self.holidays or day.weekday() >= SATURDAY)

    def days_off_from(self, day: date) -> Iterator[date]:
        """Yield the unbroken run of days off from ``day`` on, none if ``day`` is a working day. Raises UnknownYear."""
        while self.is_day_off(day):
            yield day
            day += DAY


class StartDayLeftOut(Struct, frozen=True, tag_field="step", tag="start_day_left_out"):
    """The starting day does not count."""

    day: date


class StartHourLeftOut(Struct, frozen=True, tag_field="step", tag="start_hour_left_out"):
    """The starting hour, from ``since`` to ``until``, does not count."""

    since: datetime
    until: datetime


class PeriodAdded(Struct, frozen=True, tag_field="step", tag="period_added"):
    """The days that ``period`` adds after the periods before it."""

    period: Period
    first: date
    last: date


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


class HeldInCustody(Struct, frozen=True, tag_field="step", tag="held_in_custody"):
    """The person is in custody: the period ends on ``last`` even if that is a day off."""

    last: date


class DayDecided(Struct, frozen=True, tag_field="step", tag="day_decided"):
    """A decision sets the day ``last`` as the last one."""

    last: date


class DayBeyondLaw(Struct, frozen=True, tag_field="step", tag="day_beyond_law"):
    """A decision sets the day ``last``, which is later than the law allows: it is disregarded."""

    last: date


class MomentDecided(Struct, frozen=True, tag_field="step", tag="moment_decided"):
    """A paper sets the moment ``due_at``."""

    due_at: datetime


CountStep: TypeAlias = (
    StartDayLeftOut
    | StartHourLeftOut
    | PeriodAdded
    | HoursAdded
    | DaysExcluded
    | HoursExcluded
    | RolledForward
    | HeldInCustody
    | DayDecided
    | DayBeyondLaw
    | MomentDecided
)

STEP_NAMES: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(CountStep))


COUNTS_KEPT = 4096  # counts in the cache: clocks of a day are of few kinds, and are counted after each event
_HOUR = 3600  # seconds


class Exclusion(Struct, frozen=True):
    """A time that does not count, for its ``ground``. Requires since <= until; both are aware."""

    since: datetime
    until: datetime
    ground: ExclusionGround


class PeriodEnd(Struct, frozen=True):
    """The end of a period: ``due_at`` (UTC) is the first instant that is too late, ``last_day`` is None for hours.

    A document sent by post is in time if it was posted in time.
    """

    due_at: datetime
    last_day: date | None
    steps: tuple[CountStep, ...]


def count(
    started_at: datetime,
    periods: Sequence[Period],
    *,
    excluded: Iterable[Exclusion] = (),
    calendar: WorkCalendar,
    in_custody: bool,
    month_end: MonthEnd = "same_day",
) -> PeriodEnd:
    """Count when ``periods``, as one period from the aware instant ``started_at``, end.

    ``in_custody`` is about the last day; the calendar is consulted only if it is False. Raises MalformedInput if there
    is no period or if hours are mixed with other units, and UnknownYear if the last day's year is not in the calendar.
    """
    # In order of time: the days that one adds may reach into the next.
    in_order = sorted(excluded, key=lambda exclusion: (exclusion.since, exclusion.until))
    hours = sum(period.unit == "hour" for period in periods)
    # Hours begin with the next hour and days with the next day: a mixture would have no one start.
    if not periods or 0 < hours < len(periods):
        raise MalformedInput("expected at least one period, hours only or none of hours", field="periods")
    if hours:
        return _count_hours(started_at, periods, in_order)
    # In custody the last day counts even if it is a day off (CPL 105).
    days_off = None if in_custody else calendar
    return _count_days(legal_day(started_at), tuple(periods), tuple(in_order), month_end, days_off)


@lru_cache(maxsize=COUNTS_KEPT)
def _count_days(
    start: date,
    periods: tuple[Period, ...],
    excluded: tuple[Exclusion, ...],
    month_end: MonthEnd,
    calendar: WorkCalendar | None,
) -> PeriodEnd:
    last = start
    steps: list[CountStep] = [StartDayLeftOut(start)]
    for n, period in enumerate(periods, 1):
        # Each end is counted from the start, so that a short month on the way shortens nothing.
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
    return PeriodEnd(end_of(last), last, tuple(steps))


def _count_hours(started_at: datetime, periods: Sequence[Period], excluded: Sequence[Exclusion]) -> PeriodEnd:
    start = last = _hour(started_at)
    steps: list[CountStep] = [StartHourLeftOut(_beginning(start), _beginning(start + 1))]
    for period in periods:
        first, last = last + 1, last + period.amount
        steps.append(HoursAdded(period, _beginning(first), _beginning(last + 1)))
    spans = [(_hour(e.since), _hour(e.until)) for e in excluded]
    for exclusion, hours in zip(excluded, _left_out(start, last, spans), strict=True):
        last += hours
        steps.append(HoursExcluded(exclusion.ground, exclusion.since, exclusion.until, hours, _beginning(last + 1)))
    return PeriodEnd(_beginning(last + 1), None, tuple(steps))


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


def _hour(instant: datetime) -> int:
    """Return the number of the hour of ``instant``, counted from 1970. Beijing's hours begin with those of UTC."""
    return int(instant.timestamp() // _HOUR)


def _beginning(hour: int) -> datetime:
    """Return the first instant of an hour that is numbered as by ``_hour``."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
