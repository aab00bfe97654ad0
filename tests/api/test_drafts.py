"""Drafts over the API: a client sends plain fields, its officer signs what comes back, and that is recorded."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from api.routes.drafts import OF_OFFICERS, OPENING
from ledger.core.encoding import canonical
from ledger.core.events import EVENT_TYPES, Authority, Envelope, Stream
from ledger.core.events.case import PersonNamed
from ledger.core.events.letter import LetterSent
from ledger.core.signing.signatures import typed_data
from tests.api.service import Served, problem
from tests.testkit.builders import (
    COURT,
    DETENTION,
    LOG_ID,
    POLICE,
    PROCURATORATE,
    Officer,
    auditor,
    clerk,
    event_of,
    instant,
    sample_body,
    section,
    supervisor,
)
from tests.testkit.casework import Case, person_id, pieces

OF_CASES = [name for name, row in OF_OFFICERS.items() if "case" in row.streams]
DRAFTS, EVENTS = "/api/v1/drafts", "/api/v1/events"
LI = person_id("li")
OFFER = {"to_agency": PROCURATORATE, "purpose": "prosecution_review", "items": [{"item_id": "phone"}]}
# Plain fields that the ledger takes, by event type.
TAKEN: dict[str, dict[str, Any]] = {
    "case.numbered": {"case_number": "2026-9"},
    "case.assigned": {"handler": "p-0099", "department": "crime squad"},
    "case.linked": {"relation": "related", "other_case_id": "case-2"},
    "case.split": {"ground": "another deed", "item_ids": ["phone"]},
    "person.named": {"role": "victim"},
    "decision.recorded": {
        "kind": "case_filed",
        "number": "2026-1",
        "decided_at": "2026-03-02T01:00:00Z",
        "person_ids": [LI],
    },
    "item.registered": {
        "item_kind": "exhibit",
        "description": "手机",
        "quantity": {"value": "1", "unit": "piece"},
    },
    "item.sealed": {"seal_number": "S-1", "item_id": "phone"},
    "item.split": {"item_id": "banknotes", "parts": [{"quantity": {"unit": "piece", "value": "1"}}] * 2},
    "item.moved": {"item_id": "knife", "storage_location": "shelf 3"},
    "handover.offered": OFFER,
    "letter.sent": {
        "kind": "data_freeze_notice",
        "number": "2026-5",
        "sent_at": "2026-03-02T01:00:00Z",
        "to_outside": {"name": "Bank of the East", "kind": "bank"},
    },
    "disclosure.made": {"recipient": "counsel of the accused", "item_ids": ["phone"]},
}


def under_way(case_id: str) -> Case:
    """Return a case of this id, with things and a person in it."""
    case = Case(case_id).open()
    sections = {"person:1": section("person", name="Li Si")}
    case.act(PersonNamed(person_id=LI, role="suspect", section="person:1"), sections=sections)
    return case.register("phone", "knife").register("banknotes", quantity=pieces(2))


def ask(served: Served, by: Officer, act: dict[str, Any], **query: str) -> httpx.Response:
    return served.request("POST", DRAFTS, json=act, params=query, headers=served.token(by))


def act_of(event_type: str, body: dict[str, Any], case_id: str = "case-1", **more: Any) -> dict[str, Any]:
    return {"event_type": event_type, "stream": {"kind": "case", "id": case_id}, "body": body} | more


def drafted(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    draft: dict[str, Any] = answer.json()
    return draft


def record(served: Served, by: Officer, draft: dict[str, Any]) -> httpx.Response:
    """Sign as a client does that has a signer and a JSON library, and nothing of the ledger's."""
    account, submission = Account.from_key(by.key.secret), draft["submission"]
    signature = account.sign_message(encode_typed_data(full_message=draft["typed_data"])).signature
    submission["envelope"]["signature"] = "0x" + signature.hex().removeprefix("0x")
    return served.request("POST", EVENTS, json=submission)


def test_a_person_named_without_his_section_is_warned_of(drafting: Served) -> None:
    """A name that the body does not point to would be recorded, and be nobody's."""
    act = act_of("person.named", {"role": "victim"}, sections={"person:9": {"name": "Wang Wu"}})
    (warning,) = drafted(ask(drafting, clerk(POLICE), act))["warnings"]
    assert "No name goes with" in warning
    act["body"]["section"] = "person:9"
    assert drafted(ask(drafting, clerk(POLICE), act))["warnings"] == []


@pytest.fixture(scope="module")
def drafting(shared: Served) -> Served:
    """Return a service with a case of the police."""
    shared.record(under_way("case-1"))
    return shared


@pytest.mark.parametrize("event_type", TAKEN)
def test_what_is_drafted_and_signed_is_recorded_as_signed(drafting: Served, event_type: str) -> None:
    """Plain fields in any order become an event of the officer, with an id of what it brings in."""
    case = drafting.record(under_way(f"case-{event_type.replace('.', '-').replace('_', '-')}"))
    draft = drafted(ask(drafting, clerk(POLICE), act_of(event_type, TAKEN[event_type], case.stream.id)))
    assert record(drafting, clerk(POLICE), draft).status_code == 201
    event = drafting.get(f"{EVENTS}/{draft['submission']['envelope']['event_id']}", clerk(POLICE)).json()
    assert event["payload"] == draft["submission"]["payload"]
    assert event["envelope"]["agency"] == POLICE
    assert [flag["name"] for flag in event["flags"]] == [flag["name"] for flag in draft["flags"]]
    plain = TAKEN[event_type]
    assert {name: event["payload"]["body"][name] for name in plain if name != "parts"} == {
        name: value for name, value in plain.items() if name != "parts"
    }


@pytest.mark.parametrize("event_type", OF_CASES)
def test_a_draft_is_refused_as_the_signed_event_would_be(drafting: Served, event_type: str) -> None:
    """Whatever the type: what is drafted is recorded once it is signed, and what is not is refused by the same code
    and field as a client's own submission of the same body, and most often with the same words."""
    row = EVENT_TYPES[event_type]
    by = {"clerk": clerk, "supervisor": supervisor, "auditor": auditor}[row.roles[0]](POLICE)
    case_id = f"case-like-{event_type.replace('.', '-').replace('_', '-')}"
    case = Case(case_id) if event_type in OPENING else drafting.record(under_way(case_id))
    body = sample_body(event_type, full=False)
    authority = Authority("court_order", "12/2026") if row.on_authority else None
    plain = json.loads(canonical.encode(body))
    more = {"authority": json.loads(canonical.encode(authority))} if authority else {}
    answer = ask(drafting, by, act_of(event_type, plain, case_id, **more))
    if answer.status_code == 200:
        assert record(drafting, by, answer.json()).status_code == 201
        return
    place = {"sequence": len(case.events), "previous": case.last.event.leaf_hash if case.events else None}
    now = drafting.ledger.clock.seconds
    own = event_of(
        body,
        by,
        stream=Stream(kind="case", id=case_id),
        authority=authority,
        occurred_at=instant(now),
        signed_at=now,
        **place,
    )
    refused, draft = drafting.submit(own).json(), answer.json()
    assert (draft["status"], draft["code"], draft.get("field")) == (
        refused["status"],
        refused["code"],
        refused.get("field"),
    ), (draft, refused)


@pytest.mark.parametrize("event_type", OF_CASES)
def test_a_field_that_is_missing_or_unknown_is_named(drafting: Served, event_type: str) -> None:
    """By the name that it has in a submission."""
    by = {"clerk": clerk, "supervisor": supervisor, "auditor": auditor}[EVENT_TYPES[event_type].roles[0]](POLICE)
    case_id = "case-none" if event_type in OPENING else "case-1"
    plain = json.loads(canonical.encode(sample_body(event_type, full=False)))
    unknown = ask(drafting, by, act_of(event_type, plain | {"colour": "red"}, case_id))
    problem(unknown, 400, "malformed_input", "payload.body.colour")


def test_the_draft_has_everything_that_is_signed(drafting: Served) -> None:
    """Texts whose bytes are what is posted, the typed data of the envelope, a sentence, and each value in words."""
    sections = {"person:1": {"name": "王五"}}
    act = act_of("person.named", {"role": "victim", "section": "person:1"}, sections=sections)
    draft = drafted(ask(drafting, clerk(POLICE), act))
    submission, texts = draft["submission"], draft["canonical"]
    whole = '{"envelope":%s,"payload":%s,"sections":{"person:1":%s}}'
    whole %= (texts["envelope"], texts["payload"], texts["sections"]["person:1"])
    assert json.dumps(submission, ensure_ascii=False, separators=(",", ":")) == whole
    assert submission["sections"]["person:1"]["fields"] == {"name": "王五"}
    assert submission["payload"]["body"]["person_id"]
    envelope = msgspec.json.decode(texts["envelope"], type=Envelope)
    assert draft["typed_data"] == typed_data(envelope, LOG_ID)
    assert "victim" in draft["sentence"]
    assert "王五" in [value["value"] for value in draft["values"]]
    in_chinese = drafted(ask(drafting, clerk(POLICE), act, lang="zh-CN"))
    assert in_chinese["sentence"] != draft["sentence"]


def test_flags_are_foretold_in_words(drafting: Served) -> None:
    """With the article, the rule's name and what it is about."""
    act = act_of("item.sealed", {"item_id": "phone", "seal_number": "S-2"}, occurred_at="2026-03-01T01:00:00Z")
    (flag, *_) = drafted(ask(drafting, clerk(POLICE), act))["flags"]
    assert flag["name"]
    assert flag["label"] != flag["name"]
    assert flag.keys() == {"name", "article", "label", "law", "detail"}


def test_a_case_is_opened_by_a_draft_and_its_id_is_taken_then(served: Served) -> None:
    """The first event of a case has no case to be visible; an id that is taken is named so before anybody signs."""
    body = json.loads(canonical.encode(Case().open().last.payload.body))
    act = act_of("case.opened", body, "case-new")
    draft = drafted(ask(served, clerk(POLICE), act))
    assert record(served, clerk(POLICE), draft).status_code == 201
    assert problem(ask(served, clerk(POLICE), act), 409, "duplicate_id", "stream.id")["hint"] == "Choose another id."
    again = problem(served.submit(Case("case-new").open().last), 409, "not_on_head", "envelope.previous")
    assert (again["sequence"], again["hint"]) == (1, "Choose another id.")


# -- who may -----------------------------------------------------------------------------------------------------------


def test_who_may_not_see_the_case_learns_nothing_of_it(drafting: Served) -> None:
    """The same answer for a case that is not there, and no record of a read."""
    before = drafting.reads()
    answers = []
    for case_id in ("case-1", "case-0"):
        answer = ask(drafting, clerk(COURT), act_of("item.sealed", {"item_id": "phone", "seal_number": "1"}, case_id))
        problem(answer, 404, "not_found", "case_id")
        answers.append(answer.text.replace(case_id, ""))
    assert answers[0] == answers[1]
    assert drafting.reads() == before


def test_the_role_is_what_the_event_takes(drafting: Served) -> None:
    """An auditor drafts no handover, a clerk no erasure; without a token nobody drafts anything."""
    problem(ask(drafting, auditor(POLICE), act_of("handover.offered", OFFER)), 403, "role_missing")
    problem(ask(drafting, clerk(POLICE), act_of("section.erased", {})), 403, "role_missing")
    problem(
        drafting.request("POST", DRAFTS, json=act_of("handover.offered", OFFER)), 401, "token_refused", "Authorization"
    )


def test_only_events_that_officers_sign_are_drafted(drafting: Served) -> None:
    """Another type or stream is refused by its field, and so is the stream of another kind than the type has."""
    problem(ask(drafting, clerk(POLICE), act_of("lead.raised", {})), 400, "malformed_input", "event_type")
    problem(ask(drafting, clerk(POLICE), act_of("dataset.registered", {})), 400, "malformed_input", "event_type")
    problem(ask(drafting, clerk(POLICE), act_of("cat.fed", {})), 400, "malformed_input", "event_type")
    elsewhere = act_of("record.late", {}) | {"stream": {"kind": "agency", "id": POLICE}}
    problem(ask(drafting, clerk(POLICE), elsewhere), 400, "malformed_input", "stream.kind")
    problem(ask(drafting, clerk(POLICE), act_of("lead.answered", {})), 400, "malformed_input", "stream.kind")
    later = act_of("item.sealed", {"item_id": "phone", "seal_number": "1"}, occurred_at="2999-01-01T00:00:00Z")
    problem(ask(drafting, clerk(POLICE), later), 422, "in_future", "payload.occurred_at")


def test_each_draft_of_a_case_is_recorded_as_a_read(drafting: Served) -> None:
    """Its sentence and names are shown of the case."""
    before = drafting.reads()
    drafted(ask(drafting, clerk(POLICE), act_of("handover.offered", OFFER)))
    assert drafting.reads() == before + 1


def test_the_addressee_of_a_letter_signs_its_receipt_without_seeing_the_case(served: Served) -> None:
    """And is shown no more of the case than the letter says."""
    case = under_way("case-1")
    sent = {"kind": "refusal_reasons_required", "number": "No. 7", "content": "why", "to_agency": DETENTION}
    served.record(case.act(LetterSent(letter_id="letter-1", sent_at=instant(case.now), **sent)))  # type: ignore[arg-type]
    with served.ledger.clock.not_before(case.now):
        received = act_of("letter.received", {"letter_id": "letter-1", "received_at": instant(case.now - 30)})
        draft = drafted(ask(served, clerk(DETENTION), received))
        assert record(served, clerk(DETENTION), draft).status_code == 201
    problem(
        ask(served, clerk(DETENTION), act_of("item.sealed", {"item_id": "phone", "seal_number": "1"})),
        404,
        "not_found",
        "case_id",
    )
