"""The steps of a count, as data: what was done with which days or hours, in their order.

``step`` names them in JSON. Days are Asia/Shanghai days, both ends included; instants are UTC, the end not included.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from ledger.core.deadlines.period import Period

# Why time does not count: suspension of trial (CPL 206), travel (105), psychiatric assessment (149), the reading of the
# file by the procuratorate (235), the decision on a measure after an investigation by a supervision commission (170).
Ground = Literal["suspension", "travel", "psychiatric_assessment", "file_reading", "measure_decision"]


class StartDayLeftOut(Struct, frozen=True, tag_field="step", tag="start_day_left_out"):
    """The starting day does not count."""

    day: date


class StartHourLeftOut(Struct, frozen=True, tag_field="step", tag="start_hour_left_out"):
    """The starting hour, from ``since`` to ``until``, does not count."""

    since: datetime
    until: datetime


class PeriodAdded(Struct, frozen=True, tag_field="step", tag="period_added"):
    """The days that ``period`` brings, after the periods before it."""

    period: Period
    first: date
    last: date


class HoursAdded(Struct, frozen=True, tag_field="step", tag="hours_added"):
    """The hours that ``period`` brings, after those before it."""

    period: Period
    since: datetime
    until: datetime


class DaysExcluded(Struct, frozen=True, tag_field="step", tag="days_excluded"):
    """A time that does not count, from the day ``since`` to the day ``until``, moves the end to ``last``.

    ``days`` may be 0: it began and ended on one day, lay outside the period, or was excluded already.
    """

    ground: Ground
    since: date
    until: date
    days: int
    last: date


class HoursExcluded(Struct, frozen=True, tag_field="step", tag="hours_excluded"):
    """The same in hours: ``ends_at`` is the first instant after the period."""

    ground: Ground
    since: datetime
    until: datetime
    hours: int
    ends_at: datetime


class RolledForward(Struct, frozen=True, tag_field="step", tag="rolled_forward"):
    """The last day was a day off: the period ends on ``last``, the first working day after ``days_off``."""

    days_off: tuple[date, ...]
    last: date


class HeldInCustody(Struct, frozen=True, tag_field="step", tag="held_in_custody"):
    """The person is in custody: the period ends on ``last``, day off or not."""

    last: date


Step: TypeAlias = (
    StartDayLeftOut
    | StartHourLeftOut
    | PeriodAdded
    | HoursAdded
    | DaysExcluded
    | HoursExcluded
    | RolledForward
    | HeldInCustody
)

STEP_NAMES: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(Step))
