"""The library's pages for society: complete in both languages, self-contained, the same bytes, no small count."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from ledger.core.events.supervision import BilingualText, Figures
from ledger.procedures import books_that_ship
from ledger.supervision.library.cards import card_of
from ledger.supervision.library.public.pages import (
    OUTTURNS,
    LibraryModel,
    PublicFigures,
    PublicLibrary,
    make_public_library,
    pages,
)
from ledger.supervision.models.model_file import parse_model, shipped_model

STUDY = BilingualText(zh="某县扣押的手机漏列 <b>。", en="A phone was left out <b>.")
LEADS = {
    "raised": 7,
    "answered": 5,
    "confirmed": 9,
    "dismissed": 2,
    "rectification_notice": 30,
    "no_further_action": 11,
}
VOID = {"meta", "br"}  # "rect" closes itself
SHARES = ("all", "at_least", "less_than_80")  # said by ``pages`` itself


def public_words() -> tuple[str, ...]:
    """Return the words that the library's pages for society say, by their templates."""
    folder = files("ledger.supervision.library.public")
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".html"))
    words = {word for text in texts for word in re.findall(r'say\("(\w+)"\)', text)}
    return (*sorted(words), *SHARES)


def subject(name: str = "item-not-handed-over", **fields: Any) -> LibraryModel:
    model = parse_model(shipped_model(name))
    card = card_of(shipped_model(name))
    assert card is not None
    defaults: dict[str, Any] = {
        "model_id": name,
        "version": 2,
        "title": model.title,
        "business_line": model.business_line,
        "publisher": {"zh": "东城区人民检察院", "en": "East District Procuratorate"},
        "published_on": "2026-03-01",
        "card": card,
        "case_study": None,
        "figures": None,
        "leads": {},
    }
    return LibraryModel(**(defaults | fields))


def face(*subjects: LibraryModel) -> PublicLibrary:
    return make_public_library(
        subjects, procedures=books_that_ship().values(), log_id="0x" + "5f" * 32, tree_size=4711, root="ab" * 32
    )


def full() -> PublicLibrary:
    return face(
        subject(leads=LEADS, case_study=STUDY),
        subject("third-return", leads={"raised": 6, "dismissed": 40, "recommendation": 12}),
        subject("pension-in-execution", leads={"no_further_action": 1}),
    )


class Reader(HTMLParser):
    """Whether each element is closed in its order, what is linked, and what a page fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def read(data: bytes) -> Reader:
    reader = Reader()
    reader.feed(data.decode())
    assert reader.open == []
    return reader


def test_pages_are_whole_and_need_nothing_else() -> None:
    """Well formed, without scripts, fetching nothing; every link leads to a page that there is."""
    files = pages(full())
    assert len(files) == 2 + 2 * 4
    for path, data in files.items():
        if not path.endswith(".html"):
            continue
        page = read(data)
        assert "script" not in page.elements
        assert re.search(rb"url\(|@import|https?://", data) is None, path
        folder = path.rpartition("/")[0]
        for link in page.links:
            target = link if not folder else (link[3:] if link.startswith("../") else f"{folder}/{link}")
            assert link == "#main" or target in files, (path, link)
        assert page.elements.count("h1") == 1


def test_the_same_record_gives_the_same_bytes() -> None:
    """In whatever order models and counts come."""
    turned = [
        subject("pension-in-execution", leads={"no_further_action": 1}),
        subject("third-return", leads={"recommendation": 12, "dismissed": 40, "raised": 6}),
        subject(leads=dict(reversed(LEADS.items())), case_study=STUDY),
    ]
    assert pages(full()) == pages(face(*turned))


def test_no_count_under_five_is_on_any_page() -> None:
    """Neither in a cell nor in the data for programs; states belong together as a reader would count them."""
    files = pages(full())
    for language in ("zh-CN", "en"):
        cells = re.findall(r'<td class="n">(.*?)</td>', files[f"{language}/index.html"].decode(), re.DOTALL)
        assert {cell for cell in cells if cell.isdecimal() and int(cell) < 5} == set()
        assert {"&lt;5", "≥62", "≥120"} <= set(cells)
    data = json.loads(files["library.json"])
    leads = {model["model_id"]: model["leads"] for model in data["models"]}
    assert leads["item-not-handed-over"]["under_examination"] == 12
    assert leads["item-not-handed-over"]["dismissed"] is None
    assert leads["item-not-handed-over"]["total"] == {"at_least": 62, "exact": False}
    assert data["leads"]["dismissed"] == {"at_least": 40, "exact": False}


def test_pages_are_the_same_whatever_the_small_counts_are() -> None:
    """No byte of any file depends on them: neither a number nor the length of a bar."""
    assert pages(face(subject(leads=LEADS))) == pages(
        face(subject(leads=LEADS | {"dismissed": 4, "recommendation": 1}))
    )
    assert pages(face(subject())) == pages(face(subject(leads={"dismissed": 4, "no_further_action": 4, "raised": 4})))


def test_every_page_speaks_its_language() -> None:
    """Chinese pages tell titles, texts and cases in Chinese, English ones in English; markup in texts is text."""
    files = pages(full())
    chinese, english = (files[f"{language}/item-not-handed-over.html"].decode() for language in ("zh-CN", "en"))
    assert '<html lang="zh-CN">' in chinese
    assert "扣押物品未随案移送" in chinese
    assert "某县扣押的手机漏列 &lt;b&gt;。" in chinese
    assert "Seized item" not in chinese
    assert '<html lang="en">' in english
    assert "A phone was left out &lt;b&gt;." in english
    assert "East District Procuratorate" in english
    assert "4711" in english


def test_models_of_all_lines_come_first_under_a_heading_of_their_own() -> None:
    """A model that names no line of business is of none of the procedures' own."""
    files = pages(face(subject(), subject("same-seal")))
    headings = re.findall(r"<h2>(.*?)</h2>", files["en/index.html"].decode())
    assert headings[:2] == ["All lines of business", "criminal"]
    assert "各业务条线" in files["zh-CN/index.html"].decode()
    assert [model["business_line"] for model in json.loads(files["library.json"])["models"]] == [None, "criminal"]


def test_a_library_without_models_or_without_leads_tells_no_numbers() -> None:
    """It says so; a total of counts under five is not told."""
    assert "目前没有公布的模型" in pages(face())["zh-CN/index.html"].decode()
    text = pages(face(subject(leads={"dismissed": 4, "raised": 1})))["en/item-not-handed-over.html"].decode()
    cells = re.findall(r'<td class="n">(.*?)</td>', text, re.DOTALL)
    assert cells[:-1] == ["&lt;5"] * len(OUTTURNS)
    assert "not told" in cells[-1]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((2000, 57, 57, 0), PublicFigures("2026-03-01", 2000, 100, 100)),
        ((2000, 57, 55, 3), PublicFigures("2026-03-01", 2000, 95, 90)),
        ((4, 10, 7, 9), PublicFigures("2026-03-01", None, None, None)),
        ((2000, 4, 4, 0), None),
    ],
)
def test_a_measurement_is_told_in_steps(figures: tuple[int, int, int, int], expected: PublicFigures | None) -> None:
    """How many were missed is not told, nor anything of a few."""
    cases, planted, detected, false = figures
    measured = Figures(measured_on="2026-03-01", cases=cases, planted=planted, found=detected, false_leads=false)
    (shown,) = face(subject(figures=measured)).models
    assert shown.measured == expected
    page = pages(face(subject(figures=measured)))["en/item-not-handed-over.html"].decode()
    assert ("planted anomalies" in page) == (expected is not None)
