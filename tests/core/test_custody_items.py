"""Rules of items: what only their holder does, exact sums, no commingling, two signatures for disposal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.event import case, item
from ledger.core.event.terms import EventRef, Money
from tests.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, refused, supervisor
from tests.casework import Case, person_id, pieces

LI = person_id("li")
AT = "2026-03-02T02:00:00Z"


def part(
    item_id: str, value: int | str, *, unit: str = "piece", fen: int | None = None, **fields: Any
) -> item.ItemPart:
    money = None if fen is None else Money(fen=fen, currency=fields.pop("currency", "CNY"))
    return item.ItemPart(item_id=item_id, quantity=pieces(value, unit), money=money, **fields)


def holding(*item_ids: str, **fields: Any) -> Case:
    return Case().open().name("li").register(*item_ids, **fields)


def cash(*item_ids: str, quantity: int = 10, fen: int = 1000, **fields: Any) -> Case:
    """Sums of money, which are fungible."""
    money = Money(fen=fen, currency="CNY")
    return holding(*item_ids, kind="property", quantity=quantity, fungible=True, money=money, **fields)


def proposed(*item_ids: str, disposal: str = "destroyed", **fields: Any) -> Case:
    written = holding(*item_ids, kind="property")
    return written.say(item.ItemDisposalProposed, item_ids=item_ids, disposal=disposal, ground="perishable", **fields)


def dispose(written: Case, by: Any = None, **fields: Any) -> Case:
    """The second signature under the last event."""
    defaults = {"cites": written.last.ref, "disposed_at": AT}
    return written.say(item.ItemDisposed, by or supervisor(POLICE), **(defaults | fields))


# -- refusals ----------------------------------------------------------------------------------------------------------

SELLING = {"disposal": "sold_early"}
REFUSED: dict[str, tuple[Callable[[], Case], Callable[[Case], object], str, str]] = {
    "an id that is taken": (lambda: holding("phone"), lambda c: c.register("phone"), "duplicate_id", "body.item_id"),
    "a dossier without its extent": (
        holding,
        lambda c: c.register("file", kind="dossier", dossier=None),
        "item_incomplete",
        "body.dossier",
    ),
    "data without digests": (
        holding,
        lambda c: c.register("disk", kind="electronic_data", digests=()),
        "item_incomplete",
        "body.digests",
    ),
    "data without its collection": (
        holding,
        lambda c: c.register("disk", kind="electronic_data", collection=None),
        "item_incomplete",
        "body.collection",
    ),
    "data collected by one officer twice": (
        holding,
        lambda c: c.register(
            "disk",
            kind="electronic_data",
            collection=item.Collection(collectors=("p-1", "p-1"), tool="blocker", method="image"),
        ),
        "duplicate_id",
        "body.collection.collectors",
    ),
    "data from a medium that there is not": (
        holding,
        lambda c: c.register(
            "disk",
            kind="electronic_data",
            collection=item.Collection(
                collectors=("p-1", "p-2"), tool="blocker", method="image", medium_item_id="phone"
            ),
        ),
        "unknown_item",
        "body.collection.medium_item_id",
    ),
    "a seizure by one officer twice": (
        holding,
        lambda c: c.register(
            "phone", seizure=item.Seizure(document_number="S-1", seized_at=AT, officers=("p-1", "p-1"))
        ),
        "duplicate_id",
        "body.seizure.officers",
    ),
    "a detainee without a person": (
        holding,
        lambda c: c.register("li-in-custody", kind="detainee"),
        "item_incomplete",
        "body.person_id",
    ),
    "a detainee whom the case does not know": (
        holding,
        lambda c: c.register("zhao-in-custody", kind="detainee", person_id=person_id("zhao")),
        "unknown_person",
        "body.person_id",
    ),
    "one person in two custodies": (
        lambda: holding("li-in-custody", kind="detainee", person_id=LI),
        lambda c: c.register("li-again", kind="detainee", person_id=LI),
        "already_in_custody",
        "body.person_id",
    ),
    "an exhibit that is fungible": (
        holding,
        lambda c: c.register("knife", fungible=True),
        "not_fungible",
        "body.fungible",
    ),
    "a child of an item that there is not": (
        holding,
        lambda c: c.register("copy", parent_items=("phone",)),
        "unknown_item",
        "body.parent_items",
    ),
    "an item of another case": (
        holding,
        lambda c: c.say(item.ItemMoved, item_id="phone", storage_location="shelf 4"),
        "unknown_item",
        "body.item_id",
    ),
    "moving what another holds": (
        lambda: holding("phone").offer("phone", to=LAB, purpose="forensic_examination").accept(),
        lambda c: c.say(item.ItemMoved, item_id="phone", storage_location="shelf 4"),
        "not_held",
        "body.item_id",
    ),
    "moving what is on offer": (
        lambda: holding("phone").offer("phone", to=LAB, purpose="forensic_examination"),
        lambda c: c.say(item.ItemMoved, item_id="phone", storage_location="shelf 4"),
        "already_offered",
        "body.item_id",
    ),
    "moving what is destroyed": (
        lambda: dispose(proposed("car")),
        lambda c: c.say(item.ItemMoved, item_id="car", storage_location="shelf 4"),
        "item_gone",
        "body.item_id",
    ),
    "a second seal": (
        lambda: holding("phone", seal_number="S-1"),
        lambda c: c.say(item.ItemSealed, item_id="phone", seal_number="S-2"),
        "already_sealed",
        "body.item_id",
    ),
    "breaking another seal": (
        lambda: holding("phone", seal_number="S-1"),
        lambda c: c.say(item.ItemUnsealed, item_id="phone", seal_number="S-2", ground="examination"),
        "other_seal",
        "body.seal_number",
    ),
    "breaking no seal": (
        lambda: holding("phone"),
        lambda c: c.say(item.ItemUnsealed, item_id="phone", seal_number="S-2", ground="examination"),
        "other_seal",
        "body.seal_number",
    ),
    "splitting a person": (
        lambda: holding("li-in-custody", kind="detainee", person_id=LI),
        lambda c: c.say(item.ItemSplit, item_id="li-in-custody", parts=(part("a", "0.5"), part("b", "0.5"))),
        "not_divisible",
        "body.item_id",
    ),
    "parts that add up to less": (
        lambda: holding("pills", quantity=10),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", 4), part("b", 5))),
        "sum_differs",
        "body.parts",
    ),
    "parts that add up to a hair more": (
        lambda: holding("pills", quantity="0.3"),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", "0.1"), part("b", "0.200001"))),
        "sum_differs",
        "body.parts",
    ),
    "parts in another unit": (
        lambda: holding("pills", quantity=10),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", 5, unit="gram"), part("b", 5))),
        "units_differ",
        "body.parts",
    ),
    "two parts of one id": (
        lambda: holding("pills", quantity=10),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", 5), part("a", 5))),
        "duplicate_id",
        "body.parts",
    ),
    "a part of an id that is taken": (
        lambda: holding("pills", "knife", quantity=10),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", 5), part("knife", 5))),
        "duplicate_id",
        "body.parts",
    ),
    "money that does not add up": (
        lambda: cash("notes"),
        lambda c: c.say(item.ItemSplit, item_id="notes", parts=(part("a", 4, fen=400), part("b", 6, fen=599))),
        "sum_differs",
        "body.parts",
    ),
    "money in one part only": (
        lambda: cash("notes"),
        lambda c: c.say(item.ItemSplit, item_id="notes", parts=(part("a", 4, fen=1000), part("b", 6))),
        "sum_differs",
        "body.parts",
    ),
    "money out of nothing": (
        lambda: holding("pills", quantity=10),
        lambda c: c.say(item.ItemSplit, item_id="pills", parts=(part("a", 4, fen=1), part("b", 6, fen=1))),
        "sum_differs",
        "body.parts",
    ),
    "money in another currency": (
        lambda: cash("notes"),
        lambda c: c.say(
            item.ItemSplit, item_id="notes", parts=(part("a", 4, fen=400), part("b", 6, fen=600, currency="USD"))
        ),
        "units_differ",
        "body.parts",
    ),
    "merging exhibits": (
        lambda: holding("knife", "axe"),
        lambda c: c.say(item.ItemMerged, item_ids=("knife", "axe"), whole=part("tools", 2)),
        "commingling",
        "body.item_ids",
    ),
    "merging one thing with itself": (
        lambda: cash("a", "b"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "a"), whole=part("all", 20, fen=2000)),
        "duplicate_id",
        "body.item_ids",
    ),
    "merging what another holds": (
        lambda: cash("a", "b").offer("b", to=COURT, purpose="property_transfer").accept(),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, fen=2000)),
        "not_held",
        "body.item_ids",
    ),
    "merging what two agencies answer for": (
        lambda: cash("a").offer(to=PROCURATORATE).accept().register("b", by=clerk(POLICE), **CASH),
        lambda c: c.say(item.ItemMerged, clerk(POLICE), item_ids=("a", "b"), whole=part("all", 20, fen=2000)),
        "commingling",
        "body.item_ids",
    ),
    "merging frozen money with free": (
        lambda: cash("a", "b").say(item.ItemFrozen, item_id="b", frozen_until="2026-09-01"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, fen=2000)),
        "commingling",
        "body.item_ids",
    ),
    "merging what is checked out": (
        lambda: cash("a", "b").say(item.ItemCheckedOut, item_id="b", to_officer="p-1", ground="counting"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, fen=2000)),
        "commingling",
        "body.item_ids",
    ),
    "a whole of less than its parts": (
        lambda: cash("a", "b"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 19, fen=2000)),
        "sum_differs",
        "body.whole",
    ),
    "a whole of less money": (
        lambda: cash("a", "b"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, fen=1999)),
        "sum_differs",
        "body.whole",
    ),
    "a whole without the money": (
        lambda: cash("a", "b"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20)),
        "sum_differs",
        "body.whole",
    ),
    "a whole of an id that is taken": (
        lambda: cash("a", "b"),
        lambda c: c.say(item.ItemMerged, item_ids=("a", "b"), whole=part("a", 20, fen=2000)),
        "duplicate_id",
        "body.whole",
    ),
    "checking out twice": (
        lambda: holding("phone").say(item.ItemCheckedOut, item_id="phone", to_officer="p-1", ground="hearing"),
        lambda c: c.say(item.ItemCheckedOut, item_id="phone", to_officer="p-2", ground="hearing"),
        "already_checked_out",
        "body.item_id",
    ),
    "checking in what is not out": (
        lambda: holding("phone"),
        lambda c: c.say(item.ItemCheckedIn, item_id="phone"),
        "not_checked_out",
        "body.item_id",
    ),
    "freezing an exhibit": (
        lambda: holding("phone"),
        lambda c: c.say(item.ItemFrozen, item_id="phone", frozen_until="2026-09-01"),
        "not_property",
        "body.item_id",
    ),
    "renewing a freeze that there is not": (
        lambda: holding("account", kind="property"),
        lambda c: c.say(item.ItemFreezeRenewed, item_id="account", frozen_until="2026-09-01"),
        "not_frozen",
        "body.item_id",
    ),
    "disposing of a person": (
        lambda: holding("li-in-custody", kind="detainee", person_id=LI),
        lambda c: c.say(item.ItemDisposalProposed, item_ids=("li-in-custody",), disposal="archived", ground="released"),
        "not_disposable",
        "body.item_ids",
    ),
    "proposing one thing twice": (
        lambda: holding("car", kind="property"),
        lambda c: c.say(item.ItemDisposalProposed, item_ids=("car", "car"), disposal="destroyed", ground="wreck"),
        "duplicate_id",
        "body.item_ids",
    ),
    "proposing what another holds": (
        lambda: holding("phone").offer("phone", to=LAB, purpose="forensic_examination").accept(),
        lambda c: c.say(item.ItemDisposalProposed, item_ids=("phone",), disposal="destroyed", ground="wreck"),
        "not_held",
        "body.item_ids",
    ),
    "a proposal on a decision that is not recorded": (
        lambda: holding("car", kind="property"),
        lambda c: c.say(
            item.ItemDisposalProposed,
            item_ids=("car",),
            disposal="destroyed",
            ground="wreck",
            decision_id="decision-9",
        ),
        "unknown_decision",
        "body.decision_id",
    ),
    "a disposal that nobody proposed": (
        lambda: holding("car", kind="property"),
        dispose,
        "unknown_proposal",
        "body.cites",
    ),
    "a disposal that is done": (
        lambda: dispose(proposed("car")),
        lambda c: dispose(c, cites=c.events[-2].ref),
        "unknown_proposal",
        "body.cites",
    ),
    "both signatures by one officer": (
        lambda: proposed("car"),
        lambda c: dispose(c, clerk(POLICE)),
        "one_signature",
        "officer",
    ),
    "the second signature by another agency": (
        lambda: proposed("car").offer("car", to=COURT, purpose="property_transfer").accept(),
        lambda c: dispose(c, supervisor(COURT), cites=c.events[-3].ref),
        "not_held",
        "agency",
    ),
    "a disposal of what went on meanwhile": (
        lambda: proposed("car").offer("car", to=COURT, purpose="property_transfer").accept(),
        lambda c: dispose(c, cites=c.events[-3].ref),
        "not_held",
        "body.cites",
    ),
    "a sale without proceeds": (
        lambda: proposed("car", **SELLING),
        dispose,
        "proceeds_misplaced",
        "body.proceeds",
    ),
    "proceeds of a destruction": (
        lambda: proposed("car"),
        lambda c: dispose(c, proceeds=part("money", 1, fen=100)),
        "proceeds_misplaced",
        "body.proceeds",
    ),
    "proceeds under an id that is taken": (
        lambda: proposed("car", **SELLING),
        lambda c: dispose(c, proceeds=part("car", 1, fen=100)),
        "duplicate_id",
        "body.proceeds",
    ),
}
CASH: dict[str, Any] = {
    "kind": "property",
    "quantity": 10,
    "fungible": True,
    "money": Money(fen=1000, currency="CNY"),
}


@pytest.mark.parametrize(("setting", "act", "rule", "field"), REFUSED.values(), ids=REFUSED)
def test_what_is_impossible_is_refused(
    setting: Callable[[], Case], act: Callable[[Case], object], rule: str, field: str
) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    written = setting()
    before = written.current
    with refused(rule, field=f"payload.{field}"):
        act(written)
    assert written.current is before


# -- registering -------------------------------------------------------------------------------------------------------


def test_who_registers_holds_and_the_case_answers() -> None:
    """An item is held by the agency that registers it; the agency that answers for the case answers for it."""
    written = holding("phone").offer("phone", to=LAB, purpose="forensic_examination").accept()
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
    collection = item.Collection(collectors=("p-1", "p-2"), tool="blocker", method="image", medium_item_id="phone")
    written = holding("phone", seizure=seizure).register("disk", kind="electronic_data", collection=collection)
    assert written.state.items["disk"].digests


def test_a_person_is_a_detainee_once_at_a_time() -> None:
    """Other persons, and other kinds of items that name the person, are no second custody."""
    written = holding("li-in-custody", kind="detainee", person_id=LI).name("wang")
    written.register("wang-in-custody", kind="detainee", person_id=person_id("wang"))
    written.register("letter", person_id=LI)
    assert len(written.state.items) == 3


# -- handling ----------------------------------------------------------------------------------------------------------


def test_a_seal_is_set_and_broken() -> None:
    """A seal stands from its setting to its breaking under its number."""
    written = holding("phone").say(item.ItemSealed, item_id="phone", seal_number="S-1")
    assert written.state.items["phone"].seal_number == "S-1"
    written.say(item.ItemUnsealed, item_id="phone", seal_number="S-1", ground="examination")
    assert written.state.items["phone"].seal_number is None


def test_an_examination_changes_the_condition_only() -> None:
    """What an examination finds of quantity or digests is a finding, not the record's new state."""
    written = holding("pills", quantity=10, condition="dry")
    written.say(item.ItemExamined, item_id="pills", method="count", match_result="mismatch", quantity=pieces(9))
    assert (written.state.items["pills"].quantity, written.state.items["pills"].condition) == (pieces(10), "dry")
    written.say(item.ItemExamined, item_id="pills", method="look", match_result="match", condition="wet")
    assert written.state.items["pills"].condition == "wet"


def test_a_move_changes_the_place_only() -> None:
    """Custody and responsibility stay when a thing is put elsewhere."""
    written = holding("phone").say(item.ItemMoved, item_id="phone", storage_location="shelf 4")
    phone = written.state.items["phone"]
    assert (phone.storage_location, phone.holder, phone.responsible) == ("shelf 4", POLICE, POLICE)


def test_what_is_checked_out_comes_back() -> None:
    """A checked-out item names who has it until it is checked in, in the state it comes back in."""
    written = holding("phone", seal_number="S-1", condition="good")
    written.say(item.ItemCheckedOut, item_id="phone", to_officer="p-1", ground="hearing")
    assert (written.state.items["phone"].status, written.state.items["phone"].checked_out_to) == ("checked_out", "p-1")
    written.say(item.ItemCheckedIn, item_id="phone")
    phone = written.state.items["phone"]
    assert (phone.status, phone.checked_out_to, phone.seal_number, phone.condition) == ("held", None, "S-1", "good")
    written.say(item.ItemCheckedOut, item_id="phone", to_officer="p-1", ground="hearing")
    written.say(item.ItemCheckedIn, item_id="phone", seal_number="S-2", condition="scratched")
    phone = written.state.items["phone"]
    assert (phone.seal_number, phone.condition) == ("S-2", "scratched")


def test_a_freeze_is_renewed() -> None:
    """Property is frozen until a day, and renewed until a later one."""
    written = holding("account", kind="property").say(item.ItemFrozen, item_id="account", frozen_until="2026-09-01")
    written.say(item.ItemFreezeRenewed, item_id="account", frozen_until="2027-03-01")
    assert written.state.items["account"].frozen_until == "2027-03-01"


# -- sums --------------------------------------------------------------------------------------------------------------


def test_a_split_gives_children_of_the_parent() -> None:
    """The parent is gone; each child is held as it was, bears its own seal and description, and names the parent."""
    written = cash("notes", storage_location="safe")
    written.say(
        item.ItemSplit,
        item_id="notes",
        parts=(part("a", 4, fen=400, seal_number="S-1", description="four notes"), part("b", 6, fen=600)),
    )
    items = written.state.items
    assert items["notes"].status == "split"
    assert (items["a"].seal_number, items["a"].description, items["a"].parents) == ("S-1", "four notes", ("notes",))
    assert (items["b"].seal_number, items["b"].description, items["b"].storage_location) == (None, "the notes", "safe")
    assert (items["a"].money, items["b"].money) == (Money(fen=400, currency="CNY"), Money(fen=600, currency="CNY"))
    assert (items["a"].holder, items["a"].fungible) == (POLICE, True)


def test_children_of_a_split_bear_no_digests() -> None:
    """A digest is of the whole: no part has it."""
    written = holding("disk", kind="electronic_data", quantity=2)
    written.say(item.ItemSplit, item_id="disk", parts=(part("a", 1), part("b", 1)))
    assert written.state.items["a"].digests == ()


def test_a_merge_gives_one_of_all() -> None:
    """Fungible goods become one item that names them all."""
    written = cash("a", "b").say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, fen=2000))
    items = written.state.items
    assert (items["a"].status, items["b"].status, items["all"].status) == ("merged", "merged", "held")
    assert (items["all"].parents, items["all"].fungible, items["all"].quantity) == (("a", "b"), True, pieces(20))


def test_fungible_goods_without_money_merge() -> None:
    """Where there is no money, quantities alone add up."""
    written = holding("a", "b", kind="property", quantity="1.5", fungible=True)
    written.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 3))
    assert written.state.items["all"].money is None


amounts = st.decimals(min_value=0, max_value=10**9, places=6).map(lambda d: format(d.normalize(), "f"))


@given(st.lists(amounts, min_size=2, max_size=6))
def test_exact_sums_of_any_decimals_are_accepted(values: list[str]) -> None:
    """Parts add up to the whole exactly, to the sixth decimal, without rounding."""
    whole = format(sum(map(Decimal, values), Decimal(0)).normalize(), "f")
    written = holding("powder", quantity=whole)
    parts = tuple(part(f"part-{number}", value) for number, value in enumerate(values))
    written.say(item.ItemSplit, item_id="powder", parts=parts)
    assert written.state.items["part-1"].quantity.value == values[1]


# -- disposal ----------------------------------------------------------------------------------------------------------


def test_a_disposal_takes_two_officers() -> None:
    """Proposed by one and signed by another officer of the holder, items are gone and the proposal is done."""
    written = proposed("car", "boat")
    assert written.state.items["car"].status == "held"
    dispose(written)
    assert [(i.status, i.disposal) for i in written.state.items.values()] == [("disposed", "destroyed")] * 2
    assert written.state.proposals == {}


def test_other_proposals_stay_open() -> None:
    """A disposal ends its own proposal only."""
    written = proposed("car").register("boat", kind="property")
    first: EventRef = written.events[-2].ref
    written.say(item.ItemDisposalProposed, item_ids=("boat",), disposal="destroyed", ground="wreck")
    dispose(written, cites=first)
    assert [proposal.item_ids for proposal in written.state.proposals.values()] == [("boat",)]


def test_a_recorded_decision_orders_a_disposal() -> None:
    """A proposal names a decision that the case has."""
    written = holding("car", kind="property").say(
        case.DecisionRecorded, decision_id="decision-1", kind="judgment", number="J-1", decided_at=AT
    )
    written.say(
        item.ItemDisposalProposed,
        item_ids=("car",),
        disposal="forfeited",
        ground="judgment",
        decision_id="decision-1",
    )
    assert dispose(written).state.items["car"].status == "disposed"


def test_the_proceeds_of_a_sale_are_a_child_in_the_sellers_hands() -> None:
    """The money of an early sale is property of its own that bears nothing of the thing sold but its lineage."""
    written = holding("car", kind="property", condition="rusty", storage_location="yard", seal_number="S-1")
    written.say(item.ItemDisposalProposed, item_ids=("car",), disposal="sold_early", ground="loses value")
    dispose(written, proceeds=part("money", 1, fen=4_000_000))
    money = written.state.items["money"]
    assert (money.kind, money.holder, money.responsible, money.parents) == ("property", POLICE, POLICE, ("car",))
    assert (money.quantity, money.money) == (pieces(1), Money(fen=4_000_000, currency="CNY"))
    assert (money.condition, money.storage_location, money.seal_number) == (None, None, None)
    assert (money.fungible, money.status, money.description) == (True, "held", "proceeds of the car")
    assert written.state.items["car"].disposal == "sold_early"
