"""Every page and every act of the console before its readers: desktop and phone, light and dark, in both languages."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

import httpx
import pytest
from playwright.sync_api import Browser, Page

from api.console.cases.case_acts import DRAFTED, FROM_FIELDS, OWN_PAGES
from ledger.core.encoding.instants import instant_text
from ledger.core.events import EVENT_TYPES
from ledger.core.visibility import Reader
from ledger.notices.noticing import notice
from ledger.notices.topics import TOPICS
from ledger.samples import governance
from ledger.store import log, notices
from ledger.store.notices import NoticeFilter
from tests.api.console.desk import View, barriers
from tests.api.console.links import dead_links
from tests.api.console.matrix import PAGES, PUBLIC
from tests.api.console.pages import OWN
from tests.api.console.test_chinese import WORD, english_of, written_in
from tests.api.console.town import CASE, ISSUED, OBJECTED, ShownTown, shown_town
from tests.api.matrix import OTHERS, nobody

VIEWS: Sequence[View] = (("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360))
# Who looks, by the role that a page takes; all are of the agency that has the case.
READERS = {"clerk": "prosecutor", "supervisor": "prosecutor-chief", "auditor": "auditor", "analyst": "analyst"}
OF_SUPERVISION = {
    name for name, row in EVENT_TYPES.items() if row.streams == ("supervision",) and READERS.keys() & {*row.roles}
}
WITHOUT_HELP = ("/refusals/",)  # a page that says itself what to do
Address = tuple[str | None, str]  # whose session it is opened in, and its path


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownTown]:
    with shown_town(tmp_path_factory.mktemp("town")) as shown:
        yield shown


def names_in(town: ShownTown) -> dict[str, str]:
    """Return what stands for the names in a route's braces."""
    accepted = next(each.event for each in town.case.events if each.event.event_type == "handover.accepted")
    event_ids = dict.fromkeys(("event_id", "accepted_id", "assigned_id"), accepted.event_id)
    with town.town.parts.database.read() as connection:
        entries = log.entries(connection, 0, 100)
        change = next(entry for entry in entries if entry.event_type == "registry.key_granted")
    handovers = {"handover_id": "handover-4", "refused_id": "handover-2", "recalled_id": "handover-3"}
    return {
        **OTHERS,
        **event_ids,
        **handovers,
        "expired_id": "handover-1",
        "case_id": CASE,
        "lead_id": town.leads["answered"],
        "model_id": governance.PENSIONS,
        "recommendation_id": governance.ADVICE,
        "agency_id": "court-east",
        "key_id": town.keys.key_id("court"),
        "audit_id": audited(town),
        "entry": str(change.log_index),
        "number": noticed(town),
    }


def noticed(town: ShownTown) -> str:
    """Derive the notices of all that was recorded; return the number of the newest that is for the prosecutors."""
    parts = town.town.parts
    notice(parts.database, parts.validator, parts.clock())
    reader, nobody = Reader("procuratorate-east", frozenset(), instant_text(parts.clock() // 1000)), ""
    with parts.database.read() as connection:
        (newest,) = notices.listed(connection, reader, NoticeFilter(nobody, TOPICS), limit=1, newest_first=True)
    return str(newest.number)


def audited(town: ShownTown) -> str:
    """Let an auditor audit the log; return the id of the audit, which has ended."""
    of_page = {**OWN, "origin": town.url, "content-type": "application/x-www-form-urlencoded"}
    headers = of_page | {"cookie": f"tallystick={town.cookie('auditor')}"}
    with httpx.Client(base_url=town.url, headers=headers, timeout=60) as client:
        page = client.post("/console/audit").headers["location"]
        while 'hx-trigger="every' in client.get(f"{page}/state").text:
            time.sleep(0.1)
    return page.rpartition("/")[2]


def pages_of(town: ShownTown) -> Iterator[Address]:
    """Yield the pages of the access matrix, which has one for each route, each for the first role that it takes."""
    names = names_in(town)
    for path in PUBLIC:
        yield None, path.format_map(names)
    yield None, f"/notices/confirm?token={'x' * 23}"
    for row in (row for row in PAGES if row.is_list or row.may is not nobody):  # others lead to another page
        role = next(role for role in row.roles if role in READERS)
        yield READERS[role], row.address(names)


def acts_of(town: ShownTown) -> Iterator[Address]:
    """Yield the pages on which acts are signed, each for somebody whose role signs it and whose turn it is."""
    case = f"/cases/{CASE}"
    paths = {name: path for name, path in OWN_PAGES.items() if path} | {name: f"acts/{name}" for name in FROM_FIELDS}
    for name, path in paths.items():
        role = next(role for role in ("clerk", "supervisor") if role in EVENT_TYPES[name].roles)
        yield READERS[role], f"{case}/{path}"
    yield "detention", f"{case}/acts/serve-custody"
    yield "corrections", "/cases/sample-11-imported-01/acts/close"
    yield "prosecutor", f"{case}/offer?returns=handover-1"
    for letter_id in ("letter-1", "letter-2"):
        yield "court", f"{case}/letters/{letter_id}"
    for profile in ("prosecutor", "court"):
        yield profile, f"{case}/handovers/handover-4"
    for lead_id in town.leads.values():
        yield "prosecutor-chief", f"/leads/{lead_id}"
    yield "court", f"/leads/{town.leads['assigned']}"
    yield "corrections", f"/recommendations/{ISSUED}"
    yield "prosecutor-chief", f"/recommendations/{OBJECTED}"
    yield "analyst-west", f"/library/{governance.PENSIONS}"
    yield "analyst", f"/library/{governance.MODELS[0]}"
    yield "analyst", "/models/workbench?start=form&name=missing_in_next_handover"


def stories_of(town: ShownTown) -> Iterator[Address]:
    """Yield pages of cases that have been through everything, and of who does not have them any more."""
    for tab in ("", "items", "persons", "handovers", "deadlines", "timeline", "documents"):
        yield "police", f"/cases/sample-01-clean-run?tab={tab}" if tab else "/cases/sample-01-clean-run"
    for case_id in ("sample-04-third-return", "sample-05-detained-then-bailed", "sample-12-erasure"):
        yield "police", f"/cases/{case_id}"
    yield "depot", "/inbox"
    for profile in ("police", "prosecutor-chief", "corrections"):
        yield profile, "/notices"
    yield "police-chief", "/"
    yield "corrections", "/cases?all=true"


def faults_of(town: ShownTown, page: Page, path: str, written: frozenset[str] | None) -> list[str]:
    """Return what is wrong with the page that is open, if it is a whole one; ``written`` is given where it is Chinese.

    Errors in the browser count, a missing help, and in Chinese each English text.
    """
    if not page.locator("main").count():
        return []
    faults = town.complaints[:]
    town.complaints.clear()
    if not page.locator("details.help p").count() and not path.startswith(WITHOUT_HELP):
        faults.append("no help")
    if written is not None:
        faults += [f"English: {text}" for text in english_of(page.content(), written)]
    return faults + barriers(page, VIEWS)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_and_act_is_for_everybody(town: ShownTown, browser: Browser, language: str) -> None:
    """axe finds nothing, nothing is wider than the window, there is one heading, a help, and one language.

    The pages are those of the access matrix, in which each route has a row. Each act that has a form is met on one.
    """
    addresses = dict.fromkeys((*pages_of(town), *acts_of(town), *stories_of(town)))
    parts = town.town.parts
    written = (
        written_in(parts.database) | {*WORD.findall(parts.trust.trust.log_key.name)} if language == "zh-CN" else None
    )
    wrong, met = {}, set[str]()
    with town.window(browser, language) as window:
        for profile, path in addresses:
            page = window.open(profile, path)
            met |= set(re.findall(r"/drafts/([\w.-]+)", page.content()))
            if faults := faults_of(town, page, path, written):
                wrong[path] = faults
    assert wrong == {}
    assert {*DRAFTED, *FROM_FIELDS, *OF_SUPERVISION} - met == set()


@pytest.mark.extended
def test_no_link_of_the_town_is_dead(town: ShownTown) -> None:
    """Nor is one of cases, leads and letters that have been through everything, for those who have them."""
    with httpx.Client(base_url=town.url, timeout=60) as client:

        def asked(profile: str | None, path: str) -> httpx.Response:
            return client.get(path, headers={"cookie": f"tallystick={town.cookie(profile)}"} if profile else {})

        addresses = dict.fromkeys((*pages_of(town), *acts_of(town), *stories_of(town)))
        shown = [(profile, f"/console{path}") for profile, path in addresses]
        assert list(dead_links([(*each, asked(*each).text) for each in shown], asked)) == []
