"""What blocks a case: its closing or an agency's next step, and the act that removes the block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.core.custody import CaseState, CustodyChange, Discrepancy, Item
from ledger.core.procedure.clock_periods import Clock

BAR_CLOSING = ("yours_to_answer", "not_answered", "discrepancy")


class CaseBlock(NamedTuple):
    """The kind of block, and the values in its sentence.

    ``act`` is the act of the reader's agency that removes it, done to ``of``; None if another agency must act.
    """

    kind: str
    values: dict[str, str]
    act: str | None = None
    of: str | None = None


def blocks(state: CaseState, agency: str) -> Iterator[CaseBlock]:
    """Yield what blocks the agency."""
    if state.closed:
        yield CaseBlock("closed", {})
        return
    for handover in state.handovers.values():
        if handover.is_open:
            kind = "yours_to_answer" if handover.to_agency == agency else "not_answered"
            yield CaseBlock(
                kind, {"handover_id": handover.handover_id, "agency": handover.to_agency, "since": handover.offered_at}
            )
    for difference in state.discrepancies.values():
        if not difference.is_resolved:
            yield _of_difference(difference, agency)
    for change in state.custody_changes.values():
        if change.served_at is None:
            values = {"agency": change.detention_house, "person_id": change.person_id[:8]}
            act = "serve-custody" if change.detention_house == agency else None
            yield CaseBlock("custody_change", values, act, change.custody_change_id)
    for clock in changes_due(state, agency):
        yield CaseBlock("custody_change_due", {"person_id": clock.subject[:8]}, "request-custody", clock.subject)
    if not free_items(state, agency):
        yield CaseBlock("nothing_held", {})


def _of_difference(difference: Discrepancy, agency: str) -> CaseBlock:
    missing = [party for party in difference.parties if party not in difference.resolutions]
    values = {"item_id": difference.item_id, "expected": difference.expected, "found": difference.found}
    act = "resolve" if may_resolve(difference, agency) else None
    return CaseBlock("discrepancy", values | {"agency": ", ".join(missing)}, act, difference.discrepancy_id)


def may_resolve(difference: Discrepancy, agency: str) -> bool:
    """Return whether the agency may sign next: it has not signed, or the two have signed different words."""
    if agency not in difference.parties or difference.is_resolved:
        return False
    return agency not in difference.resolutions or len(difference.resolutions) == len(difference.parties)


def changes_due(state: CaseState, agency: str) -> list[Clock]:
    """Return the clocks of the detained persons whose change of custody the agency has yet to request."""
    return [
        clock
        for clock in state.clocks.marked("running")
        if (clock.name, clock.agency) == ("custody_change", agency) and not _is_asked_for(state, clock.subject, agency)
    ]


def _is_asked_for(state: CaseState, person_id: str, agency: str) -> bool:
    return any(change.requested_by == agency for change in state.custody_changes.marked(f"unserved/{person_id}"))


def changes_to_serve(state: CaseState, agency: str) -> list[CustodyChange]:
    """Return the changes of custody that wait for the agency, a detention house."""
    return [
        change
        for change in state.custody_changes.values()
        if change.served_at is None and change.detention_house == agency
    ]


def free_items(state: CaseState, agency: str) -> list[Item]:
    """Return the items that the agency could offer now: it holds them, they are in store and not offered."""
    return [item for item in state.items.values() if (item.holder, item.status, item.offer) == (agency, "held", None)]
