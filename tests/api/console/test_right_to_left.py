"""Right-to-left names: on every page each stands in an element of its own, so that nothing changes places with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from ledger.i18n.bidi import isolated
from ledger.samples import town as sample_town
from tests.api.console.test_every_page import acts_of, pages_of, stories_of
from tests.api.console.town import ShownTown, shown_town

NAME = "مركز الشرطة"
# Their content is text alone, each a paragraph of its own to the browser.
TEXT_ALONE = {"title", "desc", "option", "textarea", "script", "style"}
VOID = {"br", "hr", "img", "input", "link", "meta", "source", "wbr", "col", "path", "rect", "line", "circle", "use"}


class Bare(HTMLParser):
    """Collects the texts in which a right-to-left name stands beside others, and attributes with a tag in them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.bare: list[str] = []
        self.names = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bare += [f"{name}={value}" for name, value in attrs if value and "<bdi" in value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if re.search("[\u0600-\u06ff]", data) and not TEXT_ALONE.intersection(self.open):
            self.names += 1
            text = data.strip()
            # A drawing shows no element in a text; the name is all of it, or has the characters of Unicode around it.
            in_drawing = "text" in self.open and ("\u2068" in text or isolated(text, "", "!") == f"{text}!")
            if "bdi" not in self.open and not in_drawing:
                self.bare.append(data.strip())


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownTown]:
    """Yield the town, each of whose agencies has an Arabic name with a number at its end."""
    agencies = (each._replace(en=f"{NAME} {number}") for number, each in enumerate(sample_town.AGENCIES))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sample_town, "AGENCIES", tuple(agencies))
        with shown_town(Path(tmp_path_factory.mktemp("town"))) as shown:
            yield shown


@pytest.mark.timeout(1800)
def test_names_are_isolated_on_every_page(town: ShownTown) -> None:
    """On the pages of the access matrix, of acts, and of cases that have been through everything."""
    bare: dict[str, list[str]] = {}
    with_names = 0
    with httpx.Client(base_url=town.url, timeout=60, headers={"accept-language": "en"}) as client:
        for profile, path in dict.fromkeys((*pages_of(town), *acts_of(town), *stories_of(town))):
            cookie = {} if profile is None else {"cookie": f"tallystick={town.cookie(profile)}"}
            answer = client.get(f"/console{path}", headers=cookie)
            if "text/html" not in answer.headers.get("content-type", ""):
                continue
            page = Bare()
            page.feed(answer.text)
            with_names += page.names > 0
            if page.bare:
                bare[path] = page.bare[:3]
    assert bare == {}
    assert with_names > 50
