"""Handovers: custody moves at acceptance only, only what is accepted, and what can be neither offered nor answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.events import handover, item
from ledger.core.events.handover import OfferedItem
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, DEPOT, LAB, POLICE, PROCURATORATE, clerk, instant, refused
from tests.testkit.casework import (
    AT,
    Case,
    Refusal,
    Refusals,
    each_refusal,
    got,
    holders,
    holding,
    kept,
    lent,
    offered,
    passed,
    person_id,
    pieces,
    require_refusal,
    sent,
    stays,
)

# -- offers ------------------------------------------------------------------------------------------------------------


def split() -> Case:
    """Two pills, a pill each in ``a`` and ``b`` by now."""
    parts = tuple(item.ItemPart(item_id=i, quantity=pieces(1)) for i in ("a", "b"))
    return holding("pills", quantity=2).say(item.ItemSplit, item_id="pills", parts=parts)


PURPOSES = {COURT: "property_transfer", DEPOT: "property_transfer", LAB: "forensic_examination"}


def offering(*lines: str | OfferedItem, to: str = PROCURATORATE, **fields: Any) -> Callable[[Case], Case]:
    """Offer the things: to the procuratorate with the case, to others for what such an agency is given things for."""
    fields = {"purpose": PURPOSES[to], **fields} if to in PURPOSES else fields
    return lambda c: c.offer(*lines, to=to, **fields)


def returning(handover_id: str = "handover-1", **fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.give_back("phone", returns=handover_id, **fields)


TEN, CAR, OUT = (
    holding("pills", quantity=10),
    holding("car"),
    holding("phone").say(item.ItemCheckedOut, item_id="phone"),
)
PHONE, BOTH, DONE = offered("phone"), offered("phone", "knife"), passed("phone")
TO_TRIAL: dict[str, Any] = {"to": COURT, "purpose": "public_prosecution"}
OFFERS: Refusals = {
    "what one does not hold": Refusal("not_held body.items", lent("phone"), offering("phone", to=COURT)),
    "an item of another case": Refusal("unknown_item body.items", holding(), offering("car", to=COURT)),
    "what is on offer": Refusal("already_offered body.items", sent("phone"), offering("phone", to=COURT)),
    "what is gone": Refusal("item_gone body.items", split(), offering("pills", to=COURT)),
    "what is checked out": Refusal("checked_out body.items", OUT, offering("phone", to=COURT)),
    "a day for what passes for good": Refusal("not_lent body.due_at", holding("phone"), offering("phone", due_at=AT)),
    "another quantity": Refusal(
        "quantity_differs body.items", TEN, offering(OfferedItem(item_id="pills", quantity=pieces(9)), to=LAB)
    ),
    "an item twice": Refusal("duplicate_id body.items", holding("phone"), offering("phone", "phone", to=LAB)),
    "a person twice": Refusal("duplicate_id body.person_ids", holding(), offering(persons=("li", "li"))),
    "an unknown person": Refusal("unknown_person body.person_ids", holding(), offering(persons=("zhao",))),
    "to oneself": Refusal("to_yourself body", holding("phone"), offering("phone", to=POLICE)),
    "nothing": Refusal("nothing_offered body.items", holding(), offering(to=LAB)),
    "under an id that is taken": Refusal(
        "duplicate_id body.handover_id", offered("phone").refuse(), offering("phone", handover_id="handover-1")
    ),
    "the case twice at a time": Refusal("case_already_offered body.purpose", offered("phone"), offering(**TO_TRIAL)),
    "another's case": Refusal("not_responsible agency", lent("phone"), offering("phone", by=clerk(LAB), **TO_TRIAL)),
    "to the case's agency what one does not answer for": Refusal(
        "not_responsible body.items",
        lent("phone"),
        offering("phone", to=POLICE, purpose="jurisdiction_transfer", by=clerk(LAB)),
    ),
    "a person whom another answers for": Refusal(
        "not_responsible body.person_ids", passed(), offering(persons=("li",), by=clerk(POLICE))
    ),
    "nothing to the case's agency": Refusal("nothing_offered body.items", passed(), offering(by=clerk(POLICE))),
    "in place where nothing moves": Refusal("nothing_moves body.items", CAR, offering(stays("car"), to=DEPOT)),
    "in place what another answers for": Refusal(
        "not_responsible body.items",
        holding("car").offer(to=PROCURATORATE).accept(),
        offering(stays("car"), **TO_TRIAL),
    ),
    "in place what is on offer": Refusal(
        "already_offered body.items",
        lent("phone").offer("phone", to=DEPOT, purpose="property_transfer", by=clerk(LAB)),
        offering(stays("phone")),
    ),
    "in place what is gone": Refusal("item_gone body.items", split(), offering(stays("pills"))),
    "fewer in place": Refusal("quantity_differs body.items", TEN, offering(stays("pills", quantity=pieces(9)))),
    "following an unknown handover": Refusal(
        "unknown_handover body.follows", holding("phone"), offering("phone", follows="handover-9")
    ),
    "following one that is open": Refusal(
        "still_open body.follows",
        holding("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination"),
        offering("knife", to=LAB, follows="handover-1"),
    ),
    "returning what was not accepted": Refusal(
        "not_accepted_by_you body.returns",
        lent("phone").register("knife").offer("knife", to=LAB, purpose="forensic_examination"),
        returning("handover-2"),
    ),
    "returning what another accepted": Refusal("not_accepted_by_you body.returns", DONE, returning(by=clerk(POLICE))),
    "returning an unknown handover": Refusal(
        "unknown_handover body.returns", DONE, lambda c: c.say(handover.HandoverReturned, returns="handover-9")
    ),
}


LI, WANG = person_id("li"), person_id("wang")


# -- refusals ----------------------------------------------------------------------------------------------------------


def accepting(**fields: Any) -> Callable[[Case], Case]:
    return lambda c: c.accept(**fields)


def answering(answer: str, *offer_id: str, by: str | None = None) -> Callable[[Case], Case]:
    """By this method of a case, the latest open offer unless another is given."""
    return lambda c: getattr(c, answer)(*offer_id, **({"by": clerk(by)} if by else {}))


ANSWERS: Refusals = {
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
    "receiving the unlisted": Refusal("not_offered body.received", PHONE, accepting(received=(got("knife"),))),
    "leaving the unlisted": Refusal("not_offered body.not_accepted", PHONE, accepting(not_accepted=(kept("knife"),))),
    "missing the unlisted": Refusal(
        "not_offered body.absent_person_ids", PHONE, accepting(absent_person_ids=(person_id("zhao"),))
    ),
    "answering one item twice": Refusal(
        "duplicate_id body.received", BOTH, accepting(received=(got("phone"),), not_accepted=(kept("phone"),))
    ),
    "silence on an item": Refusal(
        "item_unanswered body.received", BOTH, accepting(rest_as_listed=False, received=(got("phone"),))
    ),
    "another reason": Refusal("unexplained body.not_accepted", BOTH, accepting(not_accepted=(kept("phone", "other"),))),
    "accepting nothing": Refusal(
        "nothing_accepted body", PHONE, accepting(not_accepted=(kept("phone"),), absent_person_ids=(LI, WANG))
    ),
    "accepting none of the persons": Refusal(
        "nothing_accepted body", holding().offer(to=PROCURATORATE, persons=("li",)), accepting(absent_person_ids=(LI,))
    ),
    "answering a handover that there is not": Refusal(
        "unknown_handover body.handover_id",
        PHONE,
        lambda c: c.say(handover.HandoverAccepted, clerk(POLICE), handover_id="handover-9", rest_as_listed=True),
    ),
}


@each_refusal(OFFERS | ANSWERS)
def test_an_impossible_offer_or_answer_is_refused(refusal: Refusal) -> None:
    """Each is refused under its rule's name and by its field, and leaves the case as it was."""
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
@pytest.mark.parametrize("number", [None, "S-1"], ids=["not retyped", "retyped"])
def test_an_item_whose_seal_is_not_whole_can_be_sealed_anew(seal_state: str, number: str | None) -> None:
    """A broken seal keeps its number, whether it is typed again or not; one that is missing or open is none."""
    written = sent("phone", seal_number="S-1")
    written.accept(received=(got("phone", seal_state=seal_state, seal_number=number),))
    assert written.state.items["phone"].seal_number == ("S-1" if seal_state == "broken" else None)
    written.say(item.ItemSealed, clerk(LAB), item_id="phone", seal_number="S-2")


def test_a_whole_seal_stays() -> None:
    """An intact seal is the one that the record has."""
    written = sent("phone", seal_number="S-1")
    written.accept(received=(got("phone", seal_state="intact"),), received_at=instant(written.now))
    assert written.state.items["phone"].seal_number == "S-1"


# -- the way of a handover ---------------------------------------------------------------------------------------------


def test_a_check_moves_nothing() -> None:
    """The receiver's check leaves the offer open."""
    written = offered("phone").check()
    assert written.state.handovers["handover-1"].is_open
    assert holders(written) == {"phone": POLICE}


def test_an_acceptance_moves_everything() -> None:
    """Case, items, persons and stage pass to the receiver, who takes part from then on."""
    state = passed("phone", "knife").state
    assert {item.holder for item in state.items.values()} == {PROCURATORATE}
    assert {item.responsible for item in state.items.values()} == {PROCURATORATE}
    assert {person.responsible for person in state.persons.values()} == {PROCURATORATE}
    assert (state.responsible, state.stage) == (PROCURATORATE, "prosecution_review")
    assert state.agencies == {POLICE, PROCURATORATE}
    assert state.handovers["handover-1"].status == "accepted"
    assert state.handovers["handover-1"].accepted_items == ("phone", "knife")
    assert all(item.offer is None for item in state.items.values())


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
    """A co-defendant at large makes it partial, with every item accepted; naming every item makes it whole without "the
    rest"."""
    written = offered("phone").accept(absent_person_ids=(WANG,))
    assert written.state.handovers["handover-1"].status == "partially_accepted"
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


def test_an_offer_is_accepted_until_its_last_second() -> None:
    """The expiry itself is within time. Offer, delivery and answer keep the times that were claimed."""
    written = offered("phone", expires_at="2026-03-02T01:30:00Z").accept(occurred_at="2026-03-02T01:30:00Z")
    assert holders(written) == {"phone": PROCURATORATE}
    written = offered("phone").accept(received_at="2026-03-02T01:20:00Z", occurred_at="2026-03-02T01:40:00Z")
    answered = written.state.handovers["handover-1"]
    assert (answered.received_at, answered.answered_at) == ("2026-03-02T01:20:00Z", "2026-03-02T01:40:00Z")
    assert answered.offered_at == "2026-03-02T01:04:00Z"
    assert answered.offered_by == clerk(POLICE).officer_id


# -- what passes -------------------------------------------------------------------------------------------------------


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
    written = holding().offer(to=PROCURATORATE, persons=("wang",)).accept()
    written.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE))
    written.offer(to=PROCURATORATE, persons=("li",), by=clerk(POLICE)).accept("handover-3")
    written.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept("handover-4").accept("handover-2")
    assert written.state.persons[LI].responsible == COURT


def test_a_case_passes_with_all_its_persons_where_the_list_names_nobody() -> None:
    """Whoever has the case answers for them and can name them when it passes on; of several, who is not named stays."""
    written = holding().offer(to=PROCURATORATE).accept()
    assert {person.responsible for person in written.state.persons.values()} == {PROCURATORATE}
    written.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept()
    assert (written.state.persons[LI].responsible, written.state.persons[WANG].responsible) == (COURT, PROCURATORATE)


def test_a_return_is_an_offer_the_other_way() -> None:
    """A return moves nothing until its acceptance; then the case is back in investigation."""
    written = passed("file").give_back("file", persons=("li",), due_at="2026-04-02T00:00:00Z", remedy="supplement")
    assert holders(written) == {"file": PROCURATORATE}
    returned = written.state.handovers["handover-2"]
    assert (returned.to_agency, returned.returns, returned.remedy) == (POLICE, "handover-1", "supplement")
    assert (returned.offered_by, returned.offered_at) == (clerk(PROCURATORATE).officer_id, "2026-03-02T01:06:00Z")
    assert (returned.reason_code, returned.due_at) == ("evidence_insufficient", "2026-04-02T00:00:00Z")
    written.accept()
    assert (written.state.responsible, written.state.stage) == (POLICE, "supplementary_investigation")
    assert holders(written) == {"file": POLICE}
    assert (written.state.persons[LI].responsible, written.state.persons[WANG].responsible) == (POLICE, PROCURATORATE)


def test_an_outline_says_what_to_complete_and_is_answered_point_by_point() -> None:
    """A return carries its outline; the offer that follows answers points of it, and no point that it lacks."""
    buyer = handover.OutlinePoint(text="hear the buyer", person_id=person_id("li"))
    phone = handover.OutlinePoint(text="examine the phone", item_id="phone")
    written = passed("phone").give_back("phone", persons=("li", "wang"), outline=(buyer, phone))
    assert written.state.handovers["handover-2"].outline == (buyer, phone)
    assert written.flag_names() == []
    written.accept()
    answers = (handover.OutlineAnswer(point=2, text="examined"), handover.OutlineAnswer(point=1, text="heard"))
    again = {"to": PROCURATORATE, "follows": "handover-2"}
    with refused("unknown_point", field="payload.body.outline_answers[0].point"):
        written.offer("phone", outline_answers=(handover.OutlineAnswer(point=3, text="-"),), **again)
    with refused("duplicate_id", field="payload.body.outline_answers"):
        written.offer("phone", outline_answers=answers + answers, **again)
    with refused("unknown_point", field="payload.body.outline_answers[0].point"):
        written.offer("phone", to=PROCURATORATE, outline_answers=answers)
    written.offer("phone", outline_answers=answers, **again)


def test_an_outline_names_persons_and_items_of_the_case() -> None:
    """A point about somebody or something that the case does not have is refused by its place."""
    for point, rule, field in (
        (handover.OutlinePoint(text="-", person_id=person_id("zhao")), "unknown_person", "outline[0].person_id"),
        (handover.OutlinePoint(text="-", item_id="knife"), "unknown_item", "outline[0].item_id"),
    ):
        with refused(rule, field=f"payload.body.{field}"):
            passed("phone").give_back("phone", outline=(point,))


def test_purposes_go_between_kinds_of_agencies() -> None:
    """The police hand a case over for review to a procuratorate and not to a court; to an unknown kind all fit."""
    book = shipped_rulebook()
    to_procuratorate = book.purposes_between("public_security", "procuratorate")
    assert "prosecution_review" in to_procuratorate
    assert "prosecution_review" not in book.purposes_between("public_security", "court")
    assert "public_prosecution" not in to_procuratorate
    assert book.purposes_between(None, None) == tuple(book.purposes)
