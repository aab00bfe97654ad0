"""Answers to an offer: by the receiver alone, to every item in it, and what is found becomes the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.events import handover, item
from ledger.core.events.handover import OfferedItem
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, instant
from tests.testkit.casework import (
    Case,
    Refusal,
    Refusals,
    each_refusal,
    got,
    holding,
    kept,
    lent,
    offered,
    passed,
    person_id,
    pieces,
    require_refusal,
    sent,
)

LI, WANG = person_id("li"), person_id("wang")


# -- refusals ----------------------------------------------------------------------------------------------------------


def accepting(**fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.accept(**fields)


def answering(answer: str, *given: str, by: str | None = None) -> Callable[[Case], Case]:
    """By this method of a case, the latest open offer unless another is given."""
    return lambda c: getattr(c, answer)(*given, **({"by": clerk(by)} if by else {}))


PHONE, BOTH, DONE = offered("phone"), offered("phone", "knife"), passed("phone")
REFUSED: Refusals = {
    **{
        f"{answer} of what was not offered to you": Refusal("not_a_party agency", PHONE, answering(answer, by=COURT))
        for answer in ("accept", "check", "refuse")
    },
    **{
        f"{answer} of what was accepted": Refusal("not_open body.handover_id", DONE, answering(answer, "handover-1"))
        for answer in ("accept", "refuse", "recall")
    },
    "accepting one's own offer": Refusal("not_offered_to_you agency", PHONE, answering("accept", by=POLICE)),
    "accepting what was recalled": Refusal(
        "not_open body.handover_id", offered("phone").recall(), answering("accept", "handover-1")
    ),
    "recalling another's offer": Refusal(
        "not_yours agency",
        lent("phone").offer(to=PROCURATORATE),
        lambda c: c.say(handover.HandoverRecalled, clerk(LAB), handover_id="handover-2"),
    ),
    "accepting after the offer expired": Refusal(
        "offer_expired occurred_at",
        offered("phone", expires_at="2026-03-02T01:30:00Z"),
        accepting(occurred_at="2026-03-02T01:30:01Z"),
    ),
    "receiving what is not in the list": Refusal(
        "not_offered body.received", PHONE, accepting(received=(got("knife"),))
    ),
    "leaving what is not in the list": Refusal(
        "not_offered body.not_accepted", PHONE, accepting(not_accepted=(kept("knife"),))
    ),
    "missing who is not in the list": Refusal(
        "not_offered body.absent_person_ids", PHONE, accepting(absent_person_ids=(person_id("zhao"),))
    ),
    "answering one item twice": Refusal(
        "duplicate_id body.received", BOTH, accepting(received=(got("phone"),), not_accepted=(kept("phone"),))
    ),
    "silence on an item": Refusal(
        "item_unanswered body.received", BOTH, accepting(rest_as_listed=False, received=(got("phone"),))
    ),
    "another reason without a word": Refusal(
        "unexplained body.not_accepted", BOTH, accepting(not_accepted=(kept("phone", "other"),))
    ),
    "accepting nothing": Refusal(
        "nothing_accepted body", PHONE, accepting(not_accepted=(kept("phone"),), absent_person_ids=(LI, WANG))
    ),
    "accepting none of the persons": Refusal(
        "nothing_accepted body",
        holding().offer(to=PROCURATORATE, persons=("li",)),
        accepting(absent_person_ids=(LI,)),
    ),
    "answering a handover that there is not": Refusal(
        "unknown_handover body.handover_id",
        PHONE,
        lambda c: c.say(handover.HandoverAccepted, clerk(POLICE), handover_id="handover-9", rest_as_listed=True),
    ),
}


@each_refusal(REFUSED)
def test_an_impossible_answer_is_refused(refusal: Refusal) -> None:
    """Each impossible answer is refused under its rule's name and by its field, and leaves the case as it was."""
    require_refusal(refusal)


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
    written = sent("phone", seal_number="S-1")
    written.accept(received=(got("phone", seal_state=seal_state, seal_number="S-1"),))
    assert written.state.items["phone"].seal_number is None
    written.say(item.ItemSealed, clerk(LAB), item_id="phone", seal_number="S-2")


def test_a_whole_seal_stays() -> None:
    """An intact seal is the one that the record has."""
    written = sent("phone", seal_number="S-1")
    written.accept(received=(got("phone", seal_state="intact"),), received_at=instant(written.now))
    assert written.state.items["phone"].seal_number == "S-1"
