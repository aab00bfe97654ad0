"""One run of a statutory clock, as the stream of its case has it. When it ends is counted elsewhere."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct

from ledger.core.event.terms import EventRef, ExclusionGround, QualifyingGround
from ledger.core.legal_day import start_of


class Extension(Struct, frozen=True):
    """More time, by the row ``name`` of the clock's rule, None where no row fits; ``until`` is the last day decided."""

    name: str | None
    article: str
    until: str | None = None
    qualifying_ground: QualifyingGround | None = None


class Pause(Struct, frozen=True):
    """Time that does not count: RFC 3339 instants; ``until`` is None while it lasts. ``held_by`` is the clock of the
    same subject that it lasts as long as, where it was no event of its own.
    """

    since: str
    ground: ExclusionGround
    article: str
    until: str | None = None
    held_by: str | None = None


class Clock(Struct, frozen=True):
    """``subject`` is a person, an item, a handover, or ``case``; ``agency`` is whose time it is.

    ``rule_from`` dates the row of the rules that the clock keeps, ``period`` is the time that the row gives it.
    ``counted_from`` is the day after which that time begins, where it is another than that of the start.
    ``until`` is the last day or moment that a paper set. ``provisional`` clocks run from the delivery that the sender
    claims, until the receiver answers ``handover_id``. ``events`` are those it was derived from. Where an offer stopped
    it, ``stopped_in`` is the handover: it runs on if that comes to nothing.
    """

    deadline_id: str
    name: str
    subject: str
    agency: str
    started_at: str
    rule_from: str
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
    def counts_from(self) -> datetime:
        """The moment with whose hour or day, which does not count, the counting begins."""
        if self.counted_from is None:
            return datetime.fromisoformat(self.started_at)
        return start_of(date.fromisoformat(self.counted_from))

    @property
    def is_running(self) -> bool:
        return self.stopped_at is None

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].until is None
