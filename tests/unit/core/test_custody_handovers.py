"""Handovers: custody moves at acceptance only, and only what is accepted."""

from __future__ import annotations

from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, clerk
from tests.testkit.casework import got, holders, holding, kept, lent, offered, passed, person_id

LI, WANG = person_id("li"), person_id("wang")


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


def test_an_offer_is_accepted_until_its_last_second() -> None:
    """The expiry itself is within time."""
    written = offered("phone", expires_at="2026-03-02T01:30:00Z").accept(occurred_at="2026-03-02T01:30:00Z")
    assert holders(written) == {"phone": PROCURATORATE}


def test_the_times_of_a_handover_are_kept() -> None:
    """Offer, delivery and answer keep the times that were claimed."""
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
    assert (returned.reason_code, returned.due_at) == ("incomplete_dossier", "2026-04-02T00:00:00Z")
    written.accept()
    assert (written.state.responsible, written.state.stage) == (POLICE, "supplementary_investigation")
    assert holders(written) == {"file": POLICE}
    assert (written.state.persons[LI].responsible, written.state.persons[WANG].responsible) == (POLICE, PROCURATORATE)
