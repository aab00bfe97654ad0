"""Handing over in the browser: two clerks, each with a signer, from the offer to what moved."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.api.console.desk import Clerk, Office, axe_findings
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, holding, offered


def state_of(office: Office, case_id: str = "case-1"):  # type: ignore[no-untyped-def]
    state = office.ledger.validator.states.of_case(case_id)
    assert state is not None
    return state


def sign(desk: Clerk) -> str:
    """Sign the draft that is shown; return what the signer said."""
    desk.page.locator("[data-sign]").click()
    return desk.agree()


def test_a_handover_exists_when_both_halves_match(office: Office) -> None:
    """Offered from a picked list and accepted item by item: custody moves as the pages said, and no sooner."""
    office.record(holding("phone", "knife", "coat"))
    police = office.sit_down(clerk(POLICE))
    police.sign_in()
    page = police.go("/cases/case-1/offer")
    page.get_by_label("To", exact=True).select_option(PROCURATORATE)
    page.get_by_label("For", exact=True).select_option("prosecution_review")
    page.get_by_label("Scan or type a code").fill("PHONE")
    page.keyboard.press("Enter")
    expect(page.locator("#scanned")).to_have_text("Picked: the phone")
    page.get_by_role("checkbox", name="the knife").check()
    page.get_by_role("button", name="Read what you will sign").click()
    expect(page.locator(".draft .sentence")).to_contain_text("offers to procuratorate-east for prosecution review")
    assert axe_findings(page) == []
    question = sign(police)
    assert "police-east offers to procuratorate-east for prosecution review: phone, knife" in question
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    handover = next(iter(state_of(office).handovers.values()))
    assert (handover.to_agency, list(handover.items)) == (PROCURATORATE, ["phone", "knife"])
    assert state_of(office).items["phone"].holder == POLICE
    police.leave()

    prosecutor = office.sit_down(clerk(PROCURATORATE))
    page = prosecutor.sign_in()
    page.get_by_role("link", name="2026-0417").first.click()
    assert axe_findings(page) == []
    knife = page.locator(".lines > li", has_text="the knife")
    knife.get_by_label("not accepted").check()
    knife.get_by_label("Reason").select_option("seal_broken")
    page.get_by_role("button", name="Accept: read what you will sign").click()
    question = sign(prosecutor)
    assert f"procuratorate-east accepts handover {handover.handover_id}" in question
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    state = state_of(office)
    assert (state.items["phone"].holder, state.items["knife"].holder) == (PROCURATORATE, POLICE)


def test_what_blocks_is_said_before_anybody_signs(office: Office) -> None:
    """An act that the ledger would refuse comes to no draft; the page says why, and the form stays."""
    office.record(offered("phone"))
    police = office.sit_down(clerk(POLICE), language="zh-CN")
    police.sign_in()
    page = police.go("/cases/case-1")
    expect(page.locator(".notice")).to_contain_text("尚未答复")
    page = police.go("/cases/case-1/offer")
    expect(page.get_by_text("目前没有可移送的物品")).to_be_visible()
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.locator("#purpose").select_option("prosecution_review")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator("#draft .blocked")).to_contain_text("案件已在一项待答复的移送中")
    expect(page.locator("#to_agency")).to_have_value(PROCURATORATE)


def test_a_busy_case_asks_once_more(office: Office) -> None:
    """Where another event came in before the signature, a new draft tells what came, and is signed."""
    case = office.record(holding("phone", "knife"))
    police = office.sit_down(clerk(POLICE))
    page = police.sign_in()
    offer_phone(police)
    office.record(case.register("letter"))
    told_first = sign(police)
    expect(page.get_by_role("heading", name="The case has moved on since you began")).to_be_visible()
    expect(page.locator(".draft .notice")).to_contain_text("registers letter")
    told_then = sign(police)
    assert told_first.splitlines()[1] == told_then.splitlines()[1]
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    assert state_of(office).items["phone"].offer is not None


def test_who_does_not_agree_records_nothing(office: Office) -> None:
    """The page says so, and the same draft can be signed after all."""
    office.record(holding("phone"))
    police = office.sit_down(clerk(POLICE))
    page = police.sign_in()
    offer_phone(police)
    page.locator("[data-sign]").click()
    police.decline()
    expect(page.locator(".draft .outcome")).to_have_text("You did not agree; nothing was signed.")
    assert not state_of(office).handovers
    sign(police)
    expect(page.locator(".done")).to_contain_text("Recorded as entry")


def test_files_are_hashed_here_and_compared(office: Office, tmp_path: Path) -> None:
    """A dropped file's digests go into the event; on receipt another file is told to differ from the record."""
    file, other = tmp_path / "扫描件.pdf", tmp_path / "other.pdf"
    file.write_bytes(b"scanned" * 1_000_000)
    other.write_bytes(b"altered")
    office.record(Case().open())
    police = office.sit_down(clerk(POLICE))
    police.sign_in()
    page = police.go("/cases/case-1/items/new")
    page.get_by_label("Description").fill("the scanned volume")
    page.get_by_label("Files: drop them here, or choose").set_input_files(file)
    expect(page.locator(".hashed li")).to_contain_text("扫描件.pdf hashed sha256:")
    page.get_by_role("button", name="Read what you will sign").click()
    sign(police)
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    (item,) = state_of(office).items.values()
    from blake3 import blake3

    assert item.digests[1] == "blake3:" + blake3(file.read_bytes()).hexdigest()
    page = police.go("/cases/case-1/offer")
    page.get_by_text("What the list says of it; files").click()
    page.locator("input[type=file]").set_input_files([file, other])
    expect(page.locator(".hashed li", has_text="扫描件")).to_contain_text("as recorded")
    expect(page.locator(".hashed li", has_text="other")).to_contain_text("differs from the record")


def offer_phone(police: Clerk) -> Page:
    """Come to the draft of an offer of the phone."""
    page = police.go("/cases/case-1/offer")
    page.get_by_label("To", exact=True).select_option(PROCURATORATE)
    page.get_by_label("For", exact=True).select_option("prosecution_review")
    page.get_by_role("checkbox", name="the phone").check()
    page.get_by_role("button", name="Read what you will sign").click()
    expect(page.locator("#draft-title")).to_be_focused()
    return page
