"""Cursors: where a list goes on is said in a way that only this service reads and makes, for every list of the API."""

from __future__ import annotations

from typing import Any

import pytest

from api.services.service import Cursors
from ledger.core.errors import MalformedInput
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk, supervisor
from tests.testkit.casework import Case

# Whoever asks may see these whole: their places are numbers of the public log and of the public chain.
PUBLIC = {"/api/v1/agencies", "/api/v1/registry", "/api/v1/anchors"}


@pytest.fixture(scope="module")
def cases(shared: Served) -> Served:
    """Return three cases of the police, two of the court that begin with the same words."""
    for number in range(3):
        case = Case(f"case-{number}").open(case_number=f"2026-{number}").register(f"thing-{number}")
        shared.record(case.offer(f"thing-{number}", to=COURT, purpose="loan"))
    for number in range(2):
        shared.record(Case(f"case-1-{number}").open(clerk(PROCURATORATE), case_number=f"2026-1-{number}"))
    return shared


def paged(served: Served) -> dict[str, dict[str, Any]]:
    """Return the operations that take ``after``, with how the document describes it."""
    document = served.get("/api/v1/openapi.json").json()
    return {
        path: parameter
        for path, operations in document["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", ())
        if parameter["name"] == "after"
    }


def test_every_list_takes_the_same_cursors(cases: Served) -> None:
    """Each operation of the document that takes ``after`` takes what is sealed, but for those that are public."""
    parameters = paged(cases)
    assert set(parameters) > PUBLIC
    for path, parameter in parameters.items():
        text = next((schema for schema in parameter["schema"].get("anyOf", ()) if schema["type"] == "string"), {})
        assert (text.get("maxLength") == 1000) == (path not in PUBLIC), path


def test_what_this_service_did_not_seal_is_refused(cases: Served) -> None:
    """In every list: a place that somebody makes up, and a cursor of another service."""
    for path in set(paged(cases)) - PUBLIC:
        address = path.format(case_id="case-1")
        query = {"q": "2026"} if path.endswith("/search") else {}
        foreign = Cursors(bytes(32)).seal("cases", "case-1")
        for cursor, code in (("case-1", "malformed_input"), ("A" * 40, "cursor_refused"), (foreign, "cursor_refused")):
            problem(cases.get(address, supervisor(POLICE), after=cursor, **query), 400, code, "after")


def test_a_cursor_says_nothing_and_holds_in_its_own_list_alone(cases: Served) -> None:
    """It has no id of what it stands behind in it, is the same for the same page, and opens no other list."""
    page = cases.get("/api/v1/cases", clerk(POLICE), limit=1).json()
    again = cases.get("/api/v1/cases", clerk(POLICE), limit=1).json()
    assert page == again
    assert "case" not in page["next"]
    following = cases.get("/api/v1/cases", clerk(POLICE), limit=1, after=page["next"]).json()
    assert [line["case_id"] for line in following["cases"]] == ["case-1"]
    for path in ("/api/v1/items", "/api/v1/handovers", "/api/v1/events", "/api/v1/deadlines"):
        problem(cases.get(path, clerk(POLICE), after=page["next"]), 400, "cursor_refused", "after")
    feed = cases.get("/api/v1/events", clerk(POLICE), limit=1).json()
    of_case = {"case_id": "case-1", "after": feed["next"]}
    problem(cases.get("/api/v1/events", clerk(POLICE), **of_case), 400, "cursor_refused", "after")


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/cases/{}/timeline", "/api/v1/cases/{}/papers"])
def test_a_cursor_of_a_case_holds_in_that_case_alone(cases: Served, path: str) -> None:
    """A place in one case would be any place in another."""
    first, second = ({"case_id": f"case-{number}"} if path.endswith("events") else {} for number in (0, 1))
    page = cases.get(path.format("case-0"), clerk(POLICE), limit=1, **first).json()
    again = cases.get(path.format("case-0"), clerk(POLICE), limit=1, after=page["next"], **first)
    assert again.status_code == 200
    response = cases.get(path.format("case-1"), clerk(POLICE), limit=1, after=page["next"], **second)
    problem(response, 400, "cursor_refused", "after")


def test_cursors_hold_after_a_restart_and_no_other_key_opens_them() -> None:
    """They are made from the service's key alone; a sign that is changed spoils them."""
    cursor = Cursors(b"k" * 32).seal("feed", "17.3")
    assert Cursors(b"k" * 32).open("feed", cursor) == "17.3"
    for cursors, scope, text in (
        (Cursors(b"l" * 32), "feed", cursor),
        (Cursors(b"k" * 32), "cases", cursor),
        (Cursors(b"k" * 32), "feed", cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")),
        (Cursors(b"k" * 32), "feed", "é"),
        (Cursors(b"k" * 32), "feed", ""),
    ):
        with pytest.raises(MalformedInput):
            cursors.open(scope, text)
