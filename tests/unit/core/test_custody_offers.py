"""Offers and returns: what may not be offered, by whom, to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.core.events import handover, item
from ledger.core.events.handover import OfferedItem
from tests.testkit.builders import COURT, DEPOT, LAB, POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, Refusals, holding, lent, offered, passed, pieces, require_refusal, stays


def split() -> Case:
    """Two pills, a pill each in ``a`` and ``b`` by now."""
    parts = tuple(item.ItemPart(item_id=i, quantity=pieces(1)) for i in ("a", "b"))
    return holding("pills", quantity=2).say(item.ItemSplit, item_id="pills", parts=parts)


REFUSED: Refusals = {
    "what one does not hold": (
        lambda: lent("phone"),
        lambda c: c.offer("phone", to=COURT, purpose="property_transfer"),
        "not_held",
        "body.items",
    ),
    "an item of another case": (
        holding,
        lambda c: c.offer("car", to=COURT, purpose="property_transfer"),
        "unknown_item",
        "body.items",
    ),
    "what is on offer": (
        lambda: holding("phone").offer("phone", to=LAB, purpose="forensic_examination"),
        lambda c: c.offer("phone", to=COURT, purpose="property_transfer"),
        "already_offered",
        "body.items",
    ),
    "what is gone": (
        split,
        lambda c: c.offer("pills", to=COURT, purpose="property_transfer"),
        "item_gone",
        "body.items",
    ),
    "what is checked out": (
        lambda: holding("phone").say(item.ItemCheckedOut, item_id="phone", to_officer="p-1", ground="hearing"),
        lambda c: c.offer("phone", to=COURT, purpose="property_transfer"),
        "checked_out",
        "body.items",
    ),
    "a day to bring back what passes for good": (
        lambda: holding("phone"),
        lambda c: c.offer("phone", to=PROCURATORATE, due_at="2026-09-01T00:00:00Z"),
        "not_lent",
        "body.due_at",
    ),
    "another quantity than the record has": (
        lambda: holding("pills", quantity=10),
        lambda c: c.offer(OfferedItem(item_id="pills", quantity=pieces(9)), to=LAB, purpose="forensic_examination"),
        "quantity_differs",
        "body.items",
    ),
    "an item twice": (
        lambda: holding("phone"),
        lambda c: c.offer("phone", "phone", to=LAB, purpose="forensic_examination"),
        "duplicate_id",
        "body.items",
    ),
    "a person twice": (
        holding,
        lambda c: c.offer(to=PROCURATORATE, persons=("li", "li")),
        "duplicate_id",
        "body.person_ids",
    ),
    "a person whom the case does not know": (
        holding,
        lambda c: c.offer(to=PROCURATORATE, persons=("zhao",)),
        "unknown_person",
        "body.person_ids",
    ),
    "to oneself": (lambda: holding("phone"), lambda c: c.offer("phone", to=POLICE), "to_yourself", "body"),
    "nothing": (
        holding,
        lambda c: c.offer(to=LAB, purpose="forensic_examination"),
        "nothing_offered",
        "body.items",
    ),
    "under an id that is taken": (
        lambda: offered("phone").refuse(),
        lambda c: c.offer("phone", to=PROCURATORATE, handover_id="handover-1"),
        "duplicate_id",
        "body.handover_id",
    ),
    "the case twice at a time": (
        lambda: offered("phone"),
        lambda c: c.offer(to=COURT, purpose="public_prosecution"),
        "case_already_offered",
        "body.purpose",
    ),
    "the case of another": (
        lambda: lent("phone"),
        lambda c: c.offer("phone", to=COURT, purpose="public_prosecution", by=clerk(LAB)),
        "not_responsible",
        "agency",
    ),
    "to the case's agency what one does not answer for": (
        lambda: lent("phone"),
        lambda c: c.offer("phone", to=POLICE, purpose="jurisdiction_transfer", by=clerk(LAB)),
        "not_responsible",
        "body.items",
    ),
    "a person whom another answers for": (
        passed,
        lambda c: c.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE)),
        "not_responsible",
        "body.person_ids",
    ),
    "nothing to the case's agency": (
        passed,
        lambda c: c.offer(to=PROCURATORATE, by=clerk(POLICE)),
        "nothing_offered",
        "body.items",
    ),
    "in place where nothing moves": (
        lambda: holding("car", kind="property"),
        lambda c: c.offer(stays("car"), to=DEPOT, purpose="property_transfer"),
        "nothing_moves",
        "body.items",
    ),
    "in place what another answers for": (
        lambda: holding("car").offer(to=PROCURATORATE).accept(),
        lambda c: c.offer(stays("car"), to=COURT, purpose="public_prosecution"),
        "not_responsible",
        "body.items",
    ),
    "in place what is on offer": (
        lambda: lent("phone").offer("phone", to=DEPOT, purpose="property_transfer", by=clerk(LAB)),
        lambda c: c.offer(stays("phone"), to=PROCURATORATE),
        "already_offered",
        "body.items",
    ),
    "in place what is gone": (
        split,
        lambda c: c.offer(stays("pills"), to=PROCURATORATE),
        "item_gone",
        "body.items",
    ),
    "in place another quantity": (
        lambda: holding("pills", quantity=10),
        lambda c: c.offer(stays("pills", quantity=pieces(9)), to=PROCURATORATE),
        "quantity_differs",
        "body.items",
    ),
    "following a handover that there is not": (
        lambda: holding("phone"),
        lambda c: c.offer("phone", to=PROCURATORATE, follows="handover-9"),
        "unknown_handover",
        "body.follows",
    ),
    "following one that is open": (
        lambda: holding("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination"),
        lambda c: c.offer("knife", to=LAB, purpose="forensic_examination", follows="handover-1"),
        "still_open",
        "body.follows",
    ),
    "returning what was not accepted": (
        lambda: lent("phone").register("knife").offer("knife", to=LAB, purpose="forensic_examination"),
        lambda c: c.give_back("phone", returns="handover-2"),
        "not_accepted_by_you",
        "body.returns",
    ),
    "returning what another accepted": (
        lambda: passed("phone"),
        lambda c: c.give_back("phone", returns="handover-1", by=clerk(POLICE)),
        "not_accepted_by_you",
        "body.returns",
    ),
    "returning a handover that there is not": (
        lambda: passed("phone"),
        lambda c: c.say(
            handover.HandoverReturned,
            handover_id="handover-2",
            returns="handover-9",
            purpose="return",
            reason_code="other",
            explanation="none",
        ),
        "unknown_handover",
        "body.returns",
    ),
}


@pytest.mark.parametrize(("setting", "act", "rule", "field"), REFUSED.values(), ids=REFUSED)
def test_an_impossible_offer_is_refused(
    setting: Callable[[], Case], act: Callable[[Case], object], rule: str, field: str
) -> None:
    """Each impossible offer is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(setting(), act, rule, field)
