"""Discrepancies: stated with the acceptance or raised later, closed by both sides under the same words."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.custody import Discrepancy
from ledger.core.events import handover
from ledger.core.events.handover import NotAcceptedItem, OfferedItem, ReceivedItem
from ledger.core.events.terms import DiscrepancyKind, Money
from tests.testkit.builders import COURT, LAB, POLICE, clerk
from tests.testkit.casework import Case, Refusal, Refusals, each_refusal, pieces, require_refusal

ONE, TWO = "sha256:" + "11" * 32, "sha256:" + "22" * 32
BLAKE, SM3 = "blake3:" + "33" * 32, "sm3:" + "44" * 32
SIDES = (POLICE, LAB)
YUAN_9, YUAN_10 = Money(amount=900, currency="CNY"), Money(amount=1000, currency="CNY")


def sent(**recorded: Any) -> Case:
    """A thing under way to the laboratory, next to one that always arrives."""
    defaults: dict[str, Any] = {"quantity": 10, "seal_number": "S-1", "digests": (ONE,), "money": YUAN_10}
    written = Case().open().register("thing", **(defaults | recorded))
    return written.register("other").offer("thing", "other", to=LAB, purpose="forensic_examination")


def got(match_result: str = "match", **fields: Any) -> dict[str, Any]:
    return {"received": (ReceivedItem(item_id="thing", match_result=match_result, **fields),)}  # type: ignore[arg-type]


def kept(reason_code: str, **fields: Any) -> dict[str, Any]:
    return {"not_accepted": (NotAcceptedItem(item_id="thing", reason_code=reason_code, **fields),)}  # type: ignore[arg-type]


DIFFERENCES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "fewer": (got(quantity=pieces(9)), "10 piece", "9 piece", "quantity"),
    "more": (got(quantity=pieces(11)), "10 piece", "11 piece", "surplus"),
    "none": (got(quantity=pieces(0)), "10 piece", "0 piece", "missing"),
    "another unit": (got(quantity=pieces(12, "gram")), "10 piece", "12 gram", "quantity"),
    "less money": (got(money=YUAN_9), "sum 1000 CNY", "sum 900 CNY", "quantity"),
    "more money": (got(money=Money(amount=1001, currency="CNY")), "sum 1000 CNY", "sum 1001 CNY", "surplus"),
    "other money": (got(money=Money(amount=2000, currency="USD")), "sum 1000 CNY", "sum 2000 USD", "quantity"),
    "broken seal": (got(seal_state="broken"), "seal S-1", "seal broken", "seal"),
    "missing seal": (got(seal_state="missing"), "seal S-1", "seal missing", "seal"),
    "open seal": (got(seal_state="unsealed"), "seal S-1", "seal unsealed", "seal"),
    "another seal": (got(seal_number="S-2"), "seal S-1", "seal S-2", "seal"),
    "another digest": (got(digests=(TWO,)), ONE, TWO, "digest"),
    "a mismatch": (got("mismatch", remark="wet"), "as listed", "wet", "condition"),
    "a mismatch without words": (got("mismatch"), "as listed", "differs", "condition"),
    "kept for its count": (kept("items_differ", quantity=pieces(9)), "10 piece", "9 piece", "quantity"),
    "kept for its seal": (kept("seal_broken", seal_state="broken"), "seal S-1", "seal broken", "seal"),
    "kept for its seal, unsaid": (kept("seal_broken"), "as listed", "reason seal_broken", "seal"),
    "kept for its digest": (
        kept("digest_mismatch", explanation="sha256 differs"),
        "as listed",
        "sha256 differs",
        "digest",
    ),
    "kept as different": (kept("items_differ"), "as listed", "reason items_differ", "condition"),
}
AGREEMENTS: dict[str, dict[str, Any]] = {
    "unsaid": {},
    "as it is": got(quantity=pieces(10), money=YUAN_10, seal_number="S-1", seal_state="intact", digests=(ONE,)),
    "not checked": got("not_checked"),
    "a digest of another algorithm": got(digests=(BLAKE, SM3)),
    "a condition": got(condition="dusty"),
    "kept for its binding": kept("binding_defective"),
    "kept for another stage": kept("not_our_stage"),
}


@pytest.mark.parametrize(("received", "expected", "difference", "kind"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_stated_difference_opens_a_discrepancy(
    received: dict[str, Any], expected: str, difference: str, kind: DiscrepancyKind
) -> None:
    """The acceptance itself opens it, between both sides, with what was expected and what was found, and is flagged."""
    written = sent().accept(**received)
    key = "handover-1/thing"
    opened = Discrepancy(key, "handover-1", "thing", SIDES, expected, difference, (kind,))
    assert written.state.discrepancies == {key: opened}
    assert [(flag.name, flag.detail) for flag in written.flags] == [
        ("receipt_differs", f"item thing: {difference}, recorded {expected}")
    ]


def test_one_discrepancy_tells_all_that_differs() -> None:
    """Nine of ten under a broken seal with another digest: nothing hides behind the first difference. What the sender's
    list says of the condition stands against what the receiver found."""
    received = got("mismatch", quantity=pieces(9), seal_state="broken", digests=(TWO,))
    (opened,) = sent().accept(**received).state.discrepancies.values()
    assert opened.kinds == ("quantity", "seal", "digest")
    assert (opened.expected, opened.found) == (f"10 piece; seal S-1; {ONE}", f"9 piece; seal broken; {TWO}")
    written = Case().open().register("thing", condition="new")
    written.offer(OfferedItem(item_id="thing", condition="used"), to=LAB, purpose="forensic_examination")
    (opened,) = written.accept(**got("mismatch", condition="torn")).state.discrepancies.values()
    assert (opened.kinds, opened.expected, opened.found) == (("condition",), "used", "torn")


@pytest.mark.parametrize("received", AGREEMENTS.values(), ids=AGREEMENTS)
def test_what_agrees_opens_none(received: dict[str, Any]) -> None:
    """What is as listed, unsaid, not comparable or kept for another reason is no difference."""
    written = sent().accept(**received)
    assert (written.state.discrepancies, written.flags) == ({}, ())


def test_a_seal_is_compared_with_the_list_or_the_record() -> None:
    """With the list where it names one, with the record where it does not; where there was none an open one is no
    difference."""
    written = Case().open().register("thing", seal_number="S-1")
    written.offer(OfferedItem(item_id="thing", seal_number="S-2"), to=LAB, purpose="forensic_examination")
    written.accept(**got(seal_number="S-2"))
    assert written.state.discrepancies == {}
    assert written.state.items["thing"].seal_number == "S-2"
    assert sent(seal_number=None).accept(**got(seal_state="unsealed")).state.discrepancies == {}
    broken = sent(seal_number=None).accept(**got(seal_state="broken")).state.discrepancies
    assert broken["handover-1/thing"].expected == "seal intact"


def test_a_seal_that_is_recorded_as_broken_is_no_new_difference() -> None:
    """It was found so before, and arrives so; under another number it is another seal."""
    case = sent().accept(**got(seal_state="broken"))
    opened = set(case.state.discrepancies)
    case.offer("thing", to=POLICE, purpose="property_transfer", by=clerk(LAB)).accept(**got(seal_state="broken"))
    assert set(case.state.discrepancies) == opened
    case.offer("thing", to=LAB, purpose="forensic_examination").accept(**got(seal_state="broken", seal_number="S-9"))
    assert len(case.state.discrepancies) == len(opened) + 1


def test_one_of_several_digests_is_enough() -> None:
    """A digest that the record has agrees, whatever others of its algorithm the record has too."""
    assert sent(digests=(ONE, TWO, BLAKE)).accept(**got(digests=(TWO,))).state.discrepancies == {}
    assert sent(digests=(BLAKE, ONE)).accept(**got(digests=(BLAKE, TWO))).state.discrepancies


# -- raised later ------------------------------------------------------------------------------------------------------


def raising(written: Case, agency: str = LAB, **fields: Any) -> Case:
    defaults = {
        "discrepancy_id": "short-1",
        "handover_id": "handover-1",
        "item_id": "thing",
        "kind": "quantity",
        "expected": "10 pieces",
        "found": "9 pieces",
    }
    return written.say(handover.DiscrepancyRaised, clerk(agency), **(defaults | fields))


def resolving(written: Case, agency: str, discrepancy_id: str = "short-1", words: str = "one was lost") -> Case:
    fields = {"discrepancy_id": discrepancy_id, "resolution": words}
    return written.say(handover.DiscrepancyResolved, clerk(agency), **fields)


@pytest.mark.parametrize("agency", SIDES)
def test_either_side_raises_what_it_finds_later(agency: str) -> None:
    """A difference found after the acceptance is raised by sender or receiver."""
    discrepancy = raising(sent().accept(), agency).state.discrepancies["short-1"]
    assert (discrepancy.expected, discrepancy.found) == ("10 pieces", "9 pieces")
    assert (discrepancy.parties, discrepancy.is_resolved) == (SIDES, False)


def test_a_partial_acceptance_has_discrepancies_too() -> None:
    """What was accepted in part can be found to differ later."""
    assert raising(sent().accept(**kept("binding_defective"))).state.discrepancies


def third_party() -> Case:
    """The court takes part in the case, not in the handover to the laboratory."""
    return sent().accept().register("file", kind="dossier").offer("file", to=COURT, purpose="loan").accept()


ACCEPTED, KNIFE = sent().accept(), sent().accept().register("knife")
REFUSED: Refusals = {
    "raising under an id that is taken": Refusal("duplicate_id body.discrepancy_id", raising(sent().accept()), raising),
    "raising on a handover that there is not": Refusal(
        "unknown_handover body.handover_id", ACCEPTED, lambda c: raising(c, handover_id="handover-9")
    ),
    "raising on an open offer": Refusal(
        "not_accepted body.handover_id",
        sent().accept().register("knife").offer("knife", to=LAB, purpose="forensic_examination"),
        lambda c: raising(c, handover_id="handover-2", item_id="knife"),
    ),
    "raising between others": Refusal("not_a_side agency", third_party(), lambda c: raising(c, COURT)),
    "raising on an item that was not offered": Refusal(
        "not_offered body.item_id", KNIFE, lambda c: raising(c, item_id="knife")
    ),
    "resolving what there is not": Refusal(
        "unknown_discrepancy body.discrepancy_id", ACCEPTED, lambda c: resolving(c, LAB)
    ),
    "resolving between others": Refusal("not_a_side agency", raising(third_party()), lambda c: resolving(c, COURT)),
    "resolving what is resolved": Refusal(
        "already_resolved body.discrepancy_id",
        resolving(resolving(raising(sent().accept()), LAB), POLICE),
        lambda c: resolving(c, LAB, words="found again"),
    ),
}


@each_refusal(REFUSED)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Each impossible act is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


# -- resolved by both --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [SIDES, SIDES[::-1]])
def test_both_sides_resolve(order: tuple[str, str]) -> None:
    """Two signatures under the same words are enough, in whatever order; one side's second replaces its first."""
    written = raising(sent().accept())
    for side, words, resolved in ((0, "a", False), (0, "b", False), (1, "c", False), (1, "b", True)):
        discrepancy = resolving(written, order[side], words=words).state.discrepancies["short-1"]
        assert (discrepancy.is_resolved, discrepancy.resolutions[order[side]]) == (resolved, words)


def test_a_stated_discrepancy_is_resolved_by_its_own_name() -> None:
    """What the acceptance stated is resolved under handover_id/item_id; others stay open."""
    written = raising(sent().accept(**got(quantity=pieces(9))))
    for agency in SIDES:
        resolving(written, agency, "handover-1/thing")
    resolved = {key: discrepancy.is_resolved for key, discrepancy in written.state.discrepancies.items()}
    assert resolved == {"handover-1/thing": True, "short-1": False}
