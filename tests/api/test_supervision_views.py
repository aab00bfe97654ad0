"""Models, leads and recommendations, read: by those whom they concern, with the events that they consist of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.core.encoding.digests import blake3_text
from tests.api.conftest import serving
from tests.api.service import Served, problem
from tests.testkit import builders, supervision
from tests.testkit.builders import COURT, NEIGHBOUR, POLICE, PROCURATORATE, UPPER, analyst, auditor, clerk, supervisor
from tests.testkit.supervision import Lead, Model, Recommendation
from tests.unit.interchange.test_typeset import text_of

AGENCIES = (POLICE, COURT, PROCURATORATE, NEIGHBOUR, UPPER)
OFFICERS = tuple(role(agency) for agency in AGENCIES for role in (clerk, supervisor, analyst, auditor))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Return a service with procuratorates at two levels."""
    with serving(tmp_path, officers=OFFICERS, tries_models=False) as running:
        yield running


def record(served: Served, *streams: Any) -> None:
    for stream in streams:
        for event in stream.events:
            served.ledger.post(event)


def lines(served: Served, kind: str, by: Any, **query: Any) -> list[dict[str, Any]]:
    answer = served.get(f"/api/v1/{kind}", by, **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()[kind]
    return rows


def test_a_lead_is_shown_with_its_life(served: Served) -> None:
    """What was found, by which version of which model, each step with its signed bytes, and what to stand on next."""
    lead, sections = Lead().raised().assigned(), {"narrative": builders.section()}
    lead.act(supervision.answered(), clerk(POLICE), sections=sections).confirmed()
    record(served, lead)
    shown = served.get(f"/api/v1/leads/{lead.state.lead_id}", clerk(PROCURATORATE)).json()
    assert (shown["status"], shown["sight"], shown["sequence"], shown["head"]) == (
        "confirmed",
        "party",
        3,
        lead.last.event.leaf_hash,
    )
    assert shown["raised"]["model_digest"] == supervision.published().model_digest
    assert shown["confirmed"]["digests"] == [supervision.MATERIAL]
    assert [event["event_type"] for event in shown["events"]] == [
        f"lead.{verb}" for verb in ("raised", "assigned", "answered", "confirmed")
    ]
    assert shown["events"][3]["envelope"]["payload_digest"] == lead.last.digest
    assert shown["events"][2]["sections"]["narrative"]["fields"]
    above = served.get(f"/api/v1/leads/{lead.state.lead_id}", auditor(UPPER)).json()
    assert above["sight"] == "jurisdiction"
    assert "sections" not in above["events"][2]


def test_leads_are_narrowed(served: Served) -> None:
    """By state, model, case, agency and procuratorate."""
    leads = [Lead({"case_id": f"case-{n}"}, start=1772413200 + n).raised() for n in range(3)]
    record(served, *leads)
    served.ledger.post(leads[0].assigned().last)
    by = clerk(PROCURATORATE)
    assert [line["case_id"] for line in lines(served, "leads", by, state="raised")] == ["case-1", "case-2"]
    assert [line["case_id"] for line in lines(served, "leads", by, case_id="case-2")] == ["case-2"]
    assert len(lines(served, "leads", by, model="item-not-handed-over", agency=POLICE)) == 3
    assert lines(served, "leads", by, supervising=UPPER) == []


def test_a_model_tells_who_runs_it_and_what_came_of_its_leads(served: Served) -> None:
    """The definition is the text that was signed; each version has its own leads."""
    model = Model().published().published().act(supervision.adopted(2), analyst(UPPER))
    first, second = Lead({"case_id": "case-1"}).raised().assigned().confirmed(), Lead({"case_id": "case-2"}).raised()
    first.act(supervision.closed(), clerk(PROCURATORATE))
    record(served, model, first, second)
    shown = served.get("/api/v1/models/item-not-handed-over/1", clerk(UPPER)).json()
    assert blake3_text(shown["definition"].encode()) == shown["model_digest"]
    assert shown["leads"] == {
        "total": 2,
        "by_status": {"closed": 1, "raised": 1},
        "by_outcome": {"rectification_notice": 1},
    }
    assert [(adoption["agency"], adoption["version"], adoption["parameters"]) for adoption in shown["adoptions"]] == [
        (UPPER, 2, {"grace_days": "5"})
    ]
    newest = served.get("/api/v1/models/item-not-handed-over", clerk(UPPER)).json()
    assert (newest["version"], newest["leads"]["total"], newest["sequence"]) == (2, 0, 2)
    assert [version["version"] for version in newest["versions"]] == [1, 2]
    problem(served.get("/api/v1/models/item-not-handed-over/3", clerk(COURT)), 404, "not_found", "version")
    problem(served.get("/api/v1/models/another", clerk(COURT)), 404, "not_found", "model_id")


def test_models_are_listed_for_everybody(served: Served) -> None:
    """By their ids; retired ones can be left out."""
    record(served, Model("b").published(), Model("a").published().act(supervision.retired(), analyst(PROCURATORATE)))
    assert [line["model_id"] for line in lines(served, "models", clerk(COURT))] == ["a", "b"]
    assert [line["model_id"] for line in lines(served, "models", clerk(COURT), retired="false")] == ["b"]
    assert lines(served, "models", clerk(COURT))[0]["title"]["zh"]


def test_a_reply_is_due_not_before_a_day_whose_days_off_are_not_known(served: Served) -> None:
    """The earliest last day is told, in the list and in full, with the reason why it may be later."""
    late = "2026-12-01T01:00:00Z"
    record(served, Recommendation().issued().act(supervision.delivered(late), clerk(POLICE)))
    (line,) = lines(served, "recommendations", clerk(POLICE))
    shown = served.get("/api/v1/recommendations/2026-7", clerk(PROCURATORATE)).json()
    for answer in (line, shown):
        assert (answer["last_day"], answer["article"]) == ("2027-02-01", "recommendation rules 19")
        assert "days off of 2027 are not all known" in answer["unknown"]
    headers = {"accept-language": "zh-CN", **served.token(clerk(PROCURATORATE))}
    shown = served.request("GET", "/api/v1/recommendations/2026-7", headers=headers).json()
    assert not re.search("[A-Za-z]", shown["unknown"]), "with what to do about it"


def test_a_recommendation_tells_until_when_to_reply(served: Served) -> None:
    """To both sides and to who got a copy; the last day is counted from the receipt, in the list and in full."""
    recommendation = Recommendation().issued(copies_to=(UPPER,))
    record(served, recommendation)
    (line,) = lines(served, "recommendations", clerk(POLICE), state="issued", to_agency=POLICE)
    assert (line["kind"], line["last_day"], line["article"]) == ("rectification", None, None)
    served.ledger.post(recommendation.act(supervision.delivered(), clerk(POLICE)).last)
    (line,) = lines(served, "recommendations", clerk(UPPER), state="received")
    assert (line["last_day"], line["due_at"]) == ("2026-05-06", "2026-05-06T16:00:00Z")
    assert (line["article"], line["received_at"]) == ("recommendation rules 19", recommendation.state.received_at)
    assert line["unknown"] is None
    assert lines(served, "recommendations", clerk(COURT)) == []
    answered = recommendation.act(supervision.replied(), clerk(POLICE)).last
    rechecked = recommendation.act(supervision.rechecked(), supervisor(PROCURATORATE)).last
    for event in (answered, rechecked):
        served.ledger.post(event)
    shown = served.get("/api/v1/recommendations/2026-7", clerk(PROCURATORATE)).json()
    assert (shown["status"], shown["last_day"], shown["answered_at"]) == (
        "rechecked",
        "2026-05-06",
        recommendation.state.answered_at,
    )
    assert shown["rechecks"][0]["before"]["count"] == 12
    assert len(shown["events"]) == 4
    problem(served.get("/api/v1/recommendations/2026-7", clerk(COURT)), 404, "not_found", "recommendation_id")
    problem(served.get("/api/v1/leads/recommendation-2026-7", clerk(POLICE)), 404, "not_found", "lead_id")
    assert lines(served, "recommendations", clerk(POLICE))[0]["result"] == "fell"


def test_a_recommendation_is_printed_by_the_first_procedure_that_has_a_paper_for_it(served: Served) -> None:
    """It belongs to no case. What no procedure prints says so, and the paper is not for whoever may not see it."""
    recommendation = Recommendation().issued()
    record(served, recommendation.act(supervision.replied(), clerk(POLICE)))
    issued, answered = (event.envelope.event_id for event in recommendation.events)
    headers = served.token(clerk(POLICE)) | {"accept-language": "zh"}
    text = "".join(text_of(served.request("GET", f"/api/v1/events/{issued}/paper", headers=headers).content).split())
    for words in (
        "检察建议书",
        "纠正违法检察建议",
        "人民检察院检察建议工作规定第16条",
        recommendation.events[0].payload.body.problem,
    ):
        assert "".join(words.split()) in text, words
    problem(served.get(f"/api/v1/events/{answered}/paper", clerk(POLICE)), 404, "no_paper", "event_id")
    problem(served.get(f"/api/v1/events/{issued}/paper", clerk(COURT)), 404, "not_found", "event_id")


def test_reads_of_supervision_are_recorded_without_a_case(served: Served) -> None:
    """A lead that the case's agency was not told of must not show in what it may see: who read its cases."""
    lead = Lead().raised()
    record(served, lead)
    served.get(f"/api/v1/leads/{lead.state.lead_id}", clerk(PROCURATORATE))
    (read,) = served.parts.access.since(-1, 10)
    assert (read.read.subject, read.read.case_id) == (f"lead {lead.state.lead_id}", None)


def test_what_is_confidential_of_a_model_is_for_who_signed_it(served: Served) -> None:
    """Everybody sees a model; a section in one of its events is shown to the agency that wrote it, and to no other."""
    model = Model().published().act(supervision.adopted(), analyst(UPPER), sections={"narrative": builders.section()})
    record(served, model)
    path = f"/api/v1/events/{model.last.envelope.event_id}"
    assert served.get(path, clerk(UPPER)).json()["sections"]["narrative"]["fields"]
    assert "sections" not in served.get(path, analyst(PROCURATORATE)).json()
    events = {
        agency: served.get("/api/v1/events", clerk(agency)).json()["events"][-1] for agency in (UPPER, PROCURATORATE)
    }
    assert ("sections" in events[UPPER], "sections" in events[PROCURATORATE]) == (True, False)
