"""Days off for the table of a procedure, and the computation of a period in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from msgspec.structs import asdict

from ledger.core.procedure.deadlines import Period, PeriodEnd
from ledger.core.procedure.rulebook import DaysOff
from ledger.core.procedure.zones import Zone
from ledger.i18n import Labels

UNSURE_FROM = "12-26"  # no arrangement since 2001 reached farther into the year before


def arranged_days_off(country: str, years: Iterable[int]) -> dict[str, DaysOff]:
    """Return the days off of those of the ``years`` that are arranged, by the package ``holidays``.

    ``country`` may name a part of one: ``GB-ENG``.

    The package guesses a year of China that the State Council has not arranged yet, without saying so. Every
    arrangement since 2001 has weekend days that are worked: there, a year without any is left out. An arrangement may
    also touch the last days of the year before, as that of 2019 did, so these are unsure until it is known.
    """
    import holidays

    wanted = sorted(set(years))
    land, _, part = country.partition("-")
    days = holidays.country_holidays(land, subdiv=part or None, years={*wanted, *(year + 1 for year in wanted)})
    worked = sorted(getattr(days, "weekend_workdays", ()))
    arranged = {day.year for day in worked} if country == "CN" else {*wanted, *(year + 1 for year in wanted)}
    return {
        str(year): DaysOff(
            tuple(day.isoformat() for day in sorted(days) if day.year == year),
            tuple(day.isoformat() for day in worked if day.year == year),
            None if year + 1 in arranged else f"{year}-{UNSURE_FROM}",
        )
        for year in wanted
        if year in arranged
    }


def period_in_words(counted: PeriodEnd, labels: Labels, zone: Zone) -> tuple[str, ...]:
    """Return how the end of a period came about: a sentence for each step, one for the end, times in the zone."""
    sentences = [(str(step.__struct_config__.tag), asdict(step)) for step in counted.steps]
    end = "ends_with_hour" if counted.last_day is None else "ends_with_day"
    sentences.append((end, {"due_at": counted.due_at, "last_day": counted.last_day}))
    called = labels.of_zone(zone)
    return tuple(
        labels.of("counting", name).format(
            zone=called, **{field: _text(value, labels, zone) for field, value in values.items()}
        )
        for name, values in sentences
    )


def _text(value: object, labels: Labels, zone: Zone) -> str:
    match value:
        case datetime():
            return labels.of("moment", "hour").format(zone.local(value))
        case date():
            return labels.of("moment", "day").format(value)
        case Period(amount=amount, unit=unit):
            return labels.of("unit", unit if amount == 1 else f"{unit}s").format(amount)
        case (first, *_, last):
            return labels.of("moment", "days").format(_text(first, labels, zone), _text(last, labels, zone))
        case (only,):
            return _text(only, labels, zone)
        case _:
            return labels.find("exclusion_ground", str(value)) or str(value)
