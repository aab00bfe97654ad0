"""Retention: until when a case and its things are kept, which clocks count, and what bars what is due then."""

from __future__ import annotations

from datetime import datetime

from ledger.core.custody.due_dates import due_at
from ledger.core.custody.holds import Obstacle, obstacles, of_hold
from ledger.core.custody.references import require_distinct
from ledger.core.custody.state import Act, CaseState, refuse_gone, rule
from ledger.core.errors import refuse
from ledger.core.events import retention
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.rulebook import Rulebook


@rule(retention.RetentionSet)
def retention_set(state: CaseState, act: Act, body: retention.RetentionSet) -> CaseState:
    """Leave the case as it is: its clocks count from the act.

    Refuses items that are gone, and (no_retention) what the procedure has no time of retention for.
    """
    require_distinct(body.item_ids, "item", field="item_ids")
    for item_id in body.item_ids:
        item = state.item(item_id, field="item_ids")
        if not item.is_live:
            refuse_gone(item, field="item_ids")
    per = "item" if body.item_ids else "case"
    if not any(row.retains and row.per == per for row in act.book.started_by.get("retention_set", ())):
        refuse(
            "no_retention",
            "the procedure has no time of retention that is set for it",
            field="body.item_ids",
            hint="A row of its clocks has `then`, and starts with retention_set.",
        )
    return state


def kept_still(state: CaseState, subject: str, book: Rulebook, at: str) -> list[Clock]:
    """Return what has not come to its end at the instant ``at``: times of retention of an item or of the case.

    And the clocks that these wait for. One whose end cannot be counted has not come to it.
    """
    keeping = [clock for clock in state.clocks.marked(f"running/{subject}") if clock.rule.retains]
    names = dict.fromkeys(name for clock in keeping for name in clock.rule.waits_for)
    waited_for = [clock for name in names for clock in state.clocks.marked(f"named/{name}") if clock.is_running]
    moment = datetime.fromisoformat(at)
    return [clock for clock in (*keeping, *waited_for) if (end := due_at(state, clock, book)) is None or moment < end]


def obstacles_to_end(state: CaseState, clock: Clock) -> tuple[Obstacle, ...]:
    """Return what stands in the way of what the time of retention ``clock`` leads to; nothing if it can be done.

    Of an item, what bars its destruction; of a case, all of its holds and open offers; of both, the clocks that its row
    waits for.
    """
    waits_for = [each for name in clock.rule.waits_for for each in state.clocks.marked(f"named/{name}")]
    running = [Obstacle("deadline", each.deadline_id, each.agency) for each in waits_for if each.is_running]
    if clock.subject in state.items:
        return (*obstacles(state, clock.subject), *running)
    offers = [Obstacle("handover", each.handover_id, each.to_agency) for each in state.handovers.marked("open")]
    return (*(of_hold(hold) for hold in state.holds.marked("standing")), *offers, *running)
