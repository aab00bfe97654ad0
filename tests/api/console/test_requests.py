"""The console's pages as requests: whom they serve, what other sites cannot do through them, and what is refused, as a
page that knows its reader and comes also where the database does not answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from ledger.supervision.models.model_file import shipped_model
from tests.api.console.pages import OWN, page_of, post
from tests.api.console.test_first_use import served_to
from tests.api.service import Served
from tests.campaigns.faults.commits import database_error
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk
from tests.testkit.casework import offered


@pytest.fixture(scope="module")
def offering(shared: Served) -> Served:
    """Return a service with a case that the police offer to the procuratorate."""
    shared.record(offered("phone"))
    return shared


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


# -- what is refused ---------------------------------------------------------------------------------------------------


@contextmanager
def away(engine: Engine) -> Iterator[None]:
    """Let no statement be answered."""

    def fail(*_: Any) -> None:
        raise database_error()

    event.listen(engine, "do_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "do_execute", fail)


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/cases/ghost", 404), ("/audit", 403), ("/cases?after=" + "x" * 200, 400)]
)
def test_an_error_page_knows_its_reader(offering: Served, path: str, status: int) -> None:
    """Whoever is signed in stays so on it: his name, his menu, his key, the way to sign out, which nobody else has."""
    answer = page_of(offering, clerk(POLICE), path)
    assert answer.status_code == status
    for mark in (clerk(POLICE).officer_id, f'data-key-id="{clerk(POLICE).key_id}"', "/console/inbox", "/sign-out"):
        assert mark in answer.text, mark
    assert "/sign-out" not in page_of(offering, None, path).text


@pytest.mark.parametrize("path", ["/cases/case-1", "/nowhere"])
def test_an_error_page_comes_while_the_database_is_away(offering: Served, path: str) -> None:
    """It says so, though who reads it cannot be told then."""
    offering.token(clerk(POLICE))
    with away(offering.ledger.database.log):
        answer = page_of(offering, clerk(POLICE), path)
    assert answer.status_code == (404 if path == "/nowhere" else 503)
    assert "<h1>This cannot be shown</h1>" in answer.text
    assert page_of(offering, clerk(POLICE), "/cases/case-1").status_code == 200


@pytest.mark.parametrize(("language", "pattern"), [("en", r"line \d+: "), ("zh-CN", r"第 \d+ 行: ")])
def test_the_faults_of_a_model_are_told_with_their_lines(tmp_path: Path, language: str, pattern: str) -> None:
    """Also where it was to be published, in the reader's language."""
    spoiled = (
        shipped_model("third-return").replace("severity: high", "severity: grave").replace("version: 1", "version: 0")
    )
    headers = OWN | {"accept-language": language, "hx-request": "true"}
    with served_to(tmp_path, analyst(PROCURATORATE)) as served:
        form = {"definition": spoiled}
        answer = post(served, analyst(PROCURATORATE), "/supervision/drafts/model.published", form, headers)
    assert answer.status_code == 400, answer.text
    assert len(re.findall(pattern, answer.text)) == 2, answer.text
    assert ("应为" in answer.text) == (language == "zh-CN"), answer.text


# -- how long a session lasts ------------------------------------------------------------------------------------------


def test_a_session_in_use_is_renewed_until_its_day_is_over(served: Served) -> None:
    """A page gives a new token once half of the old one's time is gone, and none beyond the session's own end."""
    clock, settings = served.ledger.clock, served.parts.settings
    cookie, began = served.cookie(clerk(POLICE)), clock.seconds
    assert "set-cookie" not in served.request("GET", "/console/inbox", headers=cookie).headers
    while True:
        clock.forward(settings.token_lifetime_s // 2)
        answer = served.request("GET", "/console/inbox", headers=cookie)
        if "set-cookie" not in answer.headers:
            break
        cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert abs(clock.seconds - began - settings.session_lifetime_s) <= settings.token_lifetime_s
    clock.forward(settings.token_lifetime_s)
    over = served.request("GET", "/console/inbox", headers=cookie)
    assert (over.status_code, over.headers["location"]) == (303, "/console/sign-in?next=/console/inbox")
