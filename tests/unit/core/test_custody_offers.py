"""Offers and returns: what may not be offered, by whom, to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


PURPOSES = {COURT: "property_transfer", DEPOT: "property_transfer", LAB: "forensic_examination"}


def offering(*lines: str | OfferedItem, to: str = PROCURATORATE, **fields: Any) -> Callable[[Case], Case]:
    """Offer the things: to the procuratorate with the case, to others for what such an agency is given things for."""
    fields = {"purpose": PURPOSES[to], **fields} if to in PURPOSES else fields
    return lambda c: c.offer(*lines, to=to, **fields)


TEN_PILLS = holding("pills", quantity=10)
TO_TRIAL: dict[str, Any] = {"to": COURT, "purpose": "public_prosecution"}
REFUSED: Refusals = {
    "what one does not hold": Refusal("not_held body.items", lent("phone"), offering("phone", to=COURT)),
    "an item of another case": Refusal("unknown_item body.items", holding(), offering("car", to=COURT)),
    "what is on offer": Refusal("already_offered body.items", sent("phone"), offering("phone", to=COURT)),
    "what is gone": Refusal("item_gone body.items", split(), offering("pills", to=COURT)),
    "what is checked out": Refusal(
        "checked_out body.items",
        holding("phone").say(item.ItemCheckedOut, item_id="phone"),
        offering("phone", to=COURT),
    ),
    "a day to bring back what passes for good": Refusal(
        "not_lent body.due_at", holding("phone"), offering("phone", due_at="2026-09-01T00:00:00Z")
    ),
    "another quantity than the record has": Refusal(
        "quantity_differs body.items", TEN_PILLS, offering(OfferedItem(item_id="pills", quantity=pieces(9)), to=LAB)
    ),
    "an item twice": Refusal("duplicate_id body.items", holding("phone"), offering("phone", "phone", to=LAB)),
    "a person twice": Refusal("duplicate_id body.person_ids", holding(), offering(persons=("li", "li"))),
    "a person whom the case does not know": Refusal(
        "unknown_person body.person_ids", holding(), offering(persons=("zhao",))
    ),
    "to oneself": Refusal("to_yourself body", holding("phone"), offering("phone", to=POLICE)),
    "nothing": Refusal("nothing_offered body.items", holding(), offering(to=LAB)),
    "under an id that is taken": Refusal(
        "duplicate_id body.handover_id", offered("phone").refuse(), offering("phone", handover_id="handover-1")
    ),
    "the case twice at a time": Refusal("case_already_offered body.purpose", offered("phone"), offering(**TO_TRIAL)),
    "the case of another": Refusal(
        "not_responsible agency", lent("phone"), offering("phone", by=clerk(LAB), **TO_TRIAL)
    ),
    "to the case's agency what one does not answer for": Refusal(
        "not_responsible body.items",
        lent("phone"),
        offering("phone", to=POLICE, purpose="jurisdiction_transfer", by=clerk(LAB)),
    ),
    "a person whom another answers for": Refusal(
        "not_responsible body.person_ids", passed(), offering(persons=("li",), by=clerk(POLICE))
    ),
    "nothing to the case's agency": Refusal("nothing_offered body.items", passed(), offering(by=clerk(POLICE))),
    "in place where nothing moves": Refusal(
        "nothing_moves body.items", holding("car", kind="property"), offering(stays("car"), to=DEPOT)
    ),
    "in place what another answers for": Refusal(
        "not_responsible body.items",
        holding("car").offer(to=PROCURATORATE).accept(),
        offering(stays("car"), **TO_TRIAL),
    ),
    "in place what is on offer": Refusal(
        "already_offered body.items",
        lent("phone").offer("phone", to=DEPOT, purpose="property_transfer", by=clerk(LAB)),
        offering(stays("phone")),
    ),
    "in place what is gone": Refusal("item_gone body.items", split(), offering(stays("pills"))),
    "in place another quantity": Refusal(
        "quantity_differs body.items", TEN_PILLS, offering(stays("pills", quantity=pieces(9)))
    ),
    "following a handover that there is not": Refusal(
        "unknown_handover body.follows", holding("phone"), offering("phone", follows="handover-9")
    ),
    "following one that is open": Refusal(
        "still_open body.follows",
        holding("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination"),
        offering("knife", to=LAB, follows="handover-1"),
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
        lambda c: c.say(handover.HandoverReturned, returns="handover-9"),
    ),
}


@each_refusal(REFUSED)
def test_an_impossible_offer_is_refused(refusal: Refusal) -> None:
    """Each impossible offer is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)
