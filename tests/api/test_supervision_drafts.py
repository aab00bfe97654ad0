"""Drafts of supervision over the API: plain fields of an act on a model, a lead or a recommendation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.core.events import EVENT_TYPES
from ledger.core.events.letter import Outsider
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.api.conftest import serving
from tests.api.console.pages import page_of
from tests.api.service import Served, problem
from tests.api.test_drafts import ask, drafted, record
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, analyst, auditor, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.supervision import MATERIAL, Lead, Model, Recommendation, delivered
from tests.unit.supervision.modelling import with_sql

OFFICERS = tuple(role(agency) for agency in (POLICE, PROCURATORATE) for role in (clerk, supervisor, analyst, auditor))
HEAD, HANDLER, POLICEMAN, ANALYST = (
    *(supervisor(PROCURATORATE), clerk(PROCURATORATE)),
    *(clerk(POLICE), analyst(PROCURATORATE)),
)
ISSUED = {
    "procedure": "cn-criminal",
    "kind": "rectification",
    "document_number": "2026-9",
    "problem": "Seized items stay behind.",
    "advice": "Check the list.",
    "to_agency": POLICE,
}
PERIODS = {
    name: {"count": count, "period_from": f"2026-0{month}-01", "period_until": f"2026-0{month + 1}-01", "tree_size": 5}
    for name, count, month in (("before", 2, 1), ("after", 1, 2))
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("matters"), officers=OFFICERS) as served:
        yield served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, officers=OFFICERS, tries_models=False) as served:
        yield served


def act(event_type: str, stream_id: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": event_type, "stream": {"kind": "supervision", "id": stream_id}, "body": body}


def sign(served: Served, by: Officer, event_type: str, stream_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Draft an act of supervision, sign and record it; return the draft."""
    draft = drafted(ask(served, by, act(event_type, stream_id, body)))
    answer = record(served, by, draft)
    assert answer.status_code == 201, answer.text
    return draft


def test_a_lead_is_worked_on_by_drafts_from_its_assignment_to_its_outcome(shared: Served) -> None:
    """What is drafted is what is recorded, in words; the refusal of an act is that of the signed event."""
    lead = Lead().raised()
    shared.ledger.post(lead.last)
    lead_id = lead.state.lead_id
    draft = sign(shared, HEAD, "lead.assigned", lead_id, {"handler": HANDLER.officer_id})
    assert "assigns the lead to" in draft["sentence"]
    assert HANDLER.officer_id in [row["value"] for row in draft["values"]]
    sign(shared, POLICEMAN, "lead.answered", lead_id, {"answer": "It lies in our depot.", "digests": [MATERIAL]})
    refused = ask(shared, HANDLER, act("lead.confirmed", lead_id, {"finding": "The depot's book lists it."}))
    problem(refused, 422, "material_missing", "payload.body.digests")
    sign(shared, HANDLER, "lead.confirmed", lead_id, {"finding": "It is there.", "digests": [MATERIAL]})
    sign(shared, HANDLER, "lead.closed", lead_id, {"outcome": "no_further_action", "summary": "Handed over."})
    assert shared.get(f"/api/v1/leads/{lead_id}", HANDLER).json()["status"] == "closed"


def test_every_act_of_supervision_has_a_form_on_a_page(served: Served) -> None:
    """Of each event type that an officer signs, somebody whose turn it is finds the form, at some step."""
    forms = set[str]()

    def shown(by: Officer, path: str) -> None:
        page = page_of(served, by, path)
        assert page.status_code == 200, page.text
        forms.update(re.findall(r"/drafts/([a-z]+\.[a-z]+)", page.text))

    lead = Lead(step=1).raised().assigned()
    model, advice = Model("third-return", step=1), Recommendation(step=1).issued()
    text = shipped_model("third-return")
    model.published(definition=text, model_digest=parse_model(text).digest, title=parse_model(text).title)
    served.ledger.post(Model(step=1).published().last)
    for event in (*lead.events, *model.events, *advice.events):
        served.ledger.post(event)
    path, to = f"/leads/{lead.state.lead_id}", "/recommendations/2026-7"
    steps = [(HEAD, path), (POLICEMAN, path), (HEAD, to), (POLICEMAN, to), (ANALYST, "/library/third-return")]
    steps += [(HEAD, "/recommendations/new"), (ANALYST, f"/models/workbench?start=lead&name={lead.state.lead_id}")]
    for by, page in steps:
        shown(by, page)
    served.ledger.post(lead.confirmed().last)
    served.ledger.post(advice.act(delivered(), POLICEMAN).last)
    shown(HANDLER, path)
    shown(POLICEMAN, to)
    of_officers = {name for name, row in EVENT_TYPES.items() if "supervision" in row.streams and row.roles}
    assert of_officers - forms == set()


def test_a_lead_that_is_not_ones_own_is_drafted_as_if_there_were_none(shared: Served) -> None:
    """Before it is assigned, by the agency that will have to answer it; and of a role that signs no such event."""
    lead = Lead({"case_id": "case-2", "item_id": "phone"}).raised()
    shared.ledger.post(lead.last)
    answers = []
    for lead_id in (lead.state.lead_id, "lead-" + "0" * 32):
        answer = ask(shared, POLICEMAN, act("lead.answered", lead_id, {"answer": "-"}))
        problem(answer, 404, "not_found", "stream.id")
        answers.append(answer.text)
    assert answers[0] == answers[1]
    problem(ask(shared, HANDLER, act("lead.assigned", lead.state.lead_id, {"handler": "p-1"})), 403, "role_missing")


def test_a_model_that_does_not_run_here_is_named_before_it_is_signed(shared: Served) -> None:
    """By what keeps it from that, in the place of what other models find; one that finds rows that differ is, too."""
    shared.record(Case("case-3").open().name("li").register("phone").register("knife"))
    text = with_sql(
        "SELECT i.case_id, i.holder, i.item_id, i.evidence FROM items i", key=["case_id"], supervised="holder"
    )
    text = text.replace("rows: {}, raises: [{", "rows: {items: [{case_id: a, holder: b}]}, raises: [{")
    text = text.replace("says: {zh: 线索, en: lead}", "says: {zh: '{item_id}', en: '{item_id}'}")
    draft = drafted(ask(shared, ANALYST, act("model.published", "model-unanswered", {"definition": text})))
    assert draft["model_runs"] is True
    assert any("rows which differ in item_id: 1" in warning for warning in draft["warnings"])
    failing = text.replace("i.evidence", "CAST(i.item_id AS BIGINT) AS number, i.evidence")
    draft = drafted(ask(shared, ANALYST, act("model.published", "model-unanswered", {"definition": failing})))
    assert draft["model_runs"] is False
    (warning,) = draft["warnings"]
    assert warning.startswith("This model itself does not run over the record as it is now: ")


def test_of_a_model_its_file_suffices(shared: Served) -> None:
    """What is signed beside the file is taken from it; an adoption names the version that is in use, unless another is
    given; another model with the same condition is named before anybody signs."""
    text = shipped_model("third-return")
    draft = sign(shared, ANALYST, "model.published", "model-third-return", {"definition": text})
    assert draft["submission"]["payload"]["body"]["version"] == 1
    assert (draft["warnings"], draft["model_runs"]) == ([], True)
    again = text.replace("model: third-return", "model: fourth-return")
    draft = sign(shared, ANALYST, "model.published", "model-fourth-return", {"definition": again})
    (warning,) = draft["warnings"]
    assert "Third return for supplementary investigation" in warning
    listed = {"definition": shipped_model("shell-companies")}
    draft = sign(shared, ANALYST, "model.published", "model-shell-companies", listed)
    assert any("could not be computed now" in warning for warning in draft["warnings"])
    assert draft["model_runs"] is None
    own = sign(shared, ANALYST, "model.adopted", "model-third-return", {"note": "tried"})
    assert own["submission"]["payload"]["body"]["version"] == 1
    unknown = ask(shared, ANALYST, act("model.adopted", "model-third-return", {"version": 7}))
    problem(unknown, 400, "malformed_input", "version")
    sign(shared, ANALYST, "model.retired", "model-fourth-return", {"ground": "two were too many"})
    faulty = ask(shared, ANALYST, act("model.published", "model-none", {"definition": "model: none\n"}))
    assert (faulty.status_code, faulty.json()["code"]) == (400, "model_refused")
    problem(
        ask(shared, analyst(POLICE), act("model.published", "model-x", {"definition": "%"})),
        403,
        "not_a_supervising_agency",
    )


def test_a_recommendation_has_the_id_of_its_stream(shared: Served) -> None:
    """Issued, received, objected to, reviewed, answered, escalated and checked again, each by a draft; a taken id is
    named so before anybody signs."""
    stream_id = "recommendation-2026-9"
    draft = sign(shared, HEAD, "recommendation.issued", stream_id, {**ISSUED, "reply_within_days": 90})
    assert draft["submission"]["payload"]["body"]["recommendation_id"] == "2026-9"
    assert [flag["name"] for flag in draft["flags"]] == ["term_beyond_law"]
    now = draft["submission"]["payload"]["occurred_at"]
    for by, verb, body in (
        (POLICEMAN, "received", {"received_at": now}),
        (POLICEMAN, "objected", {"ground": "The list was complete."}),
        (HEAD, "reviewed", {"result": "upheld", "ground": "The depot's book says otherwise."}),
        (POLICEMAN, "answered", {"answer": "We check each list.", "measures": ["a second officer signs"]}),
        (HEAD, "escalated", {"means": "superior_notified", "ground": "Nothing was mended."}),
        (HEAD, "rechecked", {"result": "fell", "counted_by": "officer", **PERIODS}),
    ):
        sign(shared, by, f"recommendation.{verb}", stream_id, body)
    bank = Outsider(kind="bank", name="East Bank")
    shared.ledger.post(Recommendation("2026-8").issued(to_outside=bank).last)
    taken = ask(shared, supervisor(POLICE), act("recommendation.issued", "recommendation-2026-8", ISSUED))
    problem(taken, 409, "duplicate_id", "stream.id")
    to_come = act("recommendation.issued", "recommendation-2026-10", ISSUED) | {"occurred_at": "2999-01-01T00:00:00Z"}
    problem(ask(shared, HEAD, to_come), 422, "in_future", "payload.occurred_at")
