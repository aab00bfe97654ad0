"""Signing in: with the local signer, in a real browser, from pairing to the cookie."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.api.console.desk import Office, axe_findings, too_wide
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


# What calls the clerk is noted: a headless browser has no loudspeaker, and shows no notification.
CALLS = """
window.calls = [];
window.away = false;
document.hasFocus = () => !window.away;
window.Notification = class extends EventTarget {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, options) { super(); window.calls.push(`${title}: ${options.body}`); }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { window.calls.push("sound"); return start.apply(this, at); };
"""


def test_the_signer_calls_and_keeps_what_was_signed(office: Office) -> None:
    """Who asked for it hears and is shown that a question waits, while he looks elsewhere; then the page has what he
    signed, in the same words, and what he declined it has not."""
    police = office.sit_down(clerk(POLICE), viewport={"width": 390, "height": 800}, color_scheme="dark")
    police.context.add_init_script(CALLS)
    signer = police.signers()
    signer.get_by_role("button", name="Call me").click()
    expect(signer.get_by_role("button", name="Stop calling me")).to_have_attribute("aria-pressed", "true")
    expect(signer.locator("#muted")).to_be_hidden()
    signer.evaluate("calls.length = 0, away = true")
    page = police.go("/sign-in")
    page.locator("#code").fill(police.signing.codes[-1])
    page.locator("#pairing button").click()
    page.locator("#by-signer").click()
    expect(signer.locator("#question")).to_be_visible()
    *sounds, notification = signer.evaluate("calls")
    assert sounds == ["sound", "sound"]
    assert notification.startswith("(1) Sign this? Tallystick signer: Sign in at ")
    signer.evaluate("away = false, dispatchEvent(new Event('focus'))")
    police.decline()
    expect(signer.locator("#signed")).to_be_hidden()
    page.locator("#by-signer").click()
    police.agree()
    expect(signer.locator("#signed summary")).to_contain_text(f"Sign in at {office.url}. This signs no event.")
    signer.locator("#signed summary").click()
    expect(signer.locator("#signed dd").first).to_have_text(clerk(POLICE).officer_id)
    assert (axe_findings(signer), too_wide(signer)) == ([], [])


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
