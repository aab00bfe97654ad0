"""Papers from the pages: whatever an event prints as is linked from its page, and every link gives a paper."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from ledger.core.events.item import Seizure
from tests.api.console.pages import page_of, post
from tests.api.service import Served
from tests.testkit.builders import PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case
from tests.unit.core.test_custody_changes import accepted, request, serve

SEIZURE = Seizure(document_number="2026-9", seized_at=instant(START - 3600), officers=("officer-7", "officer-8"))
SEIZURE_FIELDS = ("seizure.document_number", "seizure.seized_at", "seizure.officers")
FILLED = {
    "item_kind": "exhibit",
    "description": "the knife",
    "quantity": "1",
    "quantity.unit": "piece",
    "seizure.document_number": "扣〔2026〕9号",
    "seizure.seized_at": "2026-03-01T21:30",
    "seizure.officers": "officer-7 officer-8",
}


def written() -> Case:
    case = serve(request(accepted())).register("coat", by=clerk(PROCURATORATE))
    return case.register("phone", by=clerk(PROCURATORATE), seizure=SEIZURE)


@pytest.fixture(scope="module")
def case(shared: Served) -> Case:
    """Return a case that has most papers, recorded."""
    return shared.record(written())


def test_every_paper_is_linked_where_it_prints(shared: Served, case: Case) -> None:
    """Of a change of custody the certificate and the service receipt; of an item what its event states, and beside it
    on the page of its case a certificate of its own."""
    paper_links: dict[str, list[str]] = {}
    listed: dict[str, list[str]] = {}
    for paper in shared.get("/api/v1/cases/case-1/papers", clerk(PROCURATORATE)).json()["papers"]:
        listed.setdefault(paper["event_id"], []).append(paper["document"])
    for event in case.events:
        address = f"/cases/case-1/events/{event.envelope.event_id}"
        links = re.findall(r'href="/console(/[^"]+/paper[^"]*)"', page_of(shared, clerk(PROCURATORATE), address).text)
        assert links == [f"{address}/paper?document={name}" for name in listed.get(event.envelope.event_id, ())]
        paper_links.setdefault(event.envelope.event_type, []).extend(links)
    assert len(paper_links["custody_change.served"]) == 2
    assert len(paper_links["item.registered"]) == 1
    text = page_of(shared, clerk(PROCURATORATE), "/cases/case-1?tab=documents").text
    all_links = [link for links in paper_links.values() for link in links]
    assert sorted(re.findall(r'href="/console(/[^"]+/paper[^"]*)"', text)) == sorted(all_links)
    of_items = [f"/cases/case-1/certificate?item_id={item}" for item in ("coat", "phone")]
    for link in (*paper_links["custody_change.served"], *paper_links["item.registered"], of_items[0]):
        answer = page_of(shared, clerk(PROCURATORATE), link)
        assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-"), answer.text


def test_how_data_was_taken_over_a_network_is_registered(shared: Served, case: Case) -> None:
    """Address, network time and record stand in the draft, with the account; left blank they are not stated."""
    where = {
        "collection.address": "https://chat.example/u/17",
        "collection.network_time_at": "2026-03-01T21:30",
        "collection.record_number": "R-7",
    }
    how = {
        "collection.collectors": "officer-7 officer-8",
        "collection.tool": "archiver",
        "collection.method": "online extraction",
    }
    data = {"item_kind": "electronic_data", "account": "user-17"}
    digest = {"digests": "sha256:" + "5f" * 32, **dict.fromkeys(SEIZURE_FIELDS, "")}

    def drafted(**changes: str) -> str:
        form = FILLED | data | how | where | digest | changes
        return html.unescape(
            post(shared, clerk(PROCURATORATE), f"/cases/{case.stream.id}/drafts/item.registered", form).text
        )

    draft = drafted()
    assert '"account":"user-17"' in draft
    assert '"collection":{"address":"https://chat.example/u/17","collectors":["officer-7","officer-8"]' in draft
    assert '"network_time_at":"2026-03-01T13:30:00Z","record_number":"R-7"' in draft
    assert "network_time_at" not in drafted(**dict.fromkeys(where, ""))


def test_a_seizure_is_registered_with_its_list(shared: Served, case: Case) -> None:
    """What the form says of it stands in the draft, in Beijing's time; half of it names the field that is missing,
    and one officer alone is drafted with the flag that it raises."""

    def drafted(**changes: str) -> httpx.Response:
        address = f"/cases/{case.stream.id}/drafts/item.registered"
        return post(shared, clerk(PROCURATORATE), address, FILLED | changes)

    draft = html.unescape(drafted().text)
    stated = '"seizure":{"document_number":"扣〔2026〕9号","officers":["officer-7","officer-8"],'
    assert f'{stated}"seized_at":"2026-03-01T13:30:00Z"}}' in draft
    for name in SEIZURE_FIELDS:
        answer = drafted(**{name: ""})
        assert (answer.status_code, name.partition(".")[2] in answer.text) == (400, True)
    assert "seizure" not in drafted(**dict.fromkeys(SEIZURE_FIELDS, "")).text
    answer = drafted(**{"seizure.officers": "officer-7"})
    assert (answer.status_code, "seized by one officer alone" in answer.text) == (200, True)


def test_an_item_is_registered_with_the_fields_of_its_kind(shared: Served, case: Case) -> None:
    """The form has them under the labels of the procedure; those of another kind are not taken."""
    form = page_of(shared, clerk(PROCURATORATE), f"/cases/{case.stream.id}/acts/item.registered").text
    assert all(text in form for text in ("If it is: real estate", "number of the title", "registered owner"))
    stated = {"particulars:real_estate:title_number": "沪〔2026〕7号", "particulars:real_estate:registered_owner": ""}
    posted = {"item_kind": "real_estate", "description": "a flat", "quantity": "1", "quantity.unit": "piece"} | stated
    address = f"/cases/{case.stream.id}/drafts/item.registered"
    draft = html.unescape(post(shared, clerk(PROCURATORATE), address, posted).text)
    assert '"particulars":{"title_number":"沪〔2026〕7号"}' in draft
    other_kind = posted | {"item_kind": "exhibit"}
    assert "particulars" not in html.unescape(post(shared, clerk(PROCURATORATE), address, other_kind).text)


def test_a_witness_or_why_there_was_none_is_stated(shared: Served, case: Case) -> None:
    """Of a seizure and of a collection, each its own; data says why its medium was not taken."""
    address = f"/cases/{case.stream.id}/drafts/item.registered"
    reasons = {
        "seizure.no_witness": "at night",
        "collection.no_witness": "abroad",
        "collection.medium_not_taken": "a server",
    }
    how = {"collection.tool": "reader", "collection.method": "export", "collection.collectors": "officer-7 officer-8"}
    posted = FILLED | how | {"item_kind": "electronic_data", "digests": f"sha256:{'5f' * 32}"}
    flagged = html.unescape(post(shared, clerk(PROCURATORATE), address, posted).text)
    assert all(text in flagged for text in ("neither a witness", "neither its medium"))
    draft = html.unescape(post(shared, clerk(PROCURATORATE), address, posted | reasons).text)
    assert '"no_witness":"at night"' in draft
    assert '"medium_not_taken":"a server","method":"export","no_witness":"abroad"' in draft
    assert "neither" not in draft
