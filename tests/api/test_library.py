"""The library read: found by words, shown part by part, taken as a package, compared, with who adopted it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger.core.events import digest_of
from ledger.core.events.supervision import BilingualText
from ledger.core.supervision.model_package import verify_package
from tests.api.conftest import Trusted, serving
from tests.api.service import Served, problem
from tests.testkit.builders import (
    COURT,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    UPPER,
    Officer,
    analyst,
    auditor,
    clerk,
    supervisor,
)
from tests.testkit.supervision import Lead, Model, adopted, closed, figures
from tests.unit.supervision.modelling import SOUND, changed

MODEL = "unanswered"
LATER = changed(
    ("version: 1", "version: 2"), ("default: 7", "default: 14"), ("> parameters.days", ">= parameters.days")
)
TITLE = BilingualText(zh="移送长期无人签收", en="Offer unanswered")
STUDY = BilingualText(zh="某县移送的手机两周无人签收。", en="A phone waited two weeks at a county.")
OFFICERS = (
    *(clerk(agency) for agency in (POLICE, COURT, PROCURATORATE, NEIGHBOUR)),
    *(supervisor(agency) for agency in (PROCURATORATE, UPPER)),
    *(analyst(agency) for agency in (PROCURATORATE, NEIGHBOUR, UPPER)),
    auditor(UPPER),
)


def of_text(text: str, **fields: Any) -> dict[str, Any]:
    return {"definition": text, "model_digest": digest_of(text.encode()), **fields}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve two versions of a model that three procuratorates run, another model, and two leads of the first."""
    folder = tmp_path_factory.mktemp("library")
    with serving(folder, officers=OFFICERS, tries_models=False) as running:
        ledger = running.ledger
        model = Model(MODEL).published(**of_text(SOUND, title=TITLE))
        model.published(**of_text(LATER, title=TITLE, case_study=STUDY, figures=figures()))
        digest = digest_of(LATER.encode())
        for agency, parameters in ((NEIGHBOUR, {"days": "21"}), (UPPER, {})):
            model.act(adopted(2, model_digest=digest, parameters=parameters), analyst(agency))
        fields = {"model_version": 2, "model_digest": digest}
        for event in model.events:
            ledger.post(event)
        ledger.post(Model("not-readable").published(**of_text("model: not-readable\nversion: 1\n")).last)
        for item, status in (("phone", "closed"), ("knife", "raised")):
            lead = Lead({"case_id": "case-1", "item_id": item}, model_id=MODEL).raised(**fields)
            if status == "closed":
                lead.assigned().confirmed().act(closed(), clerk(PROCURATORATE))
            for event in lead.events:
                ledger.post(event)
        yield running


def ask(served: Served, path: str, by: Officer | None = None) -> httpx.Response:
    return served.get(f"/api/v1/library{path}", by or clerk(COURT))


def get(served: Served, path: str, by: Officer | None = None) -> Any:
    answer = ask(served, path, by)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_models_are_found_by_words_of_either_language(served: Served) -> None:
    """Every word must fit; Chinese fits in part; the best comes first, and tells in which text it was found."""
    models = get(served, "?q=offer%20unanswered")["models"]
    assert [model["model_id"] for model in models] == [MODEL]
    assert models[0]["found_in"] == ["title", "definition"]
    assert [model["model_id"] for model in get(served, "?q=长期签收")["models"]] == [MODEL]
    assert get(served, "?q=两周无人签收")["models"][0]["found_in"] == ["case_study"]
    assert get(served, "?q=motorcar")["models"] == []


def test_the_library_lists_what_models_are_for(served: Served) -> None:
    """By their newest version, with how the leads of all turned out; a text that no version reads is listed."""
    lines = {line["model_id"]: line for line in get(served, "")["models"]}
    line = lines[MODEL]
    assert (line["version"], line["problem"]["en"], line["adoptions"]) == (2, "Offers wait", 2)
    assert (line["has_case_study"], line["figures"]["planted"]) == (True, 12)
    assert lines["not-readable"]["problem"] is None
    following = get(served, f"?limit=1&after={get(served, '?limit=1')['next']}")
    assert [model["model_id"] for model in following["models"]] == [MODEL]
    assert [model["model_id"] for model in get(served, "?severity=medium")["models"]] == []


def test_an_entry_tells_the_parts_of_the_file(served: Served) -> None:
    """Parameters with bounds, the condition as it is written, checks, tests; of an older version too."""
    entry = get(served, f"/{MODEL}")
    card = entry["card"]
    assert (card["parameters"][0]["default"], card["parameters"][0]["maximum"]) == ("14", "60")
    assert (card["form"], card["condition"].splitlines()[0]) == ("cel", "condition:")
    assert card["examples"] == [{"name": "eighth day", "raises": 1}, {"name": "seventh day", "raises": 0}]
    assert entry["case_study"]["en"] == STUDY.en
    assert len(entry["versions"]) == 2
    assert get(served, f"/{MODEL}?version=1")["line"]["version"] == 1
    assert get(served, "/not-readable")["card"] is None


def test_a_package_is_verified_by_whoever_has_the_trust_file(served: Served) -> None:
    """All versions up to the one asked for, each proven; nothing else is believed."""
    content = ask(served, f"/{MODEL}/package").content
    report = verify_package(content, Trusted.trust)
    assert report.faults == ()
    assert [body.version for body in report.published] == [1, 2]
    assert report.published[1].case_study == STUDY
    first = ask(served, f"/{MODEL}/package?version=1").content
    assert [body.version for body in verify_package(first, Trusted.trust).published] == [1]


def test_versions_are_compared_field_by_field(served: Served) -> None:
    """What changed, with the lines of the condition; two models as well."""
    comparison = get(served, f"/{MODEL}/comparison")
    changes = {
        difference["field"]: (difference["first"], difference["second"]) for difference in comparison["differences"]
    }
    assert changes["parameters.days.default"] == ("7", "14")
    assert changes["version"] == ("1", "2")
    assert (comparison["first"]["figures"], comparison["second"]["figures"]["found"]) == (None, 12)
    assert get(served, f"/{MODEL}/comparison?first=2&second=2")["same_text"] is True
    other = get(served, f"/{MODEL}/comparison?other=not-readable")
    assert {difference["kind"] for difference in other["differences"]} >= {"removed", "changed"}


@pytest.mark.parametrize("path", [f"/api/v1/library/{MODEL}/comparison", f"/console/library/{MODEL}/comparison"])
def test_versions_are_compared_by_a_worker(served: Served, path: str) -> None:
    """What a model's file asks for is asked under limits, whoever reads it."""
    workers = served.parts.workers
    workers.last_used = None
    headers = served.token(clerk(POLICE)) | served.cookie(clerk(POLICE))
    assert served.request("GET", path, headers=headers).status_code == 200
    assert workers.last_used is not None


@pytest.mark.parametrize("path", ["", "?q=unanswered", f"/{MODEL}"])
def test_how_many_leads_there_are_is_for_procuratorates(served: Served, path: str) -> None:
    """Others read what the model is, and no count, however they ask."""
    counts = {"total": 2, "by_status": {"closed": 1, "raised": 1}, "by_outcome": {"rectification_notice": 1}}
    for by, expected in ((auditor(UPPER), counts), (clerk(COURT), None), (clerk(POLICE), None)):
        answer = get(served, path, by)
        lines = answer["models"] if "models" in answer else [answer["line"]]
        assert next(line["leads"] for line in lines if line["model_id"] == MODEL) == expected


def test_how_leads_turned_out_over_time_is_for_procuratorates(served: Served) -> None:
    """Others are told no line; nor by the model's own page."""
    assert len(get(served, f"/{MODEL}/outturn", auditor(UPPER))["lines"]) == 2
    assert get(served, f"/{MODEL}/outturn", clerk(POLICE))["lines"] is None
    totals = [served.get(f"/api/v1/models/{MODEL}", by).json()["leads"] for by in (auditor(UPPER), clerk(POLICE))]
    assert [total and total["total"] for total in totals] == [2, None]


def test_adopters_are_told_with_their_parameters(served: Served) -> None:
    """The publisher first; what an adopter set beside the default; leads by jurisdiction, for procuratorates alone."""
    adopters = get(served, f"/{MODEL}/adopters", auditor(UPPER))["adopters"]
    assert [adopter["agency"] for adopter in adopters] == [PROCURATORATE, *sorted((NEIGHBOUR, UPPER))]
    by_agency = {adopter["agency"]: adopter for adopter in adopters}
    assert by_agency[NEIGHBOUR]["parameters"] == [{"name": "days", "value": "21", "default": "14"}]
    totals = {agency: adopter["leads"]["total"] for agency, adopter in by_agency.items()}
    assert totals == {PROCURATORATE: 2, UPPER: 2, NEIGHBOUR: 0}
    assert by_agency[PROCURATORATE]["leads"]["by_outcome"] == {"rectification_notice": 1}
    assert {adopter["leads"] for adopter in get(served, f"/{MODEL}/adopters", clerk(POLICE))["adopters"]} == {None}


def test_what_leads_to_somebody_is_told_with_its_place(served: Served) -> None:
    """Which text, from which character on, and what to write instead."""
    body = '{"texts": ["某县。", "被告人张三，电话１３８００１３８０００"]}'.encode()
    by = supervisor(PROCURATORATE)
    answer = served.post("/api/v1/library/anonymity", body, **served.token(by))
    assert answer.status_code == 200, answer.text
    traces = [(trace["number"], trace["start"], trace["text"], trace["what"]) for trace in answer.json()["traces"]]
    assert traces == [(1, 0, "被告人张三", "name"), (1, 8, "１３８００１３８０００", "phone")]
    assert answer.json()["traces"][1]["instead"] == "say 'a telephone number'"


@pytest.mark.parametrize(
    ("path", "field"),
    [("?version=9", "version"), ("/package?version=9", "version"), ("/comparison?first=9", "first")],
)
def test_a_version_that_there_is_not_is_named(served: Served, path: str, field: str) -> None:
    """The refusal tells which there are."""
    answer = ask(served, f"/{MODEL}{path}")
    assert "1 to 2" in problem(answer, 404, "not_found", field)["detail"]
