"""Breaks: where the claims of a handling chain leave a hole, overlap, or come in another order than the record's."""

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
    """From ``since`` until ``until``, both as claimed, and more than a minute apart: claims are no nearer than that.
    What kind it is says what is wrong with that time:

    ``gap``: the sender had let go, the receiver had not yet received. ``overlap``: both claim to have had it.
    ``unrecorded``: seized, and not in the record yet. ``backdated``: the event claims to lie before what was recorded
    before it.
    """

    kind: BreakKind
    since: str
    until: str
    item_ids: tuple[str, ...] = ()
    person_ids: tuple[str, ...] = ()


def breaks(before: CaseState | None, payload: Payload, after: CaseState) -> tuple[Break, ...]:
    """What the event, which led from ``before`` to ``after``, leaves open or contradicts."""
    return tuple(_found(before, payload, after))


def _found(before: CaseState | None, payload: Payload, after: CaseState) -> Iterator[Break]:
    body = payload.body
    if before is not None and is_surely_before(payload.occurred_at, before.last_occurred_at):
        yield Break("backdated", payload.occurred_at, before.last_occurred_at)
    if isinstance(body, item.ItemRegistered) and body.seizure:
        seized_at = body.seizure.seized_at
        if is_surely_before(seized_at, payload.occurred_at):
            yield Break("unrecorded", seized_at, payload.occurred_at, item_ids=(body.item_id,))
    if isinstance(body, handover.HandoverAccepted):
        yield from _of_delivery(after.handovers[body.handover_id], body)


def _of_delivery(answered: Handover, body: handover.HandoverAccepted) -> Iterator[Break]:
    """Between the offer and the receipt of what went from hand to hand; what stays where it is has no journey."""
    moved = tuple(item_id for item_id in answered.accepted_items if not answered.items[item_id].stays)
    present = tuple(person for person in answered.person_ids if person not in body.absent_person_ids)
    if not moved and not present:
        return
    if is_surely_before(answered.offered_at, body.received_at):
        yield Break("gap", answered.offered_at, body.received_at, moved, present)
    if is_surely_before(body.received_at, answered.offered_at):
        yield Break("overlap", body.received_at, answered.offered_at, moved, present)
