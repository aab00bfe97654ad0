"""An erased section is in no answer any more, of whatever process; what was signed stays and proves itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.core.events import Authority
from tests.api.conftest import no_chain, serving_ledger
from tests.api.service import Served, name_confidentially
from tests.testkit.builders import POLICE, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url


@pytest.fixture
def second_service(served: Served, tmp_path: Path) -> Iterator[Served]:
    """Return another process's service on the same database, where ``served`` is the first."""
    with open_ledger(sqlite_url(tmp_path)) as ledger, serving_ledger(ledger, no_chain) as service:
        yield service


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


def test_nobody_is_shown_an_erased_section(served: Served, second_service: Served) -> None:
    """In none of the answers, and in none of another process that had shown it before."""
    case = served.record(name_confidentially(Case().open()))
    assert all("a name" in text for text in answers(second_service, case).values())
    order = Authority("court_order", "12/2026")
    served.record(case.erase(case.events[1].ref, "person:1", supervisor(POLICE), authority=order))
    for service in (served, second_service):
        assert [name for name, text in answers(service, case).items() if "a name" in text] == []
    assert '"sections":{"person:1":null}' in answers(second_service, case)["feed"]
