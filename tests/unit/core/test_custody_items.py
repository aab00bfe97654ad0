"""Rules of items: complete when registered, handled by the holder, split and merged exactly, disposed of by two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.errors import RuleRefused
from ledger.core.events import Body, item
from ledger.core.events.terms import EventRef, Money
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import (
    COURT,
    LAB,
    POLICE,
    PROCURATORATE,
    START,
    Officer,
    clerk,
    refused,
    refused_at,
    supervisor,
)
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    dispose,
    each_refusal,
    holding,
    lent,
    part,
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


def collecting(*collectors: str, **fields: str) -> Callable[[Case], Case]:
    """Register data, with who collected it."""
    collection = item.Collection(collectors=collectors, tool="blocker", method="image", **fields)
    return registering("disk", kind="electronic_data", collection=collection)


def seized(*officers: str, at: str = AT) -> item.Seizure:
    return item.Seizure(document_number="S-1", seized_at=at, officers=officers)


SEALED, OUT = holding("phone", seal_number="S-1"), holding("phone").say(item.ItemCheckedOut, item_id="phone")
EMPTY, CAR, PRISONER = holding(), holding("car", kind="property"), holding("li", kind="detainee", person_id=LI)
ITEMS: Refusals = {
    "an id that is taken": Refusal("duplicate_id body.item_id", holding("phone"), registering("phone")),
    "a dossier without extent": Refusal(
        "item_incomplete body.dossier", EMPTY, registering("file", kind="dossier", dossier=None)
    ),
    "data without digests": Refusal(
        "item_incomplete body.digests", EMPTY, registering("disk", kind="electronic_data", digests=())
    ),
    "data without its collection": Refusal(
        "item_incomplete body.collection", EMPTY, registering("disk", kind="electronic_data", collection=None)
    ),
    "data collected by one officer, named twice": Refusal(
        "duplicate_id body.collection.collectors", EMPTY, collecting("p-1", "p-1")
    ),
    "data from an unknown medium": Refusal(
        "unknown_item body.collection.medium_item_id", EMPTY, collecting("p-1", "p-2", medium_item_id="phone")
    ),
    "a seizure by one officer, named twice": Refusal(
        "duplicate_id body.seizure.officers", EMPTY, registering("phone", seizure=seized("p-1", "p-1"))
    ),
    "a detainee without a person": Refusal("item_incomplete body.person_id", EMPTY, registering("li", kind="detainee")),
    "an unknown detainee": Refusal(
        "unknown_person body.person_id", EMPTY, registering("zhao", kind="detainee", person_id=person_id("zhao"))
    ),
    "one person in two custodies": Refusal(
        "already_in_custody body.person_id", PRISONER, registering("li-again", kind="detainee", person_id=LI)
    ),
    "an exhibit that is fungible": Refusal("not_fungible body.fungible", EMPTY, registering("knife", fungible=True)),
    "a child of nothing": Refusal("unknown_item body.parent_items", EMPTY, registering("a", parent_items=("phone",))),
    "an item of another case": Refusal("unknown_item body.item_id", EMPTY, saying(item.ItemMoved)),
    "moving what is checked out": Refusal("checked_out body.item_id", OUT, saying(item.ItemMoved)),
    "moving what another holds": Refusal("not_held body.item_id", lent("phone"), saying(item.ItemMoved)),
    "moving what is on offer": Refusal("already_offered body.item_id", sent("phone"), saying(item.ItemMoved)),
    "moving what is gone": Refusal("item_gone body.item_id", dispose(proposed("car")), saying(item.ItemMoved, "car")),
    "a second seal": Refusal("already_sealed body.item_id", SEALED, saying(item.ItemSealed)),
    "breaking another seal": Refusal("other_seal body.seal_number", SEALED, saying(item.ItemUnsealed)),
    "breaking no seal": Refusal("other_seal body.seal_number", holding("phone"), saying(item.ItemUnsealed)),
    "checking out twice": Refusal("already_checked_out body.item_id", OUT, saying(item.ItemCheckedOut)),
    "checking in what is in": Refusal("not_checked_out body.item_id", holding("phone"), saying(item.ItemCheckedIn)),
    "freezing an exhibit": Refusal("cannot_be_frozen body.item_id", holding("phone"), saying(item.ItemFrozen)),
    "renewing the freeze of what another holds and answers for": Refusal(
        "not_held body.item_id",
        holding("account", kind="property")
        .say(item.ItemFrozen, item_id="account")
        .offer("account", to=PROCURATORATE)
        .accept(),
        lambda c: c.say(item.ItemFreezeRenewed, clerk(POLICE), item_id="account"),
    ),
    "renewing no freeze": Refusal("not_frozen body.item_id", CAR, saying(item.ItemFreezeRenewed, "car")),
}


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
    written = holding("phone", seizure=seized("p-1", "p-2"))
    assert collecting("p-1", "p-2", medium_item_id="phone")(written).state.items["disk"].digests


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
    seizure = seized("p-1", "p-2", at="2026-03-01T23:00:00Z")
    written = holding().register("disk", seizure=seizure, exhibit_number="E-7", signed_at=START)
    disk = written.state.items["disk"]
    assert (disk.seizure, disk.exhibit_number, disk.recorded_from) == (seizure, "E-7", "2026-03-02T01:00:00Z")
    assert disk.unrecorded_seconds == 2 * 3600
    assert holding("phone").state.items["phone"].unrecorded_seconds is None


# -- refusals ----------------------------------------------------------------------------------------------------------


def proposing(*item_ids: str, **fields: str) -> Callable[[Case], Case]:
    return lambda c: c.say(item.ItemDisposalProposed, item_ids=item_ids, **fields)


def disposing(cited: int = -1, by: Officer | None = None, **fields: Any) -> Callable[[Case], Case]:
    """Sign second, under the last event unless another one is cited."""
    return lambda c: dispose(c, by, cites=c.events[cited].ref, **fields)


TO_SELL = proposed("car", disposal="sold_early")
GONE_ON = proposed("car").offer("car", to=COURT, purpose="property_transfer").accept()
DISPOSALS: Refusals = {
    "disposing of a person": Refusal("not_disposable body.item_ids", PRISONER, proposing("li")),
    "proposing one thing twice": Refusal("duplicate_id body.item_ids", CAR, proposing("car", "car")),
    "proposing what another holds": Refusal("not_held body.item_ids", lent("phone"), proposing("phone")),
    "an unknown decision": Refusal("unknown_decision body.decision_id", CAR, proposing("car", decision_id="d-9")),
    "a disposal that nobody proposed": Refusal("unknown_proposal body.cites", CAR, dispose),
    "a proposal cited under another event's id": Refusal(
        "unknown_proposal body.cites",
        proposed("car"),
        lambda c: dispose(c, cites=replace(c.last.ref, event_id=c.events[0].envelope.event_id)),
    ),
    "a disposal that is done": Refusal("unknown_proposal body.cites", dispose(proposed("car")), disposing(-2)),
    "both signatures by one officer": Refusal("one_signature officer", proposed("car"), disposing(by=clerk(POLICE))),
    "the second signature by another agency": Refusal("not_held agency", GONE_ON, disposing(-3, supervisor(COURT))),
    "a disposal of what went on meanwhile": Refusal("not_held body.cites", GONE_ON, disposing(-3)),
    "a disposal of what is checked out": Refusal("checked_out body.item_ids", OUT, proposing("phone")),
    "a disposal of what was checked out meanwhile": Refusal(
        "checked_out body.cites", proposed("car").say(item.ItemCheckedOut, item_id="car"), disposing(-2)
    ),
    "a sale without proceeds": Refusal("proceeds_misplaced body.proceeds", TO_SELL, dispose),
    "proceeds of a destruction": Refusal(
        "proceeds_misplaced body.proceeds", proposed("car"), disposing(proceeds=part("a", 1))
    ),
    "proceeds of a taken id": Refusal(
        "duplicate_id body.proceeds", TO_SELL, disposing(proceeds=part("car", 1, amount=1))
    ),
}


# -- disposal ----------------------------------------------------------------------------------------------------------


def test_a_disposal_takes_two_officers() -> None:
    """Proposed by one and signed by another officer of the holder, items are gone and the proposal is done, but no
    other one."""
    written = proposed("car", "boat")
    assert written.state.items["car"].status == "held"
    dispose(written)
    assert [(i.status, i.disposal) for i in written.state.items.values()] == [("disposed", "destroyed")] * 2
    assert written.state.proposals == {}
    written = proposed("car").register("boat", kind="property")
    first: EventRef = written.events[-2].ref
    written.say(item.ItemDisposalProposed, item_ids=("boat",), disposal="destroyed")
    dispose(written, cites=first)
    assert [proposal.item_ids for proposal in written.state.proposals.values()] == [("boat",)]


def test_the_proceeds_of_a_sale_are_a_child_in_the_sellers_hands() -> None:
    """The money of an early sale is property of its own that bears nothing of the thing sold but its lineage."""
    written = holding("car", kind="property", condition="rusty", storage_location="yard", seal_number="S-1")
    written.say(item.ItemDisposalProposed, item_ids=("car",), disposal="sold_early")
    dispose(written, proceeds=part("money", 1, amount=4_000_000))
    money = written.state.items["money"]
    assert (money.kind, money.holder, money.responsible, money.parents) == ("property", POLICE, POLICE, ("car",))
    assert (money.quantity, money.money) == (pieces(1), Money(amount=4_000_000, currency="CNY"))
    assert (money.condition, money.storage_location, money.seal_number) == (None, None, None)
    assert (money.fungible, money.status, money.description) == (True, "held", "the car → CNY")
    assert written.state.items["car"].disposal == "sold_early"


def test_the_proceeds_of_several_things_take_after_the_first() -> None:
    """One sum comes of a sale together: named after the first thing, answered for by whoever answered for that."""
    written = holding("car", kind="property").offer(to=PROCURATORATE).accept()
    written.register("boat", by=clerk(POLICE), kind="property")
    proposal = {"disposal": "sold_early", "ground": "loses value"}
    written.say(item.ItemDisposalProposed, clerk(POLICE), item_ids=("boat", "car"), **proposal)
    dispose(written, proceeds=part("money", 1, amount=100))
    money = written.state.items["money"]
    assert (money.description, money.responsible) == ("the boat → CNY", PROCURATORATE)
    assert money.parents == ("boat", "car")


CASH: dict[str, Any] = {
    "description": "cash",
    "kind": "property",
    "quantity": 10,
    "fungible": True,
    "money": Money(amount=1000, currency="CNY"),
}


def cash(*item_ids: str, quantity: int = 10, fen: int = 1000, **fields: Any) -> Case:
    """Sums of money, which are fungible."""
    own = {"quantity": quantity, "money": Money(amount=fen, currency="CNY")}
    return holding(*item_ids, **CASH | own | fields)


def lend(written: Case, item_id: str, **fields: Any) -> Case:
    """The laboratory has the sum as a loan."""
    return written.offer(item_id, to=LAB, purpose="loan", **fields).accept()


# -- refusals ----------------------------------------------------------------------------------------------------------

HALVES = (part("left", 1), part("right", 1))
PILLS, TWO_SUMS, NOTES = holding("pills", "knife", quantity=10), cash("a", "b"), cash("notes")


def split(item_id: str, *parts: item.ItemPart) -> Callable[[Case], Case]:
    return lambda c: c.say(item.ItemSplit, item_id=item_id, parts=parts)


def merge(*item_ids: str, whole: item.ItemPart | None = None, by: Officer | None = None) -> Callable[[Case], Case]:
    """Merge two sums of money, by default into one of all."""
    return lambda c: c.say(item.ItemMerged, by, item_ids=item_ids, whole=whole or part("all", 20, amount=2000))


SUMS: Refusals = {
    "splitting a person": Refusal(
        "not_divisible body.item_id", PRISONER, split("li", part("a", "0.5", unit="gram"), part("b", 1))
    ),
    "parts that add up to less": Refusal("sum_differs body.parts", PILLS, split("pills", part("a", 4), part("b", 5))),
    "parts that add up to a hair more": Refusal(
        "sum_differs body.parts",
        holding("powder", quantity=pieces("0.3", "gram")),
        split("powder", part("a", "0.1", unit="gram"), part("b", "0.200001", unit="gram")),
    ),
    "coins that add up to the smallest part more": Refusal(
        "sum_differs body.parts",
        holding("coins", quantity=pieces("100000000000000", "eth")),
        split("coins", part("a", "99999999999999", unit="eth"), part("b", "1.000000000000000001", unit="eth")),
    ),
    "another unit": Refusal("units_differ body.parts", PILLS, split("pills", part("a", 5, unit="gram"), part("b", 5))),
    "two parts of one id": Refusal("duplicate_id body.parts", PILLS, split("pills", part("a", 5), part("a", 5))),
    "a part of a taken id": Refusal("duplicate_id body.parts", PILLS, split("pills", part("a", 5), part("knife", 5))),
    "money that does not add up": Refusal(
        "sum_differs body.parts", NOTES, split("notes", part("a", 4, amount=400), part("b", 6, amount=599))
    ),
    "money in one part": Refusal(
        "sum_differs body.parts", NOTES, split("notes", part("a", 4, amount=1000), part("b", 6))
    ),
    "new money": Refusal(
        "sum_differs body.parts", PILLS, split("pills", part("a", 4, amount=1), part("b", 6, amount=1))
    ),
    "money in another currency": Refusal(
        "units_differ body.parts",
        NOTES,
        split("notes", part("a", 4, amount=400), part("b", 6, amount=600, currency="USD")),
    ),
    "merging exhibits": Refusal("commingling body.item_ids", holding("a", "b"), merge("a", "b", whole=part("c", 2))),
    "splitting what is sealed": Refusal(
        "already_sealed body.item_id", holding("pills", quantity=2, seal_number="S-1"), split("pills", *HALVES)
    ),
    "merging what is sealed": Refusal(
        "already_sealed body.item_ids", cash("a").register("b", seal_number="S-1", **CASH), merge("a", "b")
    ),
    **{
        f"merging what differs in {next(iter(words))}": Refusal(
            "commingling body.item_ids", cash("a").register("b", **CASH | words), merge("a", "b")
        )
        for words in (
            {"description": "petrol"},
            {"features": "red caps"},
            {"obtained_from": "shop B"},
            {"seizure": seized("p-1", "p-2")},
            {"account": "6222-1"},
            {"person_id": LI},
        )
    },
    "merging one thing with itself": Refusal("duplicate_id body.item_ids", TWO_SUMS, merge("a", "a")),
    "merging what another holds": Refusal("not_held body.item_ids", lend(cash("a", "b"), "b"), merge("a", "b")),
    "merging what two agencies answer for": Refusal(
        "commingling body.item_ids",
        cash("a").offer(to=PROCURATORATE).accept().register("b", by=clerk(POLICE), **CASH),
        merge("a", "b", by=clerk(POLICE)),
    ),
    "merging frozen money with free": Refusal(
        "commingling body.item_ids", cash("a", "b").say(item.ItemFrozen, item_id="b"), merge("a", "b")
    ),
    "merging what is checked out": Refusal(
        "commingling body.item_ids", cash("a", "b").say(item.ItemCheckedOut, item_id="b"), merge("a", "b")
    ),
    "merging what is lent until a day with what is not": Refusal(
        "commingling body.item_ids",
        lend(lend(cash("a", "b"), "a", due_at="2026-09-01T00:00:00Z"), "b"),
        merge("a", "b", by=clerk(LAB)),
    ),
    **{
        name: Refusal(f"{rule} body.whole", TWO_SUMS, merge("a", "b", whole=whole))
        for name, rule, whole in (
            ("a whole of less than its parts", "sum_differs", part("all", 19, amount=2000)),
            ("a whole of less money", "sum_differs", part("all", 20, amount=1999)),
            ("a whole without the money", "sum_differs", part("all", 20)),
            ("a whole of an id that is taken", "duplicate_id", part("a", 20, amount=2000)),
        )
    },
}


@each_refusal(ITEMS | DISPOSALS | SUMS)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


# -- sums --------------------------------------------------------------------------------------------------------------


def test_a_split_gives_children_of_the_parent() -> None:
    """The parent is gone; each child is held as it was, bears its own seal and description, and names the parent."""
    written = cash("notes", storage_location="safe")
    four = part("a", 4, amount=400, seal_number="S-1", description="four notes")
    written.say(item.ItemSplit, item_id="notes", parts=(four, part("b", 6, amount=600)))
    items = written.state.items
    assert items["notes"].status == "split"
    assert (items["a"].seal_number, items["a"].description, items["a"].parents) == ("S-1", "four notes", ("notes",))
    assert (items["b"].seal_number, items["b"].description, items["b"].storage_location) == (None, "cash", "safe")
    assert (items["a"].money, items["b"].money) == (
        Money(amount=400, currency="CNY"),
        Money(amount=600, currency="CNY"),
    )
    assert (items["a"].holder, items["a"].fungible) == (POLICE, True)


def test_children_of_a_split_bear_no_digests() -> None:
    """A digest is of the whole: no part has it."""
    written = holding("disk", kind="electronic_data", quantity=2)
    written.say(item.ItemSplit, item_id="disk", parts=(part("a", 1), part("b", 1)))
    assert written.state.items["a"].digests == ()


def test_a_merge_gives_one_of_all() -> None:
    """Fungible goods become one item that names them all."""
    written = cash("a", "b").say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, amount=2000))
    items = written.state.items
    assert (items["a"].status, items["b"].status, items["all"].status) == ("merged", "merged", "held")
    assert (items["all"].parents, items["all"].fungible, items["all"].quantity) == (("a", "b"), True, pieces(20))


def test_a_merged_whole_has_what_all_of_its_sources_have() -> None:
    """Number, condition and place are the whole's only if each source has them; its custody is recorded from the last.

    Sources that are described differently come to a whole that is described anew.
    """
    fields = CASH | {"storage_location": "safe", "condition": "dry"}
    written = Case().open().register("a", exhibit_number="E-1", **fields)
    written.register("b", **fields | {"condition": "wet", "description": "notes from the drawer"})
    written.say(item.ItemMerged, item_ids=("a", "b"), whole=part("all", 20, amount=2000, description="notes"))
    items = written.state.items
    whole = items["all"]
    assert (whole.description, whole.storage_location) == ("notes", "safe")
    assert (whole.exhibit_number, whole.condition) == (None, None)
    assert whole.recorded_from == items["b"].recorded_from > items["a"].recorded_from


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (item.ItemMoved, {"storage_location": "safe 2"}),
        (item.ItemExamined, {"condition": "wet", "match_result": "match"}),
        (item.ItemUnsealed, {"seal_number": "S-1"}),
    ],
)
def test_what_was_moved_examined_or_opened_is_merged_with_what_was_not(
    kind: type[Body], fields: dict[str, str]
) -> None:
    """None of it makes other goods of them, and the whole's words are put right until an event changes the whole."""
    seal = {"seal_number": "S-1"} if kind is item.ItemUnsealed else {}
    written = cash("a").register("b", **CASH | seal).say(kind, item_id="b", **fields)
    whole = merge("a", "b")(written).state.items["all"]
    assert (whole.parents, whole.seal_state, whole.changed) == (("a", "b"), None, ())


def in_ether(smallest: int) -> str:
    """Spell a number of the smallest parts of an ether, of which 10**18 are one."""
    whole, rest = divmod(smallest, 10**18)
    return f"{whole}.{rest:018}".rstrip("0").rstrip(".")


@given(st.lists(st.integers(min_value=0, max_value=10**32), min_size=2, max_size=6))
def test_exact_sums_of_any_decimals_are_accepted(amounts: list[int]) -> None:
    """Parts add up to the whole exactly, to the eighteenth decimal; whole numbers are the reference."""
    written = holding("coins", quantity=pieces(in_ether(sum(amounts)), "eth"))
    parts = tuple(part(f"part-{number}", in_ether(amount), unit="eth") for number, amount in enumerate(amounts))
    written.say(item.ItemSplit, item_id="coins", parts=parts)
    assert written.state.items["part-1"].quantity.value == in_ether(amounts[1])


# -- data at a provider ------------------------------------------------------------------------------------------------


def at_provider(**fields: Any) -> Case:
    """Return a case with data that stays at its provider."""
    return holding("mailbox", kind="data_at_provider", account="user-17", **fields)


def test_data_at_a_provider_is_frozen_and_is_no_property() -> None:
    """It is frozen by its digests and a method, its freeze is renewed and lifted, and closing asks for no disposal."""
    digest = "sha256:" + "ab" * 32
    written = at_provider().say(item.ItemFrozen, item_id="mailbox", method="account locked", digests=(digest,))
    frozen = written.state.items["mailbox"]
    assert (frozen.is_property, frozen.can_be_frozen, frozen.digests) == (False, True, (digest,))
    assert written.clock("data_freeze").is_running
    assert "freeze" not in {clock.name for clock in written.state.clocks.values()}
    written.say(item.ItemFreezeRenewed, item_id="mailbox", frozen_until="2027-03-01")
    written.say(item.ItemUnfrozen, item_id="mailbox", unfrozen_at=AT)
    assert not written.clock("data_freeze").is_running
    assert written.clock("data_release_notice").is_running
    assert written.close().flag_names() == []


def test_frozen_data_that_differs_from_the_record_is_flagged() -> None:
    """The record keeps the digest that it has; one of another algorithm says nothing against it."""
    digests = ("sha256:" + "ab" * 32,)
    written = at_provider(digests=digests)
    for computed, flags in (("sha256:" + "cd" * 32, ["examination_differs"]), ("sm3:" + "cd" * 32, [])):
        again = at_provider(digests=digests).say(
            item.ItemFrozen, item_id="mailbox", frozen_until="2026-09-01", digests=(computed,)
        )
        assert again.flag_names() == flags
        assert again.state.items["mailbox"].digests == written.state.items["mailbox"].digests == digests


def test_data_at_a_provider_has_its_account() -> None:
    """Without one nobody could tell which data is meant."""
    with refused("item_incomplete", field="payload.body.account"):
        holding("mailbox", kind="data_at_provider")


def test_how_data_was_taken_over_a_network_stays_with_the_item() -> None:
    """The address, the time of the network and the number of the record are those of its registration."""
    taken = item.Collection(
        collectors=("p-1", "p-2"),
        tool="archiver",
        method="online extraction",
        address="https://chat.example/u/17",
        network_time_at=AT,
        record_number="R-7",
    )
    assert holding("chat", kind="electronic_data", collection=taken).state.items["chat"].collection == taken


# -- units -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "refused"),
    [
        ("0.00000001", "btc", None),
        ("0.000000001", "btc", "in btc, a quantity has at most 8 digits after the point"),
        ("12", "piece", None),
        ("1.5", "piece", "in piece, a quantity has at most 0 digits"),
        ("1.5", "gram", None),
        ("1", "doubloon", "the procedure has no quantity_unit doubloon"),
    ],
)
def test_a_quantity_is_as_fine_as_its_unit(value: str, unit: str, refused: str | None) -> None:
    """A finer one, and a unit that the procedure does not have, are refused with the field that has them."""
    written = holding()
    if refused is None:
        written.register("thing", quantity=pieces(value, unit))
        assert written.state.items["thing"].quantity == pieces(value, unit)
        return
    field = "value" if "digits" in refused else "unit"
    with refused_at(f"payload.body.quantity.{field}", match=re.escape(refused), error=RuleRefused):
        written.register("thing", quantity=pieces(value, unit))


def test_every_quantity_of_an_event_is_compared_with_its_unit() -> None:
    """Those of parts too, at any depth; where a package leaves them out only the form of a quantity is judged."""
    with refused("too_many_decimals", field="payload.body.parts[1].quantity.value"):
        split("pills", part("a", 9), part("b", "1.5"))(PILLS)
    book = replace(shipped_rulebook(), units={})
    written = Case(book=book).open().register("gold", quantity=pieces("1.5", "doubloon"))
    assert written.state.items["gold"].quantity == pieces("1.5", "doubloon")
