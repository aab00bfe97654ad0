"""A letter to an agency that has no part in the case: it is found, read and answered, and nothing else is shown."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from api.console.shared.formats import minute
from ledger.core.events.letter import LetterReceived, LetterSent
from ledger.core.verification.bundle import decode_bundle
from tests.api.console.pages import page_of, post
from tests.api.service import Served, name_confidentially, problem
from tests.testkit.builders import COURT, DETENTION, LAB, POLICE, START, Officer, auditor, clerk, instant, section
from tests.testkit.casework import Case, person_id

STRANGER = clerk(DETENTION)
SECRET = "asked about a name"
LETTER = "/api/v1/cases/case-1/letters/letter-1"


class Asked(NamedTuple):
    """A case of the police, which has asked the detention house, in a letter, about a person."""

    served: Served
    case: Case

    @property
    def letter(self) -> str:
        return self.case.state.letters["letter-1"].event_id


@pytest.fixture
def asked(served: Served) -> Asked:
    case = name_confidentially(Case().open()).register("phone", "knife")
    kind = "refusal_reasons_required"
    sent = {"kind": kind, "number": "No. 7", "content": "state the reasons", "to_agency": DETENTION}
    about = {"person_ids": (person_id("li"),), "due_at": instant(case.now + 864000), "sent_at": instant(case.now)}
    body = LetterSent(letter_id="letter-1", **sent, **about)  # type: ignore[arg-type]
    case.act(body, clerk(POLICE), sections={"letter": section("letter", text=SECRET)})
    served.record(case.register("coins"))
    served.publish()
    return Asked(served, case)


def listed(served: Served, by: Officer, **query: Any) -> list[str]:
    answer = served.get("/api/v1/letters", by, **query).json()
    return [letter["letter_id"] for letter in answer["letters"]]


def sequences(served: Served, by: Officer) -> list[int]:
    return [event["envelope"]["sequence"] for event in served.get("/api/v1/events", by).json()["events"]]


def receipt(case: Case, letter_id: str = "letter-1", by: Officer = STRANGER) -> Case:
    return case.say(LetterReceived, by, letter_id=letter_id, received_at=instant(case.now))


def answer(case: Case) -> Case:
    sent = {"letter_id": "answer", "kind": "reasons", "number": "No. 9", "to_agency": POLICE, "answers": "letter-1"}
    return case.say(LetterSent, STRANGER, sent_at=instant(case.now), person_ids=(person_id("li"),), **sent)


def test_the_addressee_reads_its_letter_with_what_is_confidential_in_it(asked: Asked) -> None:
    """In its list, by itself, as an event with its proof, and in its feed."""
    served = asked.served
    assert listed(served, STRANGER, box="inbox", waiting=True) == ["letter-1"]
    assert listed(served, STRANGER, box="outbox") == []
    shown = served.get(LETTER, STRANGER).json()
    assert (shown["number"], shown["from_agency"], shown["procedure"]) == ("No. 7", POLICE, "cn-criminal")
    assert shown["event"]["payload"]["body"]["content"] == "state the reasons"
    assert shown["event"]["sections"]["letter"]["fields"] == {"text": SECRET}
    assert served.get(f"/api/v1/events/{asked.letter}", STRANGER).json()["sections"] == shown["event"]["sections"]
    bundle = served.get(f"/api/v1/events/{asked.letter}/proof", STRANGER)
    assert set(decode_bundle(bundle.content).require_event().sections) == {"letter"}
    assert sequences(served, STRANGER) == [asked.case.events[-2].envelope.sequence]


def test_the_addressee_sees_nothing_else_of_the_case(asked: Asked) -> None:
    """The case, its parts, its other events and the search are as if it were not there."""
    served = asked.served
    parts = ("", "/timeline", "/spans", "/deadlines", "/proof", "/certificate", "/papers", "/export?format=json")
    for part in parts:
        problem(served.get(f"/api/v1/cases/case-1{part}", STRANGER), 404, "not_found", "case_id")
    for event in asked.case.events:
        expected = 200 if event.envelope.event_id == asked.letter else 404
        assert served.get(f"/api/v1/events/{event.envelope.event_id}", STRANGER).status_code == expected
    for path, key in (("cases", "cases"), ("items", "items"), ("handovers", "handovers"), ("search?q=case-1", "hits")):
        assert served.get(f"/api/v1/{path}", STRANGER).json()[key] == [], path
    problem(served.get("/api/v1/cases/case-1/letters/none", STRANGER), 404, "not_found", "letter_id")
    assert served.get("/api/v1/events", STRANGER, case_id="case-1").status_code == 404


@pytest.mark.parametrize("by", [clerk(LAB), auditor(DETENTION), clerk(COURT)], ids=str)
def test_a_letter_to_another_agency_is_not_there(asked: Asked, by: Officer) -> None:
    """Nor the head of its case; another officer of the addressee sees what its agency got."""
    gets_it = by.agency == DETENTION
    assert listed(asked.served, by) == (["letter-1"] if gets_it else [])
    for path in (LETTER, "/api/v1/cases/case-1/head", f"/api/v1/events/{asked.letter}"):
        assert asked.served.get(path, by).status_code == (200 if gets_it else 404), path


def test_a_letter_is_found_by_its_number(asked: Asked) -> None:
    """By a part of it, by its addressee as well, who does not see the case; signs of a pattern are no pattern."""
    for number, ids in (("7", ["letter-1"]), ("No. 7", ["letter-1"]), ("No. 8", []), ("%", []), ("_", [])):
        assert listed(asked.served, STRANGER, number=number) == ids
        page = page_of(asked.served, STRANGER, f"/letters?number={quote(number)}").text
        assert ("case-1/letters/letter-1" in page, "No letter here has this number" in page) == (bool(ids), not ids)


def test_the_addressee_records_the_receipt_and_answers(asked: Asked) -> None:
    """On the head of the case, which it is given. Both sides learn what becomes of each letter, and others nothing."""
    served, case = asked.served, asked.case
    head = served.get("/api/v1/cases/case-1/head", STRANGER).json()
    assert (head["sequence"], head["head"]) == (len(case.events), case.last.event.leaf_hash)
    served.record(answer(receipt(case)))
    assert listed(served, STRANGER, waiting=True) == ["answer"], "which the police has not received yet"
    assert listed(served, clerk(POLICE), box="inbox", waiting=True) == ["answer"]
    served.record(receipt(case, "answer", clerk(POLICE)))
    assert listed(served, STRANGER, waiting=True) == []
    shown = served.get(LETTER, clerk(POLICE)).json()
    assert (shown["received_at"] is None, shown["answered_at"] is None) == (False, False)
    own = [event for event in case.events if event.envelope.event_type.startswith("letter.")]
    assert sequences(served, STRANGER) == [event.envelope.sequence for event in own]
    assert served.get("/api/v1/cases/case-1", STRANGER).status_code == 404


def test_the_time_for_the_answer_is_among_the_addressee_s_deadlines(asked: Asked) -> None:
    """From the receipt on, in its list and in its warnings, not in that of the case; it ends with the answer."""
    served, case = asked.served, asked.case
    served.record(receipt(case))

    def own(**wanted: str) -> list[str]:
        return [line["clock"] for line in served.get("/api/v1/deadlines", STRANGER, **wanted).json()["deadlines"]]

    assert own() == own(case_id="case-1") == ["reasons_for_not_filing"]
    assert served.get("/api/v1/deadlines", clerk(LAB), agency=DETENTION).json()["deadlines"] == []
    served.record(answer(case))
    assert own() == []


def test_the_addressee_learns_of_no_time_in_the_case_by_flags(served: Served) -> None:
    """What it signs of its letter is flagged for acts that it does not see. Neither a draft, in which it could try
    any time, nor the receipt, the same bytes again, or the event as it reads it says so; whoever sees the case reads
    the flags."""
    case, sent_at, at = Case().open(), instant(START - 5 * 86400), instant(START - 3 * 86400)
    letter = {"letter_id": "letter-1", "kind": "refusal_reasons_required", "number": "No. 7", "content": "why"}
    case.say(LetterSent, **letter, to_agency=DETENTION, sent_at=sent_at)
    case.register("hidden")
    served.record(case)
    body = {"letter_id": "letter-1", "received_at": at}
    act = {"event_type": "letter.received", "stream": {"kind": "case", "id": "case-1"}, "body": body, "occurred_at": at}
    with served.ledger.clock.not_before(case.now):
        draft = served.request("POST", "/api/v1/drafts", json=act, headers=served.token(STRANGER))
    assert draft.status_code == 200, draft.text
    assert draft.json()["flags"] == []
    case.say(LetterReceived, STRANGER, letter_id="letter-1", received_at=at, occurred_at=at)
    first, again = served.submit(case.last), served.submit(case.last)
    assert (first.status_code, again.status_code, first.content) == (201, 200, again.content)
    assert first.json()["flags"] == []
    path = f"/api/v1/events/{case.last.envelope.event_id}"
    assert served.get(path, STRANGER).json()["flags"] == []
    assert "backdated" in [each["name"] for each in served.get(path, clerk(POLICE)).json()["flags"]]
    received = case.last
    served.record(case.offer("hidden", to=DETENTION).accept())
    assert "backdated" in [each["name"] for each in served.get(path, STRANGER).json()["flags"]]
    assert served.submit(received).content == first.content, "also once it has become a party"


# -- in the console ----------------------------------------------------------------------------------------------------


def test_pages_show_the_addressee_what_waits_for_it(asked: Asked) -> None:
    """The start page, the inbox and the list lead to the letter, whose page has its forms, without the case."""
    for path in ("/", "/inbox", "/letters"):
        assert "/console/cases/case-1/letters/letter-1" in page_of(asked.served, STRANGER, path).text, path
    page = page_of(asked.served, STRANGER, "/cases/case-1/letters/letter-1").text
    for text in (SECRET, "state the reasons", "and nothing else of the case", "drafts/receive-letter", "answer-letter"):
        assert text in page, text
    assert ">a name<" not in page
    assert 'href="/console/cases/case-1"' not in page
    own = page_of(asked.served, clerk(POLICE), "/cases/case-1/letters/letter-1").text
    assert ('href="/console/cases/case-1"' in own, "answer-letter" in own) == (True, False)
    for role in (auditor(DETENTION),):
        assert "data-act" not in page_of(asked.served, role, "/cases/case-1/letters/letter-1").text
    assert page_of(asked.served, STRANGER, "/cases/case-1/letters/letter-1/bundle").status_code == 200


def test_the_addressee_drafts_what_it_signs_of_its_letter(asked: Asked) -> None:
    """And is shown nothing of what was recorded in the case since it began."""
    asked.served.ledger.clock.forward(120)
    now = minute(asked.served.ledger.clock.seconds)
    forms = {
        "receive-letter": {"letter_id": "letter-1", "received_at": now},
        "answer-letter": {"answers": "letter-1", "kind": "reasons", "number": "9", "sent_at": now},
    }
    for act, form in forms.items():
        draft = post(asked.served, STRANGER, f"/cases/case-1/drafts/{act}", form | {"drafted_at": "1"})
        assert "data-payload" in draft.text, draft.text
        assert "/console/cases/case-1/letters/letter-1" in draft.text
        assert "The case has moved on since you began" not in draft.text
        assert "phone" not in draft.text
    answered = post(asked.served, STRANGER, "/cases/case-1/drafts/answer-letter", forms["answer-letter"])
    assert person_id("li") in answered.text, "it is about whom the letter is about"
    others = post(asked.served, clerk(LAB), "/cases/case-1/drafts/receive-letter", forms["receive-letter"])
    assert others.status_code == 404
    assert post(asked.served, STRANGER, "/cases/case-1/drafts/close", {"ground": "x"}).status_code == 404
    wrong = post(asked.served, STRANGER, "/cases/case-1/drafts/answer-letter", {"answers": "none"})
    assert "there is no such letter" in wrong.text
