"""Handing over in the browser: two clerks, each with a signer, from the offer to what moved."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from ledger.core.events.handover import HandoverRefused
from tests.api.console.desk import READ, Office, axe_findings
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk
from tests.testkit.casework import holding, offered, passed


def test_a_handover_exists_when_both_halves_match(office: Office) -> None:
    """Offered from a picked list and accepted item by item: custody moves as the pages said, and no sooner."""
    office.record(holding("phone", "knife", "coat"))
    police = office.at(clerk(POLICE), "/cases/case-1/offer")
    page = police.page
    page.get_by_label("To", exact=True).select_option(PROCURATORATE)
    page.get_by_label("For", exact=True).select_option("prosecution_review")
    page.get_by_label("Scan or type a code").fill("PHONE")
    page.keyboard.press("Enter")
    expect(page.locator("#scanned")).to_have_text("Picked: the phone")
    page.get_by_role("checkbox", name="the knife").check()
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft .sentence")).to_contain_text("offers to procuratorate-east for prosecution review")
    assert axe_findings(page) == []
    question = police.sign()
    things = "phone (not known here), knife (not known here)"
    assert f"police-east offers to procuratorate-east for prosecution review: {things}" in question
    handover = next(iter(office.state().handovers.values()))
    assert (handover.to_agency, list(handover.items)) == (PROCURATORATE, ["phone", "knife"])
    assert office.state().items["phone"].holder == POLICE
    prosecutor = office.at(clerk(PROCURATORATE))
    page = prosecutor.page
    page.get_by_role("link", name="2026-0417").first.click()
    assert axe_findings(page) == []
    knife = page.locator(".lines > li", has_text="the knife")
    knife.get_by_label("not accepted").check()
    knife.get_by_label("Reason").select_option("seal_broken")
    page.get_by_role("button", name="Accept: read what you will sign").click()
    question = prosecutor.sign()
    assert f"procuratorate-east accepts handover {handover.handover_id}" in question
    state = office.state()
    assert (state.items["phone"].holder, state.items["knife"].holder) == (PROCURATORATE, POLICE)


@pytest.mark.extended
def test_what_blocks_is_said_before_anybody_signs(office: Office) -> None:
    """An act that the ledger would refuse comes to no draft; the page says why, and the form stays."""
    office.record(offered("phone"))
    police = office.at(clerk(POLICE), "/cases/case-1", language="zh-CN")
    page = police.page
    expect(page.locator(".tasks")).to_contain_text("尚未答复")
    page = police.go("/cases/case-1/offer")
    expect(page.get_by_text("目前没有可移送的物品")).to_be_visible()
    page.locator("#to_agency").select_option(COURT)
    expect(page.locator("#purpose option[value=prosecution_review]")).to_be_disabled()
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.locator("#purpose").select_option("prosecution_review")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator("#draft .blocked")).to_contain_text("案件已在一项待答复的移送中")
    expect(page.locator("#to_agency")).to_have_value(PROCURATORATE)


def test_a_busy_case_asks_once_more(office: Office) -> None:
    """Where another event came in before the signature, a new draft tells what came, and is signed."""
    case = office.record(holding("phone", "knife"))
    police = office.at(clerk(POLICE))
    page = police.draft_offer()
    office.record(case.register("letter"))
    page.locator("[data-sign]").click()
    told_first = police.agree()
    expect(page.get_by_role("heading", name="The case has moved on since you began")).to_be_visible()
    expect(page.locator(".draft .notice")).to_contain_text("registers the letter (letter)")
    told_then = police.sign()
    assert told_first.splitlines()[1] == told_then.splitlines()[1]
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    assert office.state().items["phone"].offer is not None


@pytest.mark.extended
def test_what_is_refused_after_signing_is_drafted_anew(office: Office) -> None:
    """The form is asked again, which says what is at fault; where nothing is, the ledger's words stand by the draft."""
    office.record(holding("phone"))
    desk = office.at(clerk(POLICE), language="zh-CN")
    page = desk.draft_offer()
    outcome = page.locator(".draft .outcome")

    def spoil(route: Route) -> None:
        route.continue_(
            post_data=re.sub('"signature":"0x.{8}', '"signature":"0x00000000', route.request.post_data or "")
        )

    page.route("**/api/v1/events", spoil, times=1)
    page.locator("[data-sign]").click()
    desk.agree()
    expect(outcome).to_contain_text("账本未予接受：")
    expect(page.locator("[data-sign]")).to_be_enabled()
    expect(outcome.locator("[lang=en]")).to_have_count(0)
    page.locator("#list_number").fill("2026-1")
    expect(page.locator("#draft > *")).to_have_count(0)
    page.locator("form[data-act] button:not([type])").click()
    expect(outcome).to_be_empty()
    desk.sign()
    assert len(office.state().handovers) == 1


@pytest.mark.extended
def test_a_return_says_what_to_complete_and_is_answered(office: Office) -> None:
    """The outline is typed line by line and shown with the handover; who resumes it answers its points."""
    office.record(passed("phone"))
    prosecutor = office.at(clerk(PROCURATORATE), "/cases/case-1/offer?returns=handover-1")
    page = prosecutor.page
    page.get_by_label("Reason").select_option("evidence_insufficient")
    page.get_by_label("What is to be completed").fill("hear the buyer\n\nexamine the phone")
    page.get_by_label("Explanation").fill("the buyer is not heard")
    page.get_by_role("button", name="Pick all").click()
    page.get_by_role("button", name=READ).click()
    assert axe_findings(page) == []
    prosecutor.sign()
    returned = list(office.state().handovers.values())[-1]
    assert [point.text for point in returned.outline] == ["hear the buyer", "examine the phone"]
    police = office.at(clerk(POLICE), f"/cases/case-1/handovers/{returned.handover_id}")
    expect(police.page.locator("ol > li")).to_have_text(["hear the buyer", "examine the phone"])
    police.page.get_by_role("button", name="Accept: read what you will sign").click()
    expect(police.page.locator("[data-ask]")).to_contain_text("You have looked at no item yet")
    police.page.get_by_role("button", name="Accept: read what you will sign").click()
    police.sign()
    page = police.go("/cases/case-1/offer")
    page.get_by_label("To", exact=True).select_option(PROCURATORATE)
    page.get_by_label("For", exact=True).select_option("prosecution_review")
    page.get_by_label("Resumes an earlier handover").select_option(returned.handover_id)
    page.get_by_label("2. examine the phone").fill("nothing on it")
    page.get_by_role("button", name="Pick all").click()
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft")).to_contain_text("nothing on it")
    police.sign()
    assert list(office.state().handovers.values())[-1].follows == returned.handover_id


def test_what_was_refused_is_offered_again_as_it_was(office: Office) -> None:
    """The task tells why, the handover's page all that was answered and the papers; what was in it is picked again."""
    case = office.record(offered("phone"))
    answer = {"reason_code": "incomplete_dossier", "remedy": "supplement", "explanation": "the list is missing"}
    case.say(HandoverRefused, clerk(PROCURATORATE), handover_id="handover-1", **answer)
    office.record(case)
    police = office.at(clerk(POLICE), "/cases/case-1")
    task = police.page.locator(".tasks li")
    expect(task).to_contain_text("Reason: incomplete dossier")
    task.get_by_role("link").click()
    police.page.get_by_role("link", name="What was answered").click()
    expect(police.page.locator("main")).to_contain_text("the list is missing")
    expect(police.page.get_by_role("link", name="(PDF)").first).to_be_visible()
    assert axe_findings(police.page) == []
    page = police.go("/cases/case-1/offer?follows=handover-1")
    expect(page.locator("main")).to_contain_text("Refused by procuratorate-east: incomplete dossier")
    expect(page.get_by_role("checkbox", name="the phone")).to_be_checked()
    expect(page.locator("main [data-count]")).to_have_text("1 / 1")
    page.get_by_role("button", name=READ).click()
    police.sign()
    assert office.state().items["phone"].offer is not None
