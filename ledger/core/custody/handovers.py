"""Rules for handovers: an offer moves nothing, an acceptance moves what it accepts, both halves must match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ledger.core.custody.cases import require_in_hand
from ledger.core.custody.rules import rule
from ledger.core.custody.state import Act, CaseState, Discrepancy, Handover, Item, look_up, refuse, require_new
from ledger.core.event import handover as halves
from ledger.core.event.handover import OfferedItem
from ledger.core.rulebook import PurposeRule, Rulebook


@rule(halves.HandoverOffered)
def offered(state: CaseState, act: Act, body: halves.HandoverOffered) -> CaseState:
    if body.follows is not None and state.handover(body.follows).is_open:
        refuse("still_open", f"handover {body.follows} is not answered yet", field="payload.body.follows")
    handover = Handover(
        handover_id=body.handover_id,
        from_agency=act.agency,
        to_agency=body.to_agency,
        purpose=body.purpose,
        offered_by=act.officer,
        offered_at=act.payload.occurred_at,
        items={line.item_id: line for line in body.items},
        person_ids=body.person_ids,
        follows=body.follows,
        expires_at=body.expires_at,
    )
    return _open(state, act, handover, body.items, act.book.purposes[body.purpose])


@rule(halves.HandoverReturned)
def returned(state: CaseState, act: Act, body: halves.HandoverReturned) -> CaseState:
    """Back to the sender of an accepted handover; moves back what that handover moved, or more by its own purpose."""
    original = state.handover(body.returns)
    if not original.is_accepted or original.to_agency != act.agency:
        refuse(
            "not_accepted_by_you",
            f"{act.agency} accepted no handover {body.returns}: only what was accepted is returned",
            field="payload.body.returns",
            hint="An offer that is still open is refused, not returned.",
        )
    handover = Handover(
        handover_id=body.handover_id,
        from_agency=act.agency,
        to_agency=original.from_agency,
        purpose=body.purpose,
        offered_by=act.officer,
        offered_at=act.payload.occurred_at,
        items={line.item_id: line for line in body.items},
        person_ids=body.person_ids,
        returns=body.returns,
        reason_code=body.reason_code,
        remedy=body.remedy,
        due_at=body.due_at,
    )
    return _open(state, act, handover, body.items, purpose_rule(state, handover, act.book))


def purpose_rule(state: CaseState, handover: Handover, book: Rulebook) -> PurposeRule:
    """What the handover moves; a plain ``return`` moves back what the returned handover moved."""
    if handover.purpose == "return" and handover.returns is not None:
        original = book.purposes[state.handover(handover.returns).purpose]
        return replace(original, stage=None)
    return book.purposes[handover.purpose]


def _open(
    state: CaseState, act: Act, handover: Handover, lines: tuple[OfferedItem, ...], purpose: PurposeRule
) -> CaseState:
    require_new(state.handovers, handover.handover_id, "handover")
    moves_case = purpose.moves == "responsibility"
    if handover.to_agency == act.agency:
        refuse("to_yourself", "a handover goes to another agency", field="payload.body.to_agency")
    if moves_case and act.agency != state.responsible:
        refuse(
            "not_responsible",
            f"{state.responsible} is responsible for case {state.case_id}: only it offers {handover.purpose}",
            field="payload.agency",
        )
    if moves_case and (other := _open_transfer(state)):
        refuse("case_already_offered", f"the case stands in the open handover {other}", field="payload.body")
    if not (moves_case or lines or handover.person_ids):
        refuse("nothing_offered", "expected at least one item or person", field="payload.body.items")
    if len(handover.items) != len(lines):
        refuse("duplicate_id", "an item stands twice in the list", field="payload.body.items")
    for person_id in handover.person_ids:
        look_up(state.persons, person_id, "unknown_person", "person", state.case_id)
    items = [_offer_line(state, act, line, handover.handover_id, moves_case) for line in lines]
    return replace(state.with_items(*items).with_handover(replace(handover, moves_case=moves_case)))


def _open_transfer(state: CaseState) -> str | None:
    return next((h.handover_id for h in state.handovers.values() if h.is_open and h.moves_case), None)


def _offer_line(state: CaseState, act: Act, line: OfferedItem, handover_id: str, moves_case: bool) -> Item:
    if line.stays:
        return _offer_in_place(state, act, line, handover_id, moves_case)
    item = require_in_hand(state, act, line.item_id)
    if item.status == "checked_out":
        refuse(
            "checked_out",
            f"item {item.item_id} is checked out to {item.checked_out_to}",
            field="payload.body.items",
            hint="Check it in first.",
        )
    if line.quantity is not None and line.quantity != item.quantity:
        refuse(
            "quantity_differs",
            f"the record has {item.quantity.value} {item.quantity.unit} of item {item.item_id}, "
            f"the list {line.quantity.value} {line.quantity.unit}",
            field="payload.body.items",
            hint="Split the item to hand over a part of it, or correct the record.",
        )
    return replace(item, offer=handover_id)


def _offer_in_place(state: CaseState, act: Act, line: OfferedItem, handover_id: str, moves_case: bool) -> Item:
    """Responsibility passes while the thing stays where it is."""
    item = state.item(line.item_id)
    if not moves_case:
        refuse("nothing_moves", f"item {item.item_id} stays and this purpose moves no responsibility")
    if item.responsible != act.agency:
        refuse("not_responsible", f"{item.responsible} is responsible for item {item.item_id}, not {act.agency}")
    if item.offer is not None:
        refuse("already_offered", f"item {item.item_id} stands in the open handover {item.offer}")
    return replace(item, offer=handover_id)


def _require_open(state: CaseState, handover_id: str) -> Handover:
    handover = state.handover(handover_id)
    if not handover.is_open:
        refuse("not_open", f"handover {handover_id} is {handover.status} already", field="payload.body.handover_id")
    return handover


def _require_receiver(state: CaseState, act: Act, handover_id: str) -> Handover:
    handover = state.handover(handover_id)
    if handover.to_agency != act.agency:
        refuse(
            "not_offered_to_you",
            f"handover {handover_id} is offered to {handover.to_agency}, not to {act.agency}",
            field="payload.agency",
        )
    return _require_open(state, handover_id)


@rule(halves.HandoverChecked)
def checked(state: CaseState, act: Act, body: halves.HandoverChecked) -> CaseState:
    _require_receiver(state, act, body.handover_id)
    return state


@rule(halves.HandoverRefused)
def refused(state: CaseState, act: Act, body: halves.HandoverRefused) -> CaseState:
    handover = _require_receiver(state, act, body.handover_id)
    answered = replace(
        handover,
        status="refused",
        answered_at=act.payload.occurred_at,
        received_at=body.received_at,
        reason_code=body.reason_code,
        remedy=body.remedy,
        due_at=body.due_at,
    )
    return _release(state, handover).with_handover(answered)


@rule(halves.HandoverRecalled)
def recalled(state: CaseState, act: Act, body: halves.HandoverRecalled) -> CaseState:
    handover = _require_open(state, body.handover_id)
    if handover.from_agency != act.agency:
        refuse("not_yours", f"{handover.from_agency} offered this and recalls it, not {act.agency}")
    answered = replace(handover, status="recalled", answered_at=act.payload.occurred_at)
    return _release(state, handover).with_handover(answered)


def _release(state: CaseState, handover: Handover) -> CaseState:
    return state.with_items(*(replace(state.items[item_id], offer=None) for item_id in handover.items))


@rule(halves.HandoverAccepted)
def accepted(state: CaseState, act: Act, body: halves.HandoverAccepted) -> CaseState:
    """Custody moves here, and only for the items accepted."""
    handover = _require_receiver(state, act, body.handover_id)
    _require_within(handover, act)
    found = {line.item_id: line for line in body.received}
    kept = {line.item_id: line for line in body.not_accepted}
    _require_each_line_once(handover, body)
    taken = [item_id for item_id in handover.items if item_id not in kept]
    present = tuple(p for p in handover.person_ids if p not in body.absent_person_ids)
    if handover.items and not taken and not present:
        refuse("nothing_accepted", "nothing is accepted", hint="Sign handover.refused instead.")
    answered = replace(
        handover,
        status="partially_accepted" if kept or body.absent_person_ids else "accepted",
        answered_at=act.payload.occurred_at,
        received_at=body.received_at,
        accepted_items=tuple(taken),
    )
    after = _release(state, handover).with_handover(answered)
    after = after.with_items(*(_take(after.items[i], handover, found.get(i)) for i in taken))
    after = _open_discrepancies(after, handover, state, [*body.received, *body.not_accepted])
    return _move_case(after, handover, present, purpose_rule(state, handover, act.book))


def _require_within(handover: Handover, act: Act) -> None:
    if handover.expires_at is not None and act.payload.occurred_at > handover.expires_at:
        refuse(
            "offer_expired",
            f"handover {handover.handover_id} was open until {handover.expires_at}",
            field="payload.occurred_at",
            hint=f"{handover.from_agency} recalls it and offers again.",
        )


def _require_each_line_once(handover: Handover, body: halves.HandoverAccepted) -> None:
    mentioned = [line.item_id for line in body.received] + [line.item_id for line in body.not_accepted]
    for item_id in mentioned:
        if item_id not in handover.items:
            refuse("not_offered", f"item {item_id} is not in handover {handover.handover_id}", field="payload.body")
    if len(set(mentioned)) != len(mentioned):
        refuse("duplicate_id", "an item stands twice in the answer", field="payload.body")
    silent = handover.items.keys() - set(mentioned)
    if silent and not body.rest_as_listed:
        refuse(
            "item_unanswered",
            f"nothing is said of item {min(silent)}",
            field="payload.body.received",
            hint="List it, or say rest_as_listed.",
        )
    for person_id in body.absent_person_ids:
        if person_id not in handover.person_ids:
            refuse("not_offered", f"person {person_id} is not in handover {handover.handover_id}")


def _take(item: Item, handover: Handover, found: halves.ReceivedItem | None) -> Item:
    line = handover.items[item.item_id]
    responsible = handover.to_agency if handover.moves_case else item.responsible
    moved = replace(item, holder=item.holder if line.stays else handover.to_agency, responsible=responsible)
    if found is None:
        return moved
    return replace(
        moved,
        quantity=found.quantity or moved.quantity,
        condition=found.condition or moved.condition,
        seal_number=found.seal_number or moved.seal_number,
    )


def _move_case(state: CaseState, handover: Handover, present: Iterable[str], purpose: PurposeRule) -> CaseState:
    state = replace(state, agencies=state.agencies | {handover.to_agency}, stage=purpose.stage or state.stage)
    if not handover.moves_case:
        return state
    persons = {p: replace(state.persons[p], responsible=handover.to_agency) for p in present}
    return replace(state, responsible=handover.to_agency, persons=state.persons | persons)


# -- discrepancies -----------------------------------------------------------------------------------------------------


def _open_discrepancies(
    state: CaseState,
    handover: Handover,
    before: CaseState,
    lines: Sequence[halves.ReceivedItem | halves.NotAcceptedItem],
) -> CaseState:
    differences: dict[str, Discrepancy] = {}
    for line in lines:
        difference = _difference(before.items[line.item_id], handover.items[line.item_id], line)
        if difference is not None:
            key = f"{handover.handover_id}/{line.item_id}"
            parties = (handover.from_agency, handover.to_agency)
            differences[key] = Discrepancy(key, handover.handover_id, line.item_id, parties, *difference)
    return replace(state, discrepancies=state.discrepancies | differences)


def _difference(
    item: Item, listed: OfferedItem, line: halves.ReceivedItem | halves.NotAcceptedItem
) -> tuple[str, str] | None:
    """What was expected and what was found, where the receiver states that they differ."""
    if line.quantity is not None and line.quantity != item.quantity:
        return f"{item.quantity.value} {item.quantity.unit}", f"{line.quantity.value} {line.quantity.unit}"
    if line.seal_state in ("broken", "missing"):
        return f"seal {listed.seal_number or item.seal_number or 'intact'}", f"seal {line.seal_state}"
    if isinstance(line, halves.NotAcceptedItem):
        differs = line.reason_code in ("items_differ", "seal_broken", "digest_mismatch")
        return ("as listed", line.explanation or line.reason_code) if differs else None
    expected_seal = listed.seal_number or item.seal_number
    if line.seal_number is not None and line.seal_number != expected_seal:
        return f"seal {expected_seal}", f"seal {line.seal_number}"
    if line.match_result == "mismatch" or digests_conflict(item.digests, line.digests):
        return " ".join(item.digests) or "as listed", " ".join(line.digests) or line.remark or "differs"
    return None


def digests_conflict(recorded: tuple[str, ...], found: tuple[str, ...]) -> bool:
    """Whether two digests of one algorithm differ."""
    known = dict(digest.split(":") for digest in recorded)
    return any(known.get(name, value) != value for name, value in (digest.split(":") for digest in found))


@rule(halves.DiscrepancyRaised)
def raised(state: CaseState, act: Act, body: halves.DiscrepancyRaised) -> CaseState:
    require_new(state.discrepancies, body.discrepancy_id, "discrepancy")
    handover = state.handover(body.handover_id)
    parties = (handover.from_agency, handover.to_agency)
    if not handover.is_accepted:
        refuse("not_accepted", f"handover {body.handover_id} is {handover.status}", field="payload.body.handover_id")
    if act.agency not in parties:
        refuse("not_a_party", f"handover {body.handover_id} is between {' and '.join(parties)}", field="payload.agency")
    if body.item_id not in handover.items:
        refuse(
            "not_offered", f"item {body.item_id} is not in handover {body.handover_id}", field="payload.body.item_id"
        )
    discrepancy = Discrepancy(body.discrepancy_id, body.handover_id, body.item_id, parties, body.expected, body.found)
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: discrepancy})


@rule(halves.DiscrepancyResolved)
def resolved(state: CaseState, act: Act, body: halves.DiscrepancyResolved) -> CaseState:
    discrepancy = look_up(state.discrepancies, body.discrepancy_id, "unknown_discrepancy", "discrepancy", state.case_id)
    if act.agency not in discrepancy.parties:
        refuse("not_a_party", f"this lies between {' and '.join(discrepancy.parties)}", field="payload.agency")
    if discrepancy.is_resolved:
        refuse("already_resolved", f"discrepancy {body.discrepancy_id} is resolved", field="payload.body")
    signed = replace(discrepancy, resolutions=discrepancy.resolutions | {act.agency: body.resolution})
    return replace(state, discrepancies=state.discrepancies | {body.discrepancy_id: signed})
