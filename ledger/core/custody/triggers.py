"""What an event is to the statutory clocks: a pure reading of the step from one state to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ledger.core.custody.state import Act, CaseState, Handover, Item
from ledger.core.event import Body, case, custody_change, handover, item
from ledger.core.rulebook import PurposeRule

CUSTODY = ("detention", "arrest", "commission_detention")


class Trigger(NamedTuple):
    """``name`` happened at ``at`` (as claimed), to ``subjects`` (nobody in particular: to all) and burdens ``agency``.

    ``until`` is the last day or moment that a paper sets, ``handover_id`` the handover that it happened in.
    """

    name: str
    at: str
    agency: str
    subjects: tuple[str, ...] = ()
    until: str | None = None
    handover_id: str | None = None


Reading = Callable[[CaseState, Act, CaseState, Any], Iterator[Trigger]]


def triggers(before: CaseState | None, act: Act, after: CaseState) -> Iterator[Trigger]:
    """All that the event is to a clock."""
    read = _READINGS.get(type(act.payload.body))
    if read is not None and before is not None:
        yield from read(before, act, after, act.payload.body)


def in_custody(state: CaseState, person_id: str) -> bool:
    """Whether a measure that locks the person up is running."""
    return any(
        measure.measure in CUSTODY and measure.ended_at is None
        for measure in state.measures.marked(f"person/{person_id}")
    )


def _imposed(before: CaseState, act: Act, after: CaseState, body: case.MeasureImposed) -> Iterator[Trigger]:
    yield Trigger(f"measure.{body.measure}", body.started_at, act.agency, (body.person_id,), body.until)


def _changed(before: CaseState, act: Act, after: CaseState, body: case.MeasureChanged) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield Trigger(f"measure_ended.{old.measure}", body.started_at, act.agency, (old.person_id,))
    from_commission = old.measure == "commission_detention" and body.measure == "detention"
    name = "commission_case_received" if from_commission else f"measure.{body.measure}"
    yield Trigger(name, body.started_at, act.agency, (old.person_id,), body.until)


def _lifted(before: CaseState, act: Act, after: CaseState, body: case.MeasureLifted) -> Iterator[Trigger]:
    old = before.measures[body.measure_id]
    yield Trigger(f"measure_ended.{old.measure}", body.ended_at, act.agency, (old.person_id,))


def _decided(before: CaseState, act: Act, after: CaseState, body: case.DecisionRecorded) -> Iterator[Trigger]:
    moments = {"decided": body.decided_at, "served": body.served_at, "effective": body.effective_at}
    for word, at in moments.items():
        yield Trigger(f"{word}.{body.kind}", at or body.decided_at, act.agency, body.person_ids)


def _stage_entered(before: CaseState, act: Act, after: CaseState, body: case.CaseStageEntered) -> Iterator[Trigger]:
    if body.procedure is not None:
        yield Trigger(f"procedure.{body.procedure}", act.payload.occurred_at, act.agency)


def _offered(
    before: CaseState, act: Act, after: CaseState, body: handover.HandoverOffered | handover.HandoverReturned
) -> Iterator[Trigger]:
    made = after.handovers[body.handover_id]
    at, key = made.offered_at, made.handover_id
    yield Trigger(f"offered.{made.purpose}", at, made.to_agency, made.person_ids, handover_id=key)
    if made.follows is not None:
        yield Trigger("remedy_met", at, made.from_agency, (made.follows,))
    if made.expires_at is not None:
        yield Trigger("offer_open", at, made.to_agency, (key,), made.expires_at)


def _accepted(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    made, key = after.handovers[body.handover_id], body.handover_id
    at = act.payload.occurred_at
    present = tuple(person for person in made.person_ids if person not in body.absent_person_ids)
    yield Trigger("offer_answered", at, act.agency, (key,))
    yield Trigger(f"received.{made.purpose}", body.received_at, act.agency, present, handover_id=key)
    yield Trigger(f"accepted.{made.purpose}", at, act.agency, present, handover_id=key)
    locked_up = tuple(person for person in present or after.persons if in_custody(after, person))
    if locked_up and _purpose(act, made).custody_change:
        yield Trigger("custody_change_due", at, act.agency, locked_up, handover_id=key)
    if made.returns is not None and made.due_at is not None:
        yield Trigger("remedy_set", at, act.agency, (key,), made.due_at)
    yield from _lent(before, act, after, body)


def _lent(before: CaseState, act: Act, after: CaseState, body: handover.HandoverAccepted) -> Iterator[Trigger]:
    """What was accepted for a time, and what came back to whoever had lent it."""
    taken = after.handovers[body.handover_id].accepted_items
    lent: dict[str | None, list[str]] = {}
    for item_id in taken:
        old, new = before.items[item_id], after.items[item_id]
        if (old.lent_by, old.lent_until) != (new.lent_by, new.lent_until):
            lent.setdefault(new.lent_until, []).append(item_id)
    for until, item_ids in lent.items():
        name = "given_back" if until is None else "lent"
        yield Trigger(name, body.received_at, act.agency, tuple(item_ids), until)


def _purpose(act: Act, made: Handover) -> PurposeRule:
    return act.book.purposes[made.purpose]


def _refused(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRefused) -> Iterator[Trigger]:
    made, at = after.handovers[body.handover_id], act.payload.occurred_at
    yield Trigger("offer_answered", at, act.agency, (made.handover_id,))
    yield Trigger(f"refused.{made.purpose}", at, made.from_agency, made.person_ids, handover_id=made.handover_id)
    if body.due_at is not None:
        yield Trigger("remedy_set", at, made.from_agency, (made.handover_id,), body.due_at)


def _recalled(before: CaseState, act: Act, after: CaseState, body: handover.HandoverRecalled) -> Iterator[Trigger]:
    made = after.handovers[body.handover_id]
    at, key = act.payload.occurred_at, made.handover_id
    yield Trigger("offer_answered", at, act.agency, (key,))
    yield Trigger(f"refused.{made.purpose}", at, made.from_agency, made.person_ids, handover_id=key)


def _served(
    before: CaseState, act: Act, after: CaseState, body: custody_change.CustodyChangeServed
) -> Iterator[Trigger]:
    change = after.custody_changes[body.custody_change_id]
    yield Trigger("custody_changed", body.served_at, change.requested_by, (change.person_id,))


def _frozen(
    before: CaseState, act: Act, after: CaseState, body: item.ItemFrozen | item.ItemFreezeRenewed
) -> Iterator[Trigger]:
    yield Trigger("frozen", act.payload.occurred_at, act.agency, (body.item_id,), body.frozen_until)


def _item_split(before: CaseState, act: Act, after: CaseState, body: item.ItemSplit) -> Iterator[Trigger]:
    yield from _succeeded(act, (body.item_id,), [after.items[part.item_id] for part in body.parts])


def _item_merged(before: CaseState, act: Act, after: CaseState, body: item.ItemMerged) -> Iterator[Trigger]:
    yield from _succeeded(act, body.item_ids, [after.items[body.whole.item_id]])


def _succeeded(act: Act, gone: tuple[str, ...], new: list[Item]) -> Iterator[Trigger]:
    """What takes the place of frozen things is frozen until the same day."""
    at = act.payload.occurred_at
    yield Trigger("disposed", at, act.agency, gone)
    for one in new:
        if one.frozen_until is not None:
            yield Trigger("frozen", at, act.agency, (one.item_id,), one.frozen_until)


def _disposed(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> Iterator[Trigger]:
    proposal = before.proposals[body.cites.payload_digest]
    yield Trigger("disposed", body.disposed_at, act.agency, proposal.item_ids)


def _checked_out(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedOut) -> Iterator[Trigger]:
    yield Trigger("checked_out", act.payload.occurred_at, act.agency, (body.item_id,), body.due_at)


def _checked_in(before: CaseState, act: Act, after: CaseState, body: item.ItemCheckedIn) -> Iterator[Trigger]:
    yield Trigger("checked_in", act.payload.occurred_at, act.agency, (body.item_id,))


_READINGS: dict[type[Body], Reading] = {
    case.MeasureImposed: _imposed,
    case.MeasureChanged: _changed,
    case.MeasureLifted: _lifted,
    case.DecisionRecorded: _decided,
    case.CaseStageEntered: _stage_entered,
    handover.HandoverOffered: _offered,
    handover.HandoverReturned: _offered,
    handover.HandoverAccepted: _accepted,
    handover.HandoverRefused: _refused,
    handover.HandoverRecalled: _recalled,
    custody_change.CustodyChangeServed: _served,
    item.ItemFrozen: _frozen,
    item.ItemFreezeRenewed: _frozen,
    item.ItemSplit: _item_split,
    item.ItemMerged: _item_merged,
    item.ItemDisposed: _disposed,
    item.ItemCheckedOut: _checked_out,
    item.ItemCheckedIn: _checked_in,
}
