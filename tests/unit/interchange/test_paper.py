"""Paper: what is printed is what the event says, to whom may read it, and the same on every run."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from ledger.core.events.case import PersonNamed
from ledger.core.events.item import Seizure
from ledger.interchange.papers.events_to_print import events_of
from ledger.interchange.papers.printed_event import papers_of
from ledger.timeline.case_history import read_history
from tests.api.conftest import serving
from tests.api.service import Served, problem
from tests.testkit.builders import (
    LAB,
    POLICE,
    PROCURATORATE,
    START,
    Officer,
    SignedEvent,
    auditor,
    clerk,
    instant,
    section,
)
from tests.testkit.casework import Case, got, kept, person_id, pieces
from tests.unit.interchange.test_typeset import text_of

SECRET = {"person:1": section("li", name="李某某", birth_date="1990-01-01")}
SEIZED = Seizure(
    document_number="扣〔2026〕19号", seized_at=instant(START - 60), officers=tuple(f"p-{n}" for n in range(7))
)


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Record a case that was offered, and accepted short; the person's name is in a section."""
    with serving(tmp_path_factory.mktemp("paper")) as served:
        served.record(made_case())
        served.record(other_case())
        yield served


def made_case() -> Case:
    case = Case().open(case_number="东公〔2026〕0417号")
    named = PersonNamed(person_id=person_id("li"), role="suspect", section="person:1")
    case.act(named, sections=SECRET).name("wang")
    case.register("phone", exhibit_number="E-1", seal_number="S-42", seizure=SEIZED).register("coins", quantity=10)
    case.register("image", kind="electronic_data", seizure=SEIZED)
    case.offer("phone", "coins", "image", to=PROCURATORATE, persons=("li", "wang"))
    received = (got("coins", "mismatch", quantity=pieces(9), remark="one is missing"),)
    left = (kept("image", "digest_mismatch"),)
    return case.accept(received=received, not_accepted=left, absent_person_ids=(person_id("wang"),))


def other_case() -> Case:
    """Return a case of which the police offer a knife to the laboratory; everything else stays."""
    case = Case("case-2", start=START + 3600).open(case_number="2026-0418")
    named = PersonNamed(person_id=person_id("zhao"), role="suspect", section="person:1")
    case.act(named, sections=SECRET).register("knife")
    return case.offer("knife", to=LAB, purpose="forensic_examination", persons=("zhao",))


def event_of(event_type: str) -> SignedEvent:
    return next(e for e in reversed(made_case().events) if e.envelope.event_type == event_type)


def ask(served: Served, event_type: str, by: Officer | None = None, **query: str) -> httpx.Response:
    event_id = event_of(event_type).envelope.event_id
    return served.get(f"/api/v1/events/{event_id}/paper", by or clerk(PROCURATORATE), **query)


def printed(served: Served, event_type: str, **query: str) -> str:
    """Return the text of the document, without the marks where lines may break."""
    answer = ask(served, event_type, **query)
    assert answer.status_code == 200, answer.text
    return text_of(answer.content)


def test_the_route_gives_pdf_a_of_the_event(dealt: Served) -> None:
    """The file has an output intent, and its date is the event's own; test_certificate.py has what it claims."""
    answer = ask(dealt, "handover.offered", lang="zh-CN")
    assert answer.headers["content-type"] == "application/pdf"
    reader = PdfReader(io.BytesIO(answer.content))
    assert "/OutputIntents" in reader.root_object
    assert reader.metadata is not None
    at = event_of("handover.offered").payload.occurred_at
    assert f"{reader.metadata.creation_date:%Y-%m-%dT%H:%M:%SZ}" == at


def test_both_languages_stand_on_one_paper(dealt: Served) -> None:
    """Labels in both, what is the same once; and it is as of its event: the acceptance has changed the record since the
    offer."""
    text = printed(dealt, "handover.offered", lang="both", document="exhibit_list")
    assert "证据移送清单" in text
    assert "Transfer list: evidence" in text
    assert text.count("S-42") == 1
    text = printed(dealt, "handover.offered", lang="en")
    assert "10 piece" in text
    assert "9 piece" not in text


def test_without_a_language_it_is_the_readers(dealt: Served) -> None:
    """As every answer in words."""
    path = f"/api/v1/events/{event_of('handover.offered').envelope.event_id}/paper"
    headers = dealt.token(clerk(POLICE)) | {"accept-language": "zh-CN,zh;q=0.9"}
    assert "起诉意见书" in text_of(dealt.request("GET", path, headers=headers).content)
    assert "Opinion for prosecution" in text_of(dealt.get(path, clerk(POLICE)).content)


def test_names_are_printed_for_whoever_may_read_them(dealt: Served) -> None:
    """Who has the case in hand; not whom it is offered to, not supervision, and nobody who asks to leave them out."""
    assert "李某某" in printed(dealt, "handover.offered")
    assert "李某某" not in printed(dealt, "handover.offered", withhold="sections")
    assert "李某某" in text_of(ask(dealt, "handover.accepted", clerk(POLICE)).content)  # it kept the image
    path = f"/api/v1/events/{other_case().last.envelope.event_id}/paper"
    assert "李某某" in text_of(dealt.get(path, clerk(POLICE)).content)
    for reader in (clerk(LAB), auditor(PROCURATORATE)):
        assert "李某某" not in text_of(dealt.get(path, reader).content)


def pages(served: Served, limit: int) -> list[list[dict[str, Any]]]:
    """Return the pages of the list of papers, of so many papers each."""
    path, query, read = "/api/v1/cases/case-1/papers", {"limit": str(limit)}, []
    while True:
        page = served.get(path, clerk(PROCURATORATE), **query).json()
        read.append(page["papers"])
        if "next" not in page:
            return read
        query["after"] = page["next"]


def test_the_papers_of_a_case_are_listed(dealt: Served) -> None:
    """Each with its event and its title in the reader's language; every one of them can be printed."""
    answer = dealt.get("/api/v1/cases/case-1/papers", clerk(PROCURATORATE))
    listed = [(paper["event_type"], paper["document"], paper["title"]) for paper in answer.json()["papers"]]
    assert listed == [
        ("item.registered", "seizure_list", "Seizure list"),
        ("item.registered", "seizure_list", "Seizure list"),
        ("handover.offered", "prosecution_opinion", "Opinion for prosecution (transfer)"),
        ("handover.offered", "exhibit_list", "Transfer list: evidence"),
        ("handover.offered", "service_receipt", "Service receipt"),
        ("handover.accepted", "acceptance_receipt", "Acceptance receipt"),
    ]
    paged = pages(dealt, 3)
    assert [len(page) for page in paged] == [3, 3, 0]
    assert [paper for page in paged for paper in page] == answer.json()["papers"]
    last = answer.json()["papers"][-1]
    path = f"/api/v1/events/{last['event_id']}/paper"
    assert dealt.get(path, clerk(PROCURATORATE), document=last["document"]).status_code == 200
    problem(dealt.get("/api/v1/cases/case-1/papers", clerk(LAB)), 404, "not_found", "case_id")


def test_the_kinds_of_what_was_seized_are_collected_once_for_the_whole_list(dealt: Served) -> None:
    """To look which papers the registration of each thing of a seizure prints, the list of all is not made again."""
    with dealt.parts.database.read() as connection:
        history = tuple(read_history(connection, dealt.parts.validator.states, "case-1"))
    events = [*events_of(dealt.parts.validator.states, history, {})]
    registered = [event for event in events if event.seizure is not None]
    assert len(registered) == 2
    for event in registered:
        assert [row.name for row in papers_of(event)] == ["seizure_list"]
        assert "item_ids" not in vars(event)
        assert event.seized_kinds == {event.case.items[item_id].kind for item_id in event.item_ids}


def test_what_prints_as_nothing_says_what_prints(dealt: Served) -> None:
    """An event without a form, and one of another document; the hint names what there is."""
    answer = problem(ask(dealt, "person.named"), 404, "no_paper", "event_id")
    assert "handover.offered" in answer["hint"]
    answer = problem(ask(dealt, "handover.offered", document="seizure_list"), 404, "no_paper", "document")
    assert answer["hint"] == "These print: prosecution_opinion, exhibit_list, service_receipt."
    problem(ask(dealt, "handover.offered", document="Diploma"), 400, "malformed_input", "document")


def test_certificates_come_with_what_their_reader_may_read(dealt: Served) -> None:
    """Of an event and of a case: the bundle attached is the one that he would be given."""
    for path in (f"/api/v1/events/{event_of('handover.accepted').envelope.event_id}", "/api/v1/cases/case-1"):
        answer = dealt.get(f"{path}/certificate", clerk(PROCURATORATE), lang="both")
        assert answer.status_code == 200, answer.text
        reader = PdfReader(io.BytesIO(answer.content))
        ((attached,),) = reader.attachments.values()
        assert attached == dealt.get(f"{path}/proof", clerk(PROCURATORATE)).content
        assert "存证证明" in text_of(answer.content)
    whole = dealt.get("/api/v1/cases/case-1/certificate", clerk(PROCURATORATE), withhold="sections").content
    assert "李某某".encode() not in next(iter(PdfReader(io.BytesIO(whole)).attachments.values()))[0]


def test_a_certificate_of_an_item_is_of_its_case(dealt: Served) -> None:
    """An item of another case is not found."""
    path = "/api/v1/cases/case-1/certificate"
    text = text_of(dealt.get(path, clerk(PROCURATORATE), item_id="phone", lang="en").content)
    assert "case-1 / phone" in text
    problem(dealt.get(path, clerk(PROCURATORATE), item_id="knife"), 404, "not_found", "item_id")
