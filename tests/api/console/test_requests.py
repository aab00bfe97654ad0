"""The console's pages as requests: whom they serve, what they carry, and what other sites cannot do through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import AGENCIES, SETTINGS, serving
from tests.api.service import Served
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, auditor
from tests.testkit.casework import offered

OWN = {"origin": "https://ledger.test", "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a service with a case that the police offer to the procuratorate."""
    with serving(tmp_path_factory.mktemp("pages"), SETTINGS) as service:
        service.record(offered("phone"))
        yield service


def page_of(served: Served, officer: Any, path: str, **headers: str) -> httpx.Response:
    token = served.token(officer)["authorization"].removeprefix("Bearer ")
    return served.request("GET", f"/console{path}", headers={"cookie": f"__Secure-tallystick={token}"} | headers)


def test_reads_by_pages_are_recorded(shared: Served) -> None:
    """Whoever looks at a case on a page stands in the log of reads."""
    page_of(shared, auditor(PROCURATORATE), "/cases/case-1")
    reads = shared.get("/api/v1/access", auditor(POLICE), case_id="case-1").json()["reads"]
    assert any(read["officer"] == auditor(PROCURATORATE).officer_id and read["what"] == "case" for read in reads)


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test", "/console/..//evil.test\\", "/api/v1/log", ""])
def test_signing_in_leads_nowhere_else(shared: Served, back: str) -> None:
    """The address to go back to is one of the console, whatever a link says."""
    page = shared.request("GET", "/console/sign-in", params={"next": back}).text
    assert 'data-next="/console/"' in page


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
