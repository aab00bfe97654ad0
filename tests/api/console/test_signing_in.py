"""Signing in: with the local signer, in a real browser, from pairing to the cookie."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.api.console.desk import Office, axe_findings
from tests.testkit.builders import POLICE, clerk


def test_clerk_signs_in_with_the_signer(office: Office) -> None:
    """The code pairs, the signer says in words what is signed, and the token is out of every script's reach."""
    police = office.sit_down(clerk(POLICE))
    page = police.go("/")
    expect(page).to_have_url(f"{office.url}/console/sign-in?next=/console/")
    assert axe_findings(page) == []
    page.locator("#code").fill(police.signing.codes[-1].lower())
    page.keyboard.press("Enter")
    page.locator("#by-signer").click()
    question = police.agree()
    assert f"Sign in at {office.url}. This signs no event." in question
    page.wait_for_url(f"{office.url}/console/")
    expect(page.get_by_role("heading", level=1)).to_have_text(POLICE)
    (session,) = [cookie for cookie in police.context.cookies() if cookie["name"] == "tallystick"]
    assert (session["httpOnly"], session["sameSite"], session["path"]) == (True, "Strict", "/console")
    assert page.evaluate("document.cookie") == ""


@pytest.mark.extended
def test_what_is_refused_is_told_in_the_readers_words(office: Office) -> None:
    """A key that the ledger does not know, then a signer whose clock is another: who refused, what, and what to do."""
    stranger = office.sit_down(clerk("tax-office"), language="zh-CN")
    page = stranger.go("/sign-in")
    page.locator("#code").fill(stranger.signing.codes[-1])
    page.locator("#pairing button").click()
    page.locator("#by-signer").click()
    outcome = page.locator("#outcome")
    expect(outcome).to_contain_text("账本未予接受： 账本不认识此密钥")
    expect(outcome).to_contain_text("由本机关管理员凭该文件")
    expect(outcome.locator("[data-detail]")).to_contain_text("未授予任何机关")
    police = office.sit_down(clerk(POLICE), language="zh-CN")
    police.sign_in()
    page = police.go("/cases/new")
    page.locator("[name=case_number]").fill("2026-7")
    page.locator("[name=case_type]").fill("盗窃")
    page.locator("[data-act] button").last.click()
    expect(page.locator("[data-sign]")).to_be_visible()
    office.ledger.clock.forward(2 * 24 * 3600)
    page.locator("[data-sign]").click()
    expect(page.locator(".outcome")).to_contain_text("签名助手未予签署： 签名时间与账本的时间相差过大")
    expect(page.locator(".outcome")).to_contain_text("请校准本机时间，再重新签署。")
