"""The library read: found by words, shown part by part, taken as a package, compared, with who adopted it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger.core.encoding.digests import blake3_text
from ledger.core.events.supervision import BilingualText
from tests.api.conftest import serving
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
AGENCIES = (POLICE, COURT, PROCURATORATE, NEIGHBOUR, UPPER)
OFFICERS = tuple(role(agency) for agency in AGENCIES for role in (clerk, supervisor, analyst, auditor))


def of_text(text: str, **fields: Any) -> dict[str, Any]:
    return {"definition": text, "model_digest": blake3_text(text.encode()), **fields}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve two versions of a model that three procuratorates run, another model, and two leads of the first."""
    folder = tmp_path_factory.mktemp("library")
    with serving(folder, officers=OFFICERS, tries_models=False) as running:
        ledger = running.ledger
        model = Model(MODEL).published(**of_text(SOUND, title=TITLE))
        model.published(**of_text(LATER, title=TITLE, case_study=STUDY, figures=figures()))
        digest = blake3_text(LATER.encode())
        for agency, parameters in ((NEIGHBOUR, {"days": "21"}), (UPPER, {})):
            model.act(adopted(2, model_digest=digest, parameters=parameters), analyst(agency))
        fields = {"model_version": 2, "model_digest": digest}
        for event in model.events:
            ledger.post(event)
        ledger.post(Model("not-readable").published(**of_text("model: not-readable\nversion: 1\n")).last)
        phone, knife = (Lead({"case_id": "case-1", "item_id": item}, model_id=MODEL) for item in ("phone", "knife"))
        phone.raised(**fields).assigned().confirmed().act(closed(), clerk(PROCURATORATE))
        for event in (*phone.events, *knife.raised(**fields).events):
            ledger.post(event)
        yield running


def ask(served: Served, path: str, by: Officer | None = None) -> httpx.Response:
    return served.get(f"/api/v1/library{path}", by or clerk(COURT))


def get(served: Served, path: str, by: Officer | None = None) -> Any:
    answer = ask(served, path, by)
    assert answer.status_code == 200, answer.text
    return answer.json()


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
        over_time = get(served, f"/{MODEL}/outturn", by)["lines"]
        of_model = served.get(f"/api/v1/models/{MODEL}", by).json()["leads"]
        assert (over_time and len(over_time), of_model and of_model["total"]) == ((2, 2) if expected else (None, None))


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


@pytest.mark.parametrize(
    ("path", "field"),
    [("?version=9", "version"), ("/package?version=9", "version"), ("/comparison?first=9", "first")],
)
def test_a_version_that_there_is_not_is_named(served: Served, path: str, field: str) -> None:
    """The refusal tells which there are."""
    answer = ask(served, f"/{MODEL}{path}")
    assert "1 to 2" in problem(answer, 404, "not_found", field)["detail"]
