"""What the rules give a clock: its periods with their extensions, and the times that do not count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from ledger.core.clock_rules import ClockRule
from ledger.core.deadlines.calendar import WorkCalendar
from ledger.core.deadlines.clock import Clock, Pause
from ledger.core.deadlines.counting import Exclusion, count
from ledger.core.deadlines.period import Period, parse_periods

_NO_CALENDAR = WorkCalendar(frozenset(), frozenset(), frozenset())  # in custody nobody asks for days off


def periods(clock: Clock, row: ClockRule) -> tuple[Period, ...]:
    """The base with what each extension adds to it, or makes of it; empty where only a paper sets the end."""
    given = parse_periods(clock.period) if clock.period else ()
    for extension in clock.extensions:
        rule = row.extension(extension.name)
        if rule is not None and rule.to is not None:
            given = parse_periods(rule.to)
        elif rule is not None and rule.adds is not None:
            given = (*given, *parse_periods(rule.adds))
    return given


def exclusions(pauses: Iterable[Pause], as_of: datetime) -> list[Exclusion]:
    """The times that do not count; one that lasts is taken to last until ``as_of``."""
    found = []
    for pause in pauses:
        since = datetime.fromisoformat(pause.since)
        until = datetime.fromisoformat(pause.until) if pause.until else max(since, as_of)
        found.append(Exclusion(since, until, pause.ground))
    return found


def lawful_last_day(clock: Clock, row: ClockRule) -> date | None:
    """The last day by the rules, whatever a paper says, days off or not, without the rest that still lasts.

    None where hours count, or only a paper sets the end.
    """
    given, started = periods(clock, row), datetime.fromisoformat(clock.started_at)
    if not given:
        return None
    excluded = exclusions([pause for pause in clock.pauses if pause.until], started)
    ends = count(started, given, excluded=excluded, calendar=_NO_CALENDAR, in_custody=True, month_end=row.month_end)
    return ends.last_day
