"""What a link or a form brings along stays text and makes no page fail: every parameter of every page, every field of
every form on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import httpx
import pytest

from api.console.app import routes
from tests.api.console.matrix import PAGES, PUBLIC
from tests.api.console.pages import page_of, post
from tests.api.console.spoiled import MARKUP
from tests.api.matrix import World, reader
from tests.api.service import problem
from tests.testkit.builders import Officer

RAW = "<img src=x"
# Plain addresses, for a page may refuse markup and follow them; and markup that begins as a digest.
LINKED = ("javascript:owned()", "//evil.test/", f"blake3:{MARKUP}")
READERS = (reader("own", "clerk"), reader("jurisdiction", "analyst"), reader("jurisdiction", "auditor"))
PARAMETERS = [
    (route.path, query_param.alias)
    for route in routes()
    if "GET" in route.methods
    for query_param in route.dependant.query_params
]

OF_PAGE = {path: [parameter for page, parameter in PARAMETERS if page == path] for path, _ in PARAMETERS}
# What no honest browser sends: years, numbers and texts beyond all bounds.
TIMES = ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01", "9999-12-31")
NUMBERS = ("9" * 5000, "9" * 19, "9" * 15, "²")
EXTREMES = (*TIMES, *NUMBERS, "\0")
WORST = (TIMES[0], TIMES[1], NUMBERS[0])
CLERK, GOVERNING = reader("own", "clerk"), reader("jurisdiction", "analyst")


class Forms(HTMLParser):
    """The forms of a page: where each is posted to, and the names of its fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, set[str]] = {}
        self._open: set[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        address = attributes.get("hx-post") or (
            attributes.get("action") if attributes.get("method") == "post" else None
        )
        if tag == "form":
            self._open = self.found.setdefault(address, set()) if address else None
        elif address:
            self.found.setdefault(address, set())
        name = attributes.get("name")
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
        assert not re.search(r'(?:href|action|src)="(?:javascript:|//)', answer.text), attempt
    elif answer.content:
        assert answer.headers["content-disposition"].startswith("attachment"), attempt
        assert answer.headers["x-content-type-options"] == "nosniff", attempt


def forms_of(world: World, officer: Officer) -> Iterator[tuple[str, set[str]]]:
    """Yield every form of the officer's pages: its address and its fields. Signing out is one that takes nothing."""
    names = world.names
    for path in (*(row.address(names) for row in PAGES), *(public.format_map(names) for public in PUBLIC)):
        for address, fields in Forms(page_of(world.served, officer, path).text).found.items():
            if not address.endswith("/sign-out"):
                yield address.removeprefix("/console"), fields


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_what_a_link_brings_along_stays_text(world: World, path: str, name: str) -> None:
    """Whether the page takes the value or refuses it; and it never leads to another site. For the first reader whose
    page it is; a full run tries all of a page's parameters at once for each."""
    for officer in READERS:
        for value in LINKED:
            answer = page_of(world.served, officer, f"{path.format_map(world.names)}?{name}={quote(value)}")
            require_text_alone(answer, value)
            assert not answer.headers.get("location", "/console/").startswith(("//", "http", "java")), value
            if answer.status_code in (403, 404):  # the page is not for this reader, whatever the link brings along
                break
        else:
            return


@pytest.mark.extended
def test_what_a_form_brings_along_stays_text(world: World) -> None:
    """Each field of each form that a page shows, filled with markup or the worst: in the draft or the refusal."""
    tried: set[tuple[str, str]] = set()
    for officer in READERS:
        for address, fields in forms_of(world, officer):
            forms = [dict.fromkeys(fields, value) for value in (MARKUP, *EXTREMES)]
            for name in {name for name in fields if (address, name) not in tried}:
                tried.add((address, name))
                forms += [dict.fromkeys(fields, "1") | {name: value} for value in (MARKUP, *WORST)]
            for form in forms:
                require_text_alone(post(world.served, officer, address, form), (address, form))
    assert {address for address, _ in tried} >= {"/find", "/cases/case-1/drafts/offer"}


@pytest.mark.extended
@pytest.mark.parametrize("path", OF_PAGE)
def test_no_parameter_makes_a_page_fail(world: World, path: str) -> None:
    """The worst of each by itself, and each value in all of the page's at once."""
    address, names = path.format_map(world.names), OF_PAGE[path]
    for officer in READERS:
        for value in (*LINKED, *EXTREMES):
            for parameters in (*([name] for name in names if value in WORST), names):
                answer = page_of(world.served, officer, f"{address}?{urlencode(dict.fromkeys(parameters, value))}")
                assert answer.status_code < 500, (parameters, value[:40], answer.text)
                if answer.headers.get("content-type", "").startswith("text/html"):
                    require_text_alone(answer, (parameters, value[:40]))


@pytest.mark.parametrize("value", EXTREMES)
def test_what_scripts_add_to_forms_is_bounded_too(world: World, value: str) -> None:
    """Where the next cited events begin, and what an earlier draft stood on; no form has a NUL."""
    status = 400 if "\0" in value else 200
    cited = {"digest": "blake3:" + "0" * 64, "first": value}
    assert post(world.served, CLERK, "/cited", cited).status_code == status
    recalled = {"handover_id": world.offer, "ground": "error", "drafted_at": value}
    assert post(world.served, CLERK, "/cases/case-1/drafts/recall", recalled).status_code == status


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("year", ["1948", "2201", "0001"])
def test_the_years_that_a_page_takes_are_told(world: World, field: str, year: str) -> None:
    """A picture or a report of another time is refused at its field. No date has the year 1."""
    days = urlencode({"since": "2026-03-01", "until": "2026-03-02"} | {field: f"{year}-01-01"})
    for answer in (
        page_of(world.served, CLERK, f"/cases/case-1/picture?{field}={year}-01-01T00:00"),
        page_of(world.served, GOVERNING, f"/reports?{days}"),
    ):
        assert (answer.status_code, "in the years 1949 to 2200" in answer.text) == (400, True)
    answer = world.served.request("GET", f"/api/v1/report?{days}", headers=world.served.token(GOVERNING))
    expected = "Expected calendar date" if year == "0001" else "in the years 1949 to 2200"
    assert expected in problem(answer, 400, "malformed_input", field)["detail"]


def test_a_picture_leads_nowhere_beyond_its_years(world: World) -> None:
    """From the longest time that it takes its controls go on, within the same bounds."""
    answer = page_of(world.served, CLERK, "/cases/case-1/picture?since=1949-01-01T00:00&until=2200-12-31T00:00")
    assert answer.status_code == 200
    links = re.findall(r'href="(\?since=[^"#]*)', answer.text)
    assert len(links) >= 4
    for link in links:
        assert page_of(world.served, CLERK, f"/cases/case-1/picture{unescape(link)}").status_code == 200, link
