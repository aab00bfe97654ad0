"""The console without a mouse: keys lead everywhere, what happens is announced, nothing moves for who wants that."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from api.signer import asking
from tests.api.console.desk import OF_CASE, PAGES, READ, Clerk, Office
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import holding, offered


def is_focused(target: Locator) -> bool:
    return bool(target.evaluate("(element) => element === document.activeElement"))


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, which must be seen."""
    expect(target).to_be_visible()
    for _ in range(120):
        if is_focused(target):
            outline = target.evaluate("(element) => getComputedStyle(element).outlineStyle")
            assert outline != "none", f"the focus on {target} is not shown"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {target}")


def press(page: Page, target: Locator) -> None:
    """Come to the target by Tab and press it."""
    tab_to(page, target.first)
    page.keyboard.press("Enter")


def type_into(page: Page, target: Locator, text: str) -> None:
    tab_to(page, target)
    page.keyboard.type(text)


def agree(desk: Clerk) -> None:
    """Agree on the signer's page: its question takes the focus, the button comes next."""
    page = desk.signers()
    page.bring_to_front()
    expect(page.locator("#question-title")).to_be_focused()
    expect(page.locator("#agree")).to_be_enabled()
    page.wait_for_timeout(1500)  # the window has just got the focus: the button rests once more
    tab_to(page, page.locator("#agree"))
    page.keyboard.press("Enter")
    desk.page.bring_to_front()


def sign(desk: Clerk) -> None:
    """Read the draft, which has taken the focus, and sign it."""
    expect(desk.page.locator("#draft-title")).to_be_focused()
    press(desk.page, desk.page.locator("[data-sign]"))
    agree(desk)
    expect(desk.page.locator(".done")).to_be_focused()


def sign_in(desk: Clerk) -> Page:
    """Sign in by keys alone: the field for the code has the focus, then the button."""
    page = desk.go("/sign-in")
    expect(page.locator("#code")).to_be_focused()
    page.keyboard.type(desk.signing.codes[-1])
    page.keyboard.press("Enter")
    expect(page.locator("#by-signer")).to_be_focused()
    page.keyboard.press("Enter")
    agree(desk)
    page.wait_for_url(f"{desk.office.url}/console/")
    return page


def test_a_handover_without_a_mouse(office: Office) -> None:
    """Signing in, finding the case, offering; then the other clerk, who takes one item and not the other."""
    office.record(holding("phone", "knife"))
    police = office.sit_down(clerk(POLICE))
    page = sign_in(police)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    press(page, page.get_by_role("link", name="Cases", exact=True))
    press(page, page.get_by_role("link", name="2026-0417"))
    press(page, page.get_by_role("link", name="Offer to another agency"))
    type_into(page, page.locator("#to_agency"), PROCURATORATE)
    type_into(page, page.locator("#purpose"), "prosecution review")
    type_into(page, page.get_by_label("Scan or type a code"), "phone")
    page.keyboard.press("Enter")
    expect(page.locator("#scanned")).to_have_text("Picked: the phone")
    tab_to(page, page.get_by_role("checkbox", name="the knife"))
    page.keyboard.press("Space")
    press(page, page.get_by_role("button", name=READ))
    sign(police)
    prosecutor = office.sit_down(clerk(PROCURATORATE))
    page = sign_in(prosecutor)
    press(page, page.get_by_role("link", name="2026-0417"))
    knife = page.locator(".lines > li", has_text="the knife")
    tab_to(page, knife.get_by_label("as listed").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(knife.get_by_label("not accepted")).to_be_checked()
    type_into(page, knife.get_by_label("Reason"), "seal broken")
    type_into(page, knife.get_by_label("Explanation"), "the tape is cut")
    press(page, page.get_by_role("button", name="Accept: read what you will sign"))
    sign(prosecutor)
    state = office.ledger.validator.states.of_case("case-1")
    assert state is not None
    assert (state.items["phone"].holder, state.items["knife"].holder) == (PROCURATORATE, POLICE)


def test_the_skip_link_leads_past_the_menu(office: Office) -> None:
    """The first Tab is an offer to go to the content, and the next one after it is there."""
    page = office.at(clerk(POLICE), "/cases").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")


def test_what_happens_is_announced(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is an alert; a scanned code, a hashed file and a signature that waits are told politely.

    Whoever does not answer in time did not say no.
    """
    office.record(holding("phone"))
    police = office.at(clerk(POLICE))
    page = police.draft_offer()
    expect(page.locator("#scanned")).to_have_attribute("role", "status")
    expect(page.locator(".draft .outcome")).to_have_attribute("role", "status")
    page.locator("[data-sign]").click()
    expect(page.get_by_role("status").filter(has_text="Agree to it")).to_be_visible()
    police.decline()
    expect(page.get_by_role("status").filter(has_text="You did not agree")).to_be_visible()
    monkeypatch.setattr(asking, "PATIENCE_S", 0.1)
    page.locator("[data-sign]").click()
    expect(page.get_by_role("status").filter(has_text="Nobody answered in time")).to_be_visible()
    police.go("/cases/case-1/items/new")
    expect(page.locator(".photographs .hashed")).to_have_attribute("aria-live", "polite")
    page.locator('[name="new:1:description"]').fill("x" * 5000)
    page.get_by_role("button", name=READ).click()
    expect(page.get_by_role("alert")).to_be_visible()


def moving(page: Page) -> int:
    """Return how many elements move by themselves when something changes."""
    count: int = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll("*")].filter((element) => {
          const style = getComputedStyle(element);
          const lasts = (times) => times.split(",").some((time) => parseFloat(time) > 0);
          return style.scrollBehavior === "smooth" || lasts(style.transitionDuration) || lasts(style.animationDuration);
        }).length"""
    )
    return count


def test_nothing_moves_for_who_wants_no_motion(office: Office) -> None:
    """No transition, animation or smooth scrolling where the system says so."""
    office.record(offered("phone"))
    for wanted in ("no-preference", "reduce"):
        desk = office.at(clerk(POLICE), reduced_motion=wanted)
        page = desk.page
        for path in (*PAGES, *OF_CASE, "/sign-in", "/verify"):
            desk.go(path)
            assert moving(page) == 0 or wanted == "no-preference", path
        assert moving(page) > 0 or wanted == "reduce"
