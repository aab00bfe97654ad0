"""Help on each page: what it is for, what to do, and where the documents say more."""

from __future__ import annotations

from html import unescape

import pytest
from playwright.sync_api import expect

from api.console.documents.document_pages import document_files, rendered
from api.console.shared.page_help import HELP
from api.console.shared.rendering import CONSOLE
from ledger.i18n import translate
from tests.api.console.desk import Office, barriers
from tests.api.console.pages import page_of
from tests.api.console.test_policy import Markup
from tests.api.service import Served
from tests.docs.test_cited_in_docs import headings
from tests.testkit.builders import POLICE, clerk

WITHOUT = {"shared/error.html"}  # it says itself what to do


def test_every_page_has_help() -> None:
    """Each template of a whole page, and no other; each names a section of the documents that there is."""
    pages = {
        file.relative_to(CONSOLE).as_posix()
        for file in CONSOLE.rglob("*.html")
        if '{% extends "shared/base.html" %}' in file.read_text(encoding="utf-8")
    }
    assert HELP.keys() == pages - WITHOUT
    for help_ in HELP.values():
        document, _, anchor = help_.section.partition("#")
        assert anchor in headings(document_files()[document]), help_.section


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_help_stands_on_its_page_in_the_readers_language(shared: Served, language: str) -> None:
    """Folded behind its sign, in words of that page."""
    for path, template in (("/inbox", "cases/inbox.html"), ("/cases/new", "cases/new_case.html")):
        text = unescape(page_of(shared, clerk(POLICE), path, **{"accept-language": language}).text)
        for sentence in (HELP[template].purpose, HELP[template].steps):
            assert translate(sentence, language) in text


def test_help_opens_by_keyboard_and_keeps_nobody_out(office: Office) -> None:
    """Its sign has a name for who hears the page; open it covers nothing, on a telephone neither."""
    page = office.at(clerk(POLICE), "/inbox").page
    sign = page.get_by_label("Help for this page")
    sign.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(HELP["cases/inbox.html"].steps)).to_be_visible()
    assert barriers(page) == []


def test_links_of_documents_lead_to_documents() -> None:
    """Each to one that is served, at a heading that it has; pictures and what lies elsewhere are text."""
    for name in document_files():
        document = rendered(name)
        markup = Markup(document.html)
        assert markup.inline == [], name
        assert document.title, name
        for address in markup.addresses:
            path, _, anchor = address.partition("#")
            target = path.removeprefix("/console/documents/") or name
            assert target in document_files(), address
            assert not anchor or f'id="{anchor}"' in rendered(target).html, f"{name}: {address}"
