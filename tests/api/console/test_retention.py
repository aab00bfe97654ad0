"""Retention in the browser: a hold is placed, an erasure refused, the hold released, and the section erased by two."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from ledger.core.events import Authority
from ledger.core.events.hold import HoldPlaced
from ledger.core.events.record import ErasureProposed
from ledger.core.events.retention import RetentionSet
from tests.api.console.desk import READ, Office, axe_findings
from tests.api.service import name_confidentially
from tests.testkit.builders import POLICE, PROCURATORATE, auditor, clerk, supervisor
from tests.testkit.casework import Case

ORDER = Authority("court_order", "12/2026")
CHIEF = supervisor(POLICE)


def authorised(page: Page) -> None:
    """State on what authority the act is done."""
    page.locator("#authorization_type").fill("court order")
    page.locator("#authorization_identifier").fill("12")


def test_a_hold_is_placed_and_released_and_two_erase(office: Office) -> None:
    """The chief holds the case, is refused the erasure with the hold's number, releases it, and signs second."""
    case = name_confidentially(Case().open())
    proposal = ErasureProposed(concerns=case.events[1].ref, label="person:1", ground="over")
    office.record(case.act(proposal, clerk(POLICE)))
    desk = office.at(CHIEF, "/cases/case-1?tab=documents")
    page = desk.page
    page.get_by_role("link", name="Place a legal hold").click()
    page.locator("#kind").select_option("legal_hold")
    page.locator("#scope").select_option("case")
    page.locator("#number").fill("H-7")
    page.locator("#ground").fill("a retrial was asked for")
    authorised(page)
    page.get_by_role("button", name=READ).click()
    desk.sign()
    expect(page.locator("#holds")).to_contain_text("Legal holds")
    (hold,) = office.state().holds.values()
    assert (hold.number, hold.stands) == ("H-7", True)
    assert axe_findings(page) == []

    page.get_by_role("link", name="Sign as the second officer").click()
    page.locator("#ground").fill("over")
    authorised(page)
    page.get_by_role("button", name=READ).click()
    expect(page.get_by_role("main")).to_contain_text("H-7")
    desk.go("/cases/case-1")
    page.get_by_role("link", name="Release the hold").click()
    page.locator("#ground").fill("the retrial was refused")
    authorised(page)
    page.get_by_role("button", name=READ).click()
    desk.sign()
    expect(page.locator("#holds")).to_have_count(0)

    page.get_by_role("link", name="Sign as the second officer").click()
    page.locator("#ground").fill("over")
    authorised(page)
    page.get_by_role("button", name=READ).click()
    desk.sign()
    expect(page.get_by_role("link", name="Sign as the second officer")).to_have_count(0)
    assert not office.state().erasures


def test_who_supervises_sees_which_holds_stand(office: Office) -> None:
    """A table of the cases of the jurisdiction: who placed each, why, for how long, and a choice by that."""
    case = Case().open().register("phone")
    held = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-7", "scope": "case", "ground": "a retrial"}
    office.record(case.say(HoldPlaced, CHIEF, authority=ORDER, **held))
    page = office.at(auditor(PROCURATORATE), "/retention").page
    row = page.get_by_role("row").filter(has_text="H-7")
    for words in (CHIEF.officer_id, "a retrial", "0 days"):
        expect(row).to_contain_text(words)
    assert axe_findings(page) == []
    page.get_by_role("link", name="for 30 days or longer").click()
    expect(page.get_by_role("main")).to_contain_text("No legal hold stands")


def test_what_is_kept_has_a_page(office: Office) -> None:
    """What is due within the days that are chosen, and the holds; in a narrow window, too, and for assistive tools."""
    case = Case().open().register("phone")
    case.say(RetentionSet, CHIEF, until="2026-03-20", item_ids=("phone",), authority=ORDER)
    office.record(case)
    page = office.at(CHIEF, "/retention").page
    expect(page.get_by_role("main")).to_contain_text("Nothing is due.")
    page.get_by_role("link", name="within 30 days").click()
    row = page.get_by_role("row").filter(has_text="phone")
    expect(row).to_contain_text("2026-03-20")
    expect(row).to_contain_text("a review")
    assert axe_findings(page) == []
