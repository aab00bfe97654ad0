"""The menu: who is shown what, where one is, and how it is used on a small screen and without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from api.auth.sessions import ReaderSession
from api.console.shared.guidance import MENU, Menu, menu_of
from ledger.core.events.terms import Role
from ledger.core.signing.authority import Grant
from tests.api.console.desk import Office, axe_findings, too_wide
from tests.testkit.builders import POLICE, PROCURATORATE, admitted_agency, analyst, clerk, supervisor

PAGES = {link.path for group in MENU for link in group.links}
PUBLIC = {"/verify", "/operation", "/agencies", "/setup", "/documents"}
SHARED = {"/search", "/leads", "/recommendations"}
GOVERNING = {"/models", "/reports", "/correlation"}
SHOWN: dict[Role, set[str]] = {
    "clerk": {"/inbox", "/outbox", "/letters", "/cases", "/cases/new", "/models", "/retention", "/stocktakes"}
    | SHARED
    | PUBLIC,
    "supervisor": PAGES - {"/audit"},
    "auditor": PAGES - {"/inbox", "/outbox", "/letters", "/cases/new", "/stocktakes"},
    "analyst": {"/cases", "/search", "/leads", "/models", "/library", "/recommendations", "/reports", "/correlation"}
    | {"/retention"}
    | PUBLIC,
    "witness": PUBLIC,
}


def shown(menu: Menu) -> set[str]:
    return {link.path for group in menu.groups for link in group.links}


def session(agency: str, *roles: Role) -> ReaderSession:
    return ReaderSession(Grant("0x0", agency, "officer", roles, 1, 0, 1, 0))


@pytest.mark.parametrize("role", SHOWN)
def test_each_role_is_shown_its_work(role: Role) -> None:
    """What a procuratorate's officer of one role may do, and nothing else."""
    assert shown(menu_of(session(PROCURATORATE, role), admitted_agency(PROCURATORATE), PAGES, "/")) == SHOWN[role]


def test_what_is_for_procuratorates_is_shown_to_them_alone() -> None:
    """An analyst of the police writes no models and makes no reports; who is not signed in sees what is public, and of
    a page that is not there nobody is shown anything."""
    police = shown(menu_of(session(POLICE, "analyst"), admitted_agency(POLICE), PAGES, "/"))
    assert SHOWN["analyst"] == police | GOVERNING
    assert shown(menu_of(None, None, PAGES, "/sign-in")) == PUBLIC
    assert menu_of(None, None, (), "/sign-in").groups == ()


@pytest.mark.parametrize(
    ("here", "current"),
    [("/cases", "/cases"), ("/cases/case-1/offer", "/cases"), ("/cases/new", "/cases/new"), ("/logbook", None)],
)
def test_one_entry_is_current(here: str, current: str | None) -> None:
    """The one that the page belongs to, and of two the nearer one; no page has two entries."""
    assert sum(len(group.links) for group in MENU) == len(PAGES)
    assert menu_of(session(POLICE, "clerk", "supervisor"), admitted_agency(POLICE), PAGES, here).current == current


def test_pages_say_where_one_is(office: Office) -> None:
    """The entry is marked for eyes and for screen readers; entries are those of pages that there are."""
    page = office.at(clerk(POLICE)).page
    menu = page.get_by_role("navigation", name="Main menu")
    menu.get_by_role("link", name="Outbox").click()
    expect(menu.locator("[aria-current=page]")).to_have_text("Outbox")
    paths = [link.get_attribute("href") or "" for link in menu.get_by_role("link").all()]
    assert {"/console/inbox", "/console/cases/new"} <= set(paths)
    for path in paths:
        assert page.request.get(f"{office.url}{path}").status == 200, path


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_menu_is_one_line(office: Office, language: str) -> None:
    """For who is shown most of it, in a window of 1280 pixels; what is rarely needed opens from its label."""
    desk = office.at(supervisor(PROCURATORATE), language=language, viewport={"width": 1280, "height": 800})
    menu = desk.page.get_by_role("navigation")
    assert (
        menu.evaluate("menu => new Set([...menu.querySelectorAll('.group')].map((each) => each.offsetTop)).size") == 1
    )
    assert menu.bounding_box()["height"] < 45  # type: ignore[index]
    rare = menu.locator("a[href$='/agencies']")
    expect(rare).to_be_hidden()
    menu.locator("summary").press("Enter")
    assert (axe_findings(desk.page), too_wide(desk.page)) == ([], [])
    rare.click()
    expect(menu.locator("summary.current")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_menu_on_a_phone(office: Office, language: str) -> None:
    """It opens from a button by touch and by keys, closes with Escape, and nothing is wider than 360 pixels."""
    viewport = {"width": 360, "height": 640}
    page = office.at(clerk(POLICE), language=language, viewport=viewport).page
    menu, button = page.locator("#menu"), page.locator(".menu-button")
    expect(menu).to_be_hidden()
    button.click()
    expect(menu).to_be_visible()
    assert (axe_findings(page), too_wide(page)) == ([], [])
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(menu.get_by_role("link").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{office.url}/console/inbox")


def test_the_language_is_changed_where_one_is(office: Office) -> None:
    """On the same page with what it was asked for, and kept on the next one."""
    page = office.at(analyst(PROCURATORATE), "/cases?all=true").page
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page).to_have_url(f"{office.url}/console/cases?all=true")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("案件")
