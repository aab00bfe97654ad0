"""Rules of items: complete when registered, and handled by their holder only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.events import Body, item
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    dispose,
    each_refusal,
    holding,
    lent,
    person_id,
    pieces,
    proposed,
    require_refusal,
    sent,
)

LI = person_id("li")


# -- refusals ----------------------------------------------------------------------------------------------------------


def saying(kind: type[Body], item_id: str = "phone", **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.say(kind, item_id=item_id, **fields)


def registering(item_id: str, **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.register(item_id, **fields)


def collected(*collectors: str, **fields: str) -> dict[str, Any]:
    """Data, with who collected it."""
    collection = item.Collection(collectors=collectors, tool="blocker", method="image", **fields)
    return {"kind": "electronic_data", "collection": collection}


SEALED = holding("phone", seal_number="S-1")
REFUSED: Refusals = {
    "an id that is taken": Refusal("duplicate_id body.item_id", holding("phone"), registering("phone")),
    "a dossier without its extent": Refusal(
        "item_incomplete body.dossier", holding(), registering("file", kind="dossier", dossier=None)
    ),
    "data without digests": Refusal(
        "item_incomplete body.digests", holding(), registering("disk", kind="electronic_data", digests=())
    ),
    "data without its collection": Refusal(
        "item_incomplete body.collection", holding(), registering("disk", kind="electronic_data", collection=None)
    ),
    "data collected by one officer twice": Refusal(
        "duplicate_id body.collection.collectors", holding(), registering("disk", **collected("p-1", "p-1"))
    ),
    "data from a medium that there is not": Refusal(
        "unknown_item body.collection.medium_item_id",
        holding(),
        registering("disk", **collected("p-1", "p-2", medium_item_id="phone")),
    ),
    "a seizure by one officer twice": Refusal(
        "duplicate_id body.seizure.officers",
        holding(),
        registering("phone", seizure=item.Seizure(document_number="S-1", seized_at=AT, officers=("p-1", "p-1"))),
    ),
    "a detainee without a person": Refusal(
        "item_incomplete body.person_id", holding(), registering("li-in-custody", kind="detainee")
    ),
    "a detainee whom the case does not know": Refusal(
        "unknown_person body.person_id",
        holding(),
        registering("zhao-in-custody", kind="detainee", person_id=person_id("zhao")),
    ),
    "one person in two custodies": Refusal(
        "already_in_custody body.person_id",
        holding("li-in-custody", kind="detainee", person_id=LI),
        registering("li-again", kind="detainee", person_id=LI),
    ),
    "an exhibit that is fungible": Refusal(
        "not_fungible body.fungible", holding(), registering("knife", fungible=True)
    ),
    "a child of an item that there is not": Refusal(
        "unknown_item body.parent_items", holding(), registering("copy", parent_items=("phone",))
    ),
    "an item of another case": Refusal("unknown_item body.item_id", holding(), saying(item.ItemMoved)),
    "moving what another holds": Refusal("not_held body.item_id", lent("phone"), saying(item.ItemMoved)),
    "moving what is on offer": Refusal("already_offered body.item_id", sent("phone"), saying(item.ItemMoved)),
    "moving what is destroyed": Refusal(
        "item_gone body.item_id", dispose(proposed("car")), saying(item.ItemMoved, "car")
    ),
    "a second seal": Refusal("already_sealed body.item_id", SEALED, saying(item.ItemSealed)),
    "breaking another seal": Refusal("other_seal body.seal_number", SEALED, saying(item.ItemUnsealed)),
    "breaking no seal": Refusal("other_seal body.seal_number", holding("phone"), saying(item.ItemUnsealed)),
    "checking out twice": Refusal(
        "already_checked_out body.item_id",
        holding("phone").say(item.ItemCheckedOut, item_id="phone"),
        saying(item.ItemCheckedOut),
    ),
    "checking in what is not out": Refusal(
        "not_checked_out body.item_id", holding("phone"), saying(item.ItemCheckedIn)
    ),
    "freezing an exhibit": Refusal("not_property body.item_id", holding("phone"), saying(item.ItemFrozen)),
    "renewing the freeze of what another holds and answers for": Refusal(
        "not_held body.item_id",
        holding("account", kind="property")
        .say(item.ItemFrozen, item_id="account")
        .offer("account", to=PROCURATORATE)
        .accept(),
        lambda c: c.say(item.ItemFreezeRenewed, clerk(POLICE), item_id="account"),
    ),
    "renewing a freeze that there is not": Refusal(
        "not_frozen body.item_id", holding("account", kind="property"), saying(item.ItemFreezeRenewed, "account")
    ),
}


@each_refusal(REFUSED)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


# -- registering -------------------------------------------------------------------------------------------------------


def test_who_registers_holds_and_the_case_answers() -> None:
    """An item is held by the agency that registers it; the agency that answers for the case answers for it."""
    written = lent("phone")
    written.register("chip", by=clerk(LAB), parent_items=("phone",), seal_number="S-7", condition="removed")
    chip = written.state.items["chip"]
    assert (chip.holder, chip.responsible, chip.parents, chip.seal_number) == (LAB, POLICE, ("phone",), "S-7")
    assert (chip.description, chip.condition, chip.is_live) == ("the chip", "removed", True)


@pytest.mark.parametrize("kind", ["dossier", "exhibit", "electronic_data", "property"])
def test_complete_items_of_every_kind_are_registered(kind: str) -> None:
    """With the parts that its kind asks for an item enters the case."""
    assert holding("thing", kind=kind).state.items["thing"].kind == kind


def test_data_names_its_medium_and_a_seizure_its_officers() -> None:
    """Two different officers and a medium of the case complete a collection and a seizure."""
    seizure = item.Seizure(document_number="S-1", seized_at=AT, officers=("p-1", "p-2"))
    data = collected("p-1", "p-2", medium_item_id="phone")
    written = holding("phone", seizure=seizure).register("disk", **data)
    assert written.state.items["disk"].digests


def test_a_person_is_a_detainee_once_at_a_time() -> None:
    """Other persons, and other kinds of items that name the person, are no second custody."""
    written = holding("li-in-custody", kind="detainee", person_id=LI).name("wang")
    written.register("wang-in-custody", kind="detainee", person_id=person_id("wang"))
    written.register("letter", person_id=LI)
    assert len(written.state.items) == 3


# -- handling ----------------------------------------------------------------------------------------------------------


def test_an_examination_changes_the_condition_only() -> None:
    """What an examination finds of quantity or digests is a finding, not the record's new state."""
    written = holding("pills", quantity=10, condition="dry")
    written.say(item.ItemExamined, item_id="pills", method="count", match_result="mismatch", quantity=pieces(9))
    assert (written.state.items["pills"].quantity, written.state.items["pills"].condition) == (pieces(10), "dry")
    written.say(item.ItemExamined, item_id="pills", method="look", match_result="match", condition="wet")
    assert written.state.items["pills"].condition == "wet"


def test_what_is_checked_out_comes_back() -> None:
    """A checked-out item names who has it until it is checked in, in the state it comes back in."""
    written = holding("phone", seal_number="S-1", condition="good")
    written.say(item.ItemCheckedOut, item_id="phone", to_officer="p-1")
    assert (written.state.items["phone"].status, written.state.items["phone"].checked_out_to) == ("checked_out", "p-1")
    written.say(item.ItemCheckedIn, item_id="phone")
    phone = written.state.items["phone"]
    assert (phone.status, phone.checked_out_to, phone.seal_number, phone.condition) == ("held", None, "S-1", "good")
    written.say(item.ItemCheckedOut, item_id="phone", to_officer="p-1")
    written.say(item.ItemCheckedIn, item_id="phone", seal_number="S-2", condition="scratched")
    phone = written.state.items["phone"]
    assert (phone.seal_number, phone.condition) == ("S-2", "scratched")


def test_the_state_of_a_seal_is_known() -> None:
    """Whole once it is set, opened on record; of what never had one nothing is said."""
    written = holding("phone", "knife", seal_number="S-1").register("bare")
    assert [kept.seal_state for kept in written.state.items.values()] == ["intact", "intact", None]
    written.say(item.ItemUnsealed, item_id="phone", seal_number="S-1")
    assert written.state.items["phone"].seal_state == "unsealed"
    written.say(item.ItemSealed, item_id="phone", seal_number="S-2")
    assert written.state.items["phone"].seal_state == "intact"


def test_a_registration_keeps_where_the_thing_comes_from() -> None:
    """Seizure, collection and extent stay with the item, and how long nothing proved it."""
    seizure = item.Seizure(document_number="S-1", seized_at="2026-03-01T23:00:00Z", officers=("p-1", "p-2"))
    written = holding().register("disk", seizure=seizure, exhibit_number="E-7", signed_at=START)
    disk = written.state.items["disk"]
    assert (disk.seizure, disk.exhibit_number, disk.recorded_from) == (seizure, "E-7", "2026-03-02T01:00:00Z")
    assert disk.unrecorded_seconds == 2 * 3600
    assert holding("phone").state.items["phone"].unrecorded_seconds is None
