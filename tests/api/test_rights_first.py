"""Who may not ask for something is refused before anything of the request is read, parsed, looked up or run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.console.pages import post
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, analyst, auditor, clerk

WITNESS = Officer("watch", PROCURATORATE, ("witness",))
LEAD = "lead-" + "5f" * 16
DEEP = b"[" * 100_000  # refused by whatever reads it


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("rights")
    settings = Settings(public_url="https://ledger.test", data_dir=folder / "data")
    officers = (clerk(POLICE), WITNESS, analyst(POLICE), auditor(POLICE))
    with serving(folder, settings, officers=officers) as served:
        yield served


def posted(served: Served, path: str, by: Officer, kind: str) -> Any:
    return served.request("POST", path, content=DEEP, headers={"content-type": kind} | served.token(by))


@pytest.mark.parametrize("path", ["/models/run", f"/leads/{LEAD}/kind", "/library/anonymity"])
def test_what_supervision_asks_is_not_even_read_for_others(shared: Served, path: str) -> None:
    """A witness, and an analyst of no procuratorate, learn nothing but that; nothing is said of a body that is none."""
    problem(posted(shared, f"/api/v1{path}", WITNESS, "application/json"), 403, "role_missing")
    problem(posted(shared, f"/api/v1{path}", analyst(POLICE), "application/json"), 403, "not_a_supervising_agency")


def test_an_act_is_not_even_read_of_who_signs_none(shared: Served) -> None:
    """A witness signs no event that is drafted; a clerk is told what is wrong with the text."""
    problem(posted(shared, "/api/v1/drafts", WITNESS, "application/json"), 403, "role_missing")
    assert posted(shared, "/api/v1/drafts", clerk(POLICE), "application/json").json()["code"] == "malformed_input"


def test_the_file_of_a_data_set_that_nobody_registered_is_not_read(shared: Served) -> None:
    """The role first, then the registration, then the bytes."""
    path = "/api/v1/datasets/pensions/file"
    problem(posted(shared, path, auditor(POLICE), "text/plain"), 403, "role_missing")
    problem(posted(shared, path, clerk(POLICE), "text/plain"), 404, "not_found", "dataset_id")


@pytest.mark.parametrize("page", ["", "/write", "/read", "/examples", "/hits", "/file"])
def test_the_workbench_reads_no_model_of_who_may_not_run_one(shared: Served, page: str) -> None:
    """Whatever its text says: the role comes first."""
    assert drafted(shared, f"/models/workbench{page}", WITNESS) == 403


@pytest.mark.parametrize("act", ["model.published", "recommendation.issued"])
def test_nothing_is_drafted_of_who_may_not_sign_it(shared: Served, act: str) -> None:
    """A model would be tried out before anything is shown."""
    assert drafted(shared, f"/supervision/drafts/{act}", clerk(POLICE)) == 403


def drafted(served: Served, path: str, by: Officer) -> int:
    """Return the status of the answer to a form with a model that is none."""
    return post(served, by, path, {"definition": "%YAML 9"}).status_code
