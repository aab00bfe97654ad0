"""Folding of supervision: what models, leads and recommendations stand at, and what is refused to whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import canonical, rulebook
from ledger.core.errors import Conflict, RuleRefused
from ledger.core.event import Body
from ledger.core.event.record import DatasetRegistered
from ledger.core.supervision import Act, finding_digest, fold, lead_id_of, reply_due, thing_of
from ledger.core.supervision.standing import in_line, is_within, supervises
from ledger.workdays import shipped_calendar
from tests.builders import (
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
from tests.casework import shipped_rulebook
from tests.core.test_rulebook import PURPOSES
from tests.supervised import (
    Lead,
    Model,
    Recommendation,
    Stream,
    adopted,
    agencies,
    answered,
    assigned,
    closed,
    confirmed,
    dismissed,
    figures,
    issued,
    published,
    raised,
    rechecked,
    replied,
    retired,
    transferred,
)

DATASET = DatasetRegistered(
    dataset_id="pensions-2026",
    source="social security office",
    legal_basis="agreement of 2026",
    period_from="2026-01-01",
    period_until="2026-06-30",
    rows=2,
    digest="sha256:" + "00" * 32,
)
ASSIGNER, HANDLER, ANSWERER = supervisor(PROCURATORATE), clerk(PROCURATORATE), clerk(POLICE)


# -- models ------------------------------------------------------------------------------------------------------------


def test_a_model_goes_through_its_versions() -> None:
    """Each version is the next; what agencies adopted stays what it was; a new version brings a retired model back."""
    model = Model().published().act(adopted(), analyst(UPPER)).published()
    assert [one.body.version for one in model.state.versions] == [1, 2]
    assert model.state.newest.officer == analyst(PROCURATORATE).officer_id
    assert model.state.adoptions[UPPER].version == 1
    assert model.state.adoptions[UPPER].parameters == {"grace_days": "5"}
    model.act(retired(), supervisor(PROCURATORATE))
    assert model.state.retired == "the statute was amended"
    assert model.published().state.retired is None


def test_an_agency_adopts_another_version_in_place_of_the_first() -> None:
    """One agency runs one version of a model, under its newest parameters."""
    model = Model().published().published().act(adopted(), analyst(UPPER))
    model.act(adopted(2, parameters={}, note="wider"), analyst(UPPER))
    assert {agency: (one.version, one.parameters, one.note) for agency, one in model.state.adoptions.items()} == {
        UPPER: (2, {}, "wider")
    }


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("version_not_next", "body.version", published(3), analyst(PROCURATORATE)),
        ("version_not_next", "body.version", published(1), analyst(PROCURATORATE)),
        ("digest_differs", "body.model_digest", published(2, definition="another"), analyst(PROCURATORATE)),
        ("figures_impossible", "body.figures.found", published(2, figures=figures(found=13)), analyst(PROCURATORATE)),
        ("not_the_publisher", "agency", published(2), analyst(UPPER)),
        ("wrong_stream", "body.model_id", published(2, "another"), analyst(PROCURATORATE)),
        ("not_the_publisher", "agency", retired(), supervisor(UPPER)),
        ("unknown_version", "body.version", adopted(2), analyst(UPPER)),
        ("not_a_procuratorate", "agency", adopted(), analyst(COURT)),
        ("digest_differs", "body.model_digest", adopted(1, model_digest=published(2).model_digest), analyst(UPPER)),
        ("wrong_stream", "event_type", DATASET, analyst(PROCURATORATE)),
        ("wrong_stream", "event_type", assigned(), ASSIGNER),
    ],
)
def test_what_a_model_does_not_allow_is_refused(rule: str, field: str, body: Body, by: Officer) -> None:
    """The refusal names the rule and the field, and leaves the model as it was."""
    model = Model().published()
    before = model.state
    with refused(rule, field=f"payload.{field}"):
        model.act(body, by)
    assert model.state == before


@pytest.mark.parametrize(("body", "by"), [(retired(), supervisor(PROCURATORATE)), (adopted(), analyst(UPPER))])
def test_a_retired_model_is_not_run(body: Body, by: Officer) -> None:
    """Nobody adopts it, and it is not retired twice."""
    model = Model().published().act(retired(), supervisor(PROCURATORATE))
    with refused("model_retired", field="payload.stream.id"):
        model.act(body, by)


@pytest.mark.parametrize(
    ("rule", "field", "body"),
    [
        ("not_published", "event_type", retired()),
        ("not_published", "event_type", DATASET),
        ("wrong_stream", "stream.id", published(1, "another")),
        ("version_not_next", "body.version", published(2)),
        ("digest_differs", "body.model_digest", published(1, definition="another")),
    ],
)
def test_a_model_begins_with_its_first_version(rule: str, field: str, body: Body) -> None:
    """Nothing else may take the stream of a model."""
    with refused(rule, field=f"payload.{field}"):
        Model().act(body, analyst(PROCURATORATE))


def test_a_model_is_a_procuratorate_s() -> None:
    """Its leads are raised for whoever publishes it: no other kind of agency does."""
    with refused("not_a_procuratorate", field="payload.agency"):
        Model().published(analyst(COURT))


# -- leads: their life -------------------------------------------------------------------------------------------------


def test_a_lead_lives_from_the_finding_to_its_outcome() -> None:
    """Raised, assigned, answered, confirmed with material, closed with an outcome; the supervised see it once told."""
    lead = Lead().raised()
    assert (lead.state.status, lead.state.told, lead.state.procuratorate) == ("raised", False, PROCURATORATE)
    lead.assigned()
    assert (lead.state.status, lead.state.told, lead.state.handler) == ("assigned", True, "p-0417")
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
    assert lead.state.told
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


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_no_order_of_steps_goes_round_a_decision(order: list[str]) -> None:
    """Whatever is tried in whatever order, a closed lead was confirmed with material or dismissed with a ground."""
    lead = Lead().raised()
    for step in order:
        try:
            lead.act(STEPS[step][0](), STEPS[step][1])
        except RuleRefused:
            continue
    state = lead.state
    assert (state.status == "closed") == (state.closed is not None)
    if state.closed is not None:
        assert (state.confirmed is None) != (state.dismissed is None)
        assert state.told


# -- leads: rights -----------------------------------------------------------------------------------------------------


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


# -- leads: what they say ----------------------------------------------------------------------------------------------


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
    one, other = finding_digest("m", {"a": "1", "b": "2"}), finding_digest("m", {"b": "2", "a": "1"})
    assert one == other
    assert len({one, finding_digest("n", {"a": "1", "b": "2"}), finding_digest("m", {"a": "1", "b": "3"})}) == 3
    assert (
        canonical.encode({"key": {"a": "1", "b": "2"}, "model_id": "m"}) == b'{"key":{"a":"1","b":"2"},"model_id":"m"}'
    )
    assert lead_id_of("blake3:" + "0123456789abcdef" * 4) == "lead-" + "0123456789abcdef" * 2


# -- recommendations ---------------------------------------------------------------------------------------------------


def test_a_recommendation_is_answered_and_checked_again() -> None:
    """The first answer ends the time to reply; each re-check stays."""
    made = Recommendation().issued()
    assert made.state.recommendation_id == "2026-7"
    assert (made.state.status, made.state.procuratorate, made.state.answered_at) == ("issued", PROCURATORATE, None)
    made.act(replied(), ANSWERER)
    first = made.state.answered_at
    assert (made.state.status, first) == ("answered", made.last.payload.occurred_at)
    made.act(replied(), supervisor(POLICE)).act(rechecked(), ASSIGNER).act(rechecked("recurs"), ASSIGNER)
    assert (made.state.status, made.state.answered_at) == ("rechecked", first)
    assert [one.result for one in made.state.rechecks] == ["fell", "recurs"]


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_a_procuratorate", "agency", issued(), supervisor(POLICE)),
        ("outside_jurisdiction", "body.to_agency", issued(to_agency=FAR_POLICE), ASSIGNER),
        ("unknown_agency", "body.to_agency", issued(to_agency="police-moon"), ASSIGNER),
        ("wrong_stream", "stream.id", issued("2026-8"), ASSIGNER),
        ("not_issued", "event_type", replied(), ANSWERER),
    ],
)
def test_a_recommendation_begins_with_its_issue(rule: str, field: str, body: Body, by: Officer) -> None:
    """By a procuratorate, to an agency that it supervises, in its own stream."""
    with refused(rule, field=f"payload.{field}"):
        Recommendation().act(body, by)


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("not_the_addressee", "agency", replied(), clerk(COURT)),
        ("not_the_procuratorate", "agency", rechecked(), supervisor(UPPER)),
        ("wrong_stream", "event_type", issued(), ASSIGNER),
    ],
)
def test_each_side_of_a_recommendation_speaks_for_itself(rule: str, field: str, body: Body, by: Officer) -> None:
    """The addressee answers, the issuer checks again, and it is issued once."""
    with refused(rule, field=f"payload.{field}"):
        Recommendation().issued().act(body, by)


def test_the_time_to_reply_is_two_months() -> None:
    """Counted like every other clock: the day of issue does not count, a last day off rolls to the next working day."""
    made = Recommendation().issued()
    due = reply_due(made.state.issued_at, shipped_rulebook(), shipped_calendar())
    assert due is not None
    assert due.last_day == date(2026, 5, 6)  # 2 to 5 May are days off around Labour Day


def test_no_time_is_counted_without_a_rule() -> None:
    """Before the rule was in force, under rules without it, and in a year whose days off nobody knows yet."""
    early = Recommendation(start=1483228800).issued()
    late = Recommendation(start=4102444800).issued()
    made = Recommendation().issued()
    bare = rulebook.parse("flags = []\n" + PURPOSES)
    assert reply_due(early.state.issued_at, shipped_rulebook(), shipped_calendar()) is None
    assert reply_due(late.state.issued_at, shipped_rulebook(), shipped_calendar()) is None
    assert reply_due(made.state.issued_at, bare, shipped_calendar()) is None


# -- streams -----------------------------------------------------------------------------------------------------------


def test_streams_say_by_their_names_what_they_are_of() -> None:
    """Any other name is a stream of data sets."""
    names = ("model-a", "lead-a", "recommendation-a", "pensions")
    assert [thing_of(name) for name in names] == ["model", "lead", "recommendation", None]


def test_data_sets_stand_in_streams_of_their_own() -> None:
    """There they are no matter of supervision, and nothing else stands beside them."""
    stream: Stream[Any] = Stream("pensions")
    assert stream.act(DATASET, analyst(PROCURATORATE)).current is None
    with refused("wrong_stream", field="payload.stream.id"):
        stream.act(published(), analyst(PROCURATORATE))


def test_an_event_stands_on_the_streams_head() -> None:
    """One that does not is a conflict, which tells the head to stand on."""
    lead = Lead().raised()
    late = lead.draft(assigned(), ASSIGNER)
    lead.assigned()
    with pytest.raises(Conflict) as lost:
        fold(lead.state, Act(late.payload, late.digest, lead.agencies))
    assert (lost.value.code, lost.value.head, lost.value.sequence) == ("not_on_head", lead.last.digest, 2)


def test_jurisdictions_are_paths_and_no_prefixes() -> None:
    """31/010 is beside 31/01, not within it."""
    all_of = agencies()
    own, upper, twin, police = all_of[PROCURATORATE], all_of[UPPER], all_of[PARALLEL], all_of[POLICE]
    assert is_within(own, upper)
    assert not is_within(twin, own)
    assert in_line(upper, own)
    assert not in_line(own, twin)
    assert supervises(own, police)
    assert not supervises(police, own)
