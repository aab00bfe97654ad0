"""The console's pages as requests: whom they serve, what they carry, and what other sites cannot do through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import AGENCIES, SETTINGS, serving
from tests.api.service import Served
from tests.builders import COURT, POLICE, PROCURATORATE, auditor, clerk
from tests.casework import offered
from tests.console.desk import OF_CASE, PAGES

OWN = {"origin": "https://ledger.test", "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with a case that the police offer to the procuratorate."""
    with serving(tmp_path_factory.mktemp("pages"), SETTINGS) as made:
        made.record(offered("phone"))
        yield made


def page_of(served: Served, officer: Any, path: str, **headers: str) -> httpx.Response:
    token = served.token(officer)["authorization"].removeprefix("Bearer ")
    return served.request("GET", f"/console{path}", headers={"cookie": f"__Secure-tallystick={token}"} | headers)


@pytest.mark.parametrize("path", [*PAGES, *OF_CASE])
def test_pages_need_somebody_signed_in(shared: Served, path: str) -> None:
    """Without a session, or with a token that is none, every page leads to the sign-in page and back."""
    for cookie in ({}, {"cookie": "__Secure-tallystick=none"}):
        answer = shared.request("GET", f"/console{path}", headers=cookie)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=/console/")


@pytest.mark.parametrize("path", OF_CASE)
def test_cases_of_others_are_not_there(shared: Served, path: str) -> None:
    """A page shows what the API shows: an agency that has no part in a case finds none."""
    assert page_of(shared, clerk(POLICE), path).status_code == 200
    assert page_of(shared, clerk(COURT), path).status_code == 404
    assert page_of(shared, clerk(COURT), "/cases/case-1").status_code == 404
    assert "2026-0417" not in page_of(shared, clerk(COURT), "/cases?all=true").text


def test_reads_by_pages_are_recorded(shared: Served) -> None:
    """Whoever looks at a case on a page stands in the log of reads."""
    page_of(shared, auditor(PROCURATORATE), "/cases/case-1")
    reads = shared.get("/api/v1/access", auditor(POLICE), case_id="case-1").json()["reads"]
    assert any(one["officer"] == auditor(PROCURATORATE).officer_id and one["what"] == "case" for one in reads)


def test_every_answer_carries_the_policy(shared: Served) -> None:
    """No inline script or style anywhere, nothing from elsewhere but the signer on loopback, and no frame."""
    for path in ("/", "/sign-in", "/cases/case-1", "/nowhere"):
        policy = page_of(shared, clerk(POLICE), path).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "connect-src 'self' http://127.0.0.1:8546;" in policy


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.test", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "https://ledger.test", "sec-fetch-site": "same-site"},
        {"origin": "http://ledger.test"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/language", "/find", "/cases/case-1/drafts/offer"])
def test_other_sites_change_nothing(shared: Served, path: str, headers: dict[str, str]) -> None:
    """Whatever another site posts in a signed-in officer's browser is refused before it is looked at."""
    token = shared.token(clerk(POLICE))["authorization"].removeprefix("Bearer ")
    form = {"content-type": "application/x-www-form-urlencoded", "cookie": f"__Secure-tallystick={token}"}
    answer = shared.request("POST", f"/console{path}", content=b"language=en", headers=form | headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test", "/console/..//evil.test\\", "/api/v1/log", ""])
def test_signing_in_leads_nowhere_else(shared: Served, back: str) -> None:
    """The address to go back to is one of the console, whatever a link says."""
    page = shared.request("GET", "/console/sign-in", params={"next": back}).text
    assert 'data-next="/console/"' in page


def test_drafts_take_the_role_of_the_act(shared: Served) -> None:
    """An auditor drafts no offer: what he could not sign is told before."""
    token = shared.token(auditor(POLICE))["authorization"].removeprefix("Bearer ")
    headers = OWN | {"cookie": f"__Secure-tallystick={token}", "content-type": "application/x-www-form-urlencoded"}
    form = f"to_agency={PROCURATORATE}&purpose=arrest_approval&item=phone".encode()
    answer = shared.request("POST", "/console/cases/case-1/drafts/offer", content=form, headers=headers)
    assert answer.status_code == 403
    assert "takes the role clerk or supervisor" in answer.text


def test_the_language_is_kept(shared: Served) -> None:
    """What the reader chose stands above what the browser says; no other language can be put in."""
    headers = OWN | {"content-type": "application/x-www-form-urlencoded"}
    answer = shared.request("POST", "/console/language", content=b"language=zh-CN&next=/console/inbox", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/inbox")
    assert "tallystick-language=zh-CN; HttpOnly" in answer.headers["set-cookie"]
    chosen = {"cookie": "tallystick-language=zh-CN", "accept-language": "en"}
    assert '<html lang="zh-CN">' in shared.request("GET", "/console/sign-in", headers=chosen).text
    forged = shared.request("POST", "/console/language", content=b"language=tlh", headers=headers)
    assert "set-cookie" not in forged.headers


def test_the_bare_address_leads_to_the_console(shared: Served) -> None:
    """Who types no more than the service's name comes to the console."""
    assert shared.request("GET", "/").headers["location"] == "/console/"
    assert set(AGENCIES) >= {POLICE, COURT}
