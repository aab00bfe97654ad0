"""A case as the reference looks at it: its steps, and plain arithmetic of days."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TypeVar

from ledger.core.custody import Handover
from ledger.core.custody.triggers import CUSTODY
from ledger.core.events import Body
from ledger.core.procedure.legal_days import DAY, legal_day
from scripts.histories.life import CALENDAR, Life, Planted, Step

B = TypeVar("B", bound=Body)
KNOWN_YEARS = CALENDAR.years


class Told:
    """One life, looked at from the moment ``as_of``."""

    def __init__(self, life: Life, as_of: datetime) -> None:
        self.case_id = life.case_id
        self.steps = life.steps
        self.state = life.state
        self.as_of = as_of
        self.today = legal_day(as_of)

    def breach(self, rule: int, part: str, *subjects: str | None) -> Planted:
        """A breach in this case."""
        return Planted(rule, part, self.case_id, tuple(one for one in subjects if one))

    def saying(self, body: type[B]) -> Iterator[tuple[Step, B]]:
        """The steps whose events are of this type."""
        for step in self.steps:
            if isinstance(step.entry.payload.body, body):
                yield step, step.entry.payload.body

    def accepted(self, *purposes: str) -> list[Handover]:
        """The handovers for these purposes that were accepted, in their order."""
        return [one for one in self.state.handovers.values() if one.is_accepted and one.purpose in purposes]

    def is_locked_up(self, person: str, moment: str) -> bool:
        """Whether a measure kept the person in custody at that moment."""
        return any(
            one.person_id == person and one.measure in CUSTODY and one.started_at <= moment < (one.ended_at or "9")
            for one in self.state.measures.values()
        )

    def last_day(self, first: date, persons: tuple[str, ...]) -> date:
        """``first``, or the next working day for those at liberty; unknown holidays are taken as none."""
        if any(self.is_locked_up(person, f"{first.isoformat()}T15:59:59Z") for person in persons):
            return first
        while first.year in KNOWN_YEARS and CALENDAR.is_day_off(first):
            first += DAY
        return first


def day(moment: str | None) -> date:
    """The legal day of an instant. Requires that there is one."""
    assert moment is not None
    return legal_day(datetime.fromisoformat(moment))


def months_after(first: date, months: int) -> date:
    """The same day so many months later, or the last one of that month."""
    year, month = divmod(first.month - 1 + months, 12)
    year, month = first.year + year, month + 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def utc(moment: str) -> datetime:
    """An instant as an aware time."""
    return datetime.fromisoformat(moment).astimezone(UTC)
