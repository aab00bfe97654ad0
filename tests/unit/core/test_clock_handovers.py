"""Clocks and handovers: whose time an offer stops, what comes back with it, and what starts nobody's time."""

from __future__ import annotations

from datetime import datetime

import pytest

from ledger.core.custody.cases import with_split_off
from ledger.core.custody.due_dates import deadline
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import case
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, clerk, instant, refused
from tests.testkit.casework import DAY, Case, detained, kept, person_id
from tests.unit.core.test_custody_changes import accepted, request, serve

LI, WANG = person_id("li"), person_id("wang")


def running(into: Case, name: str) -> list[str]:
    """The subjects of the running clocks of the name."""
    return [clock.subject for clock in into.state.clocks.values() if clock.name == name and clock.is_running]


def tried(*names: str) -> Case:
    """The court has accepted the prosecution of these persons."""
    return detained(*names).offer(to=PROCURATORATE).accept().offer(to=COURT, purpose="public_prosecution").accept()


def under_review(opened: Case) -> Case:
    """The procuratorate accepted the case on March 11: the month of its review ends on a Saturday, April 11."""
    opened.now = unix_seconds("2026-03-11T02:00:00Z")
    return opened.offer(to=PROCURATORATE).accept()


SUNDAY_AFTER = unix_seconds("2026-04-12T02:00:00Z")  # the day after that Saturday


# -- what an offer stops -----------------------------------------------------------------------------------------------


def test_the_time_for_who_did_not_come_runs_on() -> None:
    """An offer stopped the time of two persons; one did not come: that one was not received, the sender's time runs."""
    opened = detained("li", "wang").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li", "wang"))
    assert running(opened, "arrest_request") == []
    opened.accept(absent_person_ids=(WANG,))
    assert running(opened, "arrest_request") == [WANG]
    assert running(opened, "arrest_decision") == [LI]
    assert len(opened.clock("arrest_request", "wang").events) == 3


def test_where_the_only_person_did_not_come_the_case_alone_is_received() -> None:
    """Nobody else's time begins, not even that of suspects whom the list does not name."""
    opened = detained("li", "wang").register("file", kind="dossier").offer("file", to=PROCURATORATE, persons=("li",))
    opened.accept(absent_person_ids=(LI,))
    assert running(opened, "prosecution_review") == ["case"]
    assert running(opened, "custody_change") == []
    opened.decide("not_prosecuted", person_ids=(LI,))
    assert running(opened, "prosecution_review") == []


@pytest.mark.parametrize("answer", ["refuse", "recall"])
def test_who_was_released_while_the_offer_was_open_has_no_time_left(answer: str) -> None:
    """The offer comes to nothing, and so did the detention: there is no arrest to ask for any more."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    opened.change("detention", "bail", "li")
    getattr(opened, answer)()
    assert opened.running() == {"bail_limit"}


def test_a_clock_that_began_anew_while_the_offer_was_open_is_the_only_one() -> None:
    """Detained a second time meanwhile: the time of the first detention does not come back beside the other."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    opened.impose("li", "detention", measure_id="detention-2")
    opened.recall()
    assert running(opened, "arrest_request") == [LI]


def test_an_answer_settles_what_the_offer_stopped() -> None:
    """Accepted, the sender's time has ended for good: nothing that comes to nothing later brings it back."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    assert opened.clock("arrest_request").stopped_in is None


# -- what starts nobody's time -----------------------------------------------------------------------------------------


def test_what_is_sent_after_the_case_starts_no_review_anew() -> None:
    """One thing was not accepted and follows later: the month of the review runs from the receipt of the case."""
    opened = detained("li").register("file", "phone").offer("file", "phone", to=PROCURATORATE)
    opened.accept(not_accepted=(kept("phone", "binding_defective"),))
    review = opened.clock("prosecution_review")
    opened.offer("phone", to=PROCURATORATE, by=clerk(POLICE)).accept()
    opened.offer("file", to=COURT, purpose="public_prosecution").refuse()
    assert opened.clock("prosecution_review").deadline_id == review.deadline_id
    for answer in ("refuse", "recall"):
        late = detained("li").register("file", "phone").offer("file", to=PROCURATORATE).accept()
        late.offer("phone", to=PROCURATORATE, by=clerk(POLICE))
        getattr(late, answer)()
        assert running(late, "prosecution_review") == [LI]


def test_a_co_defendant_who_comes_later_has_a_review_of_his_own() -> None:
    """Caught after the case had passed: his month begins with his receipt, that of the other goes on."""
    opened = detained("li", "wang").offer(to=PROCURATORATE, persons=("li", "wang")).accept(absent_person_ids=(WANG,))
    first = opened.clock("prosecution_review", "li")
    opened.offer(to=PROCURATORATE, persons=("wang",), by=clerk(POLICE)).accept()
    assert opened.clock("prosecution_review", "li") == first
    assert opened.clock("prosecution_review", "wang").started_at > first.started_at


# -- the court ---------------------------------------------------------------------------------------------------------


def test_the_court_has_its_week_from_the_delivery_that_it_states() -> None:
    """Three days on the way are not the court's: accepted or refused, the clock that it answered runs from delivery."""
    for answer in ("accept", "refuse"):
        opened = detained("li").offer(to=PROCURATORATE).accept().offer(to=COURT, purpose="public_prosecution")
        assert opened.clock("court_acceptance").provisional
        delivered = instant(opened.now + 3 * DAY)
        getattr(opened, answer)(received_at=delivered, occurred_at=instant(opened.now + 4 * DAY))
        checked = opened.clock("court_acceptance")
        assert (checked.provisional, checked.started_at) == (False, delivered)
        assert checked.stopped_at == instant(opened.now - 60 + 4 * DAY)
    assert running(opened, "prosecution_review") == [LI]


def test_who_is_tried_apart_takes_the_time_of_the_trial_along() -> None:
    """The new case has the clock, under an id that no event of its own can take."""
    opened = tried("li", "wang")
    began = opened.clock("first_instance", "li").started_at
    opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    assert running(opened, "first_instance") == [WANG]
    split_off = Case("case-2").open(
        by=clerk(COURT), stage="first_instance", split_from=opened.last.ref, source=opened.state
    )
    brought = split_off.clock("first_instance")
    assert (brought.deadline_id, brought.started_at) == (f"first_instance/{LI}/0", began)
    assert brought.events[-1] == split_off.last.ref


def test_who_is_released_before_he_is_taken_over_is_released_on_that_day() -> None:
    """It is recorded in the new case, with its own time: whether the limit was kept follows from that."""
    for days, status in ((2, "met"), (6, "missed")):
        opened = detained("li", "wang")
        ended_at = instant(opened.now + days * DAY)
        opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
        new_case = Case("case-2", start=opened.now + 9 * DAY).open(split_from=opened.last.ref, source=opened.state)
        (measure,) = new_case.state.measures.values()
        new_case.say(case.MeasureLifted, measure_id=measure.measure_id, ended_at=ended_at)
        request = new_case.clock("arrest_request")
        assert request.stopped_at == ended_at
        assert (
            deadline(new_case.state, request, new_case.book, datetime.fromisoformat(instant(new_case.now))).status
            == status
        )


def test_a_limit_that_was_not_kept_stays_so_when_its_person_is_split_off() -> None:
    """The last day, a Saturday, moved on for nobody who was locked up: also once he and his measure are elsewhere."""
    opened = Case(start=START + 2 * DAY).open().name("li").impose("li", "detention")
    opened.now += 4 * DAY
    opened.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    request, at = opened.clock("arrest_request"), datetime.fromisoformat(instant(opened.now))
    before = deadline(opened.state, request, opened.book, at)
    assert (str(before.last_day), before.status) == ("2026-03-07", "missed")
    opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    assert deadline(opened.state, request, opened.book, at) == before
    opened.name("wang").impose("wang", "bail", measure_id="detention-li")
    assert deadline(opened.state, request, opened.book, at) == before


@pytest.mark.parametrize("answered", [True, False])
def test_a_limit_of_the_case_that_was_not_kept_stays_so_when_who_was_locked_up_is_split_off(answered: bool) -> None:
    """No agency takes its lateness away by a split, neither of what it did late nor of what it still owes."""
    opened = under_review(Case().open().register("file", kind="dossier")).name("li").impose("li", "arrest")
    opened.now = SUNDAY_AFTER
    if answered:
        opened.offer(to=COURT, purpose="public_prosecution").accept()
    review, at = opened.clock("prosecution_review"), datetime.fromisoformat(instant(opened.now))
    before = deadline(opened.state, review, opened.book, at)
    assert (str(before.last_day), before.status) == ("2026-04-11", "missed" if answered else "overdue")
    opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    split = opened.last.event.event_id
    assert deadline(opened.state, review, opened.book, at) == before
    assert deadline(with_split_off(opened.state, (split,)), review, opened.book, at) == before


def test_whom_a_case_split_off_it_locks_up_no_more() -> None:
    """Its own time, and his if he is named in it again, at liberty, moves on to a working day; as shown it does too."""
    without_accused = under_review(Case().open().register("file", kind="dossier")).name("li").impose("li", "arrest")
    without_accused.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    named_again = detained("li").name("wang").say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    for opened, person in ((without_accused, None), (under_review(named_again.name("li")), "li")):
        review, at = opened.clock("prosecution_review", person), datetime.fromisoformat(instant(SUNDAY_AFTER))
        for state in (opened.state, with_split_off(opened.state, tuple(opened.state.splits))):
            counted = deadline(state, review, opened.book, at)
            assert (str(counted.last_day), counted.status) == ("2026-04-13", "running")


def test_the_time_that_is_split_off_counts_by_the_custody_that_went_along() -> None:
    """Until another case has it: also where the old one has used the id of the measure again."""
    opened = Case(start=START + 2 * DAY).open().name("li", "wang").impose("li", "detention")
    request, at = opened.clock("arrest_request"), datetime.fromisoformat(instant(opened.now))
    before = deadline(opened.state, request, opened.book, at)
    opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))
    opened.impose("wang", "bail", measure_id="detention-li")
    shown = with_split_off(opened.state, tuple(opened.state.splits))
    assert deadline(shown, shown.clocks[request.deadline_id], opened.book, at) == before
    assert str(before.last_day) == "2026-03-07"


def test_two_cases_of_one_person_that_are_joined_keep_both_clocks() -> None:
    """Both cases detained the person by their third event: neither clock is lost."""
    first, second = detained("li"), Case("case-2").open().name("li")
    second.impose("li", "detention", measure_id="other")
    second.say(case.CaseSplit, new_case_id="case-1", person_ids=(LI,))
    first.say(case.CaseJoined, other_case_id="case-2", cites=second.last.ref, source=second.state)
    assert running(first, "arrest_request") == [LI, LI]


def test_nobody_leaves_a_case_that_is_on_its_way() -> None:
    """An offer of the case that names nobody is one of everybody in it."""
    opened = detained("li", "wang").offer(to=PROCURATORATE)
    with refused("already_offered", field="payload.body.person_ids"):
        opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(LI,))


# -- acts of before ----------------------------------------------------------------------------------------------------


def test_what_happened_before_the_clock_began_does_not_stop_it() -> None:
    """A hearing on the day before the detention is not the hearing after it; one on the same day may be."""
    opened = detained("li")
    opened.decide("interrogated", person_ids=(LI,), decided_at=instant(opened.now - DAY))
    assert running(opened, "first_interrogation") == [LI]
    opened.decide("interrogated", person_ids=(LI,), decided_at=instant(opened.now - 3600))
    assert running(opened, "first_interrogation") == []


def test_nor_does_it_settle_what_an_offer_stopped() -> None:
    """A paper of before the transfer, recorded late, does not keep the time from running on."""
    opened = Case().open().name("li")
    opened.impose("li", "arrest")
    opened.offer(to=PROCURATORATE, persons=("li",))
    opened.decide("case_withdrawn", person_ids=(LI,), decided_at=instant(opened.now - 3 * DAY))
    opened.recall()
    assert running(opened, "investigation_custody") == [LI]


@pytest.mark.parametrize("kind", ["judgment", "ruling"])
def test_the_time_to_appeal_waits_for_the_service(kind: str) -> None:
    """Pronounced is not served; each defendant has the ten or five days from the service on himself."""
    opened = tried("li", "wang")
    opened.decide(kind)
    assert running(opened, f"appeal_against_{kind}") == []
    for name, days in (("li", 1), ("wang", 3)):
        at = instant(opened.now + days * DAY)
        opened.decide(f"{kind}_served", person_ids=(person_id(name),), decided_at=at)
        assert opened.clock(f"appeal_against_{kind}", name).started_at == at
    at = instant(opened.now + 5 * DAY)
    opened.decide(kind, person_ids=(LI,), served_at=at)
    assert opened.clock(f"appeal_against_{kind}", "li").started_at == at


def test_the_end_of_a_measure_comes_after_its_start() -> None:
    """Nothing ends before it began."""
    opened = detained("li")
    before = instant(opened.now - DAY)
    with refused("before_its_start", field="payload.body.ended_at"):
        opened.say(case.MeasureLifted, measure_id="detention-li", ended_at=before)
    fields = {"new_measure_id": "bail-li", "measure": "bail", "ground": "x"}
    with refused("before_its_start", field="payload.body.started_at"):
        opened.say(case.MeasureChanged, measure_id="detention-li", started_at=before, **fields)


# -- custody of a person -----------------------------------------------------------------------------------------------


def test_another_measure_that_locks_up_leaves_the_custody_to_be_changed() -> None:
    """Arrest after detention releases nobody: the house still keeps him for another organ; bail ends it."""
    opened = accepted().change("detention", "arrest", "li")
    assert running(opened, "custody_change") == [LI]
    opened.change("arrest", "bail", "li")
    assert running(opened, "custody_change") == []


def test_the_change_of_custody_is_due_from_the_receipt() -> None:
    """Not clicking stops no time."""
    opened = detained("li").offer(to=PROCURATORATE, persons=("li",))
    received = instant(opened.now - 30)
    opened.accept(received_at=received)
    assert opened.clock("custody_change").started_at == received


def test_a_certificate_for_the_former_organ_is_not_the_one_that_is_due() -> None:
    """The case has passed on to the court: what is served for the procuratorate now leaves the court's to be served."""
    opened = request(accepted())
    opened.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept()
    request(opened, by=COURT, handover_id="handover-2")
    serve(opened)
    assert running(opened, "custody_change") == [LI]
    serve(opened, custody_change_id="custody-2")
    assert running(opened, "custody_change") == []


def test_who_comes_back_to_the_organ_that_the_house_knows_is_to_be_told_of_to_nobody() -> None:
    """Never changed on the way there, there is nothing to change on the way back; a plain return is a way back too."""
    opened = accepted().give_back(purpose="return", persons=("li",)).accept()
    assert running(opened, "custody_change") == []
    served = serve(request(accepted()))
    served.give_back(purpose="return", persons=("li",)).accept()
    assert served.clock("custody_change").agency == POLICE
