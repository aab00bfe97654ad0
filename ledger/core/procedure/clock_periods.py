"""One run of a statutory clock, as the events of its case determine it. ``deadlines`` counts when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct

from ledger.core.events.terms import EventRef, ExclusionGround, QualifyingGround
from ledger.core.procedure.deadlines import Exclusion, Period, WorkCalendar, count, last_day_of, parse_periods
from ledger.core.procedure.legal_days import start_of
from ledger.core.procedure.rulebook import ClockRule, ExtensionRule


class Extension(Struct, frozen=True):
    """More time for a clock. ``name`` is the row of the clock's rule, None if no row fits.

    ``until`` is the last day as decided.
    """

    name: str | None
    article: str
    until: str | None = None
    qualifying_ground: QualifyingGround | None = None


class Pause(Struct, frozen=True):
    """A time that does not count, in RFC 3339 instants; ``until`` is None while it lasts.

    ``held_by`` is the clock of the same subject whose run it accompanies, if it was not an event of its own.
    """

    since: str
    ground: ExclusionGround
    article: str
    until: str | None = None
    held_by: str | None = None


class Clock(Struct, frozen=True):
    """One run of a statutory clock.

    ``rule`` is the row that it started under, of the procedure with the digest ``procedure``: it keeps both until it
    ends, whatever is adopted meanwhile. ``subject`` is the id of a person, item or handover, or ``case``; ``agency`` is
    the agency whose time runs, ``period`` the time that the row gives.
    ``counted_from`` is the day after which that time begins, if it is not the day of the start. ``until`` is the last
    day or moment that a paper set. A ``provisional`` clock runs from the delivery that the sender claims until the
    receiver answers ``handover_id``. ``events`` are the events it is derived from. If an offer stopped it,
    ``stopped_in`` is the handover: the clock runs on if that handover is refused or recalled.
    """

    deadline_id: str
    rule: ClockRule
    procedure: str
    subject: str
    agency: str
    started_at: str
    period: str | None
    events: tuple[EventRef, ...]
    counted_from: str | None = None
    until: str | None = None
    provisional: bool = False
    handover_id: str | None = None
    extensions: tuple[Extension, ...] = ()
    pauses: tuple[Pause, ...] = ()
    stopped_at: str | None = None
    stopped_in: str | None = None

    @property
    def name(self) -> str:
        """Return the name of its row."""
        return self.rule.name

    @property
    def counts_from(self) -> datetime:
        """Return the moment at which counting begins; the hour or day that contains it does not count."""
        if self.counted_from is None:
            return datetime.fromisoformat(self.started_at)
        return start_of(date.fromisoformat(self.counted_from))

    @property
    def is_running(self) -> bool:
        """Tell whether it has not stopped; a paused clock is running too."""
        return self.stopped_at is None

    @property
    def is_paused(self) -> bool:
        """Tell whether its time does not count at present."""
        return bool(self.pauses) and self.pauses[-1].until is None


_NO_CALENDAR = WorkCalendar(frozenset(), frozenset(), frozenset())  # never consulted: days off do not matter in custody


def periods(clock: Clock) -> tuple[Period, ...]:
    """Return the base period with the extensions that add to it, or the longest total that an extension gives.

    The order of the extensions does not matter. Empty if only a paper sets the end.
    """
    rules = _extensions(clock)
    if any(rule.is_open for rule in rules):
        return ()
    given = [clock.period] if clock.period else []
    given += [rule.adds for rule in rules if rule.adds is not None]
    added = tuple(period for text in given for period in parse_periods(text))
    in_all = [parse_periods(rule.to) for rule in rules if rule.to is not None]
    return max(added, *in_all, key=lambda periods: last_day_of(date.min, periods)) if in_all else added


def decided(clock: Clock) -> str | None:
    """Return the last day or moment that the latest paper sets, or None if it sets none.

    With an open extension, a paper that sets none does not count.
    """
    untils = [clock.until, *(extension.until for extension in clock.extensions)]
    if any(rule.is_open for rule in _extensions(clock)):
        untils = [until for until in untils if until is not None]
    return untils[-1]


def _extensions(clock: Clock) -> list[ExtensionRule]:
    rules = (clock.rule.extension(extension.name, clock.period) for extension in clock.extensions)
    return [rule for rule in rules if rule is not None]


def exclusions(pauses: Iterable[Pause], as_of: datetime) -> list[Exclusion]:
    """Return the times that do not count; one that still lasts is taken to last until ``as_of``."""
    excluded = []
    for pause in pauses:
        since = datetime.fromisoformat(pause.since)
        until = datetime.fromisoformat(pause.until) if pause.until else max(since, as_of)
        excluded.append(Exclusion(since, until, pause.ground))
    return excluded


def lawful_last_day(clock: Clock) -> date | None:
    """Return the last day by the rules alone: without papers, days off, or a pause that still lasts.

    None if hours count, or only a paper sets the end.
    """
    given, started = periods(clock), clock.counts_from
    if not given:
        return None
    excluded = exclusions([pause for pause in clock.pauses if pause.until], started)
    month_end = clock.rule.month_end
    ends = count(started, given, excluded=excluded, calendar=_NO_CALENDAR, in_custody=True, month_end=month_end)
    return ends.last_day
