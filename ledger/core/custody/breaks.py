"""Breaks of a handling chain: claimed times that leave a gap, overlap, or contradict the order of the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from msgspec import Struct

from ledger.core.custody.state import CaseState, Handover
from ledger.core.encoding.instants import is_surely_before
from ledger.core.events import Payload, handover, item

BreakKind = Literal["gap", "overlap", "unrecorded", "backdated"]
BREAK_KINDS: tuple[BreakKind, ...] = get_args(BreakKind)


class Break(Struct, frozen=True):
    """A stretch of claimed time, from ``since`` until ``until``, in which custody is not accounted for or disputed.

    It is longer than a minute, because claims are no more precise than that. The kinds:

    ``gap``: the sender had given it away, the receiver had not yet received it. ``overlap``: both claim to have had it.
    ``unrecorded``: seized, but not yet in the record. ``backdated``: the event claims a time before an event that was
    recorded earlier.
    """

    kind: BreakKind
    since: str
    until: str
    item_ids: tuple[str, ...] = ()
    person_ids: tuple[str, ...] = ()


def breaks(before: CaseState | None, payload: Payload, after: CaseState) -> tuple[Break, ...]:
    """Return the breaks that the event, which led from ``before`` to ``after``, opens."""
    return tuple(_event_breaks(before, payload, after))


def _event_breaks(before: CaseState | None, payload: Payload, after: CaseState) -> Iterator[Break]:
    """Yield the breaks of an event."""
    body = payload.body
    if before is not None and is_surely_before(payload.occurred_at, before.last_occurred_at):
        yield Break("backdated", payload.occurred_at, before.last_occurred_at)
    if isinstance(body, item.ItemRegistered) and body.seizure:
        seized_at = body.seizure.seized_at
        if is_surely_before(seized_at, payload.occurred_at):
            yield Break("unrecorded", seized_at, payload.occurred_at, item_ids=(body.item_id,))
    if isinstance(body, handover.HandoverAccepted):
        yield from _delivery_breaks(after.handovers[body.handover_id], body)


def _delivery_breaks(offer: Handover, body: handover.HandoverAccepted) -> Iterator[Break]:
    """Yield the break between the offer and the receipt of what was carried over; what stays is not carried."""
    moved = tuple(item_id for item_id in offer.accepted_items if not offer.items[item_id].stays)
    present = tuple(person for person in offer.person_ids if person not in body.absent_person_ids)
    if not moved and not present:
        return
    if is_surely_before(offer.offered_at, body.received_at):
        yield Break("gap", offer.offered_at, body.received_at, moved, present)
    if is_surely_before(body.received_at, offer.offered_at):
        yield Break("overlap", body.received_at, offer.offered_at, moved, present)
