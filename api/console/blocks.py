"""What stands in the way in a case, of closing it or of an agency's next step; and the act that clears it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.core.custody import CaseState, CustodyChange, Discrepancy, Item
from ledger.core.procedure.clock_periods import Clock

BAR_CLOSING = ("yours_to_answer", "not_answered", "discrepancy")


class Block(NamedTuple):
    """The kind of it, and the values that its sentence names. ``act`` is that of the reader's agency which clears it,
    done to ``of``; None where the next step is another agency's."""

    kind: str
    values: dict[str, str]
    act: str | None = None
    of: str | None = None


def blocks(state: CaseState, agency: str) -> Iterator[Block]:
    """What stands in the way of the agency."""
    if state.closed:
        yield Block("closed", {})
        return
    for one in state.handovers.values():
        if one.is_open:
            kind = "yours_to_answer" if one.to_agency == agency else "not_answered"
            yield Block(kind, {"handover_id": one.handover_id, "agency": one.to_agency, "since": one.offered_at})
    for difference in state.discrepancies.values():
        if not difference.is_resolved:
            yield _of_difference(difference, agency)
    for change in state.custody_changes.values():
        if change.served_at is None:
            said = {"agency": change.detention_house, "person_id": change.person_id[:8]}
            act = "serve-custody" if change.detention_house == agency else None
            yield Block("custody_change", said, act, change.custody_change_id)
    for clock in changes_due(state, agency):
        yield Block("custody_change_due", {"person_id": clock.subject[:8]}, "request-custody", clock.subject)
    if not free_items(state, agency):
        yield Block("nothing_held", {})


def _of_difference(difference: Discrepancy, agency: str) -> Block:
    missing = [party for party in difference.parties if party not in difference.resolutions]
    said = {"item_id": difference.item_id, "expected": difference.expected, "found": difference.found}
    act = "resolve" if may_resolve(difference, agency) else None
    return Block("discrepancy", said | {"agency": ", ".join(missing)}, act, difference.discrepancy_id)


def may_resolve(difference: Discrepancy, agency: str) -> bool:
    """Whether the next signature can be the agency's: it has not signed, or the two have signed different words."""
    if agency not in difference.parties or difference.is_resolved:
        return False
    return agency not in difference.resolutions or len(difference.resolutions) == len(difference.parties)


def changes_due(state: CaseState, agency: str) -> list[Clock]:
    """The clocks of those whose change of custody the agency has yet to ask for, by who is locked up."""
    return [
        clock
        for clock in state.clocks.marked("running")
        if (clock.name, clock.agency) == ("custody_change", agency) and not _is_asked_for(state, clock.subject, agency)
    ]


def _is_asked_for(state: CaseState, person_id: str, agency: str) -> bool:
    return any(change.requested_by == agency for change in state.custody_changes.marked(f"unserved/{person_id}"))


def changes_to_serve(state: CaseState, agency: str) -> list[CustodyChange]:
    """Those that wait for the agency, which is a detention house."""
    return [one for one in state.custody_changes.values() if one.served_at is None and one.detention_house == agency]


def free_items(state: CaseState, agency: str) -> list[Item]:
    """The items that the agency holds, in store and not offered: those that it could offer now."""
    return [one for one in state.items.values() if (one.holder, one.status, one.offer) == (agency, "held", None)]
