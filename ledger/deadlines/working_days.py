"""Working days of mainland China, and the computation of a period in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache

from msgspec.structs import asdict

from ledger.core.procedure.deadlines import Period, PeriodEnd, WorkCalendar
from ledger.i18n import Labels

YEARS = range(2001, 2036)  # of future years the package knows one or two; the others are left out


def shipped_calendar() -> WorkCalendar:
    """Return the calendar of all years that the installed package knows."""
    return work_calendar(YEARS)


def work_calendar(years: Iterable[int]) -> WorkCalendar:
    """Return the calendar of those of the ``years`` that are known.

    The package guesses a year that the State Council has not arranged yet, without saying so. Every arrangement since
    2001 has weekend days that are worked: a year without any is left out, and so is unknown to the calendar. This does
    not show whether the next year's arrangement makes a last weekend of December a working day, as that of 2019 did.
    """
    return _work_calendar(frozenset(years))


@cache
def _work_calendar(years: frozenset[int]) -> WorkCalendar:
    import holidays  # noqa: PLC0415 - a fifth of a second, which only those wait for who count

    days_off = holidays.country_holidays("CN", years=years)
    make_up_days = frozenset(day for day in days_off.weekend_workdays if day.year in years)
    arranged = frozenset(day.year for day in make_up_days)
    return WorkCalendar(arranged, frozenset(day for day in days_off if day.year in arranged), make_up_days)


def in_words(counted: PeriodEnd, labels: Labels) -> tuple[str, ...]:
    """Say how the end of a period came about. Times are Beijing's."""
    steps = (_sentence(str(step.__struct_config__.tag), asdict(step), labels) for step in counted.steps)
    end = "ends_with_hour" if counted.last_day is None else "ends_with_day"
    return (*steps, _sentence(end, {"due_at": counted.due_at, "last_day": counted.last_day}, labels))


def _sentence(name: str, values: Mapping[str, object], labels: Labels) -> str:
    rendered = {field: _rendered(value, labels) for field, value in values.items()}
    return labels.of("counting", name).format_map(rendered)


def _rendered(value: object, labels: Labels) -> str:
    match value:
        case datetime():
            return labels.moment(value)
        case date():
            return labels.of("moment", "day").format(value)
        case Period(amount=amount, unit=unit):
            return labels.of("unit", unit if amount == 1 else f"{unit}s").format(amount)
        case (first, *_, last):
            return labels.of("moment", "days").format(_rendered(first, labels), _rendered(last, labels))
        case (only,):
            return _rendered(only, labels)
        case _:
            return labels.find("exclusion_ground", str(value)) or str(value)
