"""What pages carry: nothing inline, nothing from elsewhere, no frame, no other site's requests, safe cookies."""

from __future__ import annotations

from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from api.auth.sessions import personal_digest
from api.console.shared.rendering import COMPILES, address, asset_paths, release
from tests.api.console.matrix import POSTS
from tests.api.console.pages import OWN, page_of, post
from tests.api.matrix import World, reader
from tests.testkit.builders import signature_of

WRONG = ("/nowhere", "/cases/none", "/cases/case-1/handovers/none", "/inbox?after=x")
FOREIGN = [
    {},
    {"origin": "https://evil.test", "sec-fetch-site": "cross-site"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"origin": "https://ledger.test", "sec-fetch-site": "same-site"},
    {"origin": "https://ledger.test.evil.test"},
    {"origin": "https://ledger.test:8443"},
    {"origin": "http://ledger.test"},
    {"sec-fetch-site": "none"},
]


class Markup(HTMLParser):
    """Notes what a strict policy forbids, and where a page's addresses lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in attributes if name.startswith(("on", "hx-on")) or name == "style"]
        names = ("src", "href", "action", "hx-get", "hx-post", "formaction")
        self.addresses += [address for name in names if (address := attributes.get(name)) is not None]


@pytest.mark.parametrize("route", WRONG)
def test_a_page_that_refuses_carries_the_policy_and_keeps_to_it(world: World, route: str) -> None:
    """As ``test_walk`` requires of all others."""
    require_policy(world, page_of(world.served, reader("own", "clerk"), route))


def require_policy(world: World, answer: httpx.Response) -> None:
    """Require own scripts and styles alone, no plug-in, no frame around the page, nothing kept by caches; in the markup
    no script, style or handler, and no address that leads away but the one to the officer's own signer."""
    headers, signer = answer.headers, str(world.served.parts.settings.signer_url)
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "form-action")} == {"'self'"}
    assert {policy[name] for name in ("object-src", "base-uri", "frame-ancestors")} == {"'none'"}
    assert policy["connect-src"] in ("'none'", f"'self' {signer}")
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert (headers["cache-control"], headers["cross-origin-opener-policy"]) == ("no-store", "same-origin")
    markup = Markup(answer.text)
    assert markup.inline == []
    own = ("/console/", "?", "#", f"{signer}/")
    assert [address for address in markup.addresses if not address.startswith(own)] == []


def test_scripts_and_styles_are_not_for_other_sites(world: World) -> None:
    """A page of another site can load none of them, and none is taken for what it is not."""
    kinds = ("text/javascript", "text/css", "image/svg+xml", "application/wasm")
    for name in asset_paths():
        headers = world.served.get(f"{address()}/{name}").headers
        assert headers["cross-origin-resource-policy"] == "same-origin", name
        assert headers["x-content-type-options"] == "nosniff", name
        compiling = " 'wasm-unsafe-eval'" if name == COMPILES else ""
        policy = f"default-src 'none'; script-src 'self'{compiling}; connect-src 'none';"
        assert policy in headers["content-security-policy"], name
        assert headers["content-type"].split(";")[0] in kinds, name
        assert headers["cache-control"] == "public, max-age=31536000, immutable", name


@pytest.mark.parametrize(
    ("path", "headers"), [*((path, FOREIGN[1]) for path in POSTS), *((POSTS[0], headers) for headers in FOREIGN)]
)
def test_other_sites_change_nothing(world: World, path: str, headers: dict[str, str]) -> None:
    """Whatever another site posts in a signed-in officer's browser is refused before it is looked at."""
    before = world.served.parts.access.head().count
    form = {"language": "en"}
    answer = post(world.served, reader("own", "supervisor"), path.format_map(world.names), form, headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert world.served.parts.access.head().count == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_other_method_is_answered(world: World, method: str) -> None:
    """Neither with a page's data, nor with a grant to other origins."""
    headers = {"origin": "https://evil.test", "access-control-request-method": "POST"}
    answer = world.served.request(method, "/console/cases/case-1", headers=headers)
    assert answer.status_code in (403, 404, 405)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_cookies_are_out_of_reach(world: World) -> None:
    """No script reads them, no other site's request carries them, no plain connection, no page but the console's."""
    served, officer = world.served, reader("own", "clerk")
    challenge = served.challenge(officer)
    signature = "0x" + signature_of(personal_digest(challenge["message"]), officer.key).hex()
    signed = {"nonce": challenge["nonce"], "signature": signature}
    for path, answer in {
        "/sign-in": served.request("POST", "/console/sign-in", json=signed, headers=OWN),
        "/language": post(served, officer, "/language", {"language": "zh-CN"}),
        "/sign-out": post(served, officer, "/sign-out", {}),
    }.items():
        ((name, cookie),) = SimpleCookie(answer.headers["set-cookie"]).items()
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "strict", True), path
        assert (cookie["path"], cookie["domain"]) == ("/console", ""), path
        assert name.startswith("__Secure-") or path == "/language"


def test_another_release_has_another_address(tmp_path: Path) -> None:
    """A browser that keeps what it has never mixes two releases: any change to a file moves them all."""
    (tmp_path / "a.js").write_text("1")
    releases = [release.__wrapped__(tmp_path)]
    (tmp_path / "a.js").write_text("2")
    releases.append(release.__wrapped__(tmp_path))
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    releases.append(release.__wrapped__(tmp_path))
    assert len(set(releases)) == len(releases)
