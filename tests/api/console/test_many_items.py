"""A list too long for one page: whatever is on it can be picked, found by its code, and told to differ."""

from __future__ import annotations

from playwright.sync_api import expect

from api.console.cases.case_pages import ROWS
from tests.api.console.desk import READ, Office
from tests.testkit.builders import POLICE, PROCURATORATE, auditor, clerk
from tests.testkit.casework import Case

ITEMS = [f"item-{number:03}" for number in range(2 * ROWS + 10)]


def many() -> Case:
    return Case(step=1).open().register(*ITEMS)


def test_all_of_a_long_list_can_be_offered(office: Office) -> None:
    """A code on no line of the page is found all the same, and all are picked that there are."""
    office.record(many())
    police = office.at(clerk(POLICE), "/cases/case-1/offer")
    page = police.page
    picked, lines = page.locator("main [data-count]"), page.locator(".lines > [data-codes]")
    expect(lines).to_have_count(ROWS)
    page.get_by_role("button", name="More").click()
    expect(lines).to_have_count(2 * ROWS)
    page.get_by_label("Scan or type a code").fill(ITEMS[-1])
    page.keyboard.press("Enter")
    expect(page.locator("#scanned")).to_have_text(f"Picked: the {ITEMS[-1]}")
    expect(picked).to_have_text(f"1 / {len(ITEMS)}")
    expect(lines).to_have_count(len(ITEMS))
    page.get_by_role("button", name="Pick all").click()
    expect(picked).to_have_text(f"{len(ITEMS)} / {len(ITEMS)}")
    page.get_by_label("To", exact=True).select_option(PROCURATORATE)
    page.get_by_label("For", exact=True).select_option("prosecution_review")
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft .sentence")).to_contain_text("offers to procuratorate-east")
    payload = page.locator("[data-payload]").get_attribute("data-payload") or ""
    assert [item in payload for item in ITEMS] == [True] * len(ITEMS)


def test_who_may_not_answer_sees_a_long_list_in_parts(office: Office) -> None:
    """An auditor of the receiver: the first lines, then those that are asked for, and none twice."""
    office.record(many().offer(*ITEMS, to=PROCURATORATE))
    reader = office.at(auditor(PROCURATORATE), "/cases/case-1/handovers/handover-1")
    listed = reader.page.locator(".lines").first
    for shown in (ROWS, 2 * ROWS):
        expect(listed.locator("> li:not([data-more])")).to_have_count(shown)
        reader.page.get_by_role("button", name="More").click()
    expect(listed.locator("> li")).to_have_count(len(ITEMS))
    lines = listed.locator(".id").all_inner_texts()
    assert sorted(lines) == ITEMS


def test_what_differs_far_down_the_list_is_told(office: Office) -> None:
    """The rest is accepted as listed, whether the page has shown it or not."""
    office.record(many().offer(*ITEMS, to=PROCURATORATE))
    prosecutor = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1")
    page = prosecutor.page
    expect(page.locator(".lines > [data-codes]")).to_have_count(ROWS)
    page.get_by_role("button", name="More").click()
    line = page.locator(".lines > li", has_text=f"the {ITEMS[ROWS + 7]} ")
    line.get_by_label("not accepted").check()
    line.get_by_label("Reason").select_option("seal_broken")
    page.get_by_role("button", name="Accept: read what you will sign").click()
    prosecutor.sign()
    (handover,) = office.state().handovers.values()
    assert (len(handover.accepted_items), ITEMS[ROWS + 7] in handover.accepted_items) == (len(ITEMS) - 1, False)
