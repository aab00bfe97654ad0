"""Days off for the table of a procedure, and the computation of a period in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from ledger.core.procedure.deadlines import SATURDAY, Period, PeriodEnd
from ledger.core.procedure.rulebook import DaysOff
from ledger.core.procedure.zones import Zone
from ledger.i18n import Labels

if TYPE_CHECKING:
    from holidays import HolidayBase

UNSURE_FROM = "12-26"  # no arrangement since 2001 reached farther into the year before
SOONER = timedelta(days=2)  # by which a moon that is seen early moves an estimated day


def arranged_days_off(country: str, years: Iterable[int]) -> dict[str, DaysOff]:
    """Return the days off of those of the ``years`` that are arranged, by the package ``holidays``.

    ``country`` may name a part of one: ``GB-ENG``. Where its weekend is another one than Saturday and Sunday, each day
    of it is a holiday, and each Saturday or Sunday with work a make-up day. A year is unsure from shortly before its
    first day that the package calls estimated.

    The package guesses a year of China that the State Council has not arranged yet, without saying so. Every
    arrangement since 2001 has weekend days that are worked: there, a year without any is left out. An arrangement may
    also touch the last days of the year before, as that of 2019 did, so these are unsure until it is known.
    """
    import holidays

    wanted = sorted(set(years))
    land, _, part = country.partition("-")
    both = {*wanted, *(year + 1 for year in wanted)}
    days = holidays.country_holidays(land, subdiv=part or None, years=both)
    arranged = {day.year for day in getattr(days, "weekend_workdays", ())} if country == "CN" else both
    labels = (getattr(days, name, None) for name in ("estimated_label", "observed_estimated_label"))
    marks = [days.tr(label).rpartition("%s")[2].strip() for label in labels if label]
    estimated = [day for day, name in days.items() if any(mark in name for mark in marks)]
    return {
        str(year): _days_off_of(year, days, estimated, is_next_arranged=year + 1 in arranged)
        for year in wanted
        if year in arranged
    }


def _days_off_of(year: int, days: HolidayBase, estimated: Sequence[date], *, is_next_arranged: bool) -> DaysOff:
    first = date(year, 1, 1)
    of_year = [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]
    works = {day for day in of_year if days.is_working_day(day)}
    unsure = [max(day - SOONER, first) for day in estimated if year in (day.year, (day - SOONER).year)]
    if not is_next_arranged:
        unsure.append(date.fromisoformat(f"{year}-{UNSURE_FROM}"))
    return DaysOff(
        tuple(f"{day}" for day in of_year if day in days or (day not in works and day.weekday() < SATURDAY)),
        tuple(f"{day}" for day in of_year if day in works and day.weekday() >= SATURDAY),
        f"{min(unsure)}" if unsure else None,
    )


def period_in_words(counted: PeriodEnd, labels: Labels, zone: Zone) -> tuple[str, ...]:
    """Return how the end of a period came about: a sentence for each step, one for the end, times in the zone."""
    sentences = [(str(step.__struct_config__.tag), asdict(step)) for step in counted.steps]
    end = "ends_with_hour" if counted.last_day is None else "ends_with_day"
    sentences.append((end, {"due_at": counted.due_at, "last_day": counted.last_day}))
    called = labels.of_zone(zone)
    return tuple(
        labels.of("counting", name).format(
            zone=called,
            **{field: _text(value, labels, zone) + _offset(value, values, zone) for field, value in values.items()},
        )
        for name, values in sentences
    )


def _offset(value: object, values: Mapping[str, object], zone: Zone) -> str:
    """Return what stands behind a moment of a step: its offset, if the clocks change within it, or show it twice."""
    moments = [zone.local(moment) for moment in values.values() if isinstance(moment, datetime)]
    is_plain = len({moment.utcoffset() for moment in moments}) < 2
    if not isinstance(value, datetime) or (
        is_plain and all(len(zone.moments(moment.replace(tzinfo=None))) == 1 for moment in moments)
    ):
        return ""
    return f" {zone.local(value).isoformat()[-6:]}"


def _text(value: object, labels: Labels, zone: Zone) -> str:
    match value:
        case datetime():
            return labels.of("moment", "hour").format(zone.local(value))
        case date():
            return labels.of("moment", "day").format(value)
        case Period():
            return labels.of_periods(value)
        case (first, *_, last):
            return labels.of("moment", "days").format(_text(first, labels, zone), _text(last, labels, zone))
        case (only,):
            return _text(only, labels, zone)
        case _:
            return labels.find("exclusion_ground", str(value)) or str(value)
