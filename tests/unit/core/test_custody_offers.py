"""Offers and returns: what may not be offered, by whom, to whom."""

from __future__ import annotations

from ledger.core.events import handover, item
from ledger.core.events.handover import OfferedItem
from tests.testkit.builders import COURT, DEPOT, LAB, POLICE, PROCURATORATE, clerk
from tests.testkit.casework import (
    Case,
    Refusal,
    Refusals,
    each_refusal,
    holding,
    lent,
    offered,
    passed,
    pieces,
    require_refusal,
    sent,
    stays,
)


def split() -> Case:
    """Two pills, a pill each in ``a`` and ``b`` by now."""
    parts = tuple(item.ItemPart(item_id=i, quantity=pieces(1)) for i in ("a", "b"))
    return holding("pills", quantity=2).say(item.ItemSplit, item_id="pills", parts=parts)


REFUSED: Refusals = {
    "what one does not hold": Refusal(
        "not_held body.items", lent("phone"), lambda c: c.offer("phone", to=COURT, purpose="property_transfer")
    ),
    "an item of another case": Refusal(
        "unknown_item body.items", holding(), lambda c: c.offer("car", to=COURT, purpose="property_transfer")
    ),
    "what is on offer": Refusal(
        "already_offered body.items", sent("phone"), lambda c: c.offer("phone", to=COURT, purpose="property_transfer")
    ),
    "what is gone": Refusal(
        "item_gone body.items", split(), lambda c: c.offer("pills", to=COURT, purpose="property_transfer")
    ),
    "what is checked out": Refusal(
        "checked_out body.items",
        holding("phone").say(item.ItemCheckedOut, item_id="phone"),
        lambda c: c.offer("phone", to=COURT, purpose="property_transfer"),
    ),
    "a day to bring back what passes for good": Refusal(
        "not_lent body.due_at",
        holding("phone"),
        lambda c: c.offer("phone", to=PROCURATORATE, due_at="2026-09-01T00:00:00Z"),
    ),
    "another quantity than the record has": Refusal(
        "quantity_differs body.items",
        holding("pills", quantity=10),
        lambda c: c.offer(OfferedItem(item_id="pills", quantity=pieces(9)), to=LAB, purpose="forensic_examination"),
    ),
    "an item twice": Refusal(
        "duplicate_id body.items",
        holding("phone"),
        lambda c: c.offer("phone", "phone", to=LAB, purpose="forensic_examination"),
    ),
    "a person twice": Refusal(
        "duplicate_id body.person_ids", holding(), lambda c: c.offer(to=PROCURATORATE, persons=("li", "li"))
    ),
    "a person whom the case does not know": Refusal(
        "unknown_person body.person_ids", holding(), lambda c: c.offer(to=PROCURATORATE, persons=("zhao",))
    ),
    "to oneself": Refusal("to_yourself body", holding("phone"), lambda c: c.offer("phone", to=POLICE)),
    "nothing": Refusal(
        "nothing_offered body.items", holding(), lambda c: c.offer(to=LAB, purpose="forensic_examination")
    ),
    "under an id that is taken": Refusal(
        "duplicate_id body.handover_id",
        offered("phone").refuse(),
        lambda c: c.offer("phone", to=PROCURATORATE, handover_id="handover-1"),
    ),
    "the case twice at a time": Refusal(
        "case_already_offered body.purpose", offered("phone"), lambda c: c.offer(to=COURT, purpose="public_prosecution")
    ),
    "the case of another": Refusal(
        "not_responsible agency",
        lent("phone"),
        lambda c: c.offer("phone", to=COURT, purpose="public_prosecution", by=clerk(LAB)),
    ),
    "to the case's agency what one does not answer for": Refusal(
        "not_responsible body.items",
        lent("phone"),
        lambda c: c.offer("phone", to=POLICE, purpose="jurisdiction_transfer", by=clerk(LAB)),
    ),
    "a person whom another answers for": Refusal(
        "not_responsible body.person_ids",
        passed(),
        lambda c: c.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE)),
    ),
    "nothing to the case's agency": Refusal(
        "nothing_offered body.items", passed(), lambda c: c.offer(to=PROCURATORATE, by=clerk(POLICE))
    ),
    "in place where nothing moves": Refusal(
        "nothing_moves body.items",
        holding("car", kind="property"),
        lambda c: c.offer(stays("car"), to=DEPOT, purpose="property_transfer"),
    ),
    "in place what another answers for": Refusal(
        "not_responsible body.items",
        holding("car").offer(to=PROCURATORATE).accept(),
        lambda c: c.offer(stays("car"), to=COURT, purpose="public_prosecution"),
    ),
    "in place what is on offer": Refusal(
        "already_offered body.items",
        lent("phone").offer("phone", to=DEPOT, purpose="property_transfer", by=clerk(LAB)),
        lambda c: c.offer(stays("phone"), to=PROCURATORATE),
    ),
    "in place what is gone": Refusal(
        "item_gone body.items", split(), lambda c: c.offer(stays("pills"), to=PROCURATORATE)
    ),
    "in place another quantity": Refusal(
        "quantity_differs body.items",
        holding("pills", quantity=10),
        lambda c: c.offer(stays("pills", quantity=pieces(9)), to=PROCURATORATE),
    ),
    "following a handover that there is not": Refusal(
        "unknown_handover body.follows",
        holding("phone"),
        lambda c: c.offer("phone", to=PROCURATORATE, follows="handover-9"),
    ),
    "following one that is open": Refusal(
        "still_open body.follows",
        holding("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination"),
        lambda c: c.offer("knife", to=LAB, purpose="forensic_examination", follows="handover-1"),
    ),
    "returning what was not accepted": Refusal(
        "not_accepted_by_you body.returns",
        lent("phone").register("knife").offer("knife", to=LAB, purpose="forensic_examination"),
        lambda c: c.give_back("phone", returns="handover-2"),
    ),
    "returning what another accepted": Refusal(
        "not_accepted_by_you body.returns",
        passed("phone"),
        lambda c: c.give_back("phone", returns="handover-1", by=clerk(POLICE)),
    ),
    "returning a handover that there is not": Refusal(
        "unknown_handover body.returns",
        passed("phone"),
        lambda c: c.say(
            handover.HandoverReturned,
            handover_id="handover-2",
            returns="handover-9",
            purpose="return",
            reason_code="other",
        ),
    ),
}


@each_refusal(REFUSED)
def test_an_impossible_offer_is_refused(refusal: Refusal) -> None:
    """Each impossible offer is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)
