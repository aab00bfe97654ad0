"""What readers meet who follow the links of their pages: none is dead, each page is in Chinese and keeps the policy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import httpx
import pytest

from api.console.shared.guidance import HANDLING
from tests.api.console.links import dead_links
from tests.api.console.matrix import PAGES, PUBLIC, Row
from tests.api.console.test_chinese import IN_CHINESE, english_of, written_in
from tests.api.console.test_policy import require_policy
from tests.api.matrix import Relation, Role, World, nobody, reader
from tests.testkit.builders import Officer

# Whose pages are met: lists of each, of other pages those that nobody before sees and signs alike.
READERS: tuple[tuple[Relation, Role], ...] = (
    ("own", "clerk"),
    ("own", "supervisor"),
    ("former", "auditor"),
    ("jurisdiction", "supervisor"),
    ("jurisdiction", "analyst"),
    ("offered", "clerk"),
    ("refused", "clerk"),
    ("addressed", "clerk"),
)


class Walk(dict[tuple[Officer | None, str], httpx.Response]):
    """What each reader was answered at each address of the console."""

    def __init__(self, world: World):
        super().__init__()
        self._served = world.served
        shown = [(None, f"/console{path.format_map(world.names)}") for path in PUBLIC]
        shown += [(reader(*READERS[0]), "/console/notices")]  # of which there are none in the world
        met = set[tuple[Row, Role | None]]()
        for relation, role in READERS:
            rows = [row for row in PAGES if row.may(relation, role) and not row.refuses(relation, role)]
            signs_as = role if role in HANDLING else None
            own = [row for row in rows if row.is_list or (row, signs_as) not in met]
            shown += [(reader(relation, role), f"/console{row.address(world.names)}") for row in own]
            met |= {(row, signs_as) for row in own}
        assert {row.route for row, _ in met} >= {row.route for row in PAGES if row.may is not nobody}
        self.dead = list(dead_links([(*each, self.asked(*each).text) for each in shown], self.asked))

    def asked(self, officer: Officer | None, path: str) -> httpx.Response:
        if (officer, path) not in self:
            headers = self._served.cookie(officer) | IN_CHINESE
            self[officer, path] = self._served.request("GET", path, headers=headers)
        return self[officer, path]

    def pages(self) -> Iterator[tuple[tuple[Officer | None, str], httpx.Response]]:
        """Yield the pages among them, without files."""
        for each, answer in self.items():
            if answer.headers.get("content-type", "").startswith("text/html"):
                yield each, answer


@pytest.fixture(scope="module")
def walk(world: World) -> Mapping[tuple[Officer | None, str], httpx.Response]:
    """Return what they were answered; nothing is asked twice."""
    return Walk(world)


def test_no_link_of_a_page_is_dead(walk: Walk) -> None:
    """Each leads, for whom it is shown, to a page or file, and to a place that is in it; a form to what takes it."""
    assert walk.dead == []


def test_no_page_has_an_english_word_or_a_code(world: World, walk: Walk) -> None:
    """What people wrote stays as they wrote it, all else is in Chinese; but documents tell of bytes and codes."""
    written = written_in(world.served.parts.database)
    shown = ((path, answer) for (_, path), answer in walk.pages() if not path.startswith("/console/documents/"))
    english = {path: texts for path, answer in shown if (texts := english_of(answer.text, written))}
    assert english == {}


def test_no_id_stands_twice_in_a_page(walk: Walk) -> None:
    """Or labels, headings and messages would name another part of it to whoever listens."""
    twice = {}
    for (_, path), answer in walk.pages():
        counts = Counter(re.findall(r'\sid="([^"]*)"', answer.text))
        if repeated := [each for each, count in counts.items() if count > 1]:
            twice[path] = repeated
    assert twice == {}


def test_each_page_carries_the_policy_and_keeps_to_it(world: World, walk: Walk) -> None:
    """Whoever reads it, signed in or not."""
    for _, answer in walk.pages():
        require_policy(world, answer)
