"""Signing in: with the local signer, in a real browser, from pairing to the cookie."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.builders import POLICE, clerk
from tests.console.desk import Office, grave_findings


def test_clerk_signs_in_with_the_signer(office: Office) -> None:
    """The code pairs, the signer says in words what is signed, and the token is out of every script's reach."""
    police = office.sit_down(clerk(POLICE))
    page = police.go("/")
    expect(page).to_have_url(f"{office.url}/console/sign-in?next=/console/")
    assert grave_findings(page) == []
    page.locator("#code").fill(police.signing.codes[-1].lower())
    page.keyboard.press("Enter")
    page.locator("#by-signer").click()
    told = police.agree()
    assert f"Sign in at {office.url}. This signs no event." in told
    page.wait_for_url(f"{office.url}/console/")
    expect(page.get_by_role("heading", level=1)).to_have_text(POLICE)
    (cookie,) = [one for one in police.context.cookies() if one["name"] == "tallystick"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/console")
    assert page.evaluate("document.cookie") == ""
