"""What a phone's token opens: one offer in one officer's name, for a while, and nothing that signs or posts."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from api.auth.phone_access import CODE_LIFETIME_S
from ledger.core.encoding.instants import instant_text
from ledger.store import phones
from tests.api.console.matrix import ROWS
from tests.api.console.pages import OWN, page_of, post
from tests.api.service import Served
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, auditor, clerk, supervisor
from tests.testkit.casework import Case, holding

OFFER = "/cases/case-1/handovers/handover-1"
DESK = clerk(PROCURATORATE)
IDS = {"case_id": "case-1", "handover_id": "handover-1"}
PREPARED = "Prepared on your phone"
NOTED = {"fields": {"seen phone": True, "how:phone": "differs", "remark:phone": "wet"}, "files": [], "finished": False}


@pytest.fixture
def case() -> Case:
    """Return a case of two things, of which the police offer one to the procuratorate."""
    return holding("phone", "knife").offer("phone", to=PROCURATORATE)


@pytest.fixture
def offering(served: Served, case: Case) -> Served:
    """Return a service with this case."""
    served.record(case)
    return served


def code_for(served: Served, officer: Officer = DESK) -> str:
    """Have an officer's desk show a code."""
    answer = post(served, officer, f"{OFFER}/phone", {})
    assert answer.status_code == 200, answer.text
    (code,) = re.findall(r'class="code">([0-9A-Z-]+)<', answer.text)
    return str(code)


def open_with(served: Served, code: str) -> httpx.Response:
    return served.request("POST", "/console/phone", json={"code": code}, headers=OWN)


def phone_for(served: Served, officer: Officer = DESK) -> dict[str, str]:
    """Return the cookie of a phone that typed a code of the officer's desk."""
    answer = open_with(served, code_for(served, officer))
    assert answer.status_code == 204, answer.text
    assert "; Path=/console/phone; SameSite=strict; Secure" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def ask(served: Served, phone: dict[str, str], path: str = "/offer") -> httpx.Response:
    return served.request("GET", f"/console/phone{path}", headers=phone)


def note(served: Served, phone: dict[str, str], answer: Any = NOTED) -> httpx.Response:
    return served.request("POST", "/console/phone/answer", json=answer, headers=phone | OWN)


def prepared_at(served: Served, officer: Officer = DESK) -> Any:
    """Return what the officer's desk is shown of what his phone prepared, or None."""
    page = page_of(served, officer, f"{OFFER}/phone")
    match = re.search(r'data-prepared="([^"]*)"', page.text)
    return match and json.loads(match[1].replace("&#34;", '"') or "null")


def test_a_phone_sees_its_offer_and_no_other_page(offering: Served) -> None:
    """The read is recorded, as the officer's on a phone; no other page or form takes the token, under any name."""
    phone, before = phone_for(offering), offering.reads()
    page = ask(offering, phone)
    assert (page.status_code, offering.reads() - before) == (200, 1)
    assert "the phone" in page.text
    assert "the knife" not in page.text
    *_, read = offering.parts.access.since(before - 1, 10)
    assert (read.read.subject, read.read.officer) == ("handover handover-1, on a phone", DESK.officer_id)
    token = phone["cookie"].partition("=")[2]
    for name in ("__Secure-tallystick-phone", "__Secure-tallystick"):
        cookie = {"cookie": f"{name}={token}"}
        for row in ROWS:
            path = re.sub(r"{(\w+)}", lambda name: IDS.get(name[1], "phone"), row.route + row.query)
            answer = offering.request("GET", f"/console{path}", headers=cookie)
            assert answer.headers.get("location", "").startswith("/console/sign-in"), path
        form = {"handover_id": "handover-1", "received_at": "2026-03-02T10:00"}
        for path in ("/cases/case-1/drafts/accept", "/inbox/drafts", f"{OFFER}/phone", f"{OFFER}/phone/end"):
            answer = offering.request("POST", f"/console{path}", data=form, headers=cookie | OWN)
            assert answer.headers.get("location", "").startswith("/console/sign-in"), path
    bearer = {"authorization": f"Bearer {token}"}
    assert offering.request("GET", "/api/v1/cases/case-1", headers=bearer).status_code == 401
    assert offering.request("POST", "/api/v1/drafts", json={}, headers=bearer).status_code == 401


def test_a_phone_gets_the_whole_of_a_long_list(served: Served) -> None:
    """By parts, as the desk does, each from the phone's own pages."""
    things = [f"thing-{number}" for number in range(60)]
    served.record(holding(*things).offer(*things, to=PROCURATORATE))
    phone = phone_for(served)
    page = ask(served, phone)
    (more,) = re.findall(r'data-more="/console/phone(/lines\?first=50)"', page.text)
    rest = ask(served, phone, f"{more}&all=true")
    listed = re.findall(r'name="seen" value="([^"]+)"', page.text + rest.text)
    assert listed == things


def test_a_code_counts_once_and_not_for_long(offering: Served) -> None:
    """A second phone gets nothing by it, nor does one that comes late, nor by a guess; case and dashes do not count."""
    code = code_for(offering)
    assert open_with(offering, code.lower().replace("-", " ")).status_code == 204
    assert open_with(offering, code).status_code == 401
    late = code_for(offering)
    offering.ledger.clock.forward(CODE_LIFETIME_S)
    assert open_with(offering, late).status_code == 401
    assert open_with(offering, "2222-2222-2222").status_code == 401


def test_a_second_phone_takes_the_place_of_the_first(offering: Served) -> None:
    """A new code ends the phone before, and what that one noted goes over to the next."""
    first = phone_for(offering)
    assert note(offering, first).status_code == 204
    code = code_for(offering)
    assert (ask(offering, first).status_code, note(offering, first).status_code) == (401, 401)
    second = open_with(offering, code)
    page = ask(offering, {"cookie": second.headers["set-cookie"].partition(";")[0]})
    assert "remark:phone" in page.text


def test_only_the_officers_own_desk_sees_what_his_phone_noted(offering: Served) -> None:
    """Not another officer of the agency, who has a phone of his own, and can end that one alone."""
    phone, colleague = phone_for(offering), supervisor(PROCURATORATE)
    assert note(offering, phone).status_code == 204
    assert prepared_at(offering)["fields"] == NOTED["fields"]
    assert prepared_at(offering, colleague) is None
    assert post(offering, colleague, f"{OFFER}/phone/end", {}).status_code == 200
    assert ask(offering, phone_for(offering, colleague)).status_code == 200
    assert ask(offering, phone).status_code == 200
    assert PREPARED in page_of(offering, DESK, "/inbox").text
    assert post(offering, DESK, f"{OFFER}/phone/end", {}).status_code == 200
    assert ask(offering, phone).status_code == 401
    assert prepared_at(offering) is None


def test_a_phone_does_not_outlive_its_time(offering: Served) -> None:
    """After its time, and after it left, nothing is shown or taken; the desk has what was noted for a day."""
    clock, phone = offering.ledger.clock, phone_for(offering)
    assert note(offering, phone).status_code == 204
    clock.forward(offering.parts.settings.phone_lifetime_s)
    offering.forget_tokens()
    assert (ask(offering, phone).status_code, note(offering, phone).status_code) == (401, 401)
    again = phone_for(offering)
    left = offering.request("POST", "/console/phone/leave", headers=again | OWN)
    assert (left.status_code, ask(offering, again).status_code) == (303, 401)
    assert prepared_at(offering)["fields"] == NOTED["fields"]
    clock.forward(phones.KEPT_S)
    offering.forget_tokens()
    phones.forget(offering.parts.database, clock.seconds)
    assert prepared_at(offering) is None


def test_a_phone_ends_with_the_key_of_its_officer(offering: Served) -> None:
    """From the revocation on nothing is shown or taken, though the token's time is not over."""
    phone = phone_for(offering)
    offering.mirror(offering.ledger.changes.revoke(DESK).bodies[-1])
    assert (ask(offering, phone).status_code, note(offering, phone).status_code) == (401, 401)


def test_a_phone_ends_with_the_time_of_the_offer(served: Served) -> None:
    """An offer that has expired is answered no more: its phone is told so, and its desk gets no code, and is shown
    nothing of what was prepared, as it does not see the case any more."""
    until = served.ledger.clock.seconds + 600
    served.record(holding("phone").offer("phone", to=PROCURATORATE, expires_at=instant_text(until)))
    phone = phone_for(served)
    assert note(served, phone).status_code == 204
    assert PREPARED in page_of(served, DESK, "/inbox").text
    served.ledger.clock.forward(601)
    assert (ask(served, phone).status_code, note(served, phone).status_code) == (409, 409)
    assert post(served, DESK, f"{OFFER}/phone", {}).status_code == 409
    assert PREPARED not in page_of(served, DESK, "/inbox").text


def test_what_was_prepared_goes_with_the_offer(offering: Served, case: Case) -> None:
    """Once it is answered the phone is told so, and nothing of what it noted is left."""
    phone = phone_for(offering)
    assert note(offering, phone).status_code == 204
    offering.record(case.accept())
    assert (ask(offering, phone).status_code, note(offering, phone).status_code) == (401, 401)
    phones.forget(offering.parts.database, offering.ledger.clock.seconds)
    with offering.parts.database.read() as connection:
        assert connection.execute(phones.PHONES.select()).all() == []


@pytest.mark.parametrize(
    ("officer", "status"),
    [(clerk(POLICE), 409), (auditor(PROCURATORATE), 403), (clerk(COURT), 404)],
    ids=lambda value: value.officer_id if isinstance(value, Officer) else "",
)
def test_who_may_not_answer_gets_no_code(offering: Served, officer: Officer, status: int) -> None:
    """Neither the sender, nor a role that does not sign, nor who does not see the offer."""
    assert post(offering, officer, f"{OFFER}/phone", {}).status_code == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({**NOTED, "fields": {"seen knife": True}}, 400),
        ({**NOTED, "fields": {"occurred_at": "2026-03-02T10:00"}}, 400),
        ({**NOTED, "fields": {"absent x": True}}, 400),
        ({**NOTED, "fields": {"remark:phone": "x" * 4001}}, 400),
        ({**NOTED, "files": [{"field": "digest:phone", "name": "a", "digests": ["sha256:1"]}]}, 400),
        ({**NOTED, "padding": "x"}, 400),
        ({**NOTED, "files": "x" * 300_000}, 413),
    ],
)
def test_a_phone_notes_what_the_form_has(offering: Served, answer: Any, status: int) -> None:
    """Nothing of another item, no other field, and no more than an answer takes."""
    phone = phone_for(offering)
    assert note(offering, phone, answer).status_code == status
    assert prepared_at(offering) is None


def test_phones_of_one_officer_are_few(offering: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit are refused until one is ended; a new code for the same offer is none more."""
    monkeypatch.setattr(phones, "MOST_OFFERS", 1)
    phone_for(offering)
    phone_for(offering)
    offering.record(Case("case-2").open().register("gun").offer("gun", to=PROCURATORATE))
    second = "/cases/case-2/handovers/handover-1/phone"
    assert post(offering, DESK, second, {}).status_code == 409
    assert post(offering, DESK, f"{OFFER}/phone/end", {}).status_code == 200
    assert post(offering, DESK, second, {}).status_code == 200
