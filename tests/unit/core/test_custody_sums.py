"""Splitting and merging items: exact sums, no commingling."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.core.events import item
from ledger.core.events.terms import Money
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, Officer, clerk
from tests.testkit.casework import (
    Case,
    Refusal,
    Refusals,
    each_refusal,
    holding,
    part,
    person_id,
    pieces,
    require_refusal,
)

LI = person_id("li")
CASH: dict[str, Any] = {"kind": "property", "quantity": 10, "fungible": True, "money": Money(fen=1000, currency="CNY")}


def cash(*item_ids: str, quantity: int = 10, fen: int = 1000, **fields: Any) -> Case:
    """Sums of money, which are fungible."""
    money = Money(fen=fen, currency="CNY")
    return holding(*item_ids, kind="property", quantity=quantity, fungible=True, money=money, **fields)


def lend(written: Case, item_id: str, **fields: Any) -> Case:
    """The laboratory has the sum as a loan."""
    return written.offer(item_id, to=LAB, purpose="loan", **fields).accept()


# -- refusals ----------------------------------------------------------------------------------------------------------

PILLS, TWO_SUMS = holding("pills", quantity=10), cash("a", "b")


def split(item_id: str, *parts: item.ItemPart) -> Callable[[Case], Case]:
    return lambda c: c.say(item.ItemSplit, item_id=item_id, parts=parts)


def merge(*item_ids: str, whole: item.ItemPart | None = None, by: Officer | None = None) -> Callable[[Case], Case]:
    """Merge two sums of money, by default into one of all."""
    return lambda c: c.say(item.ItemMerged, by, item_ids=item_ids, whole=whole or part("all", 20, fen=2000))


REFUSED: Refusals = {
    "splitting a person": Refusal(
        "not_divisible body.item_id",
        holding("li-in-custody", kind="detainee", person_id=LI),
        split("li-in-custody", part("a", "0.5"), part("b", "0.5")),
    ),
    "parts that add up to less": Refusal("sum_differs body.parts", PILLS, split("pills", part("a", 4), part("b", 5))),
    "parts that add up to a hair more": Refusal(
        "sum_differs body.parts",
        holding("pills", quantity="0.3"),
        split("pills", part("a", "0.1"), part("b", "0.200001")),
    ),
    "parts in another unit": Refusal(
        "units_differ body.parts", PILLS, split("pills", part("a", 5, unit="gram"), part("b", 5))
    ),
    "two parts of one id": Refusal("duplicate_id body.parts", PILLS, split("pills", part("a", 5), part("a", 5))),
    "a part of an id that is taken": Refusal(
        "duplicate_id body.parts",
        holding("pills", "knife", quantity=10),
        split("pills", part("a", 5), part("knife", 5)),
    ),
    "money that does not add up": Refusal(
        "sum_differs body.parts", cash("notes"), split("notes", part("a", 4, fen=400), part("b", 6, fen=599))
    ),
    "money in one part only": Refusal(
        "sum_differs body.parts", cash("notes"), split("notes", part("a", 4, fen=1000), part("b", 6))
    ),
    "money out of nothing": Refusal(
        "sum_differs body.parts", PILLS, split("pills", part("a", 4, fen=1), part("b", 6, fen=1))
    ),
    "money in another currency": Refusal(
        "units_differ body.parts",
        cash("notes"),
        split("notes", part("a", 4, fen=400), part("b", 6, fen=600, currency="USD")),
    ),
    "merging exhibits": Refusal(
        "commingling body.item_ids", holding("knife", "axe"), merge("knife", "axe", whole=part("tools", 2))
    ),
    "merging one thing with itself": Refusal("duplicate_id body.item_ids", TWO_SUMS, merge("a", "a")),
    "merging what another holds": Refusal(
        "not_held body.item_ids",
        cash("a", "b").offer("b", to=COURT, purpose="property_transfer").accept(),
        merge("a", "b"),
    ),
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
            ("a whole of less than its parts", "sum_differs", part("all", 19, fen=2000)),
            ("a whole of less money", "sum_differs", part("all", 20, fen=1999)),
            ("a whole without the money", "sum_differs", part("all", 20)),
            ("a whole of an id that is taken", "duplicate_id", part("a", 20, fen=2000)),
        )
    },
}


@each_refusal(REFUSED)
def test_an_impossible_split_or_merge_is_refused(refusal: Refusal) -> None:
    """Each impossible one is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


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


def test_a_merged_whole_takes_after_the_first_item() -> None:
    """What the whole does not say of itself, description and place, is that of the item named first."""
    written = cash("a", storage_location="safe").register("b", storage_location="counter", **CASH)
    written.say(item.ItemMerged, item_ids=("b", "a"), whole=part("all", 20, fen=2000))
    whole = written.state.items["all"]
    assert (whole.description, whole.storage_location) == ("the b", "counter")


amounts = st.decimals(min_value=0, max_value=10**9, places=6).map(lambda d: format(d.normalize(), "f"))


@given(st.lists(amounts, min_size=2, max_size=6))
def test_exact_sums_of_any_decimals_are_accepted(values: list[str]) -> None:
    """Parts add up to the whole exactly, to the sixth decimal, without rounding."""
    whole = format(sum(map(Decimal, values), Decimal(0)).normalize(), "f")
    written = holding("powder", quantity=whole)
    parts = tuple(part(f"part-{number}", value) for number, value in enumerate(values))
    written.say(item.ItemSplit, item_id="powder", parts=parts)
    assert written.state.items["part-1"].quantity.value == values[1]
