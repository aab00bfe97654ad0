"""Folding a lead: from the finding to its outcome, and what is refused to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.encoding import canonical
from ledger.core.events import Body
from ledger.core.supervision import finding_digest, lead_id_of
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    PARALLEL,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    Officer,
    analyst,
    auditor,
    clerk,
    refused,
    supervisor,
)
from tests.testkit.supervision import (
    ANSWERER,
    ASSIGNER,
    HANDLER,
    Lead,
    answered,
    assigned,
    closed,
    confirmed,
    dismissed,
    raised,
    retired,
    transferred,
)

# -- their life --------------------------------------------------------------------------------------------------------


def test_a_lead_lives_from_the_finding_to_its_outcome() -> None:
    """Raised, assigned, answered, confirmed with material, closed with an outcome; the supervised see it once told."""
    lead = Lead().raised()
    assert (lead.state.status, lead.state.notified, lead.state.procuratorate) == ("raised", False, PROCURATORATE)
    assert lead.state.lead_id == lead.stream.id
    lead.assigned()
    assert (lead.state.status, lead.state.notified, lead.state.handler) == ("assigned", True, "p-0417")
    lead.act(answered(), ANSWERER).act(answered(answer="And its twin."), ANSWERER)
    assert (lead.state.status, len(lead.state.answers)) == ("answered", 2)
    assert lead.state.came_to is None
    lead.act(confirmed(), HANDLER).act(closed(), auditor(PROCURATORATE))
    assert (lead.state.status, lead.state.came_to) == ("closed", "rectification_notice")
    assert lead.state.confirmed == confirmed()
    assert lead.state.closed == closed()
    assert (lead.state.sequence, lead.state.head) == (5, lead.last.digest)


def test_a_lead_may_be_dismissed_unanswered() -> None:
    """Nothing comes of it then, and the reason stays."""
    lead = Lead().raised().assigned().act(dismissed(), analyst(PROCURATORATE)).act(closed("none"), HANDLER)
    assert (lead.state.status, lead.state.dismissed, lead.state.came_to) == ("closed", dismissed(), "dismissed")


def test_a_lead_goes_up_and_down_the_tree() -> None:
    """Whoever receives it assigns it anew; the supervised agency sees it all the same; one above may draw it up."""
    lead = Lead().raised().assigned().act(transferred(UPPER), ASSIGNER)
    assert (lead.state.status, lead.state.procuratorate, lead.state.handler) == ("raised", UPPER, None)
    assert lead.state.notified
    lead.act(assigned(), supervisor(UPPER)).act(transferred(PROCURATORATE), supervisor(UPPER))
    assert lead.state.procuratorate == PROCURATORATE
    lead.act(transferred(UPPER), analyst(UPPER))
    assert lead.state.procuratorate == UPPER


def test_a_lead_may_be_assigned_to_another_handler() -> None:
    """The last assignment stands."""
    lead = Lead().raised().assigned().act(assigned(handler="p-0099"), ASSIGNER)
    assert lead.state.handler == "p-0099"


STEPS: dict[str, tuple[Callable[..., Body], Officer]] = {
    "assigned": (assigned, ASSIGNER),
    "transferred": (transferred, ASSIGNER),
    "answered": (answered, ANSWERER),
    "confirmed": (confirmed, HANDLER),
    "dismissed": (dismissed, HANDLER),
    "closed": (lambda: closed("none"), HANDLER),
}
# What leads into each state, and the rule that refuses each step which is impossible from there.
WAYS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "raised": (
        (),
        {"answered": "not_assigned", "confirmed": "not_assigned", "dismissed": "not_assigned", "closed": "not_decided"},
    ),
    "assigned": (("assigned",), {"closed": "not_decided"}),
    "answered": (("assigned", "answered"), {"closed": "not_decided"}),
    "confirmed": (("assigned", "confirmed"), dict.fromkeys([*STEPS][:5], "already_decided")),
    "dismissed": (("assigned", "dismissed"), dict.fromkeys([*STEPS][:5], "already_decided")),
    "closed": (("assigned", "confirmed", "closed"), dict.fromkeys(STEPS, "already_closed")),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("status", WAYS)
def test_each_step_is_possible_or_refused_in_each_state(status: str, step: str) -> None:
    """The whole table: a step out of order is refused under its rule and changes nothing, any other one goes."""
    way, refusals = WAYS[status]
    lead = Lead().raised()
    for taken in way:
        lead.act(STEPS[taken][0](), STEPS[taken][1])
    assert lead.state.status == status
    body, by = STEPS[step][0](), STEPS[step][1]
    if step not in refusals:
        lead.act(body, by)
        return
    before = lead.state
    with refused(refusals[step], field="payload.event_type"):
        lead.act(body, by)
    assert lead.state == before


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["assigned", "confirmed", "dismissed"])
@pytest.mark.parametrize("agency", [POLICE, NEIGHBOUR, UPPER])
def test_the_procuratorate_that_has_the_lead_decides(step: str, agency: str) -> None:
    """Not the supervised agency, not a neighbour, and not the one above unless it draws the lead up."""
    lead = Lead().raised().assigned()
    with refused("not_the_procuratorate", field="payload.agency"):
        lead.act(STEPS[step][0](), supervisor(agency))


@pytest.mark.parametrize("agency", [POLICE, NEIGHBOUR, PARALLEL])
def test_a_stranger_moves_no_lead(agency: str) -> None:
    """A lead is transferred by who has it or by a procuratorate above; 31/010 is not below 31/01."""
    lead = Lead().raised()
    with refused("not_the_procuratorate", field="payload.agency"):
        lead.act(transferred(UPPER), supervisor(agency))


@pytest.mark.parametrize("to", [POLICE, NEIGHBOUR, PARALLEL, PROCURATORATE])
def test_a_lead_is_transferred_in_line_only(to: str) -> None:
    """To another procuratorate above or below: not across, not to the police, not to where it is."""
    lead = Lead().raised()
    with refused("not_in_line", field="payload.body.to_agency"):
        lead.act(transferred(to), ASSIGNER)


def test_a_lead_is_not_transferred_to_nobody() -> None:
    """Only to an agency that the log has admitted, and had by then."""
    lead = Lead().raised()
    with refused("unknown_agency", field="payload.body.to_agency"):
        lead.act(transferred("procuratorate-moon"), ASSIGNER)
    with refused("unknown_agency", field="payload.body.to_agency"):
        lead.act(transferred(UPPER), ASSIGNER, index=lead.agencies[UPPER].index)
    lead.act(transferred(UPPER), ASSIGNER, index=lead.agencies[UPPER].index + 1)


@pytest.mark.parametrize("agency", [PROCURATORATE, COURT, FAR_POLICE])
def test_the_supervised_agency_answers(agency: str) -> None:
    """Nobody answers for it."""
    lead = Lead().raised().assigned()
    with refused("not_the_supervised", field="payload.agency"):
        lead.act(answered(), clerk(agency))


# -- what they say -----------------------------------------------------------------------------------------------------


def test_a_lead_is_not_confirmed_by_data_alone() -> None:
    """Without the digest of any material that was checked the confirmation is refused."""
    lead = Lead().raised().assigned()
    with refused("material_missing", field="payload.body.digests"):
        lead.act(confirmed(digests=()), HANDLER)


@pytest.mark.parametrize(
    ("rule", "field", "body"),
    [
        ("recommendation_missing", "recommendation_id", closed("recommendation", recommendation_id=None)),
        ("document_missing", "document_number", closed("rectification_notice", document_number=None)),
        ("document_missing", "document_number", closed("case_filed", document_number=None)),
    ],
)
def test_an_outcome_names_its_paper(rule: str, field: str, body: Body) -> None:
    """A notice or a filing its document, a recommendation the recommendation."""
    lead = Lead().raised().assigned().confirmed()
    with refused(rule, field=f"payload.body.{field}"):
        lead.act(body, HANDLER)


@pytest.mark.parametrize("outcome", ["rectification_notice", "recommendation", "case_filed", "none"])
def test_a_confirmed_lead_closes_with_any_outcome(outcome: str) -> None:
    """All four that the design has."""
    lead = Lead().raised().assigned().confirmed().act(closed(outcome), HANDLER)
    assert lead.state.closed is not None
    assert lead.state.closed.outcome == outcome


def test_nothing_comes_of_a_dismissed_lead() -> None:
    """It closes with the outcome none."""
    lead = Lead().raised().assigned().act(dismissed(), HANDLER)
    with refused("dismissed_without_outcome", field="payload.body.outcome"):
        lead.act(closed("case_filed"), HANDLER)


@pytest.mark.parametrize(
    ("rule", "field", "fields"),
    [
        ("finding_differs", "body.finding", {"finding": "blake3:" + "00" * 32}),
        ("finding_differs", "body.finding", {"model_id": "another", "finding": Lead().body.finding}),
        ("finding_differs", "body.lead_id", {"lead_id": "lead-" + "00" * 16}),
        ("cited_count", "body.cited_count", {"events": (Lead().raised().last.ref,), "cited_count": 0}),
        ("unknown_agency", "body.supervised", {"supervised": "police-moon"}),
        ("unknown_agency", "body.procuratorate", {"procuratorate": "procuratorate-moon"}),
        ("outside_jurisdiction", "body.procuratorate", {"procuratorate": NEIGHBOUR}),
        ("outside_jurisdiction", "body.procuratorate", {"procuratorate": COURT}),
        ("outside_jurisdiction", "body.procuratorate", {"procuratorate": PARALLEL}),
    ],
)
def test_a_lead_is_what_it_says(rule: str, field: str, fields: dict[str, Any]) -> None:
    """Its id follows from its finding, it cites no more than was found, and it goes to who supervises the agency."""
    with refused(rule, field=f"payload.{field}"):
        Lead().raised(**fields)


def test_a_lead_stands_in_its_own_stream() -> None:
    """One finding, one stream: under another id it could be raised again."""
    with refused("wrong_stream", field="payload.stream.id"):
        Lead({"case_id": "case-2"}).act(raised(), SERVICE)


def test_the_same_finding_is_never_raised_twice() -> None:
    """Its stream has it; whoever raises it again is refused."""
    lead = Lead().raised()
    with refused("raised_already", field="payload.event_type"):
        lead.raised()


def test_a_lead_begins_with_its_finding() -> None:
    """Nothing else may take its stream, and no event of another kind may follow in it."""
    with refused("not_raised", field="payload.event_type"):
        Lead().act(assigned(), ASSIGNER)
    with refused("wrong_stream", field="payload.event_type"):
        Lead().raised().act(retired(), ASSIGNER)


def test_a_finding_is_told_by_model_and_key_alone() -> None:
    """The order of the key's columns does not matter, any of its values does; a lead's id begins its digest."""
    first, other = finding_digest("m", {"a": "1", "b": "2"}), finding_digest("m", {"b": "2", "a": "1"})
    assert first == other
    assert len({first, finding_digest("n", {"a": "1", "b": "2"}), finding_digest("m", {"a": "1", "b": "3"})}) == 3
    assert (
        canonical.encode({"key": {"a": "1", "b": "2"}, "model_id": "m"}) == b'{"key":{"a":"1","b":"2"},"model_id":"m"}'
    )
    assert lead_id_of("blake3:" + "0123456789abcdef" * 4) == "lead-" + "0123456789abcdef" * 2
