"""A page of another site in the officer's own browser: it frames, posts, asks and rebinds, and gets nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.console.shared.rendering import address
from tests.api.console.desk import PAGE_KEY, Clerk, Office
from tests.api.service import listening_at
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import holding
from tests.testkit.machine import free_port

NOTHING = "chrome-error://chromewebdata/"


@contextmanager
def evil_site() -> Iterator[str]:
    """Yield a site of somebody else on this machine: another origin, and by its name another site too."""

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>evil</title><body></body>")

    with listening_at(free_port(), Starlette(routes=[Route("/", page)])) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def victim(office: Office) -> Clerk:
    """Return an officer who is signed in at the console, whose signer runs and knows his browser."""
    office.record(holding("phone"))
    desk = office.sit_down(clerk(POLICE))
    desk.sign_in()
    return desk


@pytest.fixture
def evil(victim: Clerk) -> Iterator[Page]:
    """Yield the other site's page in a window of the same browser; what the browser tells of it is no complaint."""
    with evil_site() as url:
        page = victim.context.new_page()
        page.goto(url)
        yield page
        page.close()
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


def test_another_site_reaches_no_signer(victim: Clerk, evil: Page) -> None:
    """Whatever it knows: it can neither pair nor ask, nor see or answer a question."""
    signer = victim.signing.url
    headers = {"content-type": "application/json", "authorization": f"Bearer {PAGE_KEY}"}
    call = '{"jsonrpc":"2.0","id":1,"method":"eth_requestAccounts"}'
    code = f'{{"code":"{victim.signing.codes[-1]}"}}'
    assert asked(evil, f"{signer}/rpc", method="POST", headers=headers, body=call, credentials="omit") == "TypeError"
    assert asked(evil, f"{signer}/pair", method="POST", headers=headers, body=code, credentials="omit") == "TypeError"
    assert asked(evil, f"{signer}/pair", method="POST", body=code, mode="no-cors").startswith(("opaque", "TypeError"))
    assert asked(evil, f"{signer}/waiting", headers=headers, credentials="omit") == "TypeError"
    assert asked(evil, f"{signer}/", credentials="omit") == "TypeError"
    assert len(victim.signing.codes) == len(set(victim.signing.codes))
    victim.go("/cases/case-1")
    assert victim.page.evaluate("localStorage.getItem('tallystick-signer-token')")


def test_a_rebound_name_is_no_signer_s_address(office: Office) -> None:
    """A name of the attacker's that resolves to this machine makes his page the signer's neighbour, and is refused."""
    desk = office.sit_down(clerk(POLICE))
    page = desk.context.new_page()
    rebound = desk.signing.url.replace("127.0.0.1", "localhost")
    answer = page.goto(f"{rebound}/#{PAGE_KEY}")
    assert answer is not None
    assert answer.status == 421
    assert asked(page, f"{rebound}/waiting", headers={"authorization": f"Bearer {PAGE_KEY}"}).startswith("basic 421")
    body = '{"jsonrpc":"2.0","id":1,"method":"eth_requestAccounts"}'
    json = {"content-type": "application/json"}
    assert asked(page, f"{rebound}/rpc", method="POST", headers=json, body=body).startswith("basic 421")
    page.close()
    office.complaints.clear()
