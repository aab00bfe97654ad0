"""Flags about clocks and persons in custody: what a paper gives beyond the law, and who was kept for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ledger.core.clock_rules import ClockRule, ExtensionRule
from ledger.core.custody.clocks import rule_of
from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import changes_custody
from ledger.core.deadlines.clock import Clock, Extension
from ledger.core.deadlines.lawful import decided, lawful_last_day
from ledger.core.event import handover
from ledger.core.rulebook import FlagRule


def extension_without_basis(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """No row of the clock's rules has this extension, or has it that often."""
    for clock, extension, row in _extended(before, act, after):
        times = sum(one.name == extension.name for one in clock.extensions)
        if row is None:
            return f"{clock.name} is not extended by {extension.article}"
        if times > row.times and not row.is_open:
            return f"{clock.name} is extended by {row.name} {times} times"
    return None


def extension_without_ground(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    for clock, extension, row in _extended(before, act, after):
        if row is not None and row.grounds and extension.qualifying_ground not in row.grounds:
            return f"{clock.name}, {row.name}: expected one of {', '.join(row.grounds)}"
    return None


def term_beyond_law(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A paper sets a later last day than the rules give; days off are not looked at."""
    for clock in _touched(before, after):
        row = rule_of(clock, act.book)
        until = decided(clock, row)
        lawful = lawful_last_day(clock, row) if until else None
        if until and lawful and date.fromisoformat(until[:10]) > lawful:
            return f"{clock.deadline_id} is set to {until}, the rules give it until {lawful}"
    return None


def custody_not_changed(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A locked-up person is passed on while the detention house still keeps him for another organ."""
    body = act.payload.body
    assert before is not None
    assert isinstance(body, handover.Offer)
    made = after.handovers[body.handover_id]
    if not changes_custody(after, made, act.book):
        return None
    kept = [before.persons[person_id] for person_id in made.person_ids or before.persons]
    wrong = [person for person in kept if person.kept_for not in (None, act.agency)]
    return ", ".join(f"{person.person_id} is kept for {person.kept_for}" for person in wrong) or None


def _touched(before: CaseState | None, after: CaseState) -> Iterator[Clock]:
    """Clocks that the event started or extended; one that runs on under another id has further events."""
    for _, earlier, clock in after.clocks.changes(before.clocks if before else None):
        if clock is None:
            continue
        if len(clock.events) == 1 if earlier is None else len(earlier.extensions) < len(clock.extensions):
            yield clock


def _extended(
    before: CaseState | None, act: Act, after: CaseState
) -> Iterator[tuple[Clock, Extension, ExtensionRule | None]]:
    for clock in _touched(before, after):
        row: ClockRule = rule_of(clock, act.book)
        yield clock, clock.extensions[-1], row.extension(clock.extensions[-1].name, clock.period)
