"""Whose events the stream of a case takes: each type of event, for an agency in each relation to the case."""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest
from msgspec.structs import replace

from ledger.core.custody import Act, CaseState, fold
from ledger.core.errors import RuleRefused, TallystickError
from ledger.core.events import EVENT_TYPES, Body, case, handover, record
from tests.testkit.builders import (
    COURT,
    DEPOT,
    DETENTION,
    FAR_POLICE,
    KINDS,
    LAB,
    NEIGHBOUR,
    POLICE,
    PRISON,
    PROCURATORATE,
    UPPER,
    UPPER_COURT,
    admitted_agency,
    auditor,
    clerk,
    sample_body,
)
from tests.testkit.casework import AT, Case, holding, person_id

OF_CASES: Final = [name for name, row in EVENT_TYPES.items() if "case" in row.streams]
ANSWERS: Final = ("handover.checked", "handover.accepted", "handover.refused")
REGISTERED: Final = {name: admitted_agency(name) for name in KINDS}
PARTIES: Final = {"opened it": POLICE, "has it": COURT, "keeps a thing": DEPOT, "keeps a person": DETENTION}
STRANGERS: Final = {
    "is offered it": PRISON,
    "refused it": LAB,
    "had its offer recalled": UPPER_COURT,
    "has nothing to do with it": FAR_POLICE,
    "supervises its parties": PROCURATORATE,
    "supervises from above": UPPER,
    "supervises others": NEIGHBOUR,
}
BY_SUPERVISORS: Final = ("audit.recorded", "hold.placed", "hold.released")


@cache
def travelled() -> Case:
    """A case with agencies in each of these relations; what each handover is for stands in its id."""
    holder_case = holding("phone", "coins")
    holder_case.offer("coins", to=DEPOT, purpose="property_transfer", handover_id="to-depot").accept()
    holder_case.offer(
        "phone", to=COURT, purpose="jurisdiction_transfer", persons=("li", "wang"), handover_id="to-court"
    ).accept()
    holder_case.say(case.MeasureImposed, measure_id="m-1", person_id=person_id("li"), measure="arrest", started_at=AT)
    change = {"custody_change_id": "c-1", "handover_id": "to-court", "keeper": DETENTION}
    holder_case.say(case.CustodyChangeRequested, person_id=person_id("li"), **change)
    lent = {"purpose": "forensic_examination"}
    holder_case.offer("phone", to=LAB, handover_id="to-lab", **lent).refuse()  # type: ignore[arg-type]
    holder_case.offer("phone", to=UPPER_COURT, handover_id="to-upper", **lent).recall()  # type: ignore[arg-type]
    return holder_case.offer("phone", to=PRISON, purpose="execution", handover_id="to-prison")


def outcome(state: CaseState, body: Body, agency: str) -> tuple[CaseState | None, TallystickError | None]:
    """What comes of the body signed by a clerk of the agency, as the next event of this case."""
    written = travelled()
    event = written.draft(body, clerk(agency))
    act = Act(event.event, written.book, registered=REGISTERED)
    try:
        return fold(state, act).state, None
    except TallystickError as error:
        return None, error


def in_words(refusal: TallystickError | None) -> tuple[str | None, ...]:
    assert isinstance(refusal, RuleRefused), refusal
    return refusal.code, refusal.field, refusal.message, refusal.hint


@pytest.mark.parametrize("event_type", OF_CASES)
def test_a_case_takes_from_strangers_what_the_protocol_says_alone(event_type: str) -> None:
    """Who is no party is refused in the same words whatever the event names, be it in the case or not."""
    state, body = travelled().state, sample_body(event_type, full=False)
    for relation, agency in STRANGERS.items():
        after, refusal = outcome(state, body, agency)
        if event_type in BY_SUPERVISORS and relation in ("supervises its parties", "supervises from above"):
            if event_type == "hold.released":
                assert in_words(refusal)[0] == "unknown_hold", relation
                continue
            assert after is not None, relation
            assert after.agencies == state.agencies, "to note an audit, or to order a hold, makes nobody a party"
            continue
        words = in_words(refusal)
        assert words[:2] == ("not_a_party", "envelope.agency"), relation
        for named in (sample_body(event_type, full=True), *naming_what_there_is(body)):
            assert in_words(outcome(state, named, agency)[1]) == words, relation


def naming_what_there_is(body: Body) -> list[Body]:
    """The body with ids of the case in the place of those that it has not, an own offer's left out."""
    ids = {"item_id": "phone", "person_id": person_id("li"), "measure_id": "m-1", "custody_change_id": "c-1"}
    fields = {name: value for name, value in ids.items() if name in body.__struct_fields__}
    handovers = ("to-depot", "to-court") if "handover_id" in body.__struct_fields__ else ()
    named = ({}, *({"handover_id": handover_id} for handover_id in handovers))
    return [replace(body, **fields | of) for of in named]


@pytest.mark.parametrize("event_type", OF_CASES)
def test_a_party_is_never_a_stranger(event_type: str) -> None:
    """What a party signs is judged by the rule of its event; only a case that is open is not opened again."""
    for relation, agency in PARTIES.items():
        _, refusal = outcome(travelled().state, sample_body(event_type, full=False), agency)
        assert refusal is None or refusal.code != "not_a_party", relation


@pytest.mark.parametrize("event_type", ANSWERS)
@pytest.mark.parametrize(
    ("relation", "own", "code"),
    [
        ("is offered it", "to-prison", None),
        ("refused it", "to-lab", "not_open"),
        ("had its offer recalled", "to-upper", "not_open"),
    ],
)
def test_who_was_offered_something_answers_that_offer(
    event_type: str, relation: str, own: str, code: str | None
) -> None:
    """And is told of its own offer that it is answered, of any other nothing."""
    state, agency = travelled().state, STRANGERS[relation]
    bodies: dict[str, Body] = {
        "handover.checked": replace(sample_body("handover.checked", full=False), handover_id=own),
        "handover.refused": replace(sample_body("handover.refused", full=False), handover_id=own),
        "handover.accepted": handover.HandoverAccepted(handover_id=own, received_at=AT, rest_as_listed=True),
    }
    after, refusal = outcome(state, bodies[event_type], agency)
    assert (refusal.code if refusal else None) == code
    if after is not None:
        came = after.agencies - state.agencies
        assert came == ({agency} if event_type == "handover.accepted" else set()), "only an acceptance makes a party"


def test_without_the_registry_jurisdiction_is_not_judged() -> None:
    """Whoever has the events of a case alone cannot tell who supervises whom."""
    written = holding().say(record.AuditRecorded, auditor(LAB), scope="case-1", size=3, verdict="intact")
    assert written.state.agencies == {POLICE}
