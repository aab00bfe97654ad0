"""Changes of custody of a person: asked for by the organ that accepted, served by the detention house."""

from __future__ import annotations

from ledger.core.events import case as custody_change
from tests.testkit.builders import DETENTION, LAB, POLICE, PROCURATORATE, clerk, instant, refused
from tests.testkit.casework import Case, detained, person_id


def request(into: Case, name: str = "li", by: str = PROCURATORATE, **fields: object) -> Case:
    defaults = {
        "custody_change_id": f"custody-{len(into.state.custody_changes) + 1}",
        "handover_id": "handover-1",
        "person_id": person_id(name),
        "keeper": DETENTION,
    }
    return into.say(custody_change.CustodyChangeRequested, clerk(by), **(defaults | fields))


def serve(into: Case, by: str = DETENTION, **fields: object) -> Case:
    defaults = {"custody_change_id": "custody-1", "served_at": instant(into.now)}
    return into.say(custody_change.CustodyChangeServed, clerk(by), **(defaults | fields))


def accepted() -> Case:
    """A detained person has passed to the procuratorate with the case."""
    return detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()


def kept_for(into: Case, name: str = "li") -> str | None:
    return into.state.person(person_id(name)).kept_for


def test_the_detention_house_keeps_the_person_for_the_old_organ_until_it_is_told() -> None:
    """The acceptance moves responsibility; only the served certificate moves what the detention house knows."""
    case = accepted()
    assert case.state.person(person_id("li")).responsible == PROCURATORATE
    assert kept_for(case) == POLICE
    assert case.clock("custody_change").agency == PROCURATORATE
    request(case)
    assert kept_for(case) == POLICE
    assert case.clock("custody_change").is_running
    serve(case)
    assert kept_for(case) == PROCURATORATE
    assert not case.clock("custody_change").is_running
    assert case.state.custody_changes["custody-1"].served_at is not None


def test_only_for_those_who_passed_is_the_house_to_be_told() -> None:
    """Of two in detention one passes on, and the other is not flagged; where the offer names nobody, everybody is,
    until the custody is changed."""
    case = detained("li", "wang").offer(to=PROCURATORATE, persons=("li",)).accept()
    changing = [clock.subject for clock in case.state.clocks.values() if clock.name == "custody_change"]
    assert changing == [person_id("li")]
    serve(request(case)).offer(to="court-east", purpose="public_prosecution", persons=("li",))
    assert case.flags == ()
    case = detained("li", "wang").offer(to=PROCURATORATE).accept()
    changing = {clock.subject for clock in case.state.clocks.values() if clock.name == "custody_change"}
    assert changing == {person_id("li"), person_id("wang")}
    case.offer(to="court-east", purpose="public_prosecution")
    assert [flag.name for flag in case.flags] == ["custody_not_changed"]


def test_only_a_receiver_asks() -> None:
    """Neither the sender, nor anybody for a handover that is not accepted; at liberty there is no custody to change."""
    with refused("not_accepted_by_you", field="payload.body.handover_id"):
        request(accepted(), by=POLICE)
    offered = detained("li").offer(to=PROCURATORATE, persons=("li",))
    with refused("not_accepted_by_you", field="payload.body.handover_id"):
        request(offered, by=POLICE)
    case = detained("li").name("wang").offer(to=PROCURATORATE, persons=("li", "wang")).accept()
    with refused("not_in_custody", field="payload.body"):
        request(case, "wang")
    with refused("unknown_person", field="payload.body.person_id"):
        request(case, "zhao")


def test_one_request_at_a_time() -> None:
    """A second one for the same person waits until the first is served; ids are taken once."""
    case = request(accepted())
    with refused("already_requested", field="payload.body.person_id"):
        request(case)
    with refused("duplicate_id", field="payload.body.custody_change_id"):
        request(case, custody_change_id="custody-1")
    serve(case)
    request(case)


def test_only_the_house_that_was_asked_serves_and_only_once() -> None:
    """Another house, a second time, an unknown request: impossible."""
    case = request(accepted())
    with refused("not_a_party", field="envelope.agency"):
        serve(case, by=LAB)
    with refused("not_the_keeper", field="envelope.agency"):
        serve(case, by=PROCURATORATE)
    serve(case)
    with refused("already_served", field="payload.body.custody_change_id"):
        serve(case)
    with refused("unknown_custody_change", field="payload.body.custody_change_id"):
        serve(case, custody_change_id="custody-9")


def test_passing_on_a_person_kept_for_another_is_flagged() -> None:
    """The procuratorate indicts while the house still keeps the person for the police."""
    case = accepted().offer(to="court-east", purpose="public_prosecution", persons=("li",))
    assert [flag.name for flag in case.flags] == ["custody_not_changed"]
    changed = serve(request(accepted())).offer(to="court-east", purpose="public_prosecution", persons=("li",))
    assert changed.flags == ()
    things = accepted().register("phone", by=clerk(PROCURATORATE))
    things.offer("phone", to=LAB, purpose="forensic_examination")
    assert things.flags == ()


def test_naming_a_person_again_keeps_what_is_known() -> None:
    """A suspect becomes a defendant: the custody stays as it was."""
    case = accepted().name("li", role="defendant")
    assert kept_for(case) == POLICE
    assert case.state.person(person_id("li")).role == "defendant"


def notify(into: Case, **fields: object) -> Case:
    defaults = {"measure_id": "detention-li", "keeper": DETENTION, "until": "2026-03-09"}
    return into.say(custody_change.CustodyPeriodNotified, **(defaults | fields))


def test_the_detention_house_is_told_of_a_new_period() -> None:
    """A notice about a running measure of custody; the house takes part from then on, the measure stays."""
    case = detained("li")
    before = case.state.measures
    notify(case)
    assert DETENTION in case.state.agencies
    assert case.state.measures == before


def test_a_period_at_liberty_is_no_business_of_the_detention_house() -> None:
    """Nor is a measure that ended, or never was."""
    case = detained("li")
    case.change("detention", "bail", "li")
    with refused("not_in_custody", field="payload.body"):
        notify(case, measure_id="bail-li")
    with refused("measure_ended", field="payload.body.measure_id"):
        notify(case)
    with refused("unknown_measure", field="payload.body.measure_id"):
        notify(case, measure_id="arrest-li")
