"""Flags of what is kept: legal holds, times of retention, and what was destroyed in spite of them."""

from __future__ import annotations

from ledger.core.custody.due_dates import end_of_clock
from ledger.core.custody.flags import flag, of_another_kind
from ledger.core.custody.holds import holds_on_item
from ledger.core.custody.retention import kept_still
from ledger.core.custody.state import Act, CaseState, DisposalProposal
from ledger.core.custody.triggers import CASE
from ledger.core.events import hold, item, record, retention
from ledger.core.messages import Message, joined
from ledger.core.procedure.clock_periods import decided


@flag("disposed_while_held", item.ItemDisposed)
def _disposed_while_held(before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed) -> str | None:
    """Return the items of which a disposal is recorded in spite of a hold, each with the holds."""
    gone = [before.items[item_id] for item_id in before.proposals[body.cites.event_id].item_ids]
    against = {thing.item_id: [hold.hold_id for hold in holds_on_item(before, thing)] for thing in gone}
    texts = [
        Message("item {item_id}: {holds}", item_id=item_id, holds=joined(ids, by=", "))
        for item_id, ids in against.items()
        if ids
    ]
    return joined(texts)


@flag("hold_by_another_kind", hold.HoldPlaced)
def _hold_by_another_kind(before: CaseState, act: Act, after: CaseState, body: hold.HoldPlaced) -> str | None:
    return of_another_kind(act, act.agency, act.book.holds[body.kind].by)


@flag("retention_shortened", retention.RetentionSet)
def _retention_shortened(before: CaseState, act: Act, after: CaseState, body: retention.RetentionSet) -> str | None:
    """Return until when what is kept was to be kept, where that was longer."""
    was = [
        clock.until if (ends := end_of_clock(before, clock, act.book).counted) is None else ends.last_day
        for subject in body.item_ids or (CASE,)
        for clock in before.clocks.marked(f"running/{subject}")
        if clock.rule.retains
    ]
    longest = max((str(day) for day in was if day is not None), default=body.until)
    return Message("it was kept until {until}", until=longest) if longest > body.until else None


@flag("destroyed_before_due", item.ItemDisposed, record.SectionErased)
def _destroyed_before_due(
    before: CaseState, act: Act, after: CaseState, body: item.ItemDisposed | record.SectionErased
) -> str | None:
    """Return the clocks for which the items, or of an erased section the case, should have been kept still.

    The general times of the rules give way to what their rows name; a day that was set for the case never does.
    """
    if isinstance(body, item.ItemDisposed):
        proposal = before.proposals[body.cites.event_id]
        grounds = {item_id: _ordered_by(before, proposal, item_id) for item_id in proposal.item_ids}
        at = body.disposed_at
    else:
        grounds, at = {CASE: body.erased_for}, act.event.occurred_at
    clocks = [
        clock.deadline_id
        for subject, ground in grounds.items()
        for clock in kept_still(before, subject, act.book, at)
        if ground not in clock.rule.gives_way_to or decided(clock) is not None
    ]
    return joined([*dict.fromkeys(clocks)], by=", ")


def _ordered_by(state: CaseState, proposal: DisposalProposal, item_id: str) -> str | None:
    """Return the kind of the decision that a proposal cites, if it orders this disposal of the item; else None."""
    decision = None if proposal.decision_id is None else state.decisions[proposal.decision_id]
    ordered = decision is not None and any(
        line.item_id == item_id and line.disposal == proposal.disposal for line in decision.items
    )
    return decision.kind if decision is not None and ordered else None


@flag("hold_released_by_another", hold.HoldReleased)
def _hold_released_by_another(before: CaseState, act: Act, after: CaseState, body: hold.HoldReleased) -> str | None:
    """Return the hold that another agency releases than the one that placed it."""
    placed = before.holds[body.hold_id]
    return Message("{hold.agency} placed hold {hold.hold_id}", hold=placed) if placed.agency != act.agency else None
