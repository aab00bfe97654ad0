"""An erased section is in no answer any more, of whatever process; what was signed stays and proves itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.core.events import Authority
from ledger.core.events.record import SectionErased
from ledger.core.verification.bundle import verify_event
from ledger.core.verification.bundle_format import decode_bundle
from tests.api.conftest import Trusted, no_chain, serving_ledger
from tests.api.service import Served, name_confidentially, problem
from tests.testkit.builders import DETENTION, POLICE, Officer, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url

AUTHORITY = Authority("court_order", "12/2026")


@pytest.fixture
def case() -> Case:
    """Return an opened case, with a person whose name is confidential."""
    return name_confidentially(Case().open())


@pytest.fixture
def other(served: Served, tmp_path: Path) -> Iterator[Served]:
    """Return another process's service on the same database, where ``served`` is the first."""
    with open_ledger(sqlite_url(tmp_path)) as ledger, serving_ledger(ledger, no_chain) as service:
        yield service


def erase(served: Served, case: Case, by: Officer | None = None, **fields: Any) -> None:
    body = SectionErased(concerns=case.events[1].ref, label="person:1", ground="the court ordered it")
    served.record(case.act(body, by or supervisor(POLICE), **({"authority": AUTHORITY} | fields)))


def answers(served: Served, case: Case) -> dict[str, str]:
    """Return all that tells of the event's sections."""
    event_id = case.events[1].envelope.event_id
    paths = {
        "event": f"/api/v1/events/{event_id}",
        "events": "/api/v1/events?case_id=case-1",
        "feed": "/api/v1/events",
        "proof": f"/api/v1/events/{event_id}/proof",
        "case proof": "/api/v1/cases/case-1/proof",
    }
    headers = served.token(clerk(POLICE))
    return {name: served.request("GET", path, headers=headers).text for name, path in paths.items()}


def test_nobody_is_shown_an_erased_section(served: Served, other: Served, case: Case) -> None:
    """In none of the answers, and in none of another process that had shown it before."""
    served.record(case)
    assert all("a name" in text for text in answers(other, case).values())
    erase(served, case)
    for service in (served, other):
        assert [name for name, text in answers(service, case).items() if "a name" in text] == []
    assert '"sections":{"person:1":null}' in answers(other, case)["feed"]


def test_the_proof_stays_and_says_so(served: Served, case: Case) -> None:
    """Step 8 names the entry that erased the section, and no step fails."""
    served.record(case)
    erase(served, case)
    data = served.get(f"/api/v1/events/{case.events[1].envelope.event_id}/proof", clerk(POLICE)).content
    assert decode_bundle(data).sections == {}
    report = verify_event(data, Trusted.trust).report
    eighth = report.steps[7]
    assert (eighth.name, eighth.result) == ("sections", "not_checked")
    assert eighth.detail.startswith("person:1 erased by entry")
    assert [step.name for step in report.steps if step.result == "failed"] == []


@pytest.mark.parametrize(("by", "status"), [(clerk(POLICE), 403), (supervisor(DETENTION), 422)])
def test_only_a_supervisor_of_a_party_erases(served: Served, case: Case, by: Officer, status: int) -> None:
    """Neither a clerk nor a stranger; the section stays."""
    served.record(case)
    body = SectionErased(concerns=case.events[1].ref, label="person:1", ground="the court ordered it")
    answer = served.submit(case.draft(body, by, authority=AUTHORITY))
    problem(answer, status, answer.json()["code"], answer.json().get("field"))
    assert all("a name" in text for text in answers(served, case).values())


def test_an_erasure_rests_on_an_authority(served: Served, case: Case) -> None:
    """Without one it is refused."""
    served.record(case)
    body = SectionErased(concerns=case.events[1].ref, label="person:1", ground="the court ordered it")
    answer = served.submit(case.draft(body, supervisor(POLICE)))
    problem(answer, 400, "malformed_input", answer.json().get("field"))
