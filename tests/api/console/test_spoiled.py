"""What others wrote stays text: every free text of every type of event holds markup, on every page of the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger.core.events import EVENT_TYPES
from tests.api.console.desk import AGENCIES, READ, ROLES, Office, barriers, office_in
from tests.api.console.matrix import PAGES, PUBLIC
from tests.api.console.spoiled import BOUND, MARKUP, found_spoiled, marks_of, names_of_spoiled, spoiled_case
from tests.testkit.builders import POLICE, PROCURATORATE, UPPER, Officer, clerk

ALL = Officer("everybody", PROCURATORATE, ("clerk", "supervisor", "auditor", "analyst", "witness"))
OFFICERS = (ALL, *(role(agency) for agency in (*AGENCIES, UPPER) for role in ROLES))
ALONE = (
    "item.registered",
    "person.named",
    "case.taken_over",
)  # have texts that are told on the page of the event alone
# Of no type of event: on what authority an act is done, and what a confidential section says.
OF_ALL = {"authority.type", "authority.identifier", "section.name"}
# A case's pages tell each of these; what stands in supervision streams is on pages of its own.
OF_CASES = {mark for name, row in EVENT_TYPES.items() if "case" in row.streams for mark in marks_of(name)}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    """Yield an office whose ledger holds markup in every text."""
    folder: Path = tmp_path_factory.mktemp("spoiled")
    with office_in(folder, browser, lambda ledger: found_spoiled(ledger, *OFFICERS)) as office:
        yield office


def require_text_alone(page: Page, path: str) -> None:
    """Require that no markup of others is in the page, none of it ran, no template took it for its own."""
    assert page.locator("img[src=x], script:not([src]), [onerror]").count() == 0, path
    assert page.evaluate("typeof owned") == "undefined", path
    assert "'\">49" not in page.content(), path


def test_every_text_of_every_event_is_spoiled() -> None:
    """A new type, or a new text in one, stands in the history that the other tests show, or this one fails."""
    case, second_case = spoiled_case()
    written = "\n".join(event.submission.decode() for event in (*case.events, *second_case.events))
    marks = {mark for mark in OF_CASES if mark in written}
    assert OF_CASES - marks - BOUND == set()
    types = {event.envelope.event_type for event in case.events}
    of_other = {"case.closed", "case.taken_over"}  # a case is opened or taken over, and goes on until it is closed
    assert {name for name, row in EVENT_TYPES.items() if "case" in row.streams} - types == of_other


def test_no_text_of_others_becomes_markup(spoiled: Office) -> None:
    """On no page, for whom they show most; and what a case's events say can be read as it was typed."""
    desk = spoiled.at(ALL, language="zh-CN")
    page = desk.page
    read = ""
    names = names_of_spoiled()
    rows = [row.address(names) for row in PAGES]
    more = [f"/cases/case-1/timeline?before={number}" for number in (10, 50)]
    more += [f"/cases/case-1/handovers/handover-{number}" for number in (2, 3, 4)]
    shown_alone = [
        (case.state.case_id, event.envelope)
        for case in spoiled_case()
        for event in case.events
        if event.envelope.event_type in ALONE
    ]
    more += [f"/cases/{case_id}/events/{envelope.event_id}" for case_id, envelope in shown_alone]
    public = [path.format_map(names) for path in PUBLIC]
    for path in (*rows, *public, *more, "/cases/case-2/timeline", f"/{MARKUP}", f"/inbox?event={MARKUP}"):
        desk.open(path)
        require_text_alone(page, path)
        read += page.locator("body").text_content() or ""
    marks = {
        mark for mark in OF_CASES | OF_ALL if MARKUP[2:] + mark in read
    }  # quotation marks are others within a quotation
    assert (OF_CASES | OF_ALL) - marks - BOUND == set()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_is_for_everybody_whatever_stands_in_it(spoiled: Office, language: str) -> None:
    """axe finds nothing, the page is no wider than its window, and it has one heading of the first level."""
    desk = spoiled.at(ALL, language=language)
    page = desk.page
    names = names_of_spoiled()
    wrong = {}
    for path in (*(row.address(names) for row in PAGES), *(path.format_map(names) for path in PUBLIC), "/nowhere"):
        desk.open(path)
        if page.locator("main").count() and (findings := barriers(page)):
            wrong[path] = findings
    assert wrong == {}


def test_what_a_clerk_types_is_signed_as_text(spoiled: Office) -> None:
    """In the draft, on the signer's page, in the sentence of what was recorded, and as the name of a file."""
    desk = spoiled.at(clerk(POLICE), "/cases/new")
    page = desk.page
    page.get_by_label("Case number of your agency").fill(f"{MARKUP}number")
    page.get_by_label("Matter").fill(f"{MARKUP}matter")
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft .sentence")).to_contain_text(f"{MARKUP[2:]}number")
    require_text_alone(page, "draft")
    page.locator("[data-sign]").click()
    expect(desk.signers().locator("#question")).to_contain_text(f"{MARKUP[2:]}number")
    require_text_alone(desk.signers(), "signer")
    desk.agree()
    expect(page.locator(".done")).to_contain_text(f"{MARKUP[2:]}number")
    page.get_by_role("link", name="Register items").click()
    file = {"name": f"{MARKUP}name", "mimeType": "text/plain", "buffer": b"file"}
    page.get_by_label("Add files").set_input_files([file])  # type: ignore[list-item]
    expect(page.locator(".cells .hashed")).to_contain_text(f"{MARKUP}name")
    require_text_alone(page, "file")
