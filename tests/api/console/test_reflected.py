"""What a link or a form brings along stays text: every parameter of every page, every field of every form on it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from api.console.app import routes
from tests.api.console.matrix import PAGES, PUBLIC, names_of
from tests.api.console.spoiled import MARKUP
from tests.api.console.test_access import page_of
from tests.api.matrix import World, reader
from tests.api.service import Served
from tests.testkit.builders import Officer

RAW = "<img src=x"
READERS = (reader("own", "clerk"), reader("jurisdiction", "analyst"), reader("jurisdiction", "auditor"))
PARAMETERS = [
    (route.path, query_param.alias)
    for route in routes()
    if "GET" in route.methods
    for query_param in route.dependant.query_params
]


class Forms(HTMLParser):
    """The forms of a page: where each is posted to, and the names of its fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, set[str]] = {}
        self._open: set[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("hx-post") or (given.get("action") if given.get("method") == "post" else None)
        if tag == "form":
            self._open = self.found.setdefault(address, set()) if address else None
        elif address:
            self.found.setdefault(address, set())
        name = given.get("name")
        if name and self._open is not None:
            self._open.add(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def require_text_alone(answer: httpx.Response, attempt: object) -> None:
    """Require that no markup is in a page; what is no page is saved and not opened, whatever is in it."""
    assert answer.status_code < 500, (attempt, answer.text)
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert RAW not in answer.text, attempt
        assert 'href="javascript:' not in answer.text, attempt
    elif answer.content:
        assert answer.headers["content-disposition"].startswith("attachment"), attempt
        assert answer.headers["x-content-type-options"] == "nosniff", attempt


def posted(served: Served, officer: Officer, address: str, form: dict[str, str]) -> httpx.Response:
    token = served.token(officer)["authorization"].removeprefix("Bearer ")
    headers = {"cookie": f"__Secure-tallystick={token}", "origin": "https://ledger.test"}
    return served.request("POST", address, data=form, headers=headers)


def forms_of(world: World, officer: Officer) -> Iterator[tuple[str, set[str]]]:
    """Yield every form of the officer's pages: its address and its fields. Signing out is one that takes nothing."""
    names = names_of(world)
    for path in (*(row.address(names) for row in PAGES), *(public.format_map(names) for public in PUBLIC)):
        forms = Forms(page_of(world, officer, path).text).found
        yield from ((address, fields) for address, fields in forms.items() if not address.endswith("/sign-out"))


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_what_a_link_brings_along_stays_text(world: World, path: str, name: str) -> None:
    """Whether the page takes the value or refuses it; and it never leads to another site."""
    for officer in READERS:
        for value in (MARKUP, f"blake3:{MARKUP}", "//evil.test/", "javascript:owned()"):
            answer = page_of(world, officer, f"{path.format_map(names_of(world))}?{name}={quote(value)}")
            require_text_alone(answer, value)
            assert not answer.headers.get("location", "/console/").startswith(("//", "http", "java")), value


@pytest.mark.extended
def test_what_a_form_brings_along_stays_text(world: World) -> None:
    """Each field of each form that a page shows, filled with markup: in the draft, the list or the refusal."""
    tried: set[tuple[str, str]] = set()
    for officer in READERS:
        for address, fields in forms_of(world, officer):
            for name in {name for name in fields if (address, name) not in tried}:
                tried.add((address, name))
                for others in ("1", MARKUP):
                    form = dict.fromkeys(fields, others) | {name: MARKUP}
                    require_text_alone(posted(world.served, officer, address, form), (address, name))
    assert {address for address, _ in tried} >= {"/console/find", "/console/cases/case-1/drafts/offer"}
