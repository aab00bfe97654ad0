"""Each person has a stage of his own: co-defendants who go at different times, stay behind, come later or go alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.core.custody.spans import custody_spans
from ledger.core.events import case, record
from ledger.samples.case_acts import person_id
from tests.testkit.builders import COURT, PARALLEL, POLICE, PRISON, PROCURATORATE, clerk
from tests.testkit.casework import Case, Refusal, Refusals, detained, each_refusal, require_refusal

LI, WANG, ZHAO = person_id("li"), person_id("wang"), person_id("zhao")


def stages(written: Case) -> dict[str, str]:
    """The stages of the persons, and of the case."""
    names = {LI: "li", WANG: "wang", ZHAO: "zhao"}
    own = {names[key]: person.stage for key, person in written.state.persons.items()}
    return own | {"case": written.state.stage}


def of(written: Case, name: str) -> dict[str, str]:
    """The running clocks of a person, each with whose time it is."""
    running = [c for c in written.state.clocks.values() if c.is_running and c.subject == person_id(name)]
    return {clock.name: clock.agency for clock in running}


def suspects(*names: str) -> Case:
    """A case in which these are detained."""
    return detained(*names)


def at_court(*names: str) -> Case:
    """The court has accepted the prosecution of these."""
    return suspects(*names).offer(to=PROCURATORATE).accept().offer(to=COURT, purpose="public_prosecution").accept()


# -- stories -----------------------------------------------------------------------------------------------------------


def test_co_defendants_are_transferred_on_different_days() -> None:
    """Each is at the stage that his own transfer brought, with the clocks of that stage; the case leads."""
    written = suspects("li", "wang").change("detention", "arrest", "li").change("detention", "arrest", "wang")
    written.offer(to=PROCURATORATE, persons=("li",)).accept()
    assert stages(written) == {"li": "prosecution_review", "wang": "investigation", "case": "prosecution_review"}
    assert of(written, "wang")["investigation_custody"] == POLICE
    assert of(written, "li")["prosecution_review"] == PROCURATORATE
    written.offer(to=PROCURATORATE, persons=("wang",), by=clerk(POLICE)).accept()
    assert set(stages(written).values()) == {"prosecution_review"}
    assert written.clock("prosecution_review", "wang").started_at > written.clock("prosecution_review", "li").started_at


def test_one_at_large_is_arrested_and_transferred_after_the_others() -> None:
    """The case is at trial when he is caught: the clocks of the police run for him, and those of nobody else."""
    written = Case().open().name("li", "wang").impose("li", "detention")
    written.offer(to=PROCURATORATE, persons=("li", "wang")).accept(absent_person_ids=(WANG,))
    written.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept()
    assert stages(written) == {"li": "first_instance", "wang": "investigation", "case": "first_instance"}
    written.impose("wang", "arrest", by=clerk(POLICE))
    assert of(written, "wang")["investigation_custody"] == POLICE
    assert "investigation_custody" not in of(written, "li")
    written.offer(to=PROCURATORATE, persons=("wang",), by=clerk(POLICE)).accept()
    assert stages(written) == {"li": "first_instance", "wang": "prosecution_review", "case": "first_instance"}
    assert (written.state.responsible, written.state.persons[WANG].responsible) == (COURT, PROCURATORATE)
    written.offer(to=COURT, purpose="public_prosecution", persons=("wang",), by=clerk(PROCURATORATE)).accept()
    assert set(stages(written).values()) == {"first_instance"}
    assert of(written, "wang")["first_instance"] == COURT


def test_one_who_is_added_while_the_procuratorate_has_the_case_is_at_its_stage() -> None:
    """No clock of the police begins for him when he is arrested; he goes on with the others."""
    written = suspects("li").offer(to=PROCURATORATE).accept().name("zhao").impose("zhao", "arrest")
    assert stages(written)["zhao"] == "prosecution_review"
    assert written.state.persons[ZHAO].responsible == PROCURATORATE
    assert "investigation_custody" not in of(written, "zhao")
    written.offer(to=COURT, purpose="public_prosecution").accept()
    assert {"first_instance": COURT, "custody_change": COURT}.items() <= of(written, "zhao").items()


def test_who_is_not_prosecuted_stays_while_the_others_go_on() -> None:
    """His review ends with the decision, that of the other with the prosecution; a judgment does not touch him."""
    written = suspects("li", "wang").offer(to=PROCURATORATE).accept()
    written.decide("not_prosecuted", "wang")
    assert "prosecution_review" not in of(written, "wang")
    assert "prosecution_review" in of(written, "li")
    written.offer(to=COURT, purpose="public_prosecution", persons=("li",)).accept()
    assert stages(written) == {"li": "first_instance", "wang": "prosecution_review", "case": "first_instance"}
    assert of(written, "li")["first_instance"] == COURT
    written.decide("judgment", served_at=written.moment)
    assert "appeal_against_judgment" in of(written, "li")
    assert "appeal_against_judgment" not in of(written, "wang")


def test_who_is_sent_to_prison_leaves_the_case_at_the_court() -> None:
    """One does not appeal: he goes alone, and the case stays with whoever appeals."""
    written = at_court("li", "wang").register("file", kind="dossier")
    written.offer(to=PRISON, purpose="execution", persons=("wang",), case_stays=True).accept()
    assert stages(written) == {"li": "first_instance", "wang": "execution", "case": "first_instance"}
    assert (written.state.responsible, written.state.persons[WANG].responsible) == (COURT, PRISON)
    written.say(case.CaseStageEntered, stage="second_instance")
    assert stages(written) == {"li": "second_instance", "wang": "execution", "case": "second_instance"}


def test_who_goes_alone_takes_things_along() -> None:
    """What is listed with him passes with its responsibility; what is not stays with the case."""
    written = at_court("li", "wang").register("purse", "car")
    written.offer("purse", to=PRISON, purpose="execution", persons=("wang",), case_stays=True).accept()
    assert {key: thing.responsible for key, thing in written.state.items.items()} == {"purse": PRISON, "car": COURT}


def test_an_arrest_is_asked_for_one_while_the_case_stays_in_investigation() -> None:
    """Custody alone moves: the stage is that of the person, unless the case enters it too."""
    for stays, stage in ((True, "investigation"), (False, "arrest_review")):
        written = suspects("li", "wang").register("file", kind="dossier")
        written.offer("file", to=PROCURATORATE, purpose="arrest_approval", persons=("li",), case_stays=stays).accept()
        assert stages(written) == {"li": "arrest_review", "wang": "investigation", "case": stage}
    written.say(case.CaseStageEntered, stage="investigation")
    assert set(stages(written).values()) == {"investigation"}


def test_things_that_go_alone_are_about_nobody() -> None:
    """A dossier is sent out for an arrest without the case: no clock of a person begins."""
    written = suspects("li").register("file", kind="dossier")
    written.offer("file", to=PROCURATORATE, purpose="arrest_approval", case_stays=True).accept()
    assert written.state.handovers["handover-1"].stages == {}
    assert "arrest_decision" not in of(written, "li")


def test_victims_and_witnesses_go_where_the_case_goes() -> None:
    """Only an accused stays behind when the list names others."""
    written = suspects("li", "wang").name("zhao", role="victim")
    written.offer(to=PROCURATORATE, persons=("li",)).accept()
    assert stages(written)["zhao"] == "prosecution_review"
    assert written.state.persons[ZHAO].responsible == PROCURATORATE
    assert written.state.handovers["handover-1"].stages == {LI: "investigation"}


# -- stages entered ----------------------------------------------------------------------------------------------------


def test_a_stage_is_entered_by_those_named_alone() -> None:
    """The case stays where it is, with the others."""
    written = suspects("li", "wang").say(case.CaseStageEntered, stage="arrest_review", person_ids=(LI,))
    assert stages(written) == {"li": "arrest_review", "wang": "investigation", "case": "investigation"}


def test_it_is_over_for_one() -> None:
    """His clocks end, the others' run on, and he does not come along when the case goes on without a list."""
    written = suspects("li", "wang").say(case.CaseStageEntered, stage="closed", person_ids=(WANG,))
    assert not of(written, "wang")
    assert "arrest_request" in of(written, "li")
    assert not written.state.closed
    written.offer(to=PROCURATORATE).accept()
    assert stages(written) == {"li": "prosecution_review", "wang": "closed", "case": "prosecution_review"}
    assert "prosecution_review" not in of(written, "wang")


def test_a_closed_case_leaves_who_is_elsewhere() -> None:
    """His clocks run on and his acts are not flagged as later than the closing; those of the others are."""
    written = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li",)).accept()
    written.close()
    assert stages(written) == {"li": "closed", "wang": "investigation", "case": "closed"}
    assert (bool(of(written, "li")), bool(of(written, "wang"))) == (False, True)
    assert written.change("detention", "bail", "wang", by=clerk(POLICE)).flag_names() == []
    assert written.decide("other", "li").flag_names() == ["act_after_closing"]
    assert written.decide("other").flag_names() == ["act_after_closing"]
    assert written.say(record.ImportRecorded).flag_names() == []
    written.say(case.CaseStageEntered, stage="prosecution_review")
    assert stages(written) == {"li": "prosecution_review", "wang": "investigation", "case": "prosecution_review"}


def entering(*persons: str, by: str = POLICE, stage: str = "arrest_review") -> Callable[[Case], Case]:
    return lambda c: c.say(case.CaseStageEntered, clerk(by), stage=stage, person_ids=tuple(map(person_id, persons)))


TRANSFERRED = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li",)).accept()
REFUSALS: Refusals = {
    "a stage for an unknown person": Refusal(
        "unknown_person body.person_ids",
        suspects("li"),
        entering("zhao"),
    ),
    "a stage for one twice": Refusal(
        "duplicate_id body.person_ids",
        suspects("li"),
        entering("li", "li"),
    ),
    "a stage for whom another answers": Refusal(
        "not_responsible body.person_ids",
        TRANSFERRED,
        entering("li"),
    ),
    "the closing of a case by a stage": Refusal(
        "not_a_closing body.stage",
        suspects("li"),
        entering(stage="closed"),
    ),
    "a person who goes alone though another answers": Refusal(
        "not_responsible body.person_ids",
        TRANSFERRED,
        lambda c: c.offer(to=COURT, persons=("li",), purpose="public_prosecution", by=clerk(POLICE)),
    ),
    "nothing that goes alone": Refusal(
        "nothing_offered body.items", suspects("li"), lambda c: c.offer(to=PROCURATORATE, case_stays=True)
    ),
}


@each_refusal(REFUSALS)
def test_what_is_impossible_is_refused(refusal: Refusal) -> None:
    """Refused by the rule's name, and nothing has changed."""
    require_refusal(refusal)


# -- kinds of trial ----------------------------------------------------------------------------------------------------


def test_each_is_tried_in_his_own_kind_of_trial() -> None:
    """One has the time of the fast track; a turn to a slower kind starts his time anew, and nobody else's."""
    written = at_court("li", "wang").say(
        case.CaseStageEntered, stage="first_instance", trial="fast_track", person_ids=(LI,)
    )
    persons = written.state.persons
    assert (persons[LI].trial, persons[WANG].trial, written.state.trial) == ("fast_track", "ordinary", "ordinary")
    fast, usual = written.clock("first_instance", "li"), written.clock("first_instance", "wang")
    assert fast.period != usual.period
    written.say(case.CaseStageEntered, stage="first_instance", trial="summary")
    anew, still = written.clock("first_instance", "li"), written.clock("first_instance", "wang")
    assert (anew.started_at > fast.started_at, still.started_at) == (True, usual.started_at)
    assert (anew.period, still.period) == ("20 d", "20 d")
    assert {person.trial for person in written.state.persons.values()} == {"summary"}


def test_a_case_without_persons_has_a_kind_of_trial() -> None:
    """Its clock has the time of the kind that is chosen, and starts anew with a slower one."""
    written = at_court().say(case.CaseStageEntered, stage="first_instance", trial="fast_track")
    first = written.clock("first_instance")
    written.say(case.CaseStageEntered, stage="first_instance", trial="ordinary")
    assert written.clock("first_instance").started_at > first.started_at


# -- returns -----------------------------------------------------------------------------------------------------------


def sent_back(written: Case, *names: str) -> bool:
    """Send these back for supplementary investigation and forward again; tell whether the return was flagged."""
    written.give_back(returns=[*written.state.handovers][-1], persons=names)
    is_flagged = "returned_too_often" in written.flag_names()
    written.accept().offer(to=PROCURATORATE, persons=names).accept()
    return is_flagged


def test_the_returns_of_each_person_are_counted() -> None:
    """Two of one and one of another are not three; the third of the same person is one too many."""
    written = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li", "wang")).accept()
    assert not sent_back(written, "li")
    assert not sent_back(written, "li")
    first = next(iter(written.state.handovers))
    written.say(case.CaseStageEntered, stage="prosecution_review")
    written.give_back(returns=first, persons=("wang",))
    assert "returned_too_often" not in written.flag_names()
    written.recall().give_back(returns=first, persons=("li", "wang"))
    assert "returned_too_often" in written.flag_names()


def test_who_did_not_come_back_was_not_returned() -> None:
    """A return that was accepted without him counts for the others."""
    written = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li", "wang")).accept()
    written.give_back(persons=("li", "wang")).accept(absent_person_ids=(WANG,))
    assert written.state.handovers["handover-2"].stages == {LI: "prosecution_review"}


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_spans_of_a_person_tell_his_stages() -> None:
    """Each stage of his is a span of its own."""
    written = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li",)).accept()
    events = [event.event for event in written.events]
    spans = custody_spans([(event, written.state) for event in events[-1:]])
    shown = {span.subject_id: span.standing.stage for span in spans if span.subject == "person"}
    assert shown == {LI: "prosecution_review", WANG: "investigation"}


@pytest.mark.parametrize("names", [("li",), ()])
def test_who_is_passed_on_while_kept_for_another_is_flagged_alone(names: tuple[str, ...]) -> None:
    """Only those who go are looked at: the co-defendant who stays is kept for whom he should be."""
    written = suspects("li", "wang").offer(to=PROCURATORATE, persons=("li",)).accept()
    written.offer(to=COURT, purpose="public_prosecution", persons=names)
    assert [flag.detail.count(POLICE) for flag in written.flags if flag.name == "custody_not_changed"] == [1]


# -- referrals between administrative and criminal organs --------------------------------------------------------------


def referred(*names: str) -> Case:
    """The police have received what an administrative agency holds to be a crime."""
    written = Case().open(by=clerk(PARALLEL), stage="administrative_enforcement").name(*names, role="wrongdoer")
    return written.offer(to=POLICE, purpose="administrative_referral").accept()


def test_a_referral_is_an_investigation_once_the_police_have_filed_it() -> None:
    """By the receipt the police answer for the case and have to decide; by the filing they investigate."""
    written = referred("li", "wang")
    assert stages(written) == dict.fromkeys(("li", "wang", "case"), "filing_review")
    assert (written.state.responsible, written.state.persons[LI].responsible) == (POLICE, POLICE)
    assert written.running() == {"referral_review"}
    written.decide("case_filed")
    assert stages(written) == dict.fromkeys(("li", "wang", "case"), "investigation")
    assert written.running() == set()


def test_only_whom_the_filing_names_and_its_agency_answers_for_is_investigated() -> None:
    """One of two stays where he was; what another agency decides moves nobody; a second filing moves nothing back."""
    written = referred("li", "wang").decide("case_filed", "li", by=clerk(PARALLEL))
    assert stages(written) == dict.fromkeys(("li", "wang", "case"), "filing_review")
    written.decide("case_filed", "li").name("li", "wang")
    assert stages(written) == {"li": "investigation", "wang": "filing_review", "case": "investigation"}
    written.offer(to=PROCURATORATE, persons=("li",)).accept().decide("case_filed", "wang", by=clerk(POLICE))
    assert stages(written) == {"li": "prosecution_review", "wang": "investigation", "case": "prosecution_review"}


def test_what_is_not_filed_goes_back_and_was_never_investigated() -> None:
    """The agency that referred it answers for it again, and the police have no duty left."""
    written = referred("li").decide("case_not_filed").give_back(purpose="return").accept()
    assert (written.state.responsible, written.state.persons[LI].responsible) == (PARALLEL, PARALLEL)
    assert (stages(written), written.running()) == ({"li": "filing_review", "case": "filing_review"}, set())


def test_a_reverse_referral_makes_nobody_an_investigator() -> None:
    """Papers pass to the authority; case and person stay with the procuratorate, where the person is no suspect any
    more, and nothing begins to run for the authority or the police."""
    written = Case().open(by=clerk(PROCURATORATE), stage="prosecution_review").name("li").register("file")
    written.decide("not_prosecuted", "li").name("li", role="not_prosecuted")
    before = written.running()
    written.offer("file", to=PARALLEL, purpose="reverse_referral").accept()
    assert (written.state.items["file"].holder, written.state.items["file"].responsible) == (PARALLEL, PROCURATORATE)
    assert (written.state.responsible, stages(written)) == (
        PROCURATORATE,
        {"li": "prosecution_review", "case": "prosecution_review"},
    )
    person = written.state.persons[LI]
    assert (person.role, person.accused, person.responsible) == ("not_prosecuted", False, PROCURATORATE)
    assert written.running() == before
    assert {clock.agency for clock in written.state.clocks.values()} <= {PROCURATORATE}
