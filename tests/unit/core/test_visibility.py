"""Who sees what: the one rule, in each relation that an agency can stand in to a case, a lead, a recommendation."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace

from ledger.core import visibility
from ledger.core.custody import Flag
from ledger.core.events import Body
from ledger.core.events.handover import HandoverRefused
from ledger.core.events.letter import LetterReceived, LetterSent, Outsider
from ledger.core.events.terms import Role, Trait
from ledger.core.procedure.jurisdiction import keeps_persons
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    KINDS,
    LAB,
    NEIGHBOUR,
    PARALLEL,
    POLICE,
    PRISON,
    PROCURATORATE,
    UPPER,
    admitted_agency,
    analyst,
    clerk,
)
from tests.testkit.casework import Case, person_id
from tests.testkit.supervision import (
    ASSIGNER,
    Lead,
    Model,
    Recommendation,
    adopted,
    assigned,
    closed,
    dismissed,
    escalated,
    transferred,
)
from tests.unit.core.test_custody_admission import travelled

NOW = "2026-03-02T12:00:00Z"
AGENCIES = {name: admitted_agency(name) for name in KINDS}
SEES: dict[str, set[str]] = {
    "clerk": set(),
    "supervisor": set(),
    "witness": set(),
    "auditor": {PROCURATORATE, UPPER},
    "analyst": {PROCURATORATE, UPPER},
}


def reader(agency: str, *roles: str) -> visibility.Reader:
    return visibility.reader_of(agency, roles or ("clerk",), AGENCIES, now=NOW)


@pytest.mark.parametrize("role", SEES)
@pytest.mark.parametrize("agency", KINDS)
def test_a_case_is_seen_by_parties_the_offered_and_supervision(agency: str, role: str) -> None:
    """By whom it says, and by the strongest reason that there is."""
    state = travelled().state
    expected = None
    if agency in state.agencies:
        expected = "party"
    elif agency == PRISON:
        expected = "offered"
    elif agency in SEES[role]:
        expected = "jurisdiction"
    assert visibility.can_see(reader(agency, role), visibility.sides_of(state)) == expected


LI, WANG, ZHAO, HAN = map(person_id, ("li", "wang", "zhao", "han"))
IN_TIME, TOO_LATE = NOW, "2026-03-02T11:59:59Z"


@pytest.mark.parametrize(
    ("offer", "persons"),
    [
        ({}, {LI, WANG}),
        ({"persons": ("li",)}, {LI}),
        ({"persons": ("li", "zhao")}, {LI, ZHAO}),
        ({"expires_at": IN_TIME}, {LI, WANG}),
        ({"expires_at": TOO_LATE}, set()),
        ({"purpose": "forensic_examination", "to": LAB}, set()),
        ({"purpose": "forensic_examination", "to": LAB, "persons": ("han",)}, {HAN}),
    ],
)
def test_who_comes_is_known_to_whom_an_offer_brings_him(offer: dict[str, Any], persons: set[str]) -> None:
    """Whom it names, and with the case its accused; nobody else who goes along, and nobody to any other agency."""
    case = Case().open().name("li", "wang").name("zhao", "han", role="victim").register("phone")
    state = case.offer("phone", **({"to": PROCURATORATE} | offer)).state
    receiver = offer.get("to", PROCURATORATE)
    assert visibility.arriving(reader(receiver), state) == persons
    for agency in (POLICE, COURT):
        assert visibility.arriving(reader(agency), state) == frozenset()
    assert visibility.arriving(reader(receiver), case.recall().state) == frozenset()


@pytest.mark.parametrize(
    ("expires_at", "expected"), [(None, "offered"), (NOW, "offered"), ("2026-03-02T11:59:59Z", None)]
)
def test_an_offer_lets_see_until_its_last_moment(expires_at: str | None, expected: str | None) -> None:
    """An offer that has expired shows nothing, though nobody has answered it."""
    case = Case().open().register("phone").offer("phone", to=COURT, purpose="loan", expires_at=expires_at)
    assert visibility.can_see(reader(COURT), visibility.sides_of(case.state)) == expected
    assert visibility.can_see(reader(LAB), visibility.sides_of(case.state)) is None
    above = visibility.Reader(LAB, frozenset((COURT,)), NOW)
    assert visibility.can_see(above, visibility.sides_of(case.state)) == (None if expected is None else "jurisdiction")
    assert visibility.concerned(visibility.sides_of(case.state)) == {POLICE, COURT}


@pytest.mark.parametrize("traits", [(), ("supervises",), ("keeps_persons",), get_args(Trait)], ids=str)
def test_who_supervises_is_a_matter_of_the_kind_s_traits(traits: tuple[Trait, ...]) -> None:
    """No kind is asked for by its name: an agency with the trait sees its jurisdiction, one without does not."""
    agencies = AGENCIES | {"other": replace(AGENCIES[LAB], agency_id="other", traits=frozenset(traits))}
    eyes = visibility.reader_of("other", ("auditor",), agencies, now=NOW)
    supervises = "supervises" in traits
    assert (POLICE in eyes.supervised) == supervises
    assert keeps_persons(agencies["other"]) == ("keeps_persons" in traits)
    assert (visibility.can_see(eyes, visibility.Sides(frozenset((POLICE,)))) == "jurisdiction") == supervises


def test_who_is_not_admitted_supervises_nobody() -> None:
    """Whatever the roles of its key."""
    assert visibility.reader_of("nobody", ("auditor", "analyst"), AGENCIES, now=NOW).supervised == frozenset()


def test_a_lead_is_hidden_from_who_is_supervised_until_it_is_told() -> None:
    """And stays seen by it then, whoever has the lead."""
    lead = Lead().raised()
    raised, assigned = visibility.sides_of(lead.state), visibility.sides_of(lead.assigned().state)
    assert visibility.can_see(reader(POLICE, "auditor"), raised) is None
    assert visibility.can_see(reader(POLICE), assigned) == "party"
    assert (visibility.concerned(raised), visibility.concerned(assigned)) == ({PROCURATORATE}, {PROCURATORATE, POLICE})
    moved = visibility.sides_of(Lead().raised().assigned().act(transferred(UPPER), ASSIGNER).state)
    sights = [visibility.can_see(reader(name), moved) for name in (UPPER, POLICE, PROCURATORATE)]
    assert sights == ["party", "party", None]
    for sides in (raised, assigned):
        assert visibility.can_see(reader(PROCURATORATE), sides) == "party"
        assert visibility.can_see(reader(UPPER, "analyst"), sides) == "jurisdiction"
        for stranger in (UPPER, NEIGHBOUR, PARALLEL, COURT):
            assert visibility.can_see(reader(stranger), sides) is None
        assert visibility.can_see(reader(NEIGHBOUR, "auditor"), sides) is None


def test_whoever_is_assigned_a_lead_sees_the_cases_that_it_cites_as_long_as_it_is_his() -> None:
    """Not another officer of the agency, nor his namesake elsewhere, nor another case, nor a lead that only waits."""
    handler, case = clerk(PROCURATORATE), Case().open()
    cited = (case.stream.id,)

    def sights(*leads: Lead) -> list[str | None]:
        sides = visibility.sides_of(case.state, [lead.state for lead in leads])
        readers = [
            (PROCURATORATE, handler.officer_id),
            (PROCURATORATE, "another"),
            (COURT, handler.officer_id),
            (PROCURATORATE, None),
        ]
        return [
            visibility.can_see(visibility.reader_of(agency, ("clerk",), AGENCIES, now=NOW, officer=officer), sides)
            for agency, officer in readers
        ]

    nobody = [None] * 4
    assert sights(Lead().raised(cases=cited)) == nobody
    assert sights(Lead().raised(cases=("case-2",)).assigned(handler)) == nobody
    assert sights(Lead().raised(cases=cited).assigned(handler)) == ["assigned", None, None, None]
    decided = Lead().raised(cases=cited).assigned(handler).confirmed()
    assert sights(decided) == ["assigned", None, None, None]
    assert sights(Lead().raised(cases=cited).assigned(handler).act(dismissed(), ASSIGNER)) == nobody
    assert sights(decided.act(closed(), clerk(PROCURATORATE))) == nobody
    assert sights(Lead().raised(cases=cited).assigned(handler).assigned(clerk(POLICE))) == nobody
    assert sights(Lead().raised(cases=cited).assigned(handler).act(transferred(UPPER), ASSIGNER)) == nobody
    assert visibility.concerned(visibility.sides_of(case.state, [Lead().raised(cases=cited).assigned().state])) == {
        POLICE
    }


def test_nobody_opens_cases_to_himself_by_a_lead() -> None:
    """Whoever assigns a lead to himself may work on it, but its cases wait for somebody else's assignment."""
    case, stranger = Case().open(), analyst(PROCURATORATE)
    by = visibility.reader_of(PROCURATORATE, ASSIGNER.roles, AGENCIES, now=NOW, officer=ASSIGNER.officer_id)
    lead = Lead().raised(cases=(case.stream.id,)).act(assigned(handler=ASSIGNER.officer_id), ASSIGNER)
    assert visibility.can_see(by, visibility.sides_of(case.state, [lead.state])) is None
    lead.act(assigned(handler=ASSIGNER.officer_id), stranger)
    assert visibility.can_see(by, visibility.sides_of(case.state, [lead.state])) == "assigned"


@pytest.mark.parametrize(("agency", "expected"), [(PROCURATORATE, None), (UPPER, "assigned")])
def test_a_lead_opens_no_case_beyond_the_jurisdiction_of_who_has_it(agency: str, expected: str | None) -> None:
    """Whatever it cites: one that the city's model found, say, and that a district has; up again it opens it."""
    case, handler = Case("case-2").open(by=clerk(FAR_POLICE)), clerk(agency)
    lead = Lead().raised(cases=(case.stream.id,))
    if agency == UPPER:
        lead.act(transferred(UPPER), ASSIGNER)
    eyes = visibility.reader_of(agency, ("clerk",), AGENCIES, now=NOW, officer=handler.officer_id)
    assert visibility.can_see(eyes, visibility.sides_of(case.state, [lead.assigned(handler).state])) == expected


def test_a_lead_is_no_reason_beside_a_stronger_one() -> None:
    """A party reads as a party. Of several leads the first by its id is named."""
    case = Case().open()
    leads = [Lead({"case_id": name}).raised(cases=(case.stream.id,)).assigned(clerk(POLICE)).state for name in "ab"]
    own = visibility.Reader(POLICE, frozenset(), NOW, clerk(POLICE).officer_id)
    assert visibility.can_see(own, visibility.sides_of(case.state, leads)) == "party"
    by_lead = visibility.Reader(PROCURATORATE, frozenset(), NOW, clerk(POLICE).officer_id, frozenset((POLICE,)))
    expected = min(lead.lead_id for lead in leads)
    assert visibility.assigned_lead(by_lead, visibility.sides_of(case.state, leads)) == expected
    assert visibility.assigned_lead(by_lead, visibility.sides_of(leads[0])) is None


def test_a_recommendation_is_seen_by_both_sides_and_from_above() -> None:
    """Issuer and receiver see it as parties, an auditor above them by jurisdiction, and nobody else does."""
    sides = visibility.sides_of(Recommendation().issued().state)
    sights = [visibility.can_see(reader(name), sides) for name in (PROCURATORATE, POLICE, UPPER, COURT)]
    assert sights == ["party", "party", None, None]
    assert visibility.can_see(reader(UPPER, "auditor"), sides) == "jurisdiction"
    assert visibility.concerned(sides) == {PROCURATORATE, POLICE}


def test_a_copy_of_a_recommendation_is_seen_by_who_got_it() -> None:
    """And so by an agency to which it went on; of somebody outside only the agencies remain."""
    outside = {"to_outside": Outsider(kind="bank", name="East Bank")}
    recommendation = Recommendation().issued(copies_to=(COURT,), **outside)
    before = visibility.sides_of(recommendation.state)
    after = visibility.sides_of(recommendation.act(escalated(to_agency=FAR_POLICE), ASSIGNER).state)
    for sides, others in ((before, {COURT}), (after, {COURT, FAR_POLICE})):
        assert {name for name in KINDS if visibility.can_see(reader(name), sides) == "party"} == {
            PROCURATORATE
        } | others
        assert visibility.concerned(sides) == {PROCURATORATE} | others


def test_a_model_is_seen_by_everybody_and_told_to_its_users() -> None:
    """Who published it and who adopted it are told of what becomes of it."""
    model = Model().published()
    model.act(adopted(1), analyst(UPPER))
    sides = visibility.sides_of(model.state)
    assert all(visibility.can_see(reader(name), sides) == "party" for name in KINDS)
    assert visibility.concerned(sides) == {PROCURATORATE, UPPER}


LEAD = ("supervision", "lead-1")
CASE, NOBODYS = (
    visibility.Sides(frozenset((POLICE,)), (visibility.Offer(COURT),)),
    visibility.Sides(frozenset()),
)


@pytest.mark.parametrize(
    ("agency", "stream", "signer", "addressed_to", "sides", "expected"),
    [
        (POLICE, ("case", "c"), COURT, (), CASE, "party"),
        (COURT, ("case", "c"), POLICE, (), CASE, "offered"),
        (LAB, ("case", "c"), LAB, (), CASE, "offered"),
        (LAB, ("case", "c"), POLICE, (LAB,), CASE, "offered"),
        (LAB, ("case", "c"), POLICE, (POLICE, LAB), CASE, "offered"),
        (LAB, ("case", "c"), POLICE, (COURT,), CASE, None),
        (LAB, ("case", "c"), POLICE, (), NOBODYS, None),
        (POLICE, ("agency", POLICE), POLICE, (), None, "party"),
        (LAB, ("agency", POLICE), POLICE, (), None, None),
        (LAB, ("system", "ledger"), "ledger", (), None, "party"),
        (POLICE, LEAD, "ledger", (), visibility.sides_of_lead(PROCURATORATE, POLICE, notified=False), None),
        (POLICE, LEAD, "ledger", (), visibility.sides_of_lead(PROCURATORATE, POLICE, notified=True), "party"),
        (
            COURT,
            LEAD,
            "ledger",
            (),
            visibility.sides_of_lead(PROCURATORATE, POLICE, notified=True, passed_to=COURT),
            "party",
        ),
        (FAR_POLICE, LEAD, "ledger", (), None, None),
    ],
)
def test_an_event_is_seen_with_what_its_stream_is_of_or_by_who_has_it_in_hand(
    agency: str,
    stream: tuple[str, str],
    signer: str,
    addressed_to: tuple[str, ...],
    sides: visibility.Sides | None,
    expected: str | None,
) -> None:
    """Who signed it and to whom it is addressed keep it, of the case they see nothing by that."""
    assert (
        visibility.can_see_event(reader(agency), *stream, signer=signer, addressed_to=addressed_to, sides=sides)
        == expected
    )


def test_a_letter_is_seen_by_its_two_sides_and_by_whoever_sees_its_case() -> None:
    """Its sides need not see the case, and a third agency that does not see the case sees no letter of it."""
    shown = {agency for agency in KINDS if visibility.can_see_letter(reader(agency), CASE, (POLICE, LAB))}
    assert shown == {POLICE, COURT, LAB}


FLAGS = tuple(Flag(name, "an article", "in words") for name in ("backdated", "particulars_missing"))


@pytest.mark.parametrize("body", [LetterSent, LetterReceived, HandoverRefused])
@pytest.mark.parametrize("sees_case", [True, False])
def test_flags_of_a_letter_tell_nothing_of_a_case_that_is_not_seen(body: type[Body], sees_case: bool) -> None:
    """They are those that rest on the event alone. Whoever signs anything else saw the case."""
    shown = visibility.visible_flags(body, FLAGS, sees_case=sees_case)
    assert shown == (FLAGS if sees_case or body is HandoverRefused else FLAGS[1:])


@pytest.mark.parametrize("trait", get_args(Trait))
@pytest.mark.parametrize("role", get_args(Role))
def test_who_may_have_a_jurisdiction_searched(trait: Trait, role: Role) -> None:
    """Reports and correlation look at what the agency's auditors see, also for a supervisor; runs also for a clerk."""
    agency = replace(AGENCIES[POLICE], traits=frozenset((trait,)))
    expected = trait == "supervises" and role in ("auditor", "analyst", "supervisor")
    assert visibility.may_search_jurisdiction(agency, {role}) is expected
    expected = trait == "supervises" and role != "witness"
    assert visibility.may_run_models(agency, {role}) is expected
