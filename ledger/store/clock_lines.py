"""The lines of the list of deadlines: the clocks of a case or recommendation as they stand after an event.

They follow from its states alone; ``clocks`` keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.custody.cases import with_split_off
from ledger.core.custody.clocks import whose
from ledger.core.custody.due_dates import AtEnd, end_of_clock, subjects_of_other_ends
from ledger.core.encoding.instants import spelled
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision import RecommendationState, SupervisionStep

LineStatus = Literal["running", "suspended", "ended", "replaced", "void"]


class ClockLine(Struct, frozen=True):
    """A row of ``tables.ClocksTable``, without the entry that changed it last."""

    case_id: str
    deadline_id: str
    clock: str
    subject: str
    agency: str
    handler: str | None
    started_at: str
    stopped_at: str | None
    due_at: str | None
    last_day: str | None
    at_end: AtEnd
    status: LineStatus


def changes(before: CaseState | None, after: CaseState, book: Rulebook) -> tuple[ClockLine, ...]:
    """Return the lines that an event changed between ``before`` and ``after``, of a case or of a recommendation.

    A split changes none: what it gives up stays on the list under this case until another has taken it over.
    """
    if before is None:
        return tuple(line_of(after, clock, book) for clock in after.clocks.values())
    lines: list[ClockLine] = []
    given_up = {
        clock.deadline_id for _, _, split in after.splits.changes(before.splits) if split for clock in split.clocks
    }
    for key, (old_clock, clock) in sorted(concerned(before, after).items(), key=itemgetter(0)):
        if old_clock is not None and clock is None:
            if key not in given_up:
                lines.append(_void(before, old_clock, book))
        elif clock is not None:
            line = line_of(after, clock, book)
            # Only of a clock that is as it was may the line be as it was.
            if old_clock is not clock or line != line_of(before, old_clock, book):
                lines.append(line)
    return tuple(lines)


def of_taken_over(source: CaseState, split_id: str, book: Rulebook) -> tuple[ClockLine, ...]:
    """Return the lines that end as another case takes over what a split gave up; the clocks have lines of that case.

    ``source`` is the state right after the split, which has this event id.
    """
    shown = with_split_off(source, (split_id,))
    return tuple(_void(shown, clock, book) for clock in source.splits[split_id].clocks)


def _void(state: CaseState, clock: Clock, book: Rulebook) -> ClockLine:
    return replace(line_of(state, clock, book), due_at=None, last_day=None, status="void")


def changes_of_step(step: SupervisionStep, in_force: Mapping[str, Rulebook]) -> tuple[ClockLine, ...]:
    """Return the lines that an event of supervision changed: of a recommendation, by the days off known now."""
    after = step.after
    if not isinstance(after, RecommendationState) or after.timing is None:
        return ()
    before = step.before.timing if isinstance(step.before, RecommendationState) else None
    return changes(before, after.timing, in_force[after.issued.procedure])


def concerned(before: CaseState, after: CaseState) -> dict[str, tuple[Clock | None, Clock | None]]:
    """Return the clocks before and after an event, or several, whose lines may differ, by their ids."""
    clocks = {key: (old, new) for key, old, new in after.clocks.changes(before.clocks)}
    unchanged: Iterable[Clock]
    # Who holds a clock depends on both, for every clock of the case.
    if before.assignments is not after.assignments or before.responsible != after.responsible:
        unchanged = after.clocks.values()
    else:
        subjects = subjects_of_other_ends(before, after)
        unchanged = (clock for subject in subjects for clock in after.clocks.marked(f"of/{subject}"))
    for clock in unchanged:
        clocks.setdefault(clock.deadline_id, (clock, clock))
    return clocks


def line_of(state: CaseState, clock: Clock, book: Rulebook) -> ClockLine:
    """Return a clock of the case as a line."""
    agency = whose(state, clock)
    assignment = state.assignments.get(agency)
    ends = end_of_clock(state, clock, book)
    last_day = None if ends.counted is None else ends.counted.last_day
    return ClockLine(
        case_id=state.case_id,
        deadline_id=clock.deadline_id,
        clock=clock.name,
        subject=clock.subject,
        agency=agency,
        handler=assignment.handler if assignment else None,
        started_at=clock.started_at,
        stopped_at=clock.stopped_at,
        due_at=None if ends.counted is None else spelled(ends.counted.due_at),
        last_day=None if last_day is None else last_day.isoformat(),
        at_end=ends.at_end(clock.rule),
        status=_status(clock),
    )


def _status(clock: Clock) -> LineStatus:
    if clock.is_paused:
        return "suspended"
    return "running" if clock.is_running else "replaced" if clock.replaced else "ended"
