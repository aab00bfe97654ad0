"""A stocktake in the browser: codes are typed as a scanner does, answered at once, and what differs is signed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.api.console.desk import READ, Office, barriers
from tests.testkit.builders import COURT, LAB, POLICE, auditor, clerk, supervisor
from tests.testkit.casework import Case

ROOM = "Room 3"


def stocked(office: Office) -> None:
    """Record things of two cases: two in the room, one in another room, and one that was lent."""
    first = Case("case-1").open(case_number="2026-1").register("knife", storage_location="Room 3, shelf 1")
    first.register("phone", storage_location="Room 5").register("lamp", storage_location="Room 3")
    first.offer("lamp", to=LAB, purpose="forensic_examination").accept()
    office.record(first)
    office.record(Case("case-2").open(case_number="2026-2").register("coat", storage_location="Room 3, yard"))
    office.ledger.clock.forward(100_000)


def type_code(page: Page, code: str, seal: str = "") -> None:
    """Type a code as a scanner does, with Enter behind it; a seal is typed before."""
    page.get_by_label("Seal that it bears").fill(seal)
    page.get_by_label("Code of a thing").fill(code)
    page.get_by_label("Code of a thing").press("Enter")


def test_a_room_is_counted_and_what_differs_is_signed(office: Office) -> None:
    """One in place, one elsewhere, one surplus, one missing: each is told, signed by one consent, and resolved."""
    stocked(office)
    desk = office.at(clerk(POLICE), "/stocktakes")
    page = desk.page
    page.get_by_label("Room or shelf").fill(ROOM)
    page.get_by_role("button", name="Begin to count").click()
    expect(page.locator("#count")).to_contain_text("0 in place; 2 lay here when the count began")
    answers = page.locator("#told")
    for code, result, words in (
        ("KNIFE", "in place", "the knife"),
        ("phone", "recorded elsewhere", "Room 5 → Room 3"),
        ("lamp", "surplus", "held by lab-east"),
        ("no-such-thing", "unknown", "no-such-thing"),
        ("knife", "scanned before", "the knife"),
    ):
        type_code(page, code)
        expect(answers.locator("strong")).to_have_text(result)
        expect(answers).to_contain_text(words)
        expect(page.get_by_label("Code of a thing")).to_have_value("")
    expect(page.locator("#count")).to_contain_text("1 in place; 2 lay here")
    assert barriers(page) == []
    # A wrong scan is taken back, and stays in the list as that.
    type_code(page, "coat")
    expect(answers.locator("strong")).to_have_text("in place")
    page.get_by_role("button", name="Take this scan back").click()
    expect(page.locator("#count")).to_contain_text("1 in place; 2 lay here")
    page.locator("summary", has_text="Scans").click()
    expect(page.locator("main")).to_contain_text(f"taken back by {clerk(POLICE).officer_id}")
    # What comes into the room during the count is not missing unless who counts says so.
    later = Case("case-3", start=office.ledger.clock.seconds).open(case_number="2026-3")
    office.record(later.register("hat", "scarf", storage_location="Room 3"))
    address = page.url
    desk = office.at(supervisor(POLICE), address.partition("/console")[2])  # another officer, another browser
    page = desk.page
    expect(page.locator("#count")).to_contain_text("1 in place; 2 lay here")
    expect(page.get_by_role("heading", name="Not scanned yet")).to_contain_text("1")
    arrived = page.get_by_role("group", name="Changed since the count began")
    expect(arrived.get_by_role("checkbox")).to_have_count(2)
    arrived.locator("li", has_text="scarf").get_by_role("checkbox").check()
    assert barriers(page) == []
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft")).to_contain_text("These 5 acts you sign together")
    question = desk.sign()
    assert "records a stocktake of Room 3" in question
    state = office.state("case-1")
    assert {each.item_id: each.kinds for each in state.discrepancies.values()} == {
        "phone": ("location",),
        "lamp": ("surplus",),
    }
    (missing,) = office.state("case-2").discrepancies.values()
    assert (missing.item_id, missing.kinds, missing.found) == ("coat", ("missing",), None)
    assert {each.item_id for each in office.state("case-3").discrepancies.values()} == {"scarf"}
    page = desk.go(address.partition("/console")[2])
    expect(page.get_by_role("heading", name="Differences")).to_contain_text("4")
    expect(page.get_by_role("heading", name="Changed since")).to_contain_text("1")
    assert barriers(page) == []
    # Whoever raised it within one agency cannot resolve it; another officer does.
    page = desk.go("/cases/case-2/acts/resolve")
    expect(page.locator("main")).to_contain_text("nothing of the kind waits for your agency's signature")
    desk = office.at(clerk(POLICE), "/cases/case-2/acts/resolve")
    page = desk.page
    page.get_by_label("Resolution").fill("lent to the expert, slip found")
    page.get_by_role("button", name=READ).click()
    desk.sign()
    (missing,) = office.state("case-2").discrepancies.values()
    assert missing.is_resolved
    # What was surplus is taken back by the agency that counted it, alone: its holder is told so, and asked for nothing.
    page = office.at(clerk(LAB), "/cases/case-1").page
    task = page.locator(".tasks li", has_text="the lamp")
    expect(task).to_contain_text(f"{POLICE} counted it as surplus: its signature alone ends this")
    expect(task).not_to_contain_text("Both sides")
    expect(page.get_by_role("link", name="Sign a resolution")).to_have_count(0)
    page.goto(page.url.partition("?")[0] + "/acts/resolve")
    expect(page.locator("main")).to_contain_text("nothing of the kind waits for your agency's signature")
    desk = office.at(clerk(POLICE), "/cases/case-1/acts/resolve")
    page = desk.page
    (surplus,) = (each for each in office.state("case-1").discrepancies.values() if each.kinds == ("surplus",))
    page = desk.go(f"/cases/case-1/acts/resolve?of={surplus.discrepancy_id}")
    expect(page.locator("main")).to_contain_text("its signature alone takes it back")
    expect(page.locator("main")).not_to_contain_text("both sides")
    page.get_by_label("Resolution").fill("it was another lamp")
    page.get_by_role("button", name=READ).click()
    desk.sign()
    assert office.state("case-1").discrepancies[surplus.discrepancy_id].is_resolved
    # The report of the room, as a file.
    desk.go(address.partition("/console")[2])
    report = page.request.get(f"{address}/paper")
    assert (report.status, report.headers["content-type"]) == (200, "application/pdf")


@pytest.mark.extended
def test_on_a_phone_in_chinese_and_abandoned(office: Office) -> None:
    """On a small screen, in the other language, nothing is wider than the window; abandoned, it is gone."""
    stocked(office)
    desk = office.at(clerk(POLICE), "/stocktakes", language="zh-CN", viewport={"width": 360, "height": 740})
    page = desk.page
    page.locator("#storage_location").fill(ROOM)
    page.get_by_role("button", name="开始盘库").click()
    page.locator("#seal_number").fill("S-9")
    page.locator("#code").fill("knife")
    page.locator("#code").press("Enter")
    expect(page.locator("#told")).to_contain_text("封条")
    assert barriers(page, [("light", 360)]) == []
    page.get_by_text("放弃本次盘库").click()
    page.get_by_role("button", name="放弃盘库").click()
    expect(page.locator("main")).not_to_contain_text(ROOM)


@pytest.mark.extended
@pytest.mark.parametrize("officer", [clerk(COURT), auditor(POLICE)], ids=["another agency", "an auditor"])
def test_it_is_one_agencys_own(office: Office, officer: object) -> None:
    """Nobody else opens the page of a stocktake."""
    stocked(office)
    desk = office.at(clerk(POLICE), "/stocktakes")
    desk.page.get_by_label("Room or shelf").fill(ROOM)
    desk.page.get_by_role("button", name="Begin to count").click()
    path = desk.page.url.partition("/console")[2]
    page = office.at(officer, path).page  # type: ignore[arg-type]
    expect(page.locator("main")).not_to_contain_text("in place")
