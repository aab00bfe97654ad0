"""Flags about things: loans, freezes, disposals, and what arrives otherwise than it left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cache, lru_cache
from typing import NamedTuple

from msgspec import Struct

from ledger.core.custody import claimed_times
from ledger.core.custody.clocks import rule_of
from ledger.core.custody.discrepancies import differences, digests_conflict
from ledger.core.custody.state import Act, CaseState, Handover, Item
from ledger.core.custody.triggers import changes_custody
from ledger.core.events import Body, case, deadline, handover, item, record
from ledger.core.procedure.clock_periods import Clock, Extension, decided, lawful_last_day
from ledger.core.procedure.clock_rules import ClockRule, ExtensionRule
from ledger.core.procedure.legal_days import legal_day, legal_day_of
from ledger.core.procedure.rulebook import FlagName, FlagRule


def receipt_differs(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """The receiver finds something else than was released, or a checked-out thing comes back as another."""
    body = act.payload.body
    assert before is not None
    if isinstance(body, item.ItemCheckedIn):
        found = differences(before.items[body.item_id], body)
        return _told(body.item_id, "; ".join(d.expected for d in found), "; ".join(d.found for d in found))
    opened = [change.after for change in after.discrepancies.changes(before.discrepancies)]
    return ", ".join(_told(d.item_id, d.expected, d.found) or "" for d in opened if d is not None) or None


def _told(item_id: str, expected: str, found: str) -> str | None:
    return f"item {item_id}: {found}, recorded {expected}" if found else None


def list_differs(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """The sender's list names another seal than the record."""
    body = act.payload.body
    assert before is not None
    assert isinstance(body, handover.Offer)
    told = [
        f"item {line.item_id}: seal {line.seal_number}, recorded {before.items[line.item_id].seal_number}"
        for line in body.items
        if line.seal_number not in (None, before.items[line.item_id].seal_number)
    ]
    return ", ".join(told) or None


def loan_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """What was lent, to an officer or to another agency, is back after its time."""
    body = act.payload.body
    assert before is not None
    if isinstance(body, item.ItemCheckedIn):
        due = before.items[body.item_id].due_at
        return f"item {body.item_id} was due at {due}" if due and act.payload.occurred_at > due else None
    assert isinstance(body, handover.HandoverAccepted)
    back = [before.items[item_id] for item_id in after.handovers[body.handover_id].accepted_items]
    late = [
        f"item {one.item_id} was due at {one.lent_until}"
        for one in back
        if one.lent_until and after.items[one.item_id].lent_by is None and body.received_at > one.lent_until
    ]
    return ", ".join(late) or None


def frozen_twice(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """What is frozen is frozen again in place of a renewal."""
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemFrozen)
    known = before.items[body.item_id]
    return f"item {body.item_id} is frozen until {known.frozen_until}" if _is_frozen(known, act) else None


def freeze_lapsed(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A renewal after the freeze had ended renews nothing."""
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemFreezeRenewed)
    known = before.items[body.item_id]
    return None if _is_frozen(known, act) else f"item {body.item_id} was frozen until {known.frozen_until}"


def moved_while_frozen(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A frozen thing comes into other hands, or is disposed of on nobody's decision."""
    assert before is not None
    gone = [before.items[item_id] for item_id in _given_away(before, act, after)]
    told = [f"item {one.item_id} is frozen until {one.frozen_until}" for one in gone if _is_frozen(one, act)]
    return ", ".join(told) or None


def _given_away(before: CaseState, act: Act, after: CaseState) -> list[str]:
    body = act.payload.body
    if isinstance(body, item.ItemDisposed):
        proposal = before.proposals[body.cites.payload_digest]
        return [] if proposal.decision_id else list(proposal.item_ids)
    assert isinstance(body, handover.HandoverAccepted)
    made = after.handovers[body.handover_id]
    return [item_id for item_id in made.accepted_items if not made.items[item_id].stays]


def _is_frozen(one: Item, act: Act) -> bool:
    """Whether a freeze is in force on the day of the act; its last day counts."""
    until = one.frozen_until
    return until is not None and date.fromisoformat(until) >= legal_day_of(act.payload.occurred_at)


def judgment_silent(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A judgment that says nothing of property that is still there."""
    body = act.payload.body
    assert isinstance(body, case.DecisionRecorded)
    if body.kind != "judgment":
        return None
    named = {line.item_id for line in body.items}
    return ", ".join(item_id for item_id in property_left(after) if item_id not in named) or None


def property_left(after: CaseState) -> list[str]:
    """The property of the case that nobody has disposed of."""
    return [one.item_id for one in after.items.values() if one.kind == "property" and one.is_live]


def disposal_against_decision(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """A thing is disposed of otherwise than the decision says of it."""
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemDisposed)
    proposal = before.proposals[body.cites.payload_digest]
    if proposal.decision_id is None:
        return None
    ordered = {line.item_id: line.disposal for line in before.decisions[proposal.decision_id].items}
    told = [
        f"item {item_id}: {proposal.disposal}, decided {ordered[item_id]}"
        for item_id in proposal.item_ids
        if ordered.get(item_id, proposal.disposal) != proposal.disposal
    ]
    return ", ".join(told) or None


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


MOMENTS_KEPT = 256  # that of an event is asked for several times


class Flag(Struct, frozen=True):
    """A rule that the event runs against: its name, its article, and what about."""

    name: str
    article: str
    detail: str


# What is noted of a record that rests is no act in the case.
_NOTES = (record.AuditRecorded, record.DisclosureMade, record.ImportRecorded, record.SectionErased)

Look = Callable[[CaseState | None, Act, CaseState, FlagRule], str | None]


class Watch(NamedTuple):
    """Who looks whether a flag is to be raised, and at which events: at all where none are named."""

    look: Look
    bodies: tuple[type[Body], ...] = ()


def flags(before: CaseState | None, act: Act, after: CaseState) -> tuple[Flag, ...]:
    """The flags that the step from ``before`` to ``after`` raises, under the rules in force on its day."""
    return tuple(_raise(before, act, after))


def _raise(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Flag]:
    _, day = _seconds_and_day(act.payload.occurred_at)
    in_force = act.book.in_force(day)
    for name, look in _looks_at(type(act.payload.body)):
        rule = in_force.get(name)
        detail = look(before, act, after, rule) if rule else None
        if rule and detail:
            yield Flag(name, rule.article, detail)


@cache
def _looks_at(body: type[Body]) -> tuple[tuple[FlagName, Look], ...]:
    return tuple((name, watch.look) for name, watch in WATCHES.items() if not watch.bodies or body in watch.bodies)


@lru_cache(maxsize=MOMENTS_KEPT)
def _seconds_and_day(text: str) -> tuple[int, str]:
    """Of an RFC 3339 text: unix seconds and the legal day."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()), legal_day(moment).isoformat()


def _third_return(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    """At each stage it is counted anew: the review and the trial have their own two."""
    body = act.payload.body
    assert isinstance(body, handover.Offer)
    made = after.handovers[body.handover_id]
    supplements = [purpose for purpose, row in act.book.purposes.items() if row.supplements]
    if made.purpose not in supplements:
        return None
    alike = [h for purpose in supplements for h in after.handovers.marked(f"purpose/{purpose}")]
    returns = sum(h.stage == made.stage and h.status not in ("recalled", "refused") for h in alike)
    return f"return no. {returns} for supplementary investigation" if returns > rule.limit else None


def _remedy_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.status == "refused" else None


def _resubmission_overdue(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    followed = _followed(act, after)
    return _overdue(followed, act) if followed and followed.returns is not None and followed.is_accepted else None


def _followed(act: Act, after: CaseState) -> Handover | None:
    body = act.payload.body
    assert isinstance(body, handover.HandoverOffered)
    return None if body.follows is None else after.handovers[body.follows]


def _overdue(followed: Handover, act: Act) -> str | None:
    due = followed.due_at
    return f"handover {followed.handover_id} set {due}" if due and act.payload.occurred_at > due else None


def _same_officer(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert isinstance(body, handover.HandoverAccepted)
    sender = after.handovers[body.handover_id].offered_by
    return f"{sender} released and received" if sender == act.officer else None


def _backdated(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or act.payload.occurred_at >= before.last_occurred_at:
        return None
    happened, _ = _seconds_and_day(act.payload.occurred_at)
    last, _ = _seconds_and_day(before.last_occurred_at)
    if last - happened <= rule.limit:
        return None
    return f"{act.payload.occurred_at}, after an act of {before.last_occurred_at}"


def _late_entry(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    happened, _ = _seconds_and_day(act.payload.occurred_at)
    late = act.signed_at - happened
    return f"signed {late // 3600} hours after it happened" if late > rule.limit else None


def _property_undisposed(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    return ", ".join(property_left(after)) or None


def _disposal_without_decision(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemDisposed)
    proposal = before.proposals[body.cites.payload_digest]
    return ", ".join(proposal.item_ids) if proposal.decision_id is None else None


def _after_closing(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    if before is None or isinstance(act.payload.body, _NOTES):
        return None
    return "the case was closed" if before.closed else None


def _examination_differs(before: CaseState | None, act: Act, after: CaseState, rule: FlagRule) -> str | None:
    body = act.payload.body
    assert before is not None
    assert isinstance(body, item.ItemExamined)
    recorded = before.items[body.item_id]
    if body.quantity is not None and body.quantity != recorded.quantity:
        return f"item {body.item_id}: quantity {body.quantity.value}, recorded {recorded.quantity.value}"
    if body.match_result == "mismatch" or digests_conflict(recorded.digests, body.digests):
        return f"item {body.item_id}: {' '.join(body.digests) or body.finding or 'differs'}"
    return None


_EXTENSIONS = (deadline.DeadlineExtended, case.MeasureExtended)

WATCHES: dict[FlagName, Watch] = {
    "third_return": Watch(_third_return, handover.OFFERS),
    "remedy_overdue": Watch(_remedy_overdue, (handover.HandoverOffered,)),
    "resubmission_overdue": Watch(_resubmission_overdue, (handover.HandoverOffered,)),
    "same_officer_both_sides": Watch(_same_officer, (handover.HandoverAccepted,)),
    "backdated": Watch(_backdated),
    "late_entry": Watch(_late_entry),
    "odd_time": Watch(claimed_times.odd_time),
    "property_undisposed": Watch(_property_undisposed, (case.CaseClosed,)),
    "disposal_without_decision": Watch(_disposal_without_decision, (item.ItemDisposed,)),
    "act_after_closing": Watch(_after_closing),
    "examination_differs": Watch(_examination_differs, (item.ItemExamined,)),
    "receipt_differs": Watch(receipt_differs, (item.ItemCheckedIn, handover.HandoverAccepted)),
    "list_differs": Watch(list_differs, handover.OFFERS),
    "loan_overdue": Watch(loan_overdue, (item.ItemCheckedIn, handover.HandoverAccepted)),
    "frozen_twice": Watch(frozen_twice, (item.ItemFrozen,)),
    "freeze_lapsed": Watch(freeze_lapsed, (item.ItemFreezeRenewed,)),
    "moved_while_frozen": Watch(moved_while_frozen, (item.ItemDisposed, handover.HandoverAccepted)),
    "judgment_silent": Watch(judgment_silent, (case.DecisionRecorded,)),
    "disposal_against_decision": Watch(disposal_against_decision, (item.ItemDisposed,)),
    "extension_without_basis": Watch(extension_without_basis, _EXTENSIONS),
    "extension_without_ground": Watch(extension_without_ground, _EXTENSIONS),
    "term_beyond_law": Watch(term_beyond_law),
    "custody_not_changed": Watch(custody_not_changed, handover.OFFERS),
}
