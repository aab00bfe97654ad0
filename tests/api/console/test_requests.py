"""The console's pages as requests: whom they serve, what they carry, and what other sites cannot do through them."""

from __future__ import annotations

import pytest

from tests.api.console.pages import page_of, post
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, auditor
from tests.testkit.casework import offered


@pytest.fixture(scope="module")
def offering(shared: Served) -> Served:
    """Return a service with a case that the police offer to the procuratorate."""
    shared.record(offered("phone"))
    return shared


def test_reads_by_pages_are_recorded(offering: Served) -> None:
    """Whoever looks at a case on a page stands in the log of reads."""
    page_of(offering, auditor(PROCURATORATE), "/cases/case-1")
    reads = offering.get("/api/v1/access", auditor(POLICE), case_id="case-1").json()["reads"]
    assert any(read["officer"] == auditor(PROCURATORATE).officer_id and read["what"] == "case" for read in reads)


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test", "/console/..//evil.test\\", "/api/v1/log", ""])
def test_signing_in_leads_nowhere_else(offering: Served, back: str) -> None:
    """The address to go back to is one of the console, whatever a link says."""
    page = offering.request("GET", "/console/sign-in", params={"next": back}).text
    assert 'data-next="/console/"' in page


def test_the_language_is_kept(offering: Served) -> None:
    """What the reader chose stands above what the browser says; no other language can be put in."""
    answer = post(offering, None, "/language", {"language": "zh-CN", "next": "/console/inbox"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/inbox")
    assert "tallystick-language=zh-CN; HttpOnly" in answer.headers["set-cookie"]
    chosen = {"cookie": "tallystick-language=zh-CN", "accept-language": "en"}
    assert '<html lang="zh-CN">' in offering.request("GET", "/console/sign-in", headers=chosen).text
    forged = post(offering, None, "/language", {"language": "tlh"})
    assert "set-cookie" not in forged.headers


def test_the_bare_address_leads_to_the_console(offering: Served) -> None:
    """Who types no more than the service's name comes to the console."""
    assert offering.request("GET", "/").headers["location"] == "/console/"
