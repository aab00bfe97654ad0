"""Folding a lead: from the finding to its outcome, and what is refused to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.encoding import canonical
from ledger.core.events import Body
from ledger.core.events.letter import Outsider
from ledger.core.procedure.rulebook import rows_of
from ledger.core.supervision import finding_digest, lead_id_of
from ledger.procedures import SHIPPED, books_that_ship
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
    path_of,
    refused,
    supervisor,
)
from tests.testkit.supervision import (
    ANSWERER,
    ASSIGNER,
    HANDLER,
    MATERIAL,
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
    assert (lead.state.status, lead.state.notified, lead.state.supervising) == ("raised", False, PROCURATORATE)
    assert lead.state.lead_id == lead.stream.id
    lead.act(assigned(handler="p-0099"), ASSIGNER).assigned()
    assert (lead.state.status, lead.state.notified, lead.state.handler) == ("assigned", True, "p-0417")
    lead.act(answered(), ANSWERER).act(answered(answer="And its twin."), ANSWERER)
    assert (lead.state.status, len(lead.state.answers)) == ("answered", 2)
    assert lead.state.came_to is None
    lead.act(confirmed(), HANDLER).act(closed(), auditor(PROCURATORATE))
    assert (lead.state.status, lead.state.came_to) == ("closed", "rectification_notice")
    assert lead.state.confirmed == confirmed()
    assert lead.state.closed == closed()
    assert (lead.state.sequence, lead.state.head) == (6, lead.last.event.leaf_hash)


def test_a_lead_may_be_dismissed_unanswered() -> None:
    """Nothing comes of it then, and the reason stays."""
    lead = Lead().raised().assigned().act(dismissed(), analyst(PROCURATORATE)).act(closed("no_further_action"), HANDLER)
    assert (lead.state.status, lead.state.dismissed, lead.state.came_to) == ("closed", dismissed(), "dismissed")


def test_another_officer_may_close_what_one_confirmed() -> None:
    """A confirmed lead is assigned anew and stays confirmed."""
    lead = Lead().raised().assigned().confirmed().act(assigned(handler="p-0099"), ASSIGNER)
    assert (lead.state.status, lead.state.handler, lead.state.assignee) == ("confirmed", "p-0099", "p-0099")


def test_a_lead_goes_up_and_down_the_tree() -> None:
    """Whoever receives it assigns it anew; the supervised agency sees it all the same; one above may draw it up."""
    lead = Lead().raised().assigned().act(transferred(UPPER), ASSIGNER)
    assert (lead.state.status, lead.state.supervising, lead.state.handler) == ("raised", UPPER, None)
    assert lead.state.notified
    lead.act(assigned(), supervisor(UPPER)).act(transferred(PROCURATORATE), supervisor(UPPER))
    assert lead.state.supervising == PROCURATORATE
    lead.act(transferred(UPPER), analyst(UPPER))
    assert lead.state.supervising == UPPER


STEPS: dict[str, tuple[Callable[..., Body], Officer]] = {
    "assigned": (assigned, ASSIGNER),
    "transferred": (transferred, ASSIGNER),
    "answered": (answered, ANSWERER),
    "confirmed": (confirmed, HANDLER),
    "dismissed": (dismissed, HANDLER),
    "closed": (lambda: closed("no_further_action"), HANDLER),
}
# What leads into each state, and the rule that refuses each step which is impossible from there.
WAYS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "raised": (
        (),
        {"answered": "not_assigned", "confirmed": "not_assigned", "dismissed": "not_assigned", "closed": "not_decided"},
    ),
    "assigned": (("assigned",), {"closed": "not_decided"}),
    "answered": (("assigned", "answered"), {"closed": "not_decided"}),
    "confirmed": (("assigned", "confirmed"), dict.fromkeys([*STEPS][1:5], "already_decided")),
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
    with refused(refusals[step], field="envelope.event_type"):
        lead.act(body, by)
    assert lead.state == before


# -- what is refused ---------------------------------------------------------------------------------------------------


RAISED, TOLD = Lead().raised(), Lead().raised().assigned()
DECIDED, DROPPED = Lead().raised().assigned().confirmed(), Lead().raised().assigned().act(dismissed(), HANDLER)
DECISIONS, NOT_THEIRS = (assigned(), confirmed(), dismissed()), (POLICE, NEIGHBOUR, UPPER)
BANK = Outsider(kind="bank", name="East Bank")
NO_LEADS: list[tuple[str, dict[str, Any]]] = [
    ("finding_differs body.finding", {"finding": "blake3:" + "00" * 32}),
    ("finding_differs body.finding", {"model_id": "another", "finding": RAISED.body.finding}),
    ("finding_differs body.lead_id", {"lead_id": "lead-" + "00" * 16}),
    ("cited_count body.cited_count", {"events": (RAISED.last.ref,)}),
    ("unknown_agency body.supervised", {"supervised": "police-moon"}),
    ("unknown_agency body.supervising", {"supervising": "procuratorate-moon"}),
    *(("outside_jurisdiction body.supervising", {"supervising": by}) for by in (NEIGHBOUR, COURT, PARALLEL)),
]


@pytest.mark.parametrize(
    ("lead", "rule", "body", "by"),
    [
        *((TOLD, "not_the_supervising_agency agency", body, supervisor(by)) for body in DECISIONS for by in NOT_THEIRS),
        *(
            (TOLD, "not_the_supervising_agency agency", transferred(), supervisor(by))
            for by in (POLICE, NEIGHBOUR, PARALLEL)
        ),
        *((TOLD, "not_the_supervised agency", answered(), clerk(by)) for by in (PROCURATORATE, COURT, FAR_POLICE)),
        *((TOLD, "not_in_line body.to_agency", transferred(to), ASSIGNER) for to in (POLICE, NEIGHBOUR, PARALLEL)),
        (TOLD, "not_in_line body.to_agency", transferred(PROCURATORATE), ASSIGNER),
        (TOLD, "unknown_agency body.to_agency", transferred("procuratorate-moon"), ASSIGNER),
        (TOLD, "material_missing body.digests", confirmed(digests=()), HANDLER),
        (
            DECIDED,
            "recommendation_missing body.recommendation_id",
            closed("recommendation", recommendation_id=None),
            HANDLER,
        ),
        *(
            (DECIDED, f"document_missing body.{name}", closed(outcome, **{name: without}), HANDLER)
            for outcome in ("rectification_notice", "case_filed")
            for name, without in (("document_number", None), ("document_date", None), ("digests", ()))
        ),
        (DECIDED, "one_correspondent body.to_agency", closed("clue_to_police"), HANDLER),
        (DECIDED, "one_correspondent body.to_agency", closed("protest", to_agency=POLICE, to_outside=BANK), HANDLER),
        (DECIDED, "unknown_agency body.to_agency", closed("clue_to_police", to_agency="police-moon"), HANDLER),
        (RAISED, "unknown_word body.business_line", assigned(business_line="baking"), ASSIGNER),
        (DROPPED, "dismissed_without_outcome body.outcome", closed("case_filed"), HANDLER),
        (RAISED, "raised_already event_type", raised(), SERVICE),
        (RAISED, "wrong_stream event_type", retired(), ASSIGNER),
        (Lead({"case_id": "case-2"}), "wrong_stream stream.id", raised(), SERVICE),
        (Lead(), "not_raised event_type", assigned(), ASSIGNER),
        *((Lead(), rule, raised(**fields), SERVICE) for rule, fields in NO_LEADS),
    ],
)
def test_what_a_lead_does_not_allow_is_refused(lead: Lead, rule: str, body: Body, by: Officer) -> None:
    """Who has it decides or draws it up from above, the supervised agency answers, and it is raised once as it says."""
    before, (code, field) = lead.current, rule.split()
    with refused(code, field=path_of(field)):
        lead.act(body, by)
    assert lead.current is before


def test_a_lead_is_transferred_to_whom_the_log_had_admitted_by_then() -> None:
    """Not at the index of the admission, only after it."""
    lead = Lead().raised()
    with refused("unknown_agency", field="payload.body.to_agency"):
        lead.act(transferred(UPPER), ASSIGNER, index=lead.agencies[UPPER].index)
    lead.act(transferred(UPPER), ASSIGNER, index=lead.agencies[UPPER].index + 1)


# -- what they say -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("procedure", SHIPPED)
def test_a_confirmed_lead_closes_with_any_outcome_of_a_procedure_in_force(procedure: str) -> None:
    """Each word of each package, with its paper and recommendation; what asks for neither needs neither."""
    book = books_that_ship()[procedure]
    assert [word for word, row in book.outcomes.items() if row.nothing] == ["no_further_action"]
    for outcome, row in book.outcomes.items():
        lead = Lead().raised().assigned().confirmed()
        lead.books = (book,)
        without = {"document_number": None, "document_date": None, "digests": (), "recommendation_id": None}
        paper = {"document_number": "2026-12", "document_date": "2026-03-01", "digests": (MATERIAL,)}
        advice = {"recommendation_id": "2026-7"} if row.needs_recommendation else {}
        to = {"to_agency": FAR_POLICE} if row.passes_on else {}
        fields: dict[str, Any] = without | (paper if row.names_paper else {}) | advice | to
        lead.act(closed(outcome, **fields), HANDLER)
        assert (lead.state.came_to, lead.state.passed_to) == (outcome, FAR_POLICE if row.passes_on else None)


def test_a_recommendation_is_the_paper_of_an_outcome() -> None:
    """It has a number and a day of its own, and its text stands in the log."""
    lead = Lead().raised().assigned().confirmed()
    without = {"document_number": None, "document_date": None, "digests": ()}
    lead.act(closed("rectification_notice", recommendation_id="2026-7", **without), HANDLER)
    assert lead.state.came_to == "rectification_notice"


def test_a_lead_is_taken_up_by_another_business_line() -> None:
    """It stays with the line until it is assigned to another one."""
    lead = Lead().raised().act(assigned(business_line="public_interest"), ASSIGNER).act(assigned(), ASSIGNER)
    assert lead.state.business_line == "public_interest"
    assert lead.act(assigned(business_line="civil"), ASSIGNER).state.business_line == "civil"


def test_an_outcome_is_judged_by_the_procedures_in_force() -> None:
    """A word of any of them goes, by the first that has it; one that none has is refused, and what they have told."""
    evidence, criminal = books_that_ship()["evidence"], books_that_ship()["cn-criminal"]
    lead = Lead().raised().assigned().confirmed()
    lead.books = (evidence, criminal)
    with refused("unknown_word", field="payload.body.outcome"):
        lead.act(closed("fined"), HANDLER)
    lead.books = (evidence,)
    with refused("unknown_word", field="payload.body.outcome"):
        lead.act(closed("protest"), HANDLER)
    lead.books = (evidence, criminal)
    lead.act(closed("protest"), HANDLER)
    assert lead.state.came_to == "protest"
    assert rows_of((evidence, criminal), "outcomes")["no_further_action"] is evidence.outcomes["no_further_action"]


def test_what_the_log_has_is_not_judged_again() -> None:
    """A later version of a procedure may ask for more than the one by which the lead was closed."""
    lead = Lead().raised().assigned().confirmed()
    lead.books = None
    lead.act(closed("protest", document_number=None), HANDLER)
    assert lead.state.status == "closed"


def test_a_finding_is_told_by_model_and_key_alone() -> None:
    """The order of the key's columns does not matter, any of its values does; a lead's id begins its digest."""
    first, swapped = finding_digest("m", {"a": "1", "b": "2"}), finding_digest("m", {"b": "2", "a": "1"})
    assert first == swapped
    assert len({first, finding_digest("n", {"a": "1", "b": "2"}), finding_digest("m", {"a": "1", "b": "3"})}) == 3
    assert (
        canonical.encode({"key": {"a": "1", "b": "2"}, "model_id": "m"}) == b'{"key":{"a":"1","b":"2"},"model_id":"m"}'
    )
    assert lead_id_of("blake3:" + "0123456789abcdef" * 4) == "lead-" + "0123456789abcdef" * 2
