"""What the rules give a clock: its periods with their extensions, and the times that do not count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from ledger.core.clock_rules import ClockRule, ExtensionRule
from ledger.core.deadlines.calendar import WorkCalendar
from ledger.core.deadlines.clock import Clock, Pause
from ledger.core.deadlines.counting import Exclusion, count
from ledger.core.deadlines.period import Period, last_day_of, parse_periods

_NO_CALENDAR = WorkCalendar(frozenset(), frozenset(), frozenset())  # in custody nobody asks for days off


def periods(clock: Clock, row: ClockRule) -> tuple[Period, ...]:
    """The base with what extensions add to it, or the longest time that one gives in all, in whatever order they came.

    Empty where only a paper sets the end.
    """
    rules = _extensions(clock, row)
    if any(rule.is_open for rule in rules):
        return ()
    given = [clock.period] if clock.period else []
    given += [rule.adds for rule in rules if rule.adds is not None]
    added = tuple(period for text in given for period in parse_periods(text))
    in_all = [parse_periods(rule.to) for rule in rules if rule.to is not None]
    return max(added, *in_all, key=lambda periods: last_day_of(date.min, periods)) if in_all else added


def decided(clock: Clock, row: ClockRule) -> str | None:
    """The last day or moment that the latest paper sets, if it sets one; of an open extension the latest that did."""
    untils = [clock.until, *(extension.until for extension in clock.extensions)]
    if any(rule.is_open for rule in _extensions(clock, row)):
        untils = [until for until in untils if until is not None]
    return untils[-1]


def _extensions(clock: Clock, row: ClockRule) -> list[ExtensionRule]:
    found = (row.extension(extension.name, clock.period) for extension in clock.extensions)
    return [rule for rule in found if rule is not None]


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
    given, started = periods(clock, row), clock.counts_from
    if not given:
        return None
    excluded = exclusions([pause for pause in clock.pauses if pause.until], started)
    ends = count(started, given, excluded=excluded, calendar=_NO_CALENDAR, in_custody=True, month_end=row.month_end)
    return ends.last_day
