"""The console's pages: what others' words cannot do to them, whom they serve, and how they are used without a mouse."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from playwright.sync_api import Page, expect

from ledger.core.event import Authority, handover
from tests.builders import POLICE, PROCURATORATE, clerk
from tests.casework import Case, holding, offered, registration
from tests.console.desk import OF_CASE, PAGES, Clerk, Office, grave_findings

SCRIPT = (
    """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>'">{{7*7}}${7*7}</textarea>"""
)
QUIET = ("/cases", "/cases/new", "/outbox")  # pages that show nothing of the case


def spoiled() -> Case:
    """A case with a script in every text field that a page shows."""
    line = SCRIPT[:190]
    case = Case().open(case_number=SCRIPT[:90], case_type=line).name("li")
    texts = {"condition": SCRIPT, "seal_number": SCRIPT[:90], "storage_location": line, "exhibit_number": SCRIPT[:90]}
    for item_id in ("phone", "knife"):
        body = replace(registration(item_id, **texts), description=SCRIPT)
        case.act(body, clerk(POLICE), authority=Authority(line, line))
    list_ = [handover.OfferedItem(item_id=one, condition=SCRIPT, seal_number=SCRIPT[:90]) for one in ("phone", "knife")]
    case.offer(*list_, to=PROCURATORATE, persons=("li",))
    found = handover.ReceivedItem(item_id="phone", match_result="mismatch", condition=SCRIPT, remark=SCRIPT)
    refused = handover.NotAcceptedItem(item_id="knife", reason_code="other", explanation=SCRIPT)
    case.accept(received=(found,), not_accepted=(refused,))
    return case.give_back("phone", explanation=SCRIPT)


def test_no_text_of_others_becomes_markup(office: Office) -> None:
    """A script in any text field is shown as it was typed, on every page, and runs on none."""
    office.record(spoiled())
    police = office.sit_down(clerk(POLICE))
    page = police.sign_in()
    for path in (*PAGES, *OF_CASE, "/cases/case-1/handovers/handover-2"):
        police.go(path)
        page.wait_for_load_state("networkidle")
        assert page.title() != "owned", path
        assert page.locator("img[src=x]").count() == 0, path
        assert "&lt;img src=x" in page.content() or path in QUIET, path
    police.go("/cases/case-1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    expect(page.locator(".timeline li").first).to_be_visible()
    assert page.title() != "owned"


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
