"""Answers to an offer: by the receiver alone, to every item in it, and what is found becomes the record."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.core.events import handover, item
from ledger.core.events.handover import OfferedItem
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, instant
from tests.testkit.casework import (
    Case,
    Refusals,
    got,
    holding,
    kept,
    lent,
    offered,
    passed,
    person_id,
    pieces,
    require_refusal,
)

LI, WANG = person_id("li"), person_id("wang")


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSED: Refusals = {
    "accepting what was not offered to you": (
        lambda: offered("phone"),
        lambda c: c.accept(by=clerk(COURT)),
        "not_a_party",
        "agency",
    ),
    "accepting one's own offer": (
        lambda: offered("phone"),
        lambda c: c.accept(by=clerk(POLICE)),
        "not_offered_to_you",
        "agency",
    ),
    "checking what was not offered to you": (
        lambda: offered("phone"),
        lambda c: c.check(by=clerk(COURT)),
        "not_a_party",
        "agency",
    ),
    "refusing what was not offered to you": (
        lambda: offered("phone"),
        lambda c: c.refuse(by=clerk(COURT)),
        "not_a_party",
        "agency",
    ),
    "accepting twice": (
        lambda: passed("phone"),
        lambda c: c.accept("handover-1"),
        "not_open",
        "body.handover_id",
    ),
    "accepting what was recalled": (
        lambda: offered("phone").recall(),
        lambda c: c.accept("handover-1"),
        "not_open",
        "body.handover_id",
    ),
    "refusing what was accepted": (
        lambda: passed("phone"),
        lambda c: c.refuse("handover-1"),
        "not_open",
        "body.handover_id",
    ),
    "recalling what was accepted": (
        lambda: passed("phone"),
        lambda c: c.recall("handover-1"),
        "not_open",
        "body.handover_id",
    ),
    "recalling another's offer": (
        lambda: lent("phone").offer(to=PROCURATORATE),
        lambda c: c.say(handover.HandoverRecalled, clerk(LAB), handover_id="handover-2", ground="mistake"),
        "not_yours",
        "agency",
    ),
    "accepting after the offer expired": (
        lambda: offered("phone", expires_at="2026-03-02T01:30:00Z"),
        lambda c: c.accept(occurred_at="2026-03-02T01:30:01Z"),
        "offer_expired",
        "occurred_at",
    ),
    "receiving what is not in the list": (
        lambda: offered("phone"),
        lambda c: c.accept(received=(got("knife"),)),
        "not_offered",
        "body.received",
    ),
    "leaving what is not in the list": (
        lambda: offered("phone"),
        lambda c: c.accept(not_accepted=(kept("knife"),)),
        "not_offered",
        "body.not_accepted",
    ),
    "missing who is not in the list": (
        lambda: offered("phone"),
        lambda c: c.accept(absent_person_ids=(person_id("zhao"),)),
        "not_offered",
        "body.absent_person_ids",
    ),
    "answering one item twice": (
        lambda: offered("phone", "knife"),
        lambda c: c.accept(received=(got("phone"),), not_accepted=(kept("phone"),)),
        "duplicate_id",
        "body.received",
    ),
    "silence on an item": (
        lambda: offered("phone", "knife"),
        lambda c: c.accept(rest_as_listed=False, received=(got("phone"),)),
        "item_unanswered",
        "body.received",
    ),
    "another reason without a word": (
        lambda: offered("phone", "knife"),
        lambda c: c.accept(not_accepted=(kept("phone", "other"),)),
        "unexplained",
        "body.not_accepted",
    ),
    "accepting nothing": (
        lambda: offered("phone"),
        lambda c: c.accept(not_accepted=(kept("phone"),), absent_person_ids=(LI, WANG)),
        "nothing_accepted",
        "body",
    ),
    "accepting none of the persons": (
        lambda: holding().offer(to=PROCURATORATE, persons=("li",)),
        lambda c: c.accept(absent_person_ids=(LI,)),
        "nothing_accepted",
        "body",
    ),
    "answering a handover that there is not": (
        lambda: offered("phone"),
        lambda c: c.say(
            handover.HandoverAccepted,
            clerk(POLICE),
            handover_id="handover-9",
            received_at="2026-03-02T02:00:00Z",
            rest_as_listed=True,
        ),
        "unknown_handover",
        "body.handover_id",
    ),
}


@pytest.mark.parametrize(("setting", "act", "rule", "field"), REFUSED.values(), ids=REFUSED)
def test_an_impossible_answer_is_refused(
    setting: Callable[[], Case], act: Callable[[Case], object], rule: str, field: str
) -> None:
    """Each impossible answer is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(setting(), act, rule, field)


# -- what the receiver finds -------------------------------------------------------------------------------------------


def test_what_is_found_becomes_the_record() -> None:
    """Quantity, condition and seal are as the receiver found them."""
    written = holding("pills", quantity=10, seal_number="S-1", condition="dry")
    written.offer("pills", to=LAB, purpose="forensic_examination")
    written.accept(received=(got("pills", quantity=pieces(9), condition="wet", seal_number="S-2"),))
    pills = written.state.items["pills"]
    assert (pills.quantity, pills.condition, pills.seal_number) == (pieces(9), "wet", "S-2")


def test_what_is_not_found_otherwise_is_as_listed_or_recorded() -> None:
    """As listed where the list says something, as recorded where it does not, whether the item is named or not."""
    for received in ((), (got("pills"),)):
        written = holding("pills", quantity=10, seal_number="S-1", condition="dry")
        line = OfferedItem(item_id="pills", condition="damp", quantity=pieces(10))
        written.offer(line, to=LAB, purpose="forensic_examination").accept(received=received)
        pills = written.state.items["pills"]
        assert (pills.quantity, pills.condition, pills.seal_number) == (pieces(10), "damp", "S-1")


@pytest.mark.parametrize("seal_state", ["broken", "missing", "unsealed"])
def test_a_seal_that_is_not_whole_is_none(seal_state: str) -> None:
    """An item whose seal was found broken, missing or open bears none, and can be sealed anew."""
    written = holding("phone", seal_number="S-1").offer("phone", to=LAB, purpose="forensic_examination")
    written.accept(received=(got("phone", seal_state=seal_state, seal_number="S-1"),))
    assert written.state.items["phone"].seal_number is None
    written.say(item.ItemSealed, clerk(LAB), item_id="phone", seal_number="S-2")


def test_a_whole_seal_stays() -> None:
    """An intact seal is the one that the record has."""
    written = holding("phone", seal_number="S-1").offer("phone", to=LAB, purpose="forensic_examination")
    written.accept(received=(got("phone", seal_state="intact"),), received_at=instant(written.now))
    assert written.state.items["phone"].seal_number == "S-1"
