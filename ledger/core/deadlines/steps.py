"""The steps of a count, as data: what was done with which days or hours, in their order.

``step`` names them in JSON. Days are Asia/Shanghai days, both ends included; instants are UTC, the end not included.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeAlias, get_args

from msgspec import Struct

from ledger.core.deadlines.period import Period
from ledger.core.event.terms import ExclusionGround


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

    ground: ExclusionGround
    since: date
    until: date
    days: int
    last: date


class HoursExcluded(Struct, frozen=True, tag_field="step", tag="hours_excluded"):
    """The same in hours: ``ends_at`` is the first instant after the period."""

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
    """The person is in custody: the period ends on ``last``, day off or not."""

    last: date


class DayDecided(Struct, frozen=True, tag_field="step", tag="day_decided"):
    """A decision sets the day ``last`` as the last one."""

    last: date


class DayBeyondLaw(Struct, frozen=True, tag_field="step", tag="day_beyond_law"):
    """A decision sets the day ``last``, which the law does not give: it is not followed."""

    last: date


class MomentDecided(Struct, frozen=True, tag_field="step", tag="moment_decided"):
    """A paper sets the moment ``due_at``."""

    due_at: datetime


Step: TypeAlias = (
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

STEP_NAMES: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(Step))
