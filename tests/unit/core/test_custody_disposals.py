"""Disposal of items: proposed by one officer, done by another, each thing once."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ledger.core.events import item
from ledger.core.events.terms import EventRef, Money
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk, supervisor
from tests.testkit.casework import (
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
)

LI = person_id("li")
SELLING = {"disposal": "sold_early"}


# -- refusals ----------------------------------------------------------------------------------------------------------


def proposing(*item_ids: str, **fields: str) -> Callable[[Case], Case]:
    return lambda c: c.say(item.ItemDisposalProposed, item_ids=item_ids, **fields)


CAR, TO_SELL = holding("car", kind="property"), proposed("car", **SELLING)
GONE_ON = proposed("car").offer("car", to=COURT, purpose="property_transfer").accept()
REFUSED: Refusals = {
    "disposing of a person": Refusal(
        "not_disposable body.item_ids",
        holding("li-in-custody", kind="detainee", person_id=LI),
        proposing("li-in-custody"),
    ),
    "proposing one thing twice": Refusal("duplicate_id body.item_ids", CAR, proposing("car", "car")),
    "proposing what another holds": Refusal("not_held body.item_ids", lent("phone"), proposing("phone")),
    "a proposal on a decision that is not recorded": Refusal(
        "unknown_decision body.decision_id", CAR, proposing("car", decision_id="decision-9")
    ),
    "a disposal that nobody proposed": Refusal("unknown_proposal body.cites", CAR, dispose),
    "a proposal cited under another event's id": Refusal(
        "unknown_proposal body.cites",
        proposed("car"),
        lambda c: dispose(c, cites=replace(c.last.ref, event_id=c.events[0].envelope.event_id)),
    ),
    "a disposal that is done": Refusal(
        "unknown_proposal body.cites", dispose(proposed("car")), lambda c: dispose(c, cites=c.events[-2].ref)
    ),
    "both signatures by one officer": Refusal(
        "one_signature officer", proposed("car"), lambda c: dispose(c, clerk(POLICE))
    ),
    "the second signature by another agency": Refusal(
        "not_held agency", GONE_ON, lambda c: dispose(c, supervisor(COURT), cites=c.events[-3].ref)
    ),
    "a disposal of what went on meanwhile": Refusal(
        "not_held body.cites", GONE_ON, lambda c: dispose(c, cites=c.events[-3].ref)
    ),
    "a disposal of what is checked out": Refusal(
        "checked_out body.item_ids",
        holding("car", kind="property").say(item.ItemCheckedOut, item_id="car"),
        proposing("car"),
    ),
    "a disposal of what was checked out meanwhile": Refusal(
        "checked_out body.cites",
        proposed("car").say(item.ItemCheckedOut, item_id="car"),
        lambda c: dispose(c, cites=c.events[-2].ref),
    ),
    "a sale without proceeds": Refusal("proceeds_misplaced body.proceeds", TO_SELL, dispose),
    "proceeds of a destruction": Refusal(
        "proceeds_misplaced body.proceeds", proposed("car"), lambda c: dispose(c, proceeds=part("money", 1, fen=100))
    ),
    "proceeds under an id that is taken": Refusal(
        "duplicate_id body.proceeds", TO_SELL, lambda c: dispose(c, proceeds=part("car", 1, fen=100))
    ),
}


@each_refusal(REFUSED)
def test_an_impossible_disposal_is_refused(refusal: Refusal) -> None:
    """Each impossible disposal is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


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
    written.say(item.ItemDisposalProposed, item_ids=("boat",), disposal="destroyed")
    dispose(written, cites=first)
    assert [proposal.item_ids for proposal in written.state.proposals.values()] == [("boat",)]


def test_the_proceeds_of_a_sale_are_a_child_in_the_sellers_hands() -> None:
    """The money of an early sale is property of its own that bears nothing of the thing sold but its lineage."""
    written = holding("car", kind="property", condition="rusty", storage_location="yard", seal_number="S-1")
    written.say(item.ItemDisposalProposed, item_ids=("car",), disposal="sold_early")
    dispose(written, proceeds=part("money", 1, fen=4_000_000))
    money = written.state.items["money"]
    assert (money.kind, money.holder, money.responsible, money.parents) == ("property", POLICE, POLICE, ("car",))
    assert (money.quantity, money.money) == (pieces(1), Money(fen=4_000_000, currency="CNY"))
    assert (money.condition, money.storage_location, money.seal_number) == (None, None, None)
    assert (money.fungible, money.status, money.description) == (True, "held", "proceeds of the car")
    assert written.state.items["car"].disposal == "sold_early"


def test_the_proceeds_of_several_things_take_after_the_first() -> None:
    """One sum comes of a sale together: named after the first thing, answered for by whoever answered for that."""
    written = holding("car", kind="property").offer(to=PROCURATORATE).accept()
    written.register("boat", by=clerk(POLICE), kind="property")
    proposal = {"disposal": "sold_early", "ground": "loses value"}
    written.say(item.ItemDisposalProposed, clerk(POLICE), item_ids=("boat", "car"), **proposal)
    dispose(written, proceeds=part("money", 1, fen=100))
    money = written.state.items["money"]
    assert (money.description, money.responsible) == ("proceeds of the boat", PROCURATORATE)
    assert money.parents == ("boat", "car")
