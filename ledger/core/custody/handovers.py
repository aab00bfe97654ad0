"""Handovers: an offer moves nothing, an acceptance moves what it accepts, and the two halves must match."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from ledger.core.custody import discrepancies
from ledger.core.custody.cases import (
    require_accepted,
    require_free,
    require_present,
    require_responsible,
    require_responsible_for,
)
from ledger.core.custody.references import require_distinct, require_known, require_new
from ledger.core.custody.state import Act, CaseState, Handover, Item, rule
from ledger.core.custody.triggers import purpose_rule
from ledger.core.errors import refuse
from ledger.core.events import handover as halves
from ledger.core.events.handover import OfferedItem
from ledger.core.messages import Message, Term
from ledger.core.procedure.rulebook import PurposeRule


@rule(halves.HandoverOffered)
def offered(state: CaseState, act: Act, body: halves.HandoverOffered) -> CaseState:
    """Offer the case, items or persons to another agency. Nothing moves."""
    if body.follows is not None and state.handover(body.follows, field="follows").is_open:
        refuse("still_open", "handover {body.follows} is not answered yet", body=body, field="body.follows")
    require_known(state.decisions, (body.about,), "decision", field="about")
    _require_points(state, body)
    handover = replace(
        _new_handover(state, act, body, body.to_agency),
        follows=body.follows,
        about=body.about,
        expires_at=body.expires_at,
    )
    purpose = act.book.purposes[body.purpose]
    if body.due_at is not None and purpose.moves == "responsibility":
        refuse("not_lent", "this purpose lends nothing: nothing is due back", field="body.due_at")
    return _open(state, act, handover, body.items, purpose)


@rule(halves.HandoverReturned)
def returned(state: CaseState, act: Act, body: halves.HandoverReturned) -> CaseState:
    """Offer back to the sender of an accepted handover.

    It moves what that handover moved, or more if its own purpose does.
    """
    original = require_accepted(state, act, body.returns, field="returns")
    handover = replace(
        _new_handover(state, act, body, original.from_agency),
        returns=body.returns,
        reason_code=body.reason_code,
        remedy=body.remedy,
    )
    return _open(state, act, handover, body.items, purpose_rule(state, handover, act.book))


def _new_handover(state: CaseState, act: Act, body: halves.Offer, to_agency: str) -> Handover:
    """Return the handover as offered, before any answer."""
    return Handover(
        handover_id=body.handover_id,
        from_agency=act.agency,
        to_agency=to_agency,
        purpose=body.purpose,
        stage=state.stage,
        offered_by=act.officer,
        offered_at=act.event.occurred_at,
        items={line.item_id: line for line in body.items},
        person_ids=body.person_ids,
        due_at=body.due_at,
        case_stays=body.case_stays,
        outline=body.outline,
    )


def _require_points(state: CaseState, body: halves.HandoverOffered) -> None:
    """Refuse answers to points that the handover which this one follows does not have, and two to one point."""
    if not body.outline_answers:
        return
    outline = () if body.follows is None else state.handovers[body.follows].outline
    for number, answer in enumerate(body.outline_answers):
        if answer.point > len(outline):
            refuse(
                "unknown_point",
                "the outline has no point {answer.point}",
                answer=answer,
                field=f"body.outline_answers[{number}].point",
                hint="Name in follows the handover whose outline is answered.",
            )
    require_distinct([str(answer.point) for answer in body.outline_answers], "point", field="outline_answers")


def _open(
    state: CaseState, act: Act, handover: Handover, lines: tuple[OfferedItem, ...], purpose: PurposeRule
) -> CaseState:
    require_new(state.handovers, handover.handover_id, "handover")
    require_distinct([line.item_id for line in lines], "item", field="items")
    require_distinct(handover.person_ids, "person", field="person_ids")
    # Both halves by one agency would prove nothing.
    if handover.to_agency == act.agency:
        refuse("to_yourself", "a handover goes to another agency", field="body")
    # Only the responsible agency has the case to give; from others, things and persons pass by themselves.
    moves_responsibility = purpose.moves == "responsibility"
    moves_case = moves_responsibility and act.agency == state.responsible and not handover.case_stays
    handover = replace(handover, moves_responsibility=moves_responsibility, moves_case=moves_case)
    _require_may_move(state, act, handover)
    for number, point in enumerate(handover.outline):
        require_known(state.persons, (point.person_id,), "person", field=f"outline[{number}].person_id")
        require_known(state.items, (point.item_id,), "item", field=f"outline[{number}].item_id")
    for person_id in handover.person_ids:
        person = state.person(person_id, field="person_ids")
        if handover.moves_responsibility:
            require_responsible_for(person, person_id, act, field="person_ids")
    going = state.persons_going(handover)
    handover = replace(handover, stages={person.person_id: person.stage for person in going if person.accused})
    items = [_offer_line(state, act, line, handover) for line in lines]
    return state.with_items(*items).with_handover(handover)


def _require_may_move(state: CaseState, act: Act, handover: Handover) -> None:
    """Refuse an offer that this agency may not make.

    Only the responsible agency passes the case on; others pass the things that they are left with to it. A person goes
    his own way, wherever the case is.
    """
    # One open offer of the case at a time: two acceptances would make two agencies responsible.
    if handover.moves_case:
        for open_offer in state.handovers.marked("open/case"):
            refuse(
                "case_already_offered", "{other.handover_id} offers it already", other=open_offer, field="body.purpose"
            )
        return
    if handover.moves_responsibility and not handover.person_ids and handover.to_agency != state.responsible:
        require_responsible(
            state, act, hint=Message("What you still answer for in this case goes to {state.responsible}.", state=state)
        )
    if not handover.items and not handover.person_ids:
        refuse("nothing_offered", "expected at least one item or person", field="body.items")


def _offer_line(state: CaseState, act: Act, line: OfferedItem, handover: Handover) -> Item:
    # What stays need not be in the sender's hands: only the responsibility for it is offered.
    if line.stays:
        item = require_free(state, line.item_id, field="items")
        if not handover.moves_responsibility:
            refuse("nothing_moves", "item {item.item_id} stays, responsibility too", item=item, field="body.items")
    else:
        item = require_present(state, act, line.item_id, field="items")
    if handover.moves_responsibility and (line.stays or not handover.moves_case):
        require_responsible_for(item, item.item_id, act, field="items")
    if line.quantity is not None and line.quantity != item.quantity:
        refuse(
            "quantity_differs",
            "the record has {item.quantity.value} {item.quantity.unit} of item {item.item_id}",
            item=item,
            field="body.items",
            hint="Split the item to hand over a part of it. Where the record is wrong, offer the item as recorded: the "
            "receiver says what there is, and both sides resolve the discrepancy.",
        )
    return replace(item, offer=handover.handover_id)


def _require_open(state: CaseState, handover_id: str) -> Handover:
    handover = state.handover(handover_id)
    if not handover.is_open:
        refuse("not_open", "it is {status} already", status=Term("status", handover.status), field="body.handover_id")
    return handover


def _require_receiver(state: CaseState, act: Act, handover_id: str) -> Handover:
    # Before the status is looked at: other agencies learn nothing of it.
    handover = state.handover(handover_id)
    if handover.to_agency != act.agency:
        refuse("not_offered_to_you", "it is offered to {handover.to_agency}", handover=handover, field="agency")
    return _require_open(state, handover_id)


@rule(halves.HandoverChecked)
def checked(state: CaseState, act: Act, body: halves.HandoverChecked) -> CaseState:
    """Accept the receiver's check of an open offer. Nothing moves."""
    _require_receiver(state, act, body.handover_id)
    require_distinct([line.aspect for line in body.aspects], "aspect", field="aspects")
    return state


@rule(halves.HandoverRefused)
def refused(state: CaseState, act: Act, body: halves.HandoverRefused) -> CaseState:
    """Refuse an offer as its receiver: its items are free again."""
    handover = _require_receiver(state, act, body.handover_id)
    answered = replace(
        handover,
        status="refused",
        answered_at=act.event.occurred_at,
        received_at=body.received_at,
        reason_code=body.reason_code,
        remedy=body.remedy,
        due_at=body.due_at,
    )
    return _release(state, handover).with_handover(answered)


@rule(halves.HandoverRecalled)
def recalled(state: CaseState, act: Act, body: halves.HandoverRecalled) -> CaseState:
    """Recall an unanswered offer as its sender: its items are free again."""
    handover = _require_open(state, body.handover_id)
    if handover.from_agency != act.agency:
        refuse("not_yours", "{handover.from_agency} offered this and recalls it", handover=handover, field="agency")
    answered = replace(handover, status="recalled", answered_at=act.event.occurred_at)
    return _release(state, handover).with_handover(answered)


def _release(state: CaseState, handover: Handover) -> CaseState:
    return state.with_items(*(replace(state.items[item_id], offer=None) for item_id in handover.items))


@rule(halves.HandoverAccepted)
def accepted(state: CaseState, act: Act, body: halves.HandoverAccepted) -> CaseState:
    """Accept a handover. Custody moves here and nowhere else, and only for the accepted items."""
    handover = _require_receiver(state, act, body.handover_id)
    # By the claimed time of the acceptance: it may be signed a little later.
    if handover.is_over(act.event.occurred_at):
        refuse(
            "offer_expired",
            "handover {handover.handover_id} was open until {handover.expires_at}",
            handover=handover,
            field="occurred_at",
            hint=Message("{handover.from_agency} recalls it and offers again.", handover=handover),
        )
    _require_answers(handover, body)
    lines = {line.item_id: line for line in body.received}
    kept = {line.item_id for line in body.not_accepted}
    taken = [item_id for item_id in handover.items if item_id not in kept]
    # Who did not come stays with the sender, whose clocks for that person run on.
    present = [person_id for person_id in handover.person_ids if person_id not in body.absent_person_ids]
    if (handover.items or handover.person_ids) and not taken and not present:
        refuse("nothing_accepted", "nothing is accepted", field="body", hint="Sign handover.refused instead.")
    answered = replace(
        handover,
        stages={key: stage for key, stage in handover.stages.items() if key not in body.absent_person_ids},
        status="partially_accepted" if kept or body.absent_person_ids else "accepted",
        answered_at=act.event.occurred_at,
        received_at=body.received_at,
        accepted_items=tuple(taken),
    )
    # Every offered item is free again, accepted or not: the handover is answered.
    free = (replace(state.items[item_id], offer=None) for item_id in handover.items)
    items = (item if item.item_id in kept else _take(item, handover, lines.get(item.item_id)) for item in free)
    after = state.with_items(*items).with_handover(answered)
    after = replace(after, discrepancies=after.discrepancies | discrepancies.stated(state, handover, body, act.book))
    return _pass_on(after, handover, body.absent_person_ids, purpose_rule(state, handover, act.book))


def _require_answers(handover: Handover, body: halves.HandoverAccepted) -> None:
    """Refuse an acceptance that does not answer every item of the list once, or that answers something else."""
    for field, lines in (("received", body.received), ("not_accepted", body.not_accepted)):
        discrepancies.require_offered([line.item_id for line in lines], handover.items, field)
    discrepancies.require_offered(body.absent_person_ids, handover.person_ids, "absent_person_ids")
    mentioned = [line.item_id for line in body.received] + [line.item_id for line in body.not_accepted]
    # Received and not accepted at once would leave open who holds the thing.
    require_distinct(mentioned, "item", field="received")
    # Without rest_as_listed, silence about an item is no acceptance of it.
    silent = handover.items.keys() - set(mentioned)
    if silent and not body.rest_as_listed:
        refuse(
            "item_unanswered",
            "nothing is said of item {silent}",
            silent=min(silent),
            field="body.received",
            hint="List it, or say rest_as_listed.",
        )
    for line in body.not_accepted:
        if line.reason_code == "other" and line.explanation is None:
            refuse("unexplained", "item {line.item_id} needs an explanation", line=line, field="body.not_accepted")


def _take(item: Item, handover: Handover, received: halves.ReceivedItem | None) -> Item:
    """Return the item as received: as the receiver's line says, else as listed, else as recorded."""
    line = handover.items[item.item_id]
    # The holder may differ from the responsible agency: each passes by itself.
    passes = handover.moves_responsibility and item.responsible == handover.from_agency
    moved = replace(
        item,
        holder=item.holder if line.stays else handover.to_agency,
        storage_location=item.storage_location if line.stays else None,
        responsible=handover.to_agency if passes else item.responsible,
    )
    # As listed first: what the receiver leaves unsaid he has taken as the list describes it.
    moved = _lent(discrepancies.as_listed(moved, line), handover)
    return moved if received is None else discrepancies.as_found(moved, received)


def _lent(item: Item, handover: Handover) -> Item:
    """Return the item as lent to the receiver until the due date, or as no longer lent if its lender receives it."""
    # Lent once: who borrowed a thing cannot lend it on as its own.
    if handover.returns is None and handover.due_at is not None and item.lent_by is None:
        return replace(item, lent_by=handover.from_agency, lent_until=handover.due_at)
    if handover.to_agency == item.lent_by:
        return replace(item, lent_by=None, lent_until=None)
    return item


def return_number(returns: Iterable[Handover], offer: Handover) -> int:
    """Return how often somebody of the offer has gone back at the stage at which he is.

    The offer is one of ``returns``. Those recalled or refused never took effect. One without persons counts for all.
    """
    effective = [earlier for earlier in returns if not earlier.came_to_nothing]
    return max(
        sum((earlier.stages or {subject: earlier.stage}).get(subject) == stage for earlier in effective)
        for subject, stage in (offer.stages or {"": offer.stage}).items()
    )


def _pass_on(state: CaseState, handover: Handover, absent: Collection[str], purpose: PurposeRule) -> CaseState:
    """Make the receiver a party, and pass the case, its stage and the persons present as the purpose says.

    A case whose list names no persons passes with all of them.
    """
    # The sender passes only the responsibility that it has.
    going = [p for p in state.persons_going(handover, absent) if p.responsible == handover.from_agency]
    of_case = handover.from_agency == state.responsible and not handover.case_stays
    state = replace(state, agencies=state.agencies | {handover.to_agency})
    if purpose.stage is not None:
        going = [replace(person, stage=purpose.stage) for person in going]
        if of_case:
            state = replace(state, stage=purpose.stage, closed=False)
    # Where custody alone moves, case and persons stay with whom they are.
    if handover.moves_responsibility:
        going = [replace(person, responsible=handover.to_agency) for person in going]
        if handover.moves_case:
            state = replace(state, responsible=handover.to_agency)
    return state.with_persons(*going)
