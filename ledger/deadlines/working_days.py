"""Working days of mainland China, and the computation of a period in words."""

from __future__ import annotations

from collections.abc import Iterable
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


def period_in_words(counted: PeriodEnd, labels: Labels) -> tuple[str, ...]:
    """Return how the end of a period came about: a sentence for each step, one for the end. Times are Beijing's."""
    sentences = [(str(step.__struct_config__.tag), asdict(step)) for step in counted.steps]
    end = "ends_with_hour" if counted.last_day is None else "ends_with_day"
    sentences.append((end, {"due_at": counted.due_at, "last_day": counted.last_day}))
    return tuple(
        labels.of("counting", name).format_map({field: _text(value, labels) for field, value in values.items()})
        for name, values in sentences
    )


def _text(value: object, labels: Labels) -> str:
    match value:
        case datetime():
            return labels.moment(value)
        case date():
            return labels.of("moment", "day").format(value)
        case Period(amount=amount, unit=unit):
            return labels.of("unit", unit if amount == 1 else f"{unit}s").format(amount)
        case (first, *_, last):
            return labels.of("moment", "days").format(_text(first, labels), _text(last, labels))
        case (only,):
            return _text(only, labels)
        case _:
            return labels.find("exclusion_ground", str(value)) or str(value)
