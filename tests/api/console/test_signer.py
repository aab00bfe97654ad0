"""The local signer as a service: whom it hears, what it signs, and what it refuses. No browser is asked to be good."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import httpx
import pytest
from msgspec.structs import replace

from api.auth.sessions import sign_in_text
from api.signer.question import KeyHolder, QuestionBuilder
from ledger.client import case_names
from ledger.client.acts_in_words import ActInWords, ActsReader
from ledger.client.case_names import CaseNames, CaseRecords, names_in
from ledger.client.service import ServiceClient
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, NotFound
from ledger.core.events import Section
from ledger.core.events.case import CaseNumbered
from ledger.core.events.fields import ABSENT
from ledger.core.events.item import ItemDisposalProposed, ItemMerged, ItemSplit
from ledger.core.events.letter import LetterReceived, LetterSent
from ledger.core.events.record import Correction, ErasureProposed, RecordCorrected
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.notes import SeedSigner
from ledger.core.procedure.adoption import publication_of
from ledger.core.procedure.zones import UNIVERSAL
from ledger.core.signing.signatures import recover, signing_hash, typed_data
from ledger.i18n import ZONE_IN_USE, Labels, zone_in_use
from ledger.procedures import shipped_rulebook
from tests.api.console.desk import PAGE_KEY, Signing, signer_of
from tests.api.service import Served, name_confidentially
from tests.testkit.builders import COURT, LOG_ID, POLICE, PROCURATORATE, START, Officer, SignedEvent, clerk
from tests.testkit.casework import Case, dispose, offered, part
from tests.testkit.machine import free_port, wait_until
from tests.unit.core.test_adoption import SECOND

CONSOLE = "https://ledger.test"
OFFICER = clerk(POLICE)
NOW = START + 3600
OFFER = offered("phone", "knife").last
ASKING = "refusal_reasons_required"
UNSPEAKABLE = -32602


class Desk:
    """Speaks to a signer as the console's page does, unless told otherwise."""

    def __init__(self, signing: Signing):
        self.signing = signing
        self.http = httpx.Client(base_url=signing.url, timeout=30)
        self.token = ""

    def pair(self) -> None:
        answer = self.http.post("/pair", json={"code": self.signing.codes[-1]}, headers={"origin": CONSOLE})
        self.token = answer.json()["token"]

    def call(self, method: str, *params: Any, **headers: str) -> dict[str, Any]:
        """Return the answer of EIP-1193 to a call by the console."""
        return self.post(method, *params, **headers).json()  # type: ignore[no-any-return]

    def post(self, method: str, *params: Any, **headers: str) -> httpx.Response:
        all_headers = {"origin": CONSOLE, "authorization": f"Bearer {self.token}"} | headers
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.http.post("/rpc", json=body, headers={k.replace("_", "-"): v for k, v in all_headers.items()})

    def waiting(self) -> dict[str, Any]:
        """Return the question that waits, once there is one."""
        for _ in range(3000):
            answer = self.http.get("/waiting", headers={"authorization": f"Bearer {PAGE_KEY}"}).json()
            if answer["question"]:
                return answer["question"]  # type: ignore[no-any-return]
            time.sleep(0.01)
        raise AssertionError("no question came")

    def answer(self, agreed: bool) -> dict[str, Any]:
        """Give the officer's word to the question that waits; return the question."""
        question = self.waiting()
        body = {"number": question["number"], "agreed": agreed}
        response = self.http.post("/answer", json=body, headers={"authorization": f"Bearer {PAGE_KEY}"})
        assert response.json() == {"counted": True}
        return question

    def asked(self, agreed: bool, method: str, *params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the question and the answer to a call that the officer answers."""
        answers: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: answers.append(self.call(method, *params)))
        thread.start()
        question = self.answer(agreed)
        thread.join()
        return question, answers[0]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """Yield a paired signer."""
    with signer_of(OFFICER, free_port(), CONSOLE, lambda: NOW, "en") as signing:
        new_desk = Desk(signing)
        new_desk.pair()
        yield new_desk


def asked_for(case_event: SignedEvent) -> list[Any]:
    """Return the parameters of eth_signTypedData_v4 for an event, as the page gives them."""
    sections = {label: canonical.encode(section).decode() for label, section in case_event.sections.items()}
    beside = {"payload": canonical.encode(case_event.payload).decode(), "sections": sections}
    return [OFFICER.key_id, json.dumps(typed_data(case_event.envelope, LOG_ID)), beside]


# -- what is signed ----------------------------------------------------------------------------------------------------


def test_an_event_is_told_in_words_and_signed(desk: Desk) -> None:
    """The officer reads what the payload says; what comes back is his signature of that very event."""
    question, answer = desk.asked(True, "eth_signTypedData_v4", *asked_for(OFFER))
    assert question["acts"][0]["sentence"].startswith(
        "police-east offers to procuratorate-east for prosecution review: phone (not known here), "
    )
    assert ["items 2 · item", "knife (not known here)"] in question["acts"][0]["particulars"]
    signature = bytes.fromhex(answer["result"][2:])
    assert recover(signing_hash(OFFER.envelope, LOG_ID), signature) == OFFICER.key_id


def test_right_to_left_names_keep_their_place(desk: Desk) -> None:
    """In the sentence, in each value, and among what was signed; what is signed has no such marks."""
    registered = Case().open().register("phone", description="مركز الشرطة 12").last
    question, answer = desk.asked(True, "eth_signTypedData_v4", *asked_for(registered))
    apart = "\u2068مركز الشرطة 12\u2069"
    assert apart in question["acts"][0]["sentence"]
    assert apart in [value for _, value in question["acts"][0]["particulars"]]
    listed = desk.http.get("/signed", headers={"authorization": f"Bearer {PAGE_KEY}"}).json()["signed"]
    assert listed[0]["acts"] == question["acts"]
    assert recover(signing_hash(registered.envelope, LOG_ID), bytes.fromhex(answer["result"][2:])) == OFFICER.key_id


def test_one_question_at_a_time(desk: Desk) -> None:
    """A second call while one waits is turned away, not queued behind it unseen; a no to the first signs nothing."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(desk.call("eth_signTypedData_v4", *asked_for(OFFER))))
    thread.start()
    desk.waiting()
    assert desk.call("eth_signTypedData_v4", *asked_for(OFFER))["error"]["code"] == -32002
    desk.answer(False)
    thread.join()
    assert answers[0]["error"]["code"] == 4001


def test_confidential_sections_are_shown_whole(desk: Desk) -> None:
    """A name that is kept apart stands in the question; without its text the event is not signed."""
    section = Section(salt="11" * 16, fields={"name": "Li Ming"})
    case = Case().open(sections={"names": section})
    question, _ = desk.asked(False, "eth_signTypedData_v4", *asked_for(case.last))
    assert ["names · name", "Li Ming"] in question["acts"][0]["particulars"]
    address, data, beside = asked_for(case.last)
    for sections in ({}, {"names": canonical.encode(Section(salt="11" * 16, fields={"name": "Wang"})).decode()}):
        assert desk.call("eth_signTypedData_v4", address, data, beside | {"sections": sections})["error"]["code"] == (
            UNSPEAKABLE
        )


def test_what_cannot_be_told_is_not_signed(desk: Desk) -> None:
    """No payload, or another one; another ledger, officer or type; one field more: refused, and nobody is asked."""
    address, data, beside = asked_for(OFFER)
    document = json.loads(data)
    domain = document["domain"] | {"salt": "0x" + "22" * 32}
    more = document["message"] | {"more": "than is told"}
    chained = document["domain"] | {"chainId": 1}
    other_digest = document["message"] | {"payloadBlake3": "0x" + blake3_text(b"another")[7:]}
    unspeakable: list[list[Any]] = [
        [address, data],
        [address, data, {}],
        [address, data, {"payload": "{}"}],
        [address, data, asked_for(Case().open().last)[2]],
        [address, json.dumps(document | {"domain": domain}), beside],
        [address, json.dumps(document | {"domain": chained}), beside],
        [address, json.dumps(document | {"message": more}), beside],
        [address, json.dumps(document | {"message": other_digest}), beside],
        [address, json.dumps(document | {"primaryType": "Permit"}), beside],
        [address, "{}", beside],
        [address, "not JSON", beside],
        [address, "[" * 100_000, beside],
        [address, '{"message":' * 3000 + "1" + "}" * 3000, beside],
        [address, data.replace(str(OFFER.envelope.signed_at), "1" * 5000), beside],
        [address, 7, beside],
        [clerk(PROCURATORATE).key_id, data, beside],
        asked_for(Case().open(clerk(POLICE, 2)).last),
        asked_for(Case().open(clerk(PROCURATORATE)).last),
        asked_for(Case(start=NOW - 200_000).open().last),
    ]
    for params in unspeakable:
        assert desk.call("eth_signTypedData_v4", *params)["error"]["code"] == UNSPEAKABLE, params
    answer = desk.http.get("/waiting", headers={"authorization": f"Bearer {PAGE_KEY}"}).json()
    assert answer["question"] is None


def test_only_the_console_s_sign_in_text_is_signed(desk: Desk) -> None:
    """Not any text, not that of another site, not with a line more, not after its time, nor of no calendar's time."""
    times = {"issued": "2026-03-02T02:00:00Z", "expires": "2026-03-02T02:02:00Z"}
    good = sign_in_text(CONSOLE, OFFICER.key_id, f"0x{LOG_ID.hex()}", chain_id="1", nonce="ab" * 16, **times)
    question, answer = desk.asked(True, "personal_sign", "0x" + good.encode().hex(), OFFICER.key_id)
    assert question["kind"] == "sign_in"
    assert len(answer["result"]) == 132
    for text in (
        "I owe you a million",
        good.replace("ledger.test", "evil.test"),
        good + "\n- urn:more",
        good.replace("This signs no event.", "This signs everything."),
        good.replace("2026-03-02T02:02:00Z", "2026-03-02T01:59:59Z"),
        good.replace("2026-03-02T02:02:00Z", "2026-02-30T02:02:00Z"),
        good.replace("2026-03-02T02:00:00Z", "2026-99-02T02:00:00Z"),
        "0xzz",
    ):
        refusal = desk.call("personal_sign", text, OFFICER.key_id)
        assert refusal["error"]["code"] == UNSPEAKABLE, text
    assert desk.call("personal_sign", good, clerk(PROCURATORATE).key_id)["error"]["code"] == UNSPEAKABLE


@pytest.mark.parametrize("method", ["eth_sign", "eth_sendTransaction", "eth_signTypedData", "wallet_addEthereumChain"])
def test_nothing_else_is_signed(desk: Desk, method: str) -> None:
    """Methods that would sign bytes nobody can read, or move money, are not there."""
    assert desk.call(method, OFFICER.key_id, "0x" + "00" * 32)["error"]["code"] == 4200


def test_accounts_and_chain(desk: Desk) -> None:
    """What a page asks of any provider before it signs."""
    assert desk.call("eth_requestAccounts")["result"] == [OFFICER.key_id]
    assert desk.call("eth_chainId")["result"] == "0x7a69"


# -- who is heard ------------------------------------------------------------------------------------------------------


def test_unpaired_pages_are_not_answered(desk: Desk) -> None:
    """The console's origin alone is not enough: without a token of this run nothing is told or asked."""
    for token in ("x", "x" * 43):
        refusal = desk.call("eth_requestAccounts", authorization=f"Bearer {token}")
        assert refusal["error"]["code"] == 4100


@pytest.mark.parametrize("origin", ["https://evil.test", "http://ledger.test", "https://ledger.test:444", "null", ""])
@pytest.mark.parametrize("path", ["/rpc", "/pair"])
def test_foreign_origins_are_refused(desk: Desk, origin: str, path: str) -> None:
    """Whatever token they have: scheme, host and port are the console's, or a page reads no answer."""
    headers = {"origin": origin, "authorization": f"Bearer {desk.token}"} if origin else {}
    body = {"method": "eth_requestAccounts"} if path == "/rpc" else {"code": desk.signing.codes[-1]}
    answer = desk.http.post(path, json=body, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    asked = {"origin": origin, "access-control-request-method": "POST"}
    preflight = desk.http.options(path, headers=asked)
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers


def test_preflight_of_the_console_is_answered(desk: Desk) -> None:
    """Its origin, to the letter, no other and no wildcard; the private network is granted where it is asked for."""
    asked = {"origin": CONSOLE, "access-control-request-private-network": "true"}
    answer = desk.http.options("/rpc", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("host", ["evil.test", "localhost", "127.0.0.1", "ledger.test:443"])
@pytest.mark.parametrize("path", ["/", "/rpc", "/waiting", "/signer.js"])
def test_rebound_names_are_refused(desk: Desk, host: str, path: str) -> None:
    """A name of an attacker that resolves to this machine is not the address that the signer listens at."""
    answer = desk.http.get(path, headers={"host": host, "authorization": f"Bearer {PAGE_KEY}"})
    assert (answer.status_code, answer.json()["code"]) == (421, "foreign_host")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_forms_cannot_call(desk: Desk, content_type: str) -> None:
    """What a form or a beacon can send without a preflight is no call, even in the name of the console."""
    headers = {"origin": CONSOLE, "content-type": content_type, "authorization": f"Bearer {desk.token}"}
    assert desk.http.post("/rpc", content=b'{"method": "eth_accounts"}', headers=headers).status_code == 415
    navigated = {"origin": CONSOLE, "sec-fetch-mode": "navigate", "content-type": "application/json"}
    assert desk.http.post("/rpc", content=b"{}", headers=navigated).status_code == 403


def test_no_page_is_shown_in_a_frame(desk: Desk) -> None:
    """Headers forbid it to browsers, with every source but the signer's own; a request for a frame is refused."""
    headers = desk.http.get("/").headers
    assert headers["x-frame-options"] == "DENY"
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(headers["content-security-policy"].split("; "))
    assert "unsafe" not in headers["content-security-policy"]
    for where in ("iframe", "frame", "embed", "object"):
        assert desk.http.get("/", headers={"sec-fetch-dest": where}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer guessed"},
        {"authorization": f"Bearer {PAGE_KEY}", "origin": CONSOLE},
        {"authorization": f"Bearer {PAGE_KEY}", "sec-fetch-site": "cross-site"},
    ],
)
def test_questions_are_answered_on_the_signer_s_page_alone(desk: Desk, headers: dict[str, str]) -> None:
    """The console itself cannot look at the question or say yes to it: it has not the page's key, nor its origin."""
    assert desk.http.get("/waiting", headers=headers).status_code == 403
    assert desk.http.post("/answer", json={"number": "1", "agreed": True}, headers=headers).status_code == 403


def test_a_late_answer_counts_for_nothing(desk: Desk) -> None:
    """A word to a question that does not wait any more signs nothing."""
    own = {"authorization": f"Bearer {PAGE_KEY}"}
    response = desk.http.post("/answer", json={"number": "0" * 16, "agreed": True}, headers=own)
    assert response.json() == {"counted": False}


def test_codes_serve_once_and_are_not_guessed() -> None:
    """A used code pairs nobody else; after three wrong ones another stands in the terminal."""
    with signer_of(OFFICER, free_port(), CONSOLE, lambda: NOW, "en") as signing:
        desk = Desk(signing)
        first = signing.codes[-1]
        desk.pair()
        second = signing.codes[-1]
        headers = {"origin": CONSOLE}
        assert desk.http.post("/pair", json={"code": first}, headers=headers).status_code == 403
        for guess in ("ABCD-EFGH", ""):
            assert desk.http.post("/pair", json={"code": guess}, headers=headers).status_code == 403
        assert second not in signing.codes[-1:]
        assert desk.http.post("/pair", json={"code": second}, headers=headers).status_code == 403
        assert desk.call("eth_accounts")["result"] == [OFFICER.key_id]


# -- by name -----------------------------------------------------------------------------------------------------------


def test_things_are_named_by_the_record_that_the_signer_verified(served: Served) -> None:
    """Items, persons and the case by name and number; ids, and the reason, where the record does not verify."""
    case = served.record(name_confidentially(Case().open().register("phone", "knife")))
    served.publish()
    bundle = served.get("/api/v1/cases/case-1/proof", OFFICER).content
    trust = served.parts.trust.trust
    names = names_in(bundle, trust, "case-1")
    assert {item_id: str(words) for item_id, words in names.items.items()} == {
        "phone": "the phone",
        "knife": "the knife",
    }
    assert [*names.persons.values()] == ["a name"]
    holder = KeyHolder(OFFICER.key_id, OFFICER.agency, OFFICER.officer_id, LOG_ID, CONSOLE)
    offer = case.offer("phone", "knife", to=PROCURATORATE, persons=("li",)).last

    def signed(event: SignedEvent, record: CaseNames | None) -> ActInWords:
        address, data, beside = asked_for(event)
        now = event.envelope.signed_at
        by_case = {} if record is None else {"case-1": record}
        asked = QuestionBuilder(holder, ActsReader(Labels("en"), str, lambda *_: by_case), lambda: now)
        return asked.events(address, [[data, beside]]).acts[0]

    named, unnamed = signed(offer, names), signed(offer, None)
    assert "the phone (phone), the knife (knife)" in named.sentence
    assert any("a name" in value for _, value in named.particulars)
    assert f"{names.number} (case-1)" in named.particulars[0].value
    assert "fetched and verified" in named.source
    assert "the phone" not in unnamed.sentence
    assert "could not be verified here" in unnamed.source
    pseudonym = offer.event.body.person_ids[0]
    for of_nothing_known in ("case-1", "phone", "knife", f"person {pseudonym}"):
        assert f"{of_nothing_known} (not known here)" in "\n".join(value for _, value in unnamed.particulars)
    assert "handover-1" in [value for _, value in unnamed.particulars], "it begins with this event"
    begun = [asked_for(each)[1:] for each in Case().open().register("phone").events]
    begun_at = case.events[0].envelope.signed_at
    of_new = QuestionBuilder(holder, ActsReader(Labels("en"), str), lambda: begun_at).events(
        OFFICER.key_id, [list(each) for each in begun]
    )
    assert ["signed together" in each.source for each in of_new.acts] == [False, True]
    (erasing,) = case.act(ErasureProposed(concerns=case.events[3].ref, label="person:1", ground="over")).events[-1:]
    sentence = signed(erasing, names).sentence
    assert "the confidential section name of event “person named · suspect · a name (" in sentence
    assert case.events[3].ref.event_id in sentence
    assert "name (person:1)" in [value for _, value in signed(erasing, names).particulars]
    assert "the confidential section “person:1 (not known here)” of event" in signed(erasing, None).sentence
    with pytest.raises(IntegrityBroken):
        names_in(bundle.replace(b"the phone", b"the spoon"), trust, "case-1")
    other_key = SeedSigner.from_seed("ledger.test/other", bytes(32)).verifying_key
    other_log = replace(trust, log_vkey=other_key.vkey())
    with pytest.raises(IntegrityBroken):
        names_in(bundle, other_log, "case-1")
    with pytest.raises(IntegrityBroken, match="expected the record of case-2"):
        names_in(bundle, trust, "case-2")


def words_of(events: list[SignedEvent], acted: SignedEvent) -> str:
    """Return what is read before ``acted`` is signed, by who has these events of its case."""
    names = CaseNames(events=len(events))
    for each in events:
        names.learn(each.event, each.sections)
    reader = ActsReader(Labels("en"), str, lambda *_: {"case-1": names} if events else {})
    (act,) = reader.read([(acted.event, acted.sections)])
    return act.sentence


def test_what_an_act_answers_is_named_by_the_event_that_began_it() -> None:
    """An acceptance names the sender and the things that were offered; of what no event is known, it says so."""
    case = Case().open().register("phone").offer("phone", to=PROCURATORATE, number="List 7")
    *before, accepted = case.accept(by=clerk(PROCURATORATE)).events
    offer = "“police-east · List 7 · handover offered · prosecution review · the phone (phone)” (handover-1)"
    assert f"accepts handover {offer}, delivered at" in words_of(before, accepted)
    assert "accepts handover handover-1 (not known here), delivered at" in words_of([], accepted)
    assert "accepts handover handover-1 (not known here)" in words_of(before[:1], accepted)


def test_a_letter_is_named_to_its_addressee_who_sees_nothing_else_of_the_case(served: Served) -> None:
    """By its event, which is fetched and verified alone; a letter of another case or name is not taken for it."""
    case = served.record(name_confidentially(Case().open().register("phone")))
    asking = LetterSent(letter_id="letter-1", kind=ASKING, number="No. 7", sent_at=case.moment, to_agency=COURT)
    served.record(case.act(asking))
    served.publish()
    addressee = clerk(COURT)
    assert served.get("/api/v1/cases/case-1/proof", addressee).status_code == 404
    service, trust = AsAddressee(served, addressee), served.parts.trust.trust
    receipt = case.draft(LetterReceived(letter_id="letter-1", received_at=case.moment), addressee)
    records = CaseRecords(service, trust)
    for _ in range(2):
        (act,) = ActsReader(Labels("en"), str, records.names).read([(receipt.event, {})])
        assert (
            "“police-east · ‘No. 7’ · letter sent · notice to give the reasons for not filing” (letter-1)"
            in act.sentence
        )
        assert "The letter is named by its own event" in act.source
        assert act.particulars[0].value == "case-1 (not known here)"
    assert service.asked == [
        "/api/v1/cases/case-1/proof",
        "/api/v1/cases/case-1/letters/letter-1",
        f"/api/v1/events/{case.last.envelope.event_id}/proof",
    ]
    assert records.names({"case-1": 1}, {"case-1": ["letter-2"]}).keys() == {"case-1"}
    for letter in ("letter-2", "../letters"):
        assert CaseRecords(service, trust).names({"case-1": 1}, {"case-1": [letter]}) == {}
    service.instead = served.get(f"/api/v1/events/{case.events[0].envelope.event_id}/proof", OFFICER).content
    assert CaseRecords(service, trust).names({"case-1": 1}, {"case-1": ["letter-1"]}) == {}


def test_what_comes_of_things_is_named_and_corrections_are_taken() -> None:
    """A part by its own words or else the whole's, a merged whole, and proceeds; as the agency that called it so
    corrected it, and the number of the case likewise."""
    case = Case().open().register("wine", kind="property", quantity=10, exhibit_number="E-1", fungible=True)
    case.say(ItemSplit, item_id="wine", parts=(part("a", 4), part("b", 6, description="bad wine")))

    def corrected(field: str, recorded: str, correct: str) -> RecordCorrected:
        change = Correction(field=field, recorded=recorded, correct=correct)
        return RecordCorrected(corrects=case.last.ref, corrections=(change,), ground="misread")

    case.act(corrected("parts[1].description", "bad wine", "good wine"))
    case.say(ItemMerged, item_ids=("a", "b"), whole=part("c", 10, description="wine"))
    foreign = case.draft(corrected("whole.exhibit_number", "E-1", ABSENT), clerk(PROCURATORATE))
    case.register("knife", exhibit_number="E-2")
    case.act(corrected("exhibit_number", "E-2", ABSENT))
    case.say(CaseNumbered, case_number="2026-0714")
    case.act(corrected("case_number", "2026-0714", "2026-0417"))
    case.say(ItemDisposalProposed, item_ids=("c",), disposal="sold_early")
    dispose(case, proceeds=part("money", 1, amount=100))
    names = CaseNames()
    for each in (*case.events, foreign):
        names.learn(each.event, {})
    called = {item_id: str(words) for item_id, words in names.items.items()}
    own = {"wine": "the wine E-1", "knife": "the knife"}
    assert called == own | {"a": "the wine E-1", "b": "good wine E-1", "c": "wine E-1", "money": "wine → CNY"}
    by_fold = {
        each.item_id: " ".join(filter(None, (each.description, each.exhibit_number)))
        for each in case.state.items.values()
    }
    assert called == by_fold
    assert names.number == case.state.numbers[POLICE] == "2026-0417"


@pytest.fixture
def universal_time() -> Iterator[None]:
    """Let the zone of the ledger be none of a procedure's."""
    before = ZONE_IN_USE.set(lambda: UNIVERSAL)
    yield
    ZONE_IN_USE.reset(before)


@pytest.mark.usefixtures("universal_time")
def test_times_of_a_case_are_shown_in_the_zone_of_its_procedure() -> None:
    """As the console shows them; those of a case whose procedure is not known, in the zone of the ledger."""
    holder = KeyHolder(OFFICER.key_id, OFFICER.agency, OFFICER.officer_id, LOG_ID, CONSOLE)
    opening = Case().open().last
    address, data, beside = asked_for(opening)
    shown = {}
    for name, books in {"known": {"cn-criminal": shipped_rulebook()}, "unknown": {}}.items():
        now = opening.envelope.signed_at
        reader = ActsReader(Labels("en"), str, procedures=lambda books=books: books)
        asked = QuestionBuilder(holder, reader, lambda now=now: now)
        (act,) = asked.events(address, [[data, beside]]).acts
        shown[name] = (dict(act.particulars)["occurred at"], act.source)
    assert shown == {
        "known": ("2026-03-02 09:00", "Times: Beijing time."),
        "unknown": ("2026-03-02 01:00", "Times: UTC."),
    }
    assert zone_in_use() == UNIVERSAL, "the zone of a case is for its act alone"


@pytest.mark.usefixtures("universal_time")
def test_labels_and_zone_are_those_of_the_procedure_in_the_record(served: Served) -> None:
    """As the log adopted it, whatever procedures the service says are in force."""
    served.ledger.system.append(publication_of(SECOND))
    served.ledger.system.append(served.ledger.changes.add(ProcedureAdopted, digest=blake3_text(SECOND)))
    case = served.record(Case().open().register("phone"))
    served.publish()
    names = names_in(served.get("/api/v1/cases/case-1/proof", OFFICER).content, served.parts.trust.trust, "case-1")
    assert names.book is not None
    assert names.book.digest == blake3_text(SECOND)
    holder = KeyHolder(OFFICER.key_id, OFFICER.agency, OFFICER.officer_id, LOG_ID, CONSOLE)
    sealing = case.register("knife").last
    address, data, beside = asked_for(sealing)
    asked = QuestionBuilder(
        holder, ActsReader(Labels("en"), str, lambda *_: {"case-1": names}), lambda: sealing.envelope.signed_at
    )
    (act,) = asked.events(address, [[data, beside]]).acts
    assert "Times: Beijing time." in act.source


def test_a_record_is_fetched_once_and_not_waited_for_without_end(served: Served) -> None:
    """What was verified is kept until the case has more events. One that is too large, or too slow, is done without;
    it is there for the next question. What a question adds to the names is not kept."""
    case = served.record(name_confidentially(Case().open().register("phone")))
    served.publish()
    bundle = served.get("/api/v1/cases/case-1/proof", OFFICER).content
    service, events = Shown({"case-1": bundle}), len(case.events)
    records = CaseRecords(service, served.parts.trust.trust)
    for _ in range(3):
        assert records.names({"case-1": events})["case-1"].items.pop("phone").description == "the phone"
    assert service.asked == 1
    assert "case-1" in records.names({"case-1": events + 1})
    assert service.asked == 2
    assert CaseRecords(service, None).names({"case-1": events}) == {}
    small = CaseRecords(service, served.parts.trust.trust, most_bytes=len(bundle) - 1)
    assert small.names({"case-1": events}) == {}
    service.may_answer.clear()
    slow = CaseRecords(service, served.parts.trust.trust, within_s=0.01)
    asked = service.asked
    assert slow.names({"case-1": events, "case-2": 1, "case-3": 1}) == {}
    assert service.asked == asked + 1, "a question waits once, however many cases it is of"
    assert slow.names({"case-1": events}) == {}
    assert service.asked == asked + 1, "one that is being fetched is not fetched twice"
    service.may_answer.set()
    wait_until(lambda: slow.names({"case-1": events}))


def test_a_case_is_named_by_its_own_record_and_the_last_records_are_kept(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that shows the record of another case, in which things have the same ids, names nothing."""
    bundles = {}
    for case_id in ("case-1", "case-2"):
        served.record(Case(case_id).open().register("phone"))
        served.publish()
        bundles[case_id] = served.get(f"/api/v1/cases/{case_id}/proof", OFFICER).content
    trust = served.parts.trust.trust
    assert CaseRecords(Shown({"case-1": bundles["case-2"]}), trust).names({"case-1": 2}) == {}
    monkeypatch.setattr(case_names, "MOST_KEPT", 1)
    service = Shown(bundles)
    records = CaseRecords(service, trust)
    for case_id in ("case-1", "case-2", "case-2", "case-1"):
        assert records.names({case_id: 2}).keys() == {case_id}
    assert service.asked == 3


class Shown(ServiceClient):
    """A service that shows the bundles of cases, once it may answer."""

    def __init__(self, bundles: Mapping[str, bytes]):
        super().__init__("https://ledger.test")
        self.bundles, self.asked, self.may_answer = bundles, 0, threading.Event()
        self.may_answer.set()

    def download(self, path: str, target: IO[bytes], **_query: Any) -> None:  # type: ignore[override]
        self.asked += 1
        self.may_answer.wait(60)
        target.write(self.bundles[path.split("/")[4]])


class AsAddressee(ServiceClient):
    """The service as the addressee of a letter reads it, or ``instead`` of its proofs something else."""

    def __init__(self, served: Served, addressee: Officer):
        super().__init__("https://ledger.test")
        self.served, self.addressee = served, addressee
        self.instead: bytes | None = None
        self.asked: list[str] = []

    def _asked(self, path: str) -> httpx.Response:
        self.asked.append(path)
        answer = self.served.get(path, self.addressee)
        if answer.status_code != 200:
            raise NotFound("not shown to this reader")
        return answer

    def get(self, path: str, **_query: Any) -> Any:
        return self._asked(path).json()

    def download(self, path: str, target: IO[bytes], **_query: Any) -> None:  # type: ignore[override]
        answer = self._asked(path).content
        target.write(self.instead or answer)


def test_what_was_signed_can_be_looked_at(desk: Desk) -> None:
    """By the names of the question, the newest first; what was declined is not there, and nobody else reads it."""
    own = {"authorization": f"Bearer {PAGE_KEY}"}
    before = desk.http.get("/waiting", headers=own).json()["signed"]
    desk.asked(False, "eth_signTypedData_v4", *asked_for(OFFER))
    question, _ = desk.asked(True, "eth_signTypedData_v4", *asked_for(OFFER))
    assert desk.http.get("/waiting", headers=own).json()["signed"] == before + 1
    assert desk.http.get("/signed", headers=own).json()["signed"][0]["acts"] == question["acts"]
    assert desk.http.get("/signed").status_code == 403


def test_one_consent_signs_events_that_follow_each_other(desk: Desk) -> None:
    """Each is signed to follow the one before as that was signed; items are named by the acts before them."""
    events = Case("case-9").open().register("phone").offer("phone", to=PROCURATORATE).events
    documents = [asked_for(event)[1:] for event in events]
    question, answer = desk.asked(True, "tallystick_signEvents", OFFICER.key_id, documents)
    assert len(question["acts"]) == len(answer["result"]) == 3
    assert "the phone (phone)" in question["acts"][2]["sentence"]
    previous = None
    for event, signature in zip(events, answer["result"], strict=True):
        envelope = replace(event.envelope, previous=previous, signature=signature)
        assert recover(signing_hash(envelope, LOG_ID), bytes.fromhex(signature[2:])) == OFFICER.key_id
        previous = f"sha256:{leaf_hash(canonical.encode(envelope)).hex()}"
    apart = desk.call("tallystick_signEvents", OFFICER.key_id, [documents[0], documents[2]])
    assert apart["error"]["code"] == UNSPEAKABLE
    assert desk.call("tallystick_signEvents", OFFICER.key_id, [])["error"]["code"] == UNSPEAKABLE
