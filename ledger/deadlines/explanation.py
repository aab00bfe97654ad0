"""The computation of a period in words: one sentence for each step, and one for the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from msgspec.structs import asdict

from ledger.core.procedure.deadlines import Period, PeriodEnd
from ledger.i18n import Labels


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
