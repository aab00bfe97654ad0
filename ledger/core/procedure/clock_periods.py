"""One run of a statutory clock, as the events of its case determine it. ``deadlines`` counts when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import get_args

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import UnknownYear
from ledger.core.events.terms import EventRef, ExclusionGround, QualifyingGround
from ledger.core.procedure.deadlines import (
    Counting,
    Exclusion,
    Manner,
    MonthEnd,
    Period,
    WorkCalendar,
    earliest_end,
    last_day_of,
    parse_periods,
)
from ledger.core.procedure.legal_days import DAY
from ledger.core.procedure.rulebook import ClockRule, ExtensionRule, Rulebook
from ledger.core.procedure.zones import Zone


class Extension(Struct, frozen=True):
    """More time for a clock. ``name`` is the row of the clock's rule, None if no row fits.

    ``at`` is the time of the decision, ``until`` the last day as decided.
    """

    name: str | None
    article: str
    at: str
    until: str | None = None
    qualifying_ground: QualifyingGround | None = None


class Pause(Struct, frozen=True):
    """A time that does not count, in RFC 3339 instants; ``until`` is None while it lasts.

    From ``at_most`` on it counts, however long the pause lasts. ``held_by`` is the clock of the same subject whose run
    it accompanies, if it was not an event of its own.
    """

    since: str
    ground: ExclusionGround
    article: str
    until: str | None = None
    held_by: str | None = None
    at_most: str | None = None


class Clock(Struct, frozen=True):
    """One run of a statutory clock.

    ``rule`` is the row that it started under, of the procedure with the digest ``procedure``: it keeps both until it
    ends, whatever is adopted meanwhile. ``subject`` is the id of a person, item or handover, or ``case``; ``agency`` is
    the agency whose time runs, ``period`` the time that the row gives.
    ``counted_from`` is the first instant of the day after which that time begins, if it is not the day of the start.
    ``until`` is the last day or moment that a paper set. A ``provisional`` clock runs from the delivery that the sender
    claims until the receiver answers ``handover_id``. ``events`` are the events it is derived from. If an offer stopped
    it, ``stopped_in`` is the handover: the clock runs on if that handover is refused or recalled. A clock that was
    ``replaced`` was stopped by a later one of its name only, so that nobody kept or missed it. One that was
    ``taken_over`` ran before the ledger had the case: its start is as the source states it. It was counted
    anew ``resets`` times.
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
    letter_id: str | None = None
    awaits: bool = False
    extensions: tuple[Extension, ...] = ()
    pauses: tuple[Pause, ...] = ()
    stopped_at: str | None = None
    stopped_in: str | None = None
    replaced: bool = False
    taken_over: bool = False
    resets: int = 0

    @property
    def name(self) -> str:
        """Return the name of its row."""
        return self.rule.name

    @property
    def counts_from(self) -> datetime:
        """Return the moment at which counting begins; the hour or day that contains it does not count."""
        return datetime.fromisoformat(self.counted_from or self.started_at)

    @property
    def is_running(self) -> bool:
        """Tell whether it has not stopped; a paused clock is running too."""
        return self.stopped_at is None

    @property
    def is_paused(self) -> bool:
        """Tell whether its time does not count at present."""
        return bool(self.pauses) and self.pauses[-1].until is None


def marks_of_clock(clock: Clock) -> tuple[str, ...]:
    """Return the marks by which a case finds a clock; while it runs, also by what it makes rest, or makes it rest."""
    of_letter = clock.rule.per == "letter"
    marks = [f"of/{clock.subject}", f"named/{clock.name}"]
    if clock.is_running:
        marks += ["running", f"running/{clock.subject}"]
        if of_letter:
            marks.append("running/letters")
        if clock.rule.rests is not None:
            marks.append(f"rests/{clock.subject}/{clock.rule.rests}")
        if clock.rule.counts_back and clock.rule.counts_back_from:
            marks += ["counts_back", f"counts_back/{clock.subject}"]
        if clock.is_paused and clock.pauses[-1].held_by is not None:
            marks.append(f"held/{clock.subject}/{clock.pauses[-1].held_by}")
    if clock.provisional:
        marks.append(f"provisional/{clock.letter_id or clock.handover_id}")
    if clock.stopped_in:
        marks += ["halted", f"halted/{clock.subject}", f"halted_in/{clock.stopped_in}"]
        if of_letter:
            marks.append("halted/letters")
    return tuple(marks)


def counted(clock: Clock) -> Counting | None:
    """Return what the row gives the clock with its extensions; None if only a paper sets the end.

    The order of those that are counted together does not matter; what counts from a paper leaves nothing of what was
    given before it.
    """
    since = clock.counts_from
    # What counts back has its day from elsewhere.
    periods = parse_periods(clock.period) if clock.period and not clock.rule.counts_back else ()
    in_all: list[tuple[Period, ...]] = []
    then: list[tuple[Period, ...]] = []
    for extension in clock.extensions:
        rule = clock.rule.extension(extension.name, clock.period)
        if rule is None:
            continue
        if rule.is_open:
            return None
        if rule.to is not None:
            in_all.append(parse_periods(rule.to))
            continue
        assert rule.adds is not None, "it is open otherwise"
        added = parse_periods(rule.adds)
        if rule.counts == "together":
            periods += added
        elif rule.counts == "from_end":
            then.append(added)
        else:
            since, periods, then, in_all = datetime.fromisoformat(extension.at), added, [], []
    longest = max(periods, *in_all, key=_length) if in_all else periods
    return Counting(since, longest, tuple(then), manner=clock.rule.manner) if longest else None


def _length(periods: tuple[Period, ...]) -> tuple[date, int]:
    """Return what periods that start at one moment are compared by."""
    return last_day_of(date.min, periods), sum(period.amount for period in periods if period.unit == "hour")


def decided(clock: Clock) -> str | None:
    """Return the last day or moment that the latest paper sets, or None if it sets none.

    With an open extension, a paper that sets none does not count.
    """
    if not clock.extensions:
        return clock.until
    untils = [clock.until, *(extension.until for extension in clock.extensions)]
    if any(rule.is_open for rule in _extensions(clock)):
        untils = [until for until in untils if until is not None]
    return untils[-1]


def _extensions(clock: Clock) -> list[ExtensionRule]:
    rules = (clock.rule.extension(extension.name, clock.period) for extension in clock.extensions)
    return [rule for rule in rules if rule is not None]


def exclusions(pauses: Iterable[Pause], as_of: datetime) -> tuple[Exclusion, ...]:
    """Return the times that do not count; one that still lasts is taken to last until ``as_of``, or as it may."""
    excluded = []
    for pause in pauses:
        since = datetime.fromisoformat(pause.since)
        until = datetime.fromisoformat(pause.until) if pause.until else max(since, as_of)
        if pause.at_most is not None:
            until = min(until, datetime.fromisoformat(pause.at_most))
        excluded.append(Exclusion(since, until, pause.ground))
    return tuple(excluded)


def lawful_last_day(clock: Clock, zone: Zone) -> date | None:
    """Return the last day by the rules alone: without papers, days off, or a pause that still lasts.

    None if hours count, or only a paper sets the end.
    """
    counting = counted(clock)
    if counting is None:
        return None
    excluded = exclusions([pause for pause in clock.pauses if pause.until], clock.counts_from)
    end, _ = earliest_end(counting._replace(excluded=excluded), zone, None, in_custody=True)
    return end.last_day


def latest_lawful_day(clock: Clock, book: Rulebook, *, moves: bool) -> date | None:
    """Return the last day beyond which a paper goes against the rules, however extensions are counted.

    Authorities count an extension from the start, or from the end of the time before it: from the day on which that
    fell or, where it ``moves`` from days off, the one to which it moved; and to the same day of a month or from month's
    end to month's end. None if hours count, only a paper sets the end, or working days of it are not known.
    """
    zone, calendar = book.zone, book.calendar
    usual, counting = lawful_last_day(clock, zone), counted(clock)
    if usual is None or counting is None:
        return None
    excluded = exclusions([pause for pause in clock.pauses if pause.until], clock.counts_from)
    since = zone.day_of(counting.since)
    if any(period.unit == "working_day" for period in counting.periods):
        whole = Counting(counting.since, counting.periods, excluded=excluded)
        end, unknown = earliest_end(whole, zone, calendar, in_custody=False)
        return end.last_day if unknown is None else None
    days = {last_day_of(since, counting.periods, clock.rule.manner)}
    apart = {since} if clock.period is None else {last_day_of(since, parse_periods(clock.period), clock.rule.manner)}
    for extension in _extensions(clock):
        if extension.adds is not None and extension.counts != "from_paper":
            from_days = apart | {_moved(day, calendar) for day in apart if moves}
            added = parse_periods(extension.adds)
            apart = {last_day_of(day, added, Manner(end)) for day in from_days for end in get_args(MonthEnd)}
    days |= apart
    if moves:
        days |= {_moved(day, calendar) for day in days}
    unpaused = lawful_last_day(replace(clock, pauses=()), zone)
    assert unpaused is not None, "its days were counted above"
    return max(usual, *(day + (usual - unpaused) for day in days))


def _moved(day: date, calendar: WorkCalendar) -> date:
    """Return the first working day from ``day`` on, or ``day`` itself where the days off are not known."""
    try:
        days_off = tuple(calendar.days_off_from(day))
    except UnknownYear:
        return day
    return days_off[-1] + DAY if days_off else day
