"""Flags about things: loans, freezes, disposals, and what arrives otherwise than it left."""

from __future__ import annotations

from datetime import date

from ledger.core.custody.discrepancies import differences
from ledger.core.custody.state import Act, CaseState, Item
from ledger.core.event import case, handover, item
from ledger.core.legal_day import legal_day_of
from ledger.core.rulebook import FlagRule


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
