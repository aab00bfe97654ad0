"""Statutory clocks in the fold: what starts, stops, extends, rests and resets them, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case, item
from tests.testkit.builders import COURT, DEPOT, POLICE, PROCURATORATE, clerk, instant
from tests.testkit.casework import DAY, Case, detained, person_id, pieces


def test_each_detained_person_has_clocks_of_their_own() -> None:
    """Detention starts four clocks per person, each on that person alone."""
    opened = detained("li", "wang")
    running = [(c.name, c.subject) for c in opened.state.clocks.values()]
    four = ("detention_house_admission", "first_interrogation", "family_notice", "arrest_request")
    assert set(running) == {(name, person_id(p)) for name in four for p in ("li", "wang")}
    assert len(running) == 8
    assert {c.agency for c in opened.state.clocks.values()} == {POLICE}
    assert opened.clock("arrest_request", "li").deadline_id == f"arrest_request/{person_id('li')}/3"


def test_a_paper_stops_the_clock_that_waits_for_it() -> None:
    """The record of the interrogation of one person stops that clock of that person."""
    opened = detained("li", "wang")
    at = instant(opened.now)
    opened.decide("interrogated", person_ids=(person_id("li"),), decided_at=at)
    assert opened.clock("first_interrogation", "li").stopped_at == at
    assert opened.clock("first_interrogation", "wang").is_running


def test_an_offer_stops_the_senders_clock_and_starts_a_provisional_one() -> None:
    """From delivery on the receiver's time runs, though nobody has clicked; the acceptance states when that was."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    assert not opened.clock("arrest_request").is_running
    provisional = opened.clock("arrest_decision")
    assert provisional.provisional
    assert provisional.agency == PROCURATORATE
    assert provisional.period == "7 d"
    received = instant(opened.now - 600)
    opened.accept(received_at=received)
    clocks = [c for c in opened.state.clocks.values() if c.name == "arrest_decision"]
    assert [(c.provisional, c.started_at) for c in clocks] == [(False, received)]


@pytest.mark.parametrize("answer", ["refuse", "recall"])
def test_what_an_offer_stopped_runs_on_when_it_comes_to_nothing(answer: str) -> None:
    """A refused or recalled offer neither stopped the sender's time nor started the receiver's."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    getattr(opened, answer)()
    assert opened.clock("arrest_request").is_running
    assert "arrest_decision" not in {c.name for c in opened.state.clocks.values()}


def test_the_time_for_the_arrest_decision_depends_on_custody() -> None:
    """Seven days for who is detained, fifteen for who is not, in one and the same offer."""
    opened = detained("li").name("wang")
    opened.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li", "wang")).accept()
    assert opened.clock("arrest_decision", "li").period == "7 d"
    assert opened.clock("arrest_decision", "wang").period == "15 d"


def test_a_handover_without_persons_is_about_all_suspects() -> None:
    """Where the list names nobody, the clocks of all suspects start; victims have none. With no suspect the case stands
    for one."""
    opened = detained("li").name("zhao", role="victim").offer(to=PROCURATORATE).accept()
    assert [c.subject for c in opened.state.clocks.values() if c.name == "prosecution_review"] == [person_id("li")]
    opened = Case().open().offer(to=PROCURATORATE).accept()
    assert opened.clock("prosecution_review").subject == "case"


def test_two_returns_and_resubmissions_reset_the_review_each_time() -> None:
    """A return ends the review and starts the month of the police; the resubmission starts a new review."""
    opened = detained("li").register("phone")
    for _ in range(2):
        opened.offer(to=PROCURATORATE).accept()
        assert "supplementary_investigation" not in opened.running()
        opened.give_back().accept()
        assert "prosecution_review" not in opened.running()
        assert opened.clock("supplementary_investigation").agency == POLICE
    opened.offer(to=PROCURATORATE).accept()
    reviews = [c for c in opened.state.clocks.values() if c.name == "prosecution_review"]
    assert [c.is_running for c in reviews] == [False, False, True]


def test_arrest_during_the_trial_starts_no_clock_of_the_investigation() -> None:
    """The custody clock of the investigation starts in the investigation only."""
    opened = Case().open(by=clerk(COURT), stage="first_instance").name("li")
    opened.impose("li", "arrest")
    assert opened.running() == {"arrest_family_notice", "arrest_interrogation"}


def test_the_clock_of_bail_ends_with_it() -> None:
    """When the next organ decides anew, its clock takes the place of the old one; bail that is lifted has no limit to
    run out."""
    opened = Case().open().name("li")
    opened.impose("li", "bail")
    opened.impose("li", "bail", measure_id="bail-2")
    assert [c.is_running for c in opened.state.clocks.values()] == [False, True]
    opened = Case().open().name("li")
    opened.impose("li", "bail")
    ended = instant(opened.now)
    opened.say(case.MeasureLifted, measure_id="bail-li", ended_at=ended)
    assert opened.clock("bail_limit").stopped_at == ended


def test_detention_after_the_commission_has_its_own_clock() -> None:
    """Who comes from a supervision commission is detained first: ten days for the measure, no arrest request.

    The detention house, the family and the first hearing have a day as ever.
    """
    clocks = {"commission_measure_decision", "detention_house_admission", "family_notice", "first_interrogation"}
    opened = Case().open().name("li")
    opened.impose("li", "commission_detention")
    opened.change("commission_detention", "detention", "li")
    assert opened.running() == clocks
    imposed = Case().open().name("li")
    imposed.impose("li", "commission_detention")
    imposed.impose("li", "detention")
    assert imposed.running() == clocks


def test_detention_after_anything_else_is_plain_detention() -> None:
    """Neither bail before a detention nor bail after the commission's is the receipt of a commission's case."""
    opened = Case().open().name("li", "wang")
    opened.impose("li", "bail")
    opened.change("bail", "detention", "li")
    assert opened.clock("arrest_request", "li").is_running
    opened.impose("wang", "commission_detention")
    opened.change("commission_detention", "bail", "wang")
    assert "commission_measure_decision" not in opened.running()


def test_the_procedure_chooses_the_time_of_the_trial() -> None:
    """Summary trial: twenty days, from the acceptance as ever; turned to the ordinary one: two months from then."""
    opened = detained("li").offer(to=PROCURATORATE).accept().offer(to=COURT, purpose="public_prosecution").accept()
    accepted = opened.clock("first_instance")
    assert accepted.period == "2 m"
    opened.say(case.CaseStageEntered, stage="first_instance", trial="summary")
    assert opened.state.trial == "summary"
    chosen = opened.clock("first_instance")
    assert (chosen.deadline_id, chosen.started_at, chosen.period) == (accepted.deadline_id, accepted.started_at, "20 d")
    assert len(chosen.events) == 2
    turned = instant(opened.now)
    opened.say(case.CaseStageEntered, stage="first_instance", trial="ordinary")
    trials = [c for c in opened.state.clocks.values() if c.name == "first_instance"]
    assert [(c.period, c.stopped_at) for c in trials] == [("20 d", turned), ("2 m", None)]
    assert trials[1].started_at == turned


def test_entering_a_stage_alone_changes_no_procedure() -> None:
    """A stage without a procedure leaves the procedure as it was, and starts nothing; one with a procedure starts what
    no acceptance has started."""
    opened = Case().open(by=clerk(COURT), stage="first_instance")
    opened.say(case.CaseStageEntered, stage="first_instance", trial="fast_track")
    assert opened.clock("first_instance").period == "10 d"
    before = opened.state.clocks
    opened.say(case.CaseStageEntered, stage="second_instance")
    assert opened.state.trial == "fast_track"
    assert opened.state.clocks == before


def test_closing_stops_every_clock() -> None:
    """A closed case has no time running but the one for which it is kept."""
    opened = detained("li").close()
    assert opened.running() == {"retention_of_case"}


def test_a_set_day_starts_a_clock_that_its_answer_stops() -> None:
    """A refusal with a day sets a clock for the sender; the offer that follows meets it."""
    opened = Case().open().register("file", kind="dossier").offer("file", to=PROCURATORATE)
    opened.refuse(due_at=instant(opened.now + DAY))
    remedy = opened.clock("remedy")
    assert (remedy.agency, remedy.subject, remedy.period) == (POLICE, "handover-1", None)
    opened.offer("file", to=PROCURATORATE, follows="handover-1")
    assert not opened.clock("remedy").is_running


def test_an_offer_with_an_end_waits_for_its_answer() -> None:
    """Who sets an end to the offer has a clock on the receiver's answer; without an end there is none."""
    opened = Case().open().register("file", "phone").offer("phone", to=DEPOT, purpose="property_transfer")
    assert opened.running() == set()
    opened.offer("file", to=PROCURATORATE, expires_at=instant(opened.now + DAY))
    assert opened.clock("answer").agency == PROCURATORATE
    opened.accept("handover-2")
    assert not opened.clock("answer").is_running


def frozen(until: str, **fields: Any) -> Case:
    """Ten notes, frozen on Monday, 2 March 2026."""
    opened = Case().open().register("cash", kind="property", quantity=10, fungible=True)
    return opened.say(item.ItemFrozen, item_id="cash", frozen_until=until, **fields)


@pytest.mark.parametrize(
    ("renewed_on", "until", "counted_from", "flagged"),
    [
        ("2026-05-25", "2026-12-01", "2026-05-31T16:00:00Z", False),
        ("2026-05-25", "2026-12-02", "2026-05-31T16:00:00Z", True),
        ("2026-06-01", "2026-12-01", None, False),
        ("2026-06-08", "2026-12-08", None, False),
    ],
)
def test_a_freeze_that_is_renewed_early_loses_no_day(
    renewed_on: str, until: str, counted_from: str | None, flagged: bool
) -> None:
    """Six months from the last day of the old one, not from the day on which somebody took care in time; what had
    lapsed by then counts from its renewal."""
    opened = frozen("2026-06-01")
    happened = {"occurred_at": f"{renewed_on}T02:00:00Z"}
    opened.say(item.ItemFreezeRenewed, item_id="cash", frozen_until=until, **happened)
    assert opened.clock("freeze").counted_from == counted_from
    assert ("term_beyond_law" in {flag.name for flag in opened.flags}) == flagged


def test_a_freeze_beyond_the_law_is_renewed_from_the_day_of_the_law() -> None:
    """A paper that gave a year gave six months, and the renewal goes on from there; a closed case has no clock to go on
    from."""
    opened = frozen("2027-03-02")
    opened.say(item.ItemFreezeRenewed, item_id="cash", frozen_until="2027-03-03")
    assert opened.clock("freeze").counted_from == "2026-09-01T16:00:00Z"
    assert "term_beyond_law" in {flag.name for flag in opened.flags}
    opened = frozen("2026-06-01").close()
    opened.say(item.ItemFreezeRenewed, item_id="cash", frozen_until="2026-08-01")
    assert opened.clock("freeze").counted_from is None


def test_parts_and_wholes_have_what_is_left_of_the_time() -> None:
    """Split, each part has the clock of the whole with its extension; merged, that of the one frozen first."""
    opened = frozen("2027-03-02")
    extension = {"extension": "major_case", "article": "property rules", "ground": "grave"}
    opened.say(case.DeadlineExtended, deadline_id=opened.clock("freeze").deadline_id, **extension)
    parts = tuple(item.ItemPart(item_id=f"cash-{n}", quantity=pieces(5)) for n in (1, 2))
    opened.now += 100 * DAY
    opened.say(item.ItemSplit, item_id="cash", parts=parts)
    assert opened.flags == ()
    started = {c.subject: (c.started_at, len(c.extensions)) for c in opened.state.clocks.values() if c.is_running}
    began = opened.clock("freeze").started_at
    assert started == {"cash-1": (began, 1), "cash-2": (began, 1)}
    opened.say(item.ItemFreezeRenewed, item_id="cash-2", frozen_until="2027-03-02")
    whole = item.ItemPart(item_id="cash-3", quantity=pieces(10))
    opened.say(item.ItemMerged, item_ids=("cash-2", "cash-1"), whole=whole)
    (running,) = [c for c in opened.state.clocks.values() if c.is_running]
    assert (running.subject, running.started_at, running.counted_from) == ("cash-3", began, None)


def test_acts_of_before_a_row_start_nothing() -> None:
    """A clock of the law of 2018 does not run from an act of 2017."""
    opened = Case().open().name("li")
    opened.impose("li", "detention", started_at="2017-03-01T08:00:00Z")
    assert opened.state.clocks == {}
