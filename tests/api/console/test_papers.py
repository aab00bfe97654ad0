"""Papers from the pages: whatever an event prints as is linked from its page, and every link gives a paper."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from ledger.core.events.item import Seizure
from ledger.interchange.papers.forms import forms_of
from tests.api.conftest import SETTINGS, serving
from tests.api.console.test_requests import OWN, page_of
from tests.api.service import Served
from tests.testkit.builders import PROCURATORATE, START, Officer, clerk, instant
from tests.testkit.casework import Case
from tests.unit.core.test_custody_changes import accepted, request, serve

SEIZURE = Seizure(document_number="2026-9", seized_at=instant(START - 3600), officers=("officer-7", "officer-8"))
FILLED = {
    "item_kind": "exhibit",
    "description": "the knife",
    "quantity": "1",
    "unit": "piece",
    "document_number": "扣〔2026〕9号",
    "seized_at": "2026-03-01T21:30",
    "officers": "officer-7 officer-8",
}


def written() -> Case:
    case = serve(request(accepted())).register("coat", by=clerk(PROCURATORATE))
    return case.register("phone", by=clerk(PROCURATORATE), seizure=SEIZURE)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Case]]:
    """Yield a service with a case that has most papers."""
    with serving(tmp_path_factory.mktemp("papers"), SETTINGS) as service:
        yield service, service.record(written())


def test_every_paper_is_linked_where_it_prints(shared: tuple[Served, Case]) -> None:
    """Of a change of custody the certificate and the service receipt; of an item only what its event states."""
    served, case = shared
    paper_links: dict[str, list[str]] = {}
    for event in case.events:
        address = f"/cases/case-1/events/{event.envelope.event_id}"
        links = re.findall(r'href="/console(/[^"]+/paper[^"]*)"', page_of(served, clerk(PROCURATORATE), address).text)
        forms = forms_of(event.payload)
        assert links == [f"{address}/paper?document={form.document}" for form in forms]
        paper_links.setdefault(event.envelope.event_type, []).extend(links)
    assert len(paper_links["custody_change.served"]) == 2
    assert len(paper_links["item.registered"]) == 1
    for link in (*paper_links["custody_change.served"], *paper_links["item.registered"]):
        require_paper(page_of(served, clerk(PROCURATORATE), link))


def require_paper(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-"), answer.text


def test_an_item_has_a_certificate_of_its_own(shared: tuple[Served, Case]) -> None:
    """Linked beside it on the page of its case."""
    served, _ = shared
    text = page_of(served, clerk(PROCURATORATE), "/cases/case-1").text
    links = re.findall(r'href="/console(/cases/case-1/certificate\?item_id=[^"]+)"', text)
    assert [link.rpartition("=")[2] for link in links] == ["coat", "phone"]
    require_paper(page_of(served, clerk(PROCURATORATE), links[0]))


def drafted(served: Served, officer: Officer, form: dict[str, str]) -> httpx.Response:
    token = served.token(officer)["authorization"].removeprefix("Bearer ")
    headers = OWN | {"cookie": f"__Secure-tallystick={token}"}
    return served.request("POST", "/console/cases/case-1/drafts/register", data=form, headers=headers)


def test_a_seizure_is_registered_with_its_list(shared: tuple[Served, Case]) -> None:
    """What the form says of it stands in the draft, in Beijing's time; half of it names the field that is missing."""
    served, _ = shared
    draft = html.unescape(drafted(served, clerk(PROCURATORATE), FILLED).text)
    stated = '"seizure":{"document_number":"扣〔2026〕9号","officers":["officer-7","officer-8"],'
    assert f'{stated}"seized_at":"2026-03-01T13:30:00Z"}}' in draft
    for name in ("document_number", "seized_at", "officers"):
        answer = drafted(served, clerk(PROCURATORATE), FILLED | {name: ""})
        assert (answer.status_code, name in answer.text) == (400, True)
    without = {name: text for name, text in FILLED.items() if name not in ("document_number", "seized_at", "officers")}
    assert "seizure" not in drafted(served, clerk(PROCURATORATE), without).text


def test_two_officers_seize(shared: tuple[Served, Case]) -> None:
    """One alone is told that two sign the list."""
    served, _ = shared
    answer = drafted(served, clerk(PROCURATORATE), FILLED | {"officers": "officer-7"})
    assert (answer.status_code, "expected two officers at least" in answer.text) == (400, True)
