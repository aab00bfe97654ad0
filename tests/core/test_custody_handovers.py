"""Rules of handovers: both halves must match, custody moves at acceptance only, and only what is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.event import handover, item
from ledger.core.event.handover import NotAcceptedItem, OfferedItem, ReceivedItem
from tests.builders import (
    COURT,
    DEPOT,
    LAB,
    POLICE,
    PRISON,
    PROCURATORATE,
    clerk,
    instant,
    refused,
)
from tests.casework import Case, person_id, pieces

LI, WANG = person_id("li"), person_id("wang")


def holding(*item_ids: str, **fields: Any) -> Case:
    """The police hold the items; li and wang are the suspects."""
    return Case().open().name("li", "wang").register(*item_ids, **fields)


def offered(*item_ids: str, **fields: Any) -> Case:
    return holding(*item_ids).offer(*item_ids, to=PROCURATORATE, persons=("li", "wang"), **fields)


def passed(*item_ids: str) -> Case:
    """The procuratorate accepted the case with the items and persons."""
    return offered(*item_ids).accept()


def lent(*item_ids: str) -> Case:
    """The laboratory has the items, the police answer for them."""
    return holding(*item_ids).offer(*item_ids, to=LAB, purpose="forensic_examination").accept()


def stays(item_id: str, **fields: Any) -> OfferedItem:
    return OfferedItem(item_id=item_id, stays=True, **fields)


def kept(item_id: str, reason_code: str = "seal_broken", **fields: Any) -> NotAcceptedItem:
    return NotAcceptedItem(item_id=item_id, reason_code=reason_code, **fields)  # type: ignore[arg-type]


def got(item_id: str, match_result: str = "match", **fields: Any) -> ReceivedItem:
    return ReceivedItem(item_id=item_id, match_result=match_result, **fields)  # type: ignore[arg-type]


def holders(written: Case) -> dict[str, str]:
    return {one.item_id: one.holder for one in written.state.items.values()}


# -- refusals ----------------------------------------------------------------------------------------------------------

OFFER_REFUSED: dict[str, tuple[Callable[[], Case], Callable[[Case], object], str, str]] = {
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
        lambda: holding("pills", quantity=2).say(
            item.ItemSplit,
            item_id="pills",
            parts=tuple(item.ItemPart(item_id=i, quantity=pieces(1)) for i in ("a", "b")),
        ),
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
        lambda: holding("pills", quantity=2).say(
            item.ItemSplit,
            item_id="pills",
            parts=tuple(item.ItemPart(item_id=i, quantity=pieces(1)) for i in ("a", "b")),
        ),
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
ANSWER_REFUSED: dict[str, tuple[Callable[[], Case], Callable[[Case], object], str, str]] = {
    "accepting what was not offered to you": (
        lambda: offered("phone"),
        lambda c: c.accept(by=clerk(COURT)),
        "not_offered_to_you",
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
        lambda c: check(c, by=clerk(COURT)),
        "not_offered_to_you",
        "agency",
    ),
    "refusing what was not offered to you": (
        lambda: offered("phone"),
        lambda c: c.refuse(by=clerk(COURT)),
        "not_offered_to_you",
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
            clerk(PROCURATORATE),
            handover_id="handover-9",
            received_at="2026-03-02T02:00:00Z",
            rest_as_listed=True,
        ),
        "unknown_handover",
        "body.handover_id",
    ),
}


def check(written: Case, by: Any = None) -> Case:
    passes = dict.fromkeys(
        ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time"), "passed"
    )
    return written.say(handover.HandoverChecked, by or clerk(PROCURATORATE), handover_id="handover-1", **passes)


@pytest.mark.parametrize(("setting", "act", "rule", "field"), OFFER_REFUSED.values(), ids=OFFER_REFUSED)
def test_an_impossible_offer_is_refused(
    setting: Callable[[], Case], act: Callable[[Case], object], rule: str, field: str
) -> None:
    """Each impossible offer is refused under its rule's name and by its field, and leaves the case as it was."""
    written = setting()
    before = written.current
    with refused(rule, field=f"payload.{field}"):
        act(written)
    assert written.current is before


@pytest.mark.parametrize(("setting", "act", "rule", "field"), ANSWER_REFUSED.values(), ids=ANSWER_REFUSED)
def test_an_impossible_answer_is_refused(
    setting: Callable[[], Case], act: Callable[[Case], object], rule: str, field: str
) -> None:
    """Each impossible answer is refused under its rule's name and by its field, and leaves the case as it was."""
    written = setting()
    before = written.current
    with refused(rule, field=f"payload.{field}"):
        act(written)
    assert written.current is before


# -- the way of a handover ---------------------------------------------------------------------------------------------


def test_an_offer_moves_nothing() -> None:
    """Until the acceptance the sender holds, answers, and the stage is as it was."""
    written = offered("phone")
    assert holders(written) == {"phone": POLICE}
    assert (written.state.responsible, written.state.stage) == (POLICE, "investigation")
    assert written.state.items["phone"].offer == "handover-1"
    assert written.state.agencies == {POLICE}


def test_a_check_moves_nothing() -> None:
    """The receiver's check leaves the offer open."""
    written = check(offered("phone"))
    assert written.state.handovers["handover-1"].is_open
    assert holders(written) == {"phone": POLICE}


def test_an_acceptance_moves_everything() -> None:
    """Case, items, persons and stage pass to the receiver, who takes part from then on."""
    state = passed("phone", "knife").state
    assert {one.holder for one in state.items.values()} == {PROCURATORATE}
    assert {one.responsible for one in state.items.values()} == {PROCURATORATE}
    assert {person.responsible for person in state.persons.values()} == {PROCURATORATE}
    assert (state.responsible, state.stage) == (PROCURATORATE, "prosecution_review")
    assert state.agencies == {POLICE, PROCURATORATE}
    assert state.handovers["handover-1"].status == "accepted"
    assert state.handovers["handover-1"].accepted_items == ("phone", "knife")
    assert all(one.offer is None for one in state.items.values())


def test_a_partial_acceptance_moves_what_is_accepted() -> None:
    """What is not accepted stays with the sender, who holds and answers for it; who is absent stays his."""
    written = offered("phone", "knife").accept(
        not_accepted=(kept("knife", "other", explanation="not in the bag"),), absent_person_ids=(WANG,)
    )
    state = written.state
    assert holders(written) == {"phone": PROCURATORATE, "knife": POLICE}
    assert (state.items["knife"].responsible, state.items["knife"].offer) == (POLICE, None)
    assert (state.persons[LI].responsible, state.persons[WANG].responsible) == (PROCURATORATE, POLICE)
    assert (state.handovers["handover-1"].status, state.responsible) == ("partially_accepted", PROCURATORATE)


def test_an_absence_alone_is_a_partial_acceptance() -> None:
    """A co-defendant at large makes the acceptance partial, with every item accepted."""
    written = offered("phone").accept(absent_person_ids=(WANG,))
    assert written.state.handovers["handover-1"].status == "partially_accepted"


def test_every_item_may_be_answered_by_name() -> None:
    """Without "rest as listed" an acceptance that names every item is whole."""
    written = offered("phone", "knife").accept(rest_as_listed=False, received=(got("phone"), got("knife")))
    assert holders(written) == {"phone": PROCURATORATE, "knife": PROCURATORATE}


def test_a_refusal_gives_everything_back() -> None:
    """A refused offer leaves the sender his items, free to be offered again, with the remedy and its day."""
    written = offered("phone").refuse(due_at="2026-03-05T09:00:00Z", received_at="2026-03-02T01:30:00Z")
    answered = written.state.handovers["handover-1"]
    assert (answered.status, answered.remedy, answered.due_at) == ("refused", "rebind", "2026-03-05T09:00:00Z")
    assert (answered.reason_code, answered.received_at) == ("binding_defective", "2026-03-02T01:30:00Z")
    assert written.state.agencies == {POLICE}
    written.offer("phone", to=PROCURATORATE, follows="handover-1").accept()
    assert written.state.handovers["handover-2"].follows == "handover-1"
    assert holders(written) == {"phone": PROCURATORATE}


def test_a_recalled_offer_is_free_again() -> None:
    """The sender takes an open offer back."""
    written = offered("phone").recall()
    assert (written.state.handovers["handover-1"].status, written.state.items["phone"].offer) == ("recalled", None)


def test_an_offer_is_accepted_until_its_last_second() -> None:
    """The expiry itself is within time."""
    written = offered("phone", expires_at="2026-03-02T01:30:00Z").accept(occurred_at="2026-03-02T01:30:00Z")
    assert holders(written) == {"phone": PROCURATORATE}


def test_a_case_passes_without_items() -> None:
    """A case of which nothing is itemised is handed over as it is."""
    assert holding().offer(to=PROCURATORATE).accept().state.responsible == PROCURATORATE


def test_the_times_of_a_handover_are_kept() -> None:
    """Offer, delivery and answer keep the times that were claimed."""
    written = offered("phone").accept(received_at="2026-03-02T01:20:00Z", occurred_at="2026-03-02T01:40:00Z")
    answered = written.state.handovers["handover-1"]
    assert (answered.received_at, answered.answered_at) == ("2026-03-02T01:20:00Z", "2026-03-02T01:40:00Z")
    assert answered.offered_at == "2026-03-02T01:04:00Z"
    assert answered.offered_by == clerk(POLICE).officer_id


# -- what passes -------------------------------------------------------------------------------------------------------


def test_a_loan_moves_the_thing_and_nothing_else() -> None:
    """For an examination the thing goes; responsibility, case and stage stay."""
    state = lent("phone").state
    assert (state.items["phone"].holder, state.items["phone"].responsible) == (LAB, POLICE)
    assert (state.responsible, state.stage) == (POLICE, "investigation")


def test_a_request_for_arrest_enters_its_stage_without_moving_the_case() -> None:
    """The file goes to the procuratorate, the stage is arrest review, the police still answer."""
    written = holding("file", kind="dossier").offer(
        "file", to=PROCURATORATE, purpose="arrest_approval", persons=("li",)
    )
    written.accept()
    assert (written.state.stage, written.state.responsible) == ("arrest_review", POLICE)
    assert written.state.persons[LI].responsible == POLICE


def test_a_stage_is_entered_by_handovers_of_the_responsible_agency_only() -> None:
    """An agency that holds a thing on loan does not change the stage by passing it on."""
    written = lent("phone").offer("phone", to=PROCURATORATE, purpose="arrest_approval", by=clerk(LAB)).accept()
    assert written.state.stage == "investigation"


def test_what_stays_changes_responsibility_only() -> None:
    """Goods rest in the depot while responsibility for them moves with the case."""
    written = holding("car", kind="property").offer("car", to=DEPOT, purpose="property_transfer").accept()
    written.offer(stays("car"), to=PROCURATORATE).accept()
    car = written.state.items["car"]
    assert (car.holder, car.responsible) == (DEPOT, PROCURATORATE)
    written.say(item.ItemMoved, clerk(DEPOT), item_id="car", storage_location="hall 2")


def test_a_thing_on_loan_passes_without_the_lenders_responsibility() -> None:
    """Who passes on a thing that another answers for passes its custody, and nothing of the other's."""
    written = holding("phone", "file").offer("file", to=PROCURATORATE).accept()
    written.offer("phone", to=PROCURATORATE, purpose="loan", by=clerk(POLICE)).accept()
    written.offer("phone", "file", to=COURT, purpose="public_prosecution").accept()
    items = written.state.items
    assert (items["phone"].holder, items["phone"].responsible) == (COURT, POLICE)
    assert (items["file"].holder, items["file"].responsible) == (COURT, COURT)


def test_what_was_left_behind_follows_the_case() -> None:
    """Items and persons that an agency still answers for go to the case's agency, which then answers for them."""
    written = offered("phone", "knife").accept(not_accepted=(kept("knife", "items_differ"),), absent_person_ids=(WANG,))
    written.offer("phone", to=COURT, purpose="public_prosecution", persons=("li",)).accept()
    written.offer("knife", to=COURT, persons=("wang",), by=clerk(POLICE)).accept()
    state = written.state
    assert (state.items["knife"].holder, state.items["knife"].responsible) == (COURT, COURT)
    assert (state.persons[WANG].responsible, state.responsible, state.stage) == (COURT, COURT, "first_instance")


def test_what_passed_meanwhile_does_not_come_back_by_an_old_offer() -> None:
    """An offer of what its sender no longer answers for moves no responsibility at its late acceptance."""
    written = holding().offer(to=PROCURATORATE).accept()
    written.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE))
    written.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE)).accept("handover-3")
    written.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept("handover-4").accept("handover-2")
    assert written.state.persons[LI].responsible == COURT


def test_a_return_is_an_offer_the_other_way() -> None:
    """A return moves nothing until its acceptance; then the case is back in investigation."""
    written = passed("file").give_back("file", persons=("li",), due_at="2026-04-02T00:00:00Z", remedy="supplement")
    assert holders(written) == {"file": PROCURATORATE}
    returned = written.state.handovers["handover-2"]
    assert (returned.to_agency, returned.returns, returned.remedy) == (POLICE, "handover-1", "supplement")
    assert (returned.offered_by, returned.offered_at) == (clerk(PROCURATORATE).officer_id, "2026-03-02T01:06:00Z")
    assert (returned.reason_code, returned.due_at) == ("incomplete_dossier", "2026-04-02T00:00:00Z")
    written.accept()
    assert (written.state.responsible, written.state.stage) == (POLICE, "supplementary_investigation")
    assert holders(written) == {"file": POLICE}
    assert (written.state.persons[LI].responsible, written.state.persons[WANG].responsible) == (POLICE, PROCURATORATE)


def test_a_plain_return_moves_back_what_came() -> None:
    """A return without a purpose of its own moves back the case or the thing, whichever came, and no stage."""
    written = passed("file").give_back("file", purpose="return").accept()
    assert (written.state.responsible, written.state.stage) == (POLICE, "prosecution_review")
    written = lent("phone").give_back("phone", purpose="return").accept()
    assert (written.state.items["phone"].holder, written.state.responsible) == (POLICE, POLICE)


def test_a_return_of_a_return_moves_what_both_moved() -> None:
    """However often a case goes to and fro by plain returns, each moves what the first handover moved."""
    written = passed("file").give_back("file", purpose="return").accept()
    written.give_back("file", purpose="return").accept()
    assert written.state.responsible == PROCURATORATE
    assert holders(written) == {"file": PROCURATORATE}


def test_four_agencies_in_a_row() -> None:
    """Police, procuratorate, court, prison: each holds and answers in its turn."""
    written = holding("file", kind="dossier")
    for agency, purpose in (
        (PROCURATORATE, "prosecution_review"),
        (COURT, "public_prosecution"),
        (PRISON, "execution"),
    ):
        written.offer("file", to=agency, purpose=purpose, persons=("li", "wang")).accept()
        assert (written.state.responsible, holders(written)) == (agency, {"file": agency})
    assert written.state.stage == "execution"


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
