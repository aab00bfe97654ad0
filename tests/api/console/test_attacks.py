"""A page of another site in the officer's own browser: it frames, posts, asks and rebinds, and gets nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.console.shared.rendering import address
from tests.api.console.desk import PAGE_KEY, Clerk, Office, office_in
from tests.api.service import listening_at
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import holding
from tests.testkit.machine import free_port

NOTHING = "chrome-error://chromewebdata/"


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Clerk]:
    """Yield an officer who is signed in at the console, and whose signer runs."""
    with office_in(tmp_path_factory.mktemp("victim"), browser) as office:
        office.record(holding("phone"))
        yield office.at(clerk(POLICE))


@pytest.fixture
def evil(victim: Clerk) -> Iterator[Page]:
    """Yield the other site's page in a window of the same browser; what the browser tells of it is no complaint."""

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>evil</title><body></body>")

    port = free_port()
    # By its name this is another site, too.
    with listening_at(port, Starlette(routes=[Route("/", page)])):
        window = victim.context.new_page()
        window.goto(f"http://localhost:{port}")
        yield window
        window.close()
        victim.office.complaints.clear()


def framed(page: Page, url: str) -> str:
    """Return the address that stands in a frame of the page in the end: the browser's own where it shows nothing."""
    page.evaluate(
        "(src) => document.body.replaceChildren(Object.assign(document.createElement('iframe'), { src }))", url
    )
    for _ in range(200):
        shown = [frame.url for frame in page.main_frame.child_frames if frame.url not in ("", "about:blank")]
        if shown:
            return shown[0]
        page.wait_for_timeout(50)
    raise AssertionError(f"nothing came of the frame for {url}")


def asked(page: Page, url: str, **options: object) -> str:
    """Return what a script of the page gets to read, or the kind of its failure."""
    answer: str = page.evaluate(
        """async ([url, options]) => {
          try {
            const answer = await fetch(url, { credentials: "include", ...options });
            return `${answer.type} ${answer.status} ${await answer.text()}`;
          } catch (error) {
            return error.name;
          }
        }""",
        [url, options],
    )
    return answer


def test_nothing_is_shown_in_a_frame(victim: Clerk, evil: Page) -> None:
    """Neither the console nor the signer's page: nobody clicks there what he does not see."""
    assert framed(evil, evil.url) == evil.url
    for url in (
        f"{victim.office.url}/console/",
        f"{victim.office.url}/console/sign-in",
        f"{victim.signing.url}/#{PAGE_KEY}",
    ):
        assert framed(evil, url) == NOTHING, url


def test_another_site_reads_and_changes_nothing(victim: Clerk, evil: Page) -> None:
    """Its scripts get no answer of console or API, and its forms no further than the refusal, cookie or not."""
    url = victim.office.url
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path in ("/console/", "/console/cases/case-1", f"{address()}/act.js"):
        assert asked(evil, url + path) == "TypeError", path
    assert asked(evil, f"{url}/console/sign-out", method="POST", headers=form, body="") == "TypeError"
    assert asked(evil, f"{url}{address()}/act.js", mode="no-cors") == "TypeError"
    evil.evaluate(
        """(action) => {
          const form = Object.assign(document.createElement("form"), { method: "post", action });
          document.body.append(form);
          form.submit();
        }""",
        f"{url}/console/sign-out",
    )
    expect(evil.get_by_text("this was not asked by a page of this console")).to_be_visible()
    victim.go("/cases/case-1")
    expect(victim.page.get_by_role("heading", level=1)).to_contain_text("2026-0417")


def test_the_browser_tells_of_what_the_policy_forbids(office: Office) -> None:
    """The tests' own eye: an inline script, an inline style and a picture from elsewhere are stopped and told."""
    page = office.at(clerk(POLICE)).page
    page.evaluate(
        """() => {
          const add = (tag, given) => document.body.append(Object.assign(document.createElement(tag), given));
          add("script", { textContent: "globalThis.owned = 1" });
          document.body.insertAdjacentHTML("beforeend", "<i style='color: red'></i>");
          add("img", { src: "http://127.0.0.1:9/x.png" });
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("typeof owned") == "undefined"
    complaints = " ".join(office.complaints)
    office.complaints.clear()
    assert all(f"CSP {name}" in complaints for name in ("script-src-elem", "style-src-attr", "img-src")), complaints
