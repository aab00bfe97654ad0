"""The console's pages: whom they serve, and what an empty ledger says."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.api.console.desk import OF_CASE, PAGES, Office, axe_findings, barriers
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import offered


def test_every_page_is_for_everybody(office: Office) -> None:
    """axe finds nothing that keeps people out, in light and dark; each page has one heading of the first level."""
    office.record(offered("phone", "knife"))
    police = office.sit_down(clerk(POLICE), language="zh-CN")
    page = police.sign_in()
    assert axe_findings(police.signers()) == []
    for path in (*PAGES[:-1], *OF_CASE, "/nowhere", "/sign-in"):
        police.go(path)
        page.wait_for_load_state("networkidle")
        assert barriers(page) == [], path


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
