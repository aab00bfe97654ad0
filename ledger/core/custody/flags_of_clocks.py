"""Flags of times: what runs against the rows of clocks when one is started, extended, rested or counted anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from ledger.core.custody.due_dates import end_of_clock
from ledger.core.custody.flags import flag
from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import in_custody
from ledger.core.encoding.instants import spelled
from ledger.core.events import Body, case
from ledger.core.messages import Message, Term, joined
from ledger.core.procedure.clock_periods import Clock, Extension, decided, latest_lawful_day
from ledger.core.procedure.deadlines import last_day_of, parse_periods
from ledger.core.procedure.legal_days import days_before
from ledger.core.procedure.rulebook import ExtensionRule, FlagName

# What can be wrong with clocks alone, without a case around them.
OF_CLOCKS: frozenset[FlagName] = frozenset(("term_beyond_law", "extension_without_basis", "extension_without_ground"))


@flag(
    "extension_without_basis", case.DeadlineExtended, case.MeasureExtended, case.DeadlineReset, case.DeadlineSuspended
)
def extension_without_basis(before: CaseState, act: Act, after: CaseState, body: Body) -> str | None:
    """Return the extension that no row of the clock's rules allows, or not that often, not yet, or no more.

    A time that is counted anew too often, or rests on a ground that its row does not name, is longer without basis too.
    """
    if isinstance(body, case.DeadlineReset):
        anew = after.clocks[body.deadline_id]
        if anew.rule.resets is None or anew.resets <= anew.rule.resets:
            return None
        return Message("{clock} is counted anew {times} times", clock=anew.name, times=anew.resets)
    if isinstance(body, case.DeadlineSuspended):
        rule = after.clocks[body.deadline_id].rule
        if rule.exclusions is None or body.excluded_for in rule.exclusions:
            return None
        ground = Term("exclusion_ground", body.excluded_for)
        return Message("{clock} does not rest for this: {ground}", clock=rule.name, ground=ground)
    for clock, extension, row in _extended(before, act, after):
        names = [each.name for each in clock.extensions]
        if row is None:
            return Message("{clock} is not extended by {article}", clock=clock.name, article=extension.article)
        extended = f"{clock.name}/{row.name}"
        if 0 < row.times < (times := names.count(row.name)) and not row.is_open:
            return Message(
                "{clock} is extended by {extension} {times} times", clock=clock.name, extension=extended, times=times
            )
        if row.requires is not None and row.requires not in names:
            return Message(
                "{extension} comes only after {earlier}", extension=extended, earlier=f"{clock.name}/{row.requires}"
            )
        ends = end_of_clock(before, before.clocks[clock.deadline_id], act.book)
        if ends.counted and not ends.unknown and datetime.fromisoformat(extension.at) >= ends.counted.due_at:
            return Message("{clock} had ended at {due_at}", clock=clock.name, due_at=spelled(ends.counted.due_at))
        if row.within_last is not None and ends.counted and ends.counted.last_day and not ends.unknown:
            first = days_before(ends.counted.last_day, row.within_last)
            if act.book.zone.day_of_text(extension.at) < first:
                return Message("{extension} is decided from {first} on", extension=extended, first=first)
    return None


@flag("extension_without_ground", case.DeadlineExtended, case.MeasureExtended)
def extension_without_ground(before: CaseState, act: Act, after: CaseState, body: Body) -> str | None:
    """Return the clock that is extended without one of the qualifying grounds that the row requires."""
    for clock, extension, row in _extended(before, act, after):
        if row is not None and row.grounds and extension.qualifying_ground not in row.grounds:
            grounds = joined([Term("qualifying_ground", ground) for ground in row.grounds], by=", ")
            extended = f"{clock.name}/{row.name}"
            return Message(
                "{clock}, {extension}: expected one of {grounds}", clock=clock.name, extension=extended, grounds=grounds
            )
    return None


@flag("term_beyond_law")
def term_beyond_law(before: CaseState | None, act: Act, after: CaseState, body: Body) -> str | None:
    """Return the last day set by a paper that is later than the rules allow, however one counts, or too early."""
    for clock in _touched(before, after):
        row = clock.rule
        until = decided(clock)
        if until is None:
            continue
        moves = row.days_off == "later" or (row.days_off == "later_at_liberty" and not in_custody(after, clock.subject))
        lawful = latest_lawful_day(clock, act.book, moves=moves)
        if lawful is not None and date.fromisoformat(until[:10]) > lawful:
            return Message(
                "{deadline_id} is set to {until}, the rules give it until {lawful}",
                deadline_id=clock.deadline_id,
                until=until,
                lawful=lawful,
            )
        if row.least is not None:
            least = last_day_of(act.book.zone.day_of(clock.counts_from), parse_periods(row.least), row.manner)
            if date.fromisoformat(until[:10]) < least:
                return Message(
                    "{deadline_id} is set to {until}, the rules give it at least until {least}",
                    deadline_id=clock.deadline_id,
                    until=until,
                    least=least,
                )
    return None


def _touched(before: CaseState | None, after: CaseState) -> Iterator[Clock]:
    """Yield the clocks that the event started or extended, but not those that continue under another id."""
    for _, earlier, clock in after.clocks.changes(before.clocks if before else None):
        if clock is None:
            continue
        # A clock transferred from another case or item has the events of its predecessor too.
        if len(clock.events) == 1 if earlier is None else len(earlier.extensions) < len(clock.extensions):
            yield clock


def _extended(
    before: CaseState | None, act: Act, after: CaseState
) -> Iterator[tuple[Clock, Extension, ExtensionRule | None]]:
    for clock in _touched(before, after):
        # An extension may start another clock, which has none of its own.
        if clock.extensions:
            extension = clock.extensions[-1]
            yield clock, extension, clock.rule.extension(extension.name, clock.period)
