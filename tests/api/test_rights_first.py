"""Who may not ask for something is refused before anything of the request is read, parsed, looked up or run."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from api.app import ROUTE_MODULES
from api.console.app import routes
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.console.pages import OWN
from tests.api.matrix import OTHERS
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, analyst, auditor, clerk

WITNESS = Officer("watch", PROCURATORATE, ("witness",))
DEEP = b"[" * 100_000  # refused by whatever reads it
NO_FORM = b"\xff"
IDS = OTHERS | {"case_id": "case-1", "lead_id": "lead-" + "5f" * 16, "digest": "sha256:" + "00" * 32}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("rights")
    settings = Settings(public_url="https://ledger.test", data_dir=folder / "data")
    officers = (clerk(POLICE), WITNESS, analyst(POLICE), auditor(POLICE))
    with serving(folder, settings, officers=officers) as served:
        yield served


def changing() -> set[str]:
    """Return every route of the service that is not only read, but for those that take signed events from anybody."""
    pages = [(route.methods, f"/console{route.path}") for route in routes()]
    api = [(route.methods, route.path) for module in ROUTE_MODULES for route in module.router.routes]  # type: ignore[attr-defined]
    return {f"{method} {path}" for methods, path in pages + api for method in methods - {"GET", "HEAD"}}


# Of the API, and of the console.
BY_ROLE = (
    "POST /api/v1/procedures",
    "POST /api/v1/drafts",
    "POST /api/v1/cases/{case_id}/items/{item_id}/files/{digest}",
    "POST /api/v1/datasets/{dataset_id}/file",
    "POST /api/v1/stocktakes",
    "POST /api/v1/stocktakes/{stocktake_id}/scans",
    "DELETE /api/v1/stocktakes/{stocktake_id}/scans/{number}",
    "POST /api/v1/stocktakes/{stocktake_id}/acts",
    "DELETE /api/v1/stocktakes/{stocktake_id}",
    "POST /api/v1/pseudonyms/{agency_id}",
    "POST /api/v1/models/run",
    "POST /api/v1/leads/{lead_id}/kind",
    "POST /api/v1/library/anonymity",
    "POST /api/v1/webhooks",
    "DELETE /api/v1/webhooks/{webhook_id}",
    "POST /api/v1/webhooks/{webhook_id}/test",
    "POST /console/inbox/drafts",
    "POST /console/cases/{case_id}/handovers/{handover_id}/phone",
    "POST /console/cases/{case_id}/items/new/table",
    "POST /console/cases/{case_id}/items/{item_id}/files/{digest}",
    "POST /console/stocktakes",
    "POST /console/stocktakes/{stocktake_id}/scans",
    "POST /console/stocktakes/{stocktake_id}/scans/{number}/take-back",
    "POST /console/stocktakes/{stocktake_id}/drafts",
    "POST /console/stocktakes/{stocktake_id}/abandon",
    "POST /console/models/workbench",
    *(f"POST /console/models/workbench/{part}" for part in ("write", "read", "examples", "hits", "example", "file")),
    "POST /console/supervision/drafts/{act}",
    "POST /console/supervision/{stream_id}/drafts/{act}",
    "POST /console/leads/drafts",
    "POST /console/audit",
)
# Of everybody, or of everybody who is signed in.
OF_ANYBODY = (
    "POST /api/v1/sign-in/challenge",
    "POST /api/v1/sign-in/token",
    "POST /api/v1/imports/look-up",
    *(f"POST /api/v1/notices/{part}" for part in ("read", "settings", "address", "unsubscribe")),
    "POST /api/v1/chain/transactions/prepare",
    "POST /api/v1/chain/transactions",
    *(f"POST /console/{part}" for part in ("sign-in", "sign-out", "language", "samples", "find", "cited")),
    *(f"POST /console/notices/{part}" for part in ("settings", "address", "read", "unsubscribe", "confirm")),
    *(f"POST /console/phone{part}" for part in ("", "/answer", "/leave")),
)
# Whether the case, the lead or the like may be seen comes first; then the role, which depends on the act.
OF_WHO_SEES_IT = (
    "POST /console/cases/{case_id}/drafts/{act}",
    "POST /console/cases/{case_id}/handovers/{handover_id}/phone/end",
    "POST /console/leads/{lead_id}/rederive",
)


def test_of_every_route_is_written_down_whose_it_is() -> None:
    """Nobody adds a route that changes something without saying what is asked before its body is read."""
    assert sorted([*BY_ROLE, *OF_ANYBODY, *OF_WHO_SEES_IT]) == sorted(changing())


def asked(served: Served, operation: str, by: Officer, act: str = "model.published") -> httpx.Response:
    """Ask with a body that nothing reads."""
    method, _, route = operation.partition(" ")
    path = route.format_map(IDS | {"act": act, "handover_id": "handover-1"})
    if path.startswith("/console"):
        headers = {**OWN, **served.cookie(by), "content-type": "application/x-www-form-urlencoded"}
        return served.request(method, path, content=NO_FORM, headers=headers)
    return served.request(method, path, content=DEEP, headers=served.token(by) | {"content-type": "application/json"})


@pytest.mark.parametrize("operation", BY_ROLE)
def test_a_body_is_read_of_no_other_role(shared: Served, operation: str) -> None:
    """A witness learns that his role may not, and nothing of a body that is none."""
    answer = asked(shared, operation, WITNESS)
    assert answer.status_code == 403, answer.text
    if operation.startswith("POST /api"):
        problem(answer, 403, "role_missing")


@pytest.mark.parametrize("operation", [operation for operation in BY_ROLE if "/stocktakes" in operation])
def test_an_auditor_counts_nothing(shared: Served, operation: str) -> None:
    """He signs other events, but not that of a stocktake."""
    assert asked(shared, operation, auditor(POLICE)).status_code == 403


@pytest.mark.parametrize("path", ["/models/run", "/leads/{lead_id}/kind", "/library/anonymity"])
def test_what_supervision_asks_is_not_even_read_for_others(shared: Served, path: str) -> None:
    """An analyst of no procuratorate learns nothing but that."""
    problem(asked(shared, f"POST /api/v1{path}", analyst(POLICE)), 403, "not_a_supervising_agency")


def test_what_is_sent_is_read_of_who_may(shared: Served) -> None:
    """An act of a clerk; of a data set the registration comes first, of elements the line of the agency, and whether it
    has a key."""
    assert asked(shared, "POST /api/v1/drafts", clerk(POLICE)).json()["code"] == "malformed_input"
    problem(asked(shared, "POST /api/v1/datasets/{dataset_id}/file", clerk(POLICE)), 404, "not_found", "dataset_id")
    problem(asked(shared, "POST /api/v1/pseudonyms/{agency_id}", clerk(POLICE)), 403, "outside_jurisdiction")


@pytest.mark.parametrize("act", ["model.published", "recommendation.issued"])
def test_nothing_is_drafted_of_who_may_not_sign_it(shared: Served, act: str) -> None:
    """A model would be tried out before anything is shown."""
    assert asked(shared, "POST /console/supervision/drafts/{act}", clerk(POLICE), act).status_code == 403


@pytest.mark.parametrize(("act", "by", "status"), [("open", WITNESS, 403), ("close", clerk(POLICE), 404)])
def test_no_form_is_read_of_who_may_not_draft_in_the_case(shared: Served, act: str, by: Officer, status: int) -> None:
    """Whether the case may be seen comes first; of one that is to be opened, the role."""
    assert asked(shared, "POST /console/cases/{case_id}/drafts/{act}", by, act).status_code == status
    assert asked(shared, "POST /console/cases/{case_id}/drafts/{act}", clerk(POLICE), "open").status_code == 400


def test_no_form_is_read_of_who_sees_nothing_of_that_lead(shared: Served) -> None:
    """His role may sign such an act, but there is nothing that he may act on."""
    path = "POST /console/supervision/{stream_id}/drafts/{act}"
    assert asked(shared, path, clerk(POLICE), "lead.answered").status_code == 404
