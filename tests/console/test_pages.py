"""The console's pages: whom they serve, and how they are used without a mouse."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.builders import POLICE, PROCURATORATE, clerk
from tests.casework import holding, offered
from tests.console.desk import OF_CASE, PAGES, Clerk, Office, grave_findings


def test_every_page_is_for_everybody(office: Office) -> None:
    """axe finds nothing that keeps people out, in light and dark; each page has one heading of the first level."""
    office.record(offered("phone", "knife"))
    for scheme in ("light", "dark"):
        police = office.sit_down(clerk(POLICE), language="zh-CN", color_scheme=scheme)
        page = police.sign_in()
        assert grave_findings(police.signers()) == []
        for path in (*PAGES[:-1], *OF_CASE, "/nowhere", "/sign-in"):
            police.go(path)
            page.wait_for_load_state("networkidle")
            assert grave_findings(page) == [], (scheme, path)
            assert page.get_by_role("heading", level=1).count() == 1
        police.leave()


def test_a_handover_without_a_mouse(office: Office) -> None:
    """From the start page to the recorded offer by keys alone; the focus is where the eyes are."""
    office.record(holding("phone"))
    police = office.sit_down(clerk(POLICE))
    page = police.sign_in()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    press_to(page, page.get_by_role("link", name="Cases"))
    press_to(page, page.get_by_role("link", name="2026-0417"))
    press_to(page, page.get_by_role("link", name="Offer to another agency"))
    tab_to(page, page.locator("#to_agency"))
    page.keyboard.type(PROCURATORATE)
    tab_to(page, page.locator("#purpose"))
    page.keyboard.type("prosecution review")
    tab_to(page, page.get_by_role("checkbox", name="the phone"))
    page.keyboard.press("Space")
    press_to(page, page.get_by_role("button", name="Read what you will sign"))
    expect(page.locator("#draft-title")).to_be_focused()
    press_to(page, page.locator("[data-sign]"))
    agree_by_keys(police)
    expect(page.locator(".done")).to_be_focused()


def test_a_new_ledger_says_what_to_do(office: Office) -> None:
    """An agency without a case is led to its first one, and from there to its first item."""
    police = office.sit_down(clerk(POLICE))
    page = police.sign_in()
    expect(page.get_by_role("heading", name="Your agency has no case here yet")).to_be_visible()
    page.locator("main").get_by_role("link", name="Open a case").click()
    page.get_by_label("Case number of your agency").fill("2026-7")
    page.get_by_label("Matter").fill("theft")
    page.get_by_role("button", name="Read what you will sign").click()
    page.locator("[data-sign]").click()
    police.agree()
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    expect(page.get_by_text("No item is registered yet.")).to_be_visible()
    expect(page.get_by_role("link", name="Register an item")).to_be_visible()


def tab_to(page: Page, target: Any) -> None:
    """Presses Tab until the target has the focus."""
    for _ in range(80):
        if target.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {target}")


def press_to(page: Page, target: Any) -> None:
    """Comes to the target by Tab and presses it."""
    expect(target.first).to_be_visible()
    tab_to(page, target.first)
    page.keyboard.press("Enter")


def agree_by_keys(desk: Clerk) -> None:
    """Agrees on the signer's page by keys."""
    page = desk.signers()
    page.bring_to_front()
    page.locator("#question-title").focus()
    expect(page.locator("#agree")).to_be_enabled()
    page.wait_for_timeout(1500)  # the window has just got the focus: the button rests once more
    tab_to(page, page.locator("#agree"))
    page.keyboard.press("Enter")
    desk.page.bring_to_front()
