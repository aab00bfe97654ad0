"""Who sees what: the one rule, in each relation that an agency can stand in to a case, a lead, a recommendation."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from ledger.core.events.terms import AgencyKind, Role
from ledger.core.procedure.jurisdiction import TRAITS, may_detain
from ledger.core.signing.authority import Agency
from ledger.core.visibility import (
    CaseSides,
    LeadSides,
    ModelSides,
    Offer,
    Reader,
    RecommendationSides,
    Sides,
    can_see,
    can_see_event,
    concerned,
    may_search_jurisdiction,
    reader_of,
    sides_of,
)
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
    analyst,
    key_id,
    profile,
)
from tests.testkit.casework import Case
from tests.testkit.supervision import ASSIGNER, Lead, Model, Recommendation, adopted, transferred
from tests.unit.core.test_custody_admission import travelled

NOW = "2026-03-02T12:00:00Z"
AGENCIES = {name: Agency(name, KINDS[name], profile(name), key_id(name), 0) for name in KINDS}
SEES: dict[str, set[str]] = {
    "clerk": set(),
    "supervisor": set(),
    "witness": set(),
    "auditor": {PROCURATORATE, UPPER},
    "analyst": {PROCURATORATE, UPPER},
}


def reader(agency: str, *roles: str) -> Reader:
    return reader_of(agency, roles or ("clerk",), AGENCIES, now=NOW)


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
    assert can_see(reader(agency, role), sides_of(state)) == expected


@pytest.mark.parametrize(
    ("expires_at", "expected"), [(None, "offered"), (NOW, "offered"), ("2026-03-02T11:59:59Z", None)]
)
def test_an_offer_lets_see_until_its_last_moment(expires_at: str | None, expected: str | None) -> None:
    """An offer that has expired shows nothing, though nobody has answered it."""
    case = Case().open().register("phone").offer("phone", to=COURT, purpose="loan", expires_at=expires_at)
    assert can_see(reader(COURT), sides_of(case.state)) == expected
    assert can_see(reader(LAB), sides_of(case.state)) is None
    above = Reader(LAB, frozenset((COURT,)), NOW)
    assert can_see(above, sides_of(case.state)) == (None if expected is None else "jurisdiction")
    assert concerned(sides_of(case.state)) == {POLICE, COURT}


@pytest.mark.parametrize("kind", KINDS.values())
def test_who_supervises_is_a_matter_of_the_kind_s_traits(kind: AgencyKind) -> None:
    """No kind is asked for by its name: one with the trait sees its jurisdiction, one without does not."""
    agencies = AGENCIES | {"other": replace(AGENCIES[LAB], agency_id="other", kind=kind)}
    eyes = reader_of("other", ("auditor",), agencies, now=NOW)
    supervises = "supervises" in TRAITS.get(kind, ())
    assert (POLICE in eyes.supervised) == supervises
    assert may_detain(agencies["other"]) == ("detains" in TRAITS.get(kind, ()))
    assert (can_see(eyes, CaseSides(frozenset((POLICE,)))) == "jurisdiction") == supervises


def test_who_is_not_admitted_supervises_nobody() -> None:
    """Whatever the roles of its key."""
    assert reader_of("nobody", ("auditor", "analyst"), AGENCIES, now=NOW).supervised == frozenset()


def test_who_keeps_persons_is_a_matter_of_the_kind_s_traits() -> None:
    """Persons are kept for others by the kinds that have the trait, and by no others."""
    keepers = {agency.kind for agency in AGENCIES.values() if may_detain(agency)}
    assert keepers == {kind for kind, traits in TRAITS.items() if "detains" in traits} != set()


def test_a_lead_is_hidden_from_who_is_supervised_until_it_is_told() -> None:
    """And stays seen by it then, whoever has the lead."""
    lead = Lead().raised()
    raised, assigned = sides_of(lead.state), sides_of(lead.assigned().state)
    assert (can_see(reader(POLICE, "auditor"), raised), can_see(reader(POLICE), assigned)) == (None, "party")
    assert (concerned(raised), concerned(assigned)) == ({PROCURATORATE}, {PROCURATORATE, POLICE})
    moved = sides_of(Lead().raised().assigned().act(transferred(UPPER), ASSIGNER).state)
    assert [can_see(reader(name), moved) for name in (UPPER, POLICE, PROCURATORATE)] == ["party", "party", None]
    for sides in (raised, assigned):
        assert can_see(reader(PROCURATORATE), sides) == "party"
        assert can_see(reader(UPPER, "analyst"), sides) == "jurisdiction"
        for stranger in (UPPER, NEIGHBOUR, PARALLEL, COURT):
            assert can_see(reader(stranger), sides) is None
        assert can_see(reader(NEIGHBOUR, "auditor"), sides) is None


def test_a_recommendation_is_seen_by_both_sides_and_from_above() -> None:
    """By nobody beside them."""
    sides = sides_of(Recommendation().issued().state)
    assert isinstance(sides, RecommendationSides)
    assert [can_see(reader(name), sides) for name in (PROCURATORATE, POLICE, UPPER, COURT)] == [
        "party",
        "party",
        None,
        None,
    ]
    assert can_see(reader(UPPER, "auditor"), sides) == "jurisdiction"
    assert concerned(sides) == {PROCURATORATE, POLICE}


def test_a_model_is_seen_by_everybody_and_told_to_its_users() -> None:
    """Who published it and who adopted it are told of what becomes of it."""
    model = Model().published()
    model.act(adopted(1), analyst(UPPER))
    sides = sides_of(model.state)
    assert isinstance(sides, ModelSides)
    assert all(can_see(reader(name), sides) == "party" for name in KINDS)
    assert concerned(sides) == {PROCURATORATE, UPPER}


CASE, NOBODYS = CaseSides(frozenset((POLICE,)), (Offer(COURT),)), CaseSides(frozenset())


@pytest.mark.parametrize(
    ("agency", "stream", "signer", "offered_to", "sides", "expected"),
    [
        (POLICE, ("case", "c"), COURT, None, CASE, "party"),
        (COURT, ("case", "c"), POLICE, None, CASE, "offered"),
        (LAB, ("case", "c"), LAB, None, CASE, "offered"),
        (LAB, ("case", "c"), POLICE, LAB, CASE, "offered"),
        (LAB, ("case", "c"), POLICE, COURT, CASE, None),
        (LAB, ("case", "c"), POLICE, None, NOBODYS, None),
        (POLICE, ("agency", POLICE), POLICE, None, None, "party"),
        (LAB, ("agency", POLICE), POLICE, None, None, None),
        (LAB, ("system", "ledger"), "ledger", None, None, "party"),
        (POLICE, ("supervision", "lead-1"), "ledger", None, LeadSides(PROCURATORATE, POLICE, notified=False), None),
        (POLICE, ("supervision", "lead-1"), "ledger", None, LeadSides(PROCURATORATE, POLICE, notified=True), "party"),
        (FAR_POLICE, ("supervision", "lead-1"), "ledger", None, None, None),
    ],
)
def test_an_event_is_seen_with_what_its_stream_is_of_or_by_who_has_it_in_hand(
    agency: str, stream: tuple[str, str], signer: str, offered_to: str | None, sides: Sides | None, expected: str | None
) -> None:
    """Who signed it and who was offered something by it keep it, of the case they see nothing by that."""
    assert can_see_event(reader(agency), *stream, signer=signer, offered_to=offered_to, sides=sides) == expected


@pytest.mark.parametrize("kind", get_args(AgencyKind))
@pytest.mark.parametrize("role", get_args(Role))
def test_who_may_have_a_jurisdiction_searched(kind: AgencyKind, role: Role) -> None:
    """Models, reports and correlation look at what the agency's auditors see, also for a supervisor, for no clerk."""
    agency = replace(AGENCIES[POLICE], kind=kind)
    expected = kind == "procuratorate" and role in ("auditor", "analyst", "supervisor")
    assert may_search_jurisdiction(agency, {role}) is expected
