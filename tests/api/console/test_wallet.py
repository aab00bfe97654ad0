"""A wallet in the browser (EIP-1193) in the signer's place: its account signs in and signs, and faults are told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from playwright.sync_api import Page, expect

from tests.api.console.desk import Clerk, Office, axe_findings
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, clerk
from tests.testkit.casework import holding

# What a wallet's extension puts into the page: EIP-1193's one method, whose errors bear a code.
PROVIDER = """
window.ethereum = {
  async request(asked) {
    const { result, error } = await window.askWallet(asked);
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  },
};
"""
DECLINED = {"error": {"code": 4001, "message": "User rejected the request."}}
BUSY = {"error": {"code": -32002, "message": "Request already pending."}}


@dataclass
class Wallet:
    """Signs with the key of whom it is turned to, as eth_account reads EIP-191 and EIP-712; ``answer`` goes before."""

    holder: Officer
    answer: dict[str, Any] | None = None
    patience: int = 1_000  # signatures, until its holder declines
    asked: list[str] = field(default_factory=list)

    def request(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer a call of the page."""
        method, params = asked["method"], asked.get("params", [])
        self.asked.append(method)
        account = Account.from_key(self.holder.key.secret)
        if method == "eth_requestAccounts":
            return {"result": [account.address]}
        if self.answer is not None:
            return self.answer
        if self.patience == 0:
            return DECLINED
        self.patience -= 1
        of_account, message = self._read(method, params)
        assert of_account == account.address
        return {"result": "0x" + account.sign_message(message).signature.hex().removeprefix("0x")}

    def _read(self, method: str, params: list[str]) -> tuple[str, SignableMessage]:
        if method == "personal_sign":
            return params[1], encode_defunct(hexstr=params[0])
        assert method == "eth_signTypedData_v4"
        return params[0], encode_typed_data(full_message=json.loads(params[1]))


def with_wallet(office: Office, officer: Officer, **options: Any) -> tuple[Clerk, Wallet]:
    """Seat the officer at a browser with a wallet that has his key; he has paired no signer."""
    desk, wallet = office.sit_down(officer, **options), Wallet(officer)
    desk.context.expose_function("askWallet", lambda asked: wallet.request(asked))  # noqa: PLW0108 - a test may replace it
    desk.context.add_init_script(PROVIDER)
    return desk, wallet


def sign_in(desk: Clerk) -> Page:
    page = desk.go("/sign-in")
    page.locator("#by-wallet").click()
    page.wait_for_url(f"{desk.office.url}/console/")
    return page


def test_a_wallet_signs_in_and_signs_an_offer(office: Office) -> None:
    """From the sign-in page to the record: the ledger takes what another program's encoder of typed data has signed."""
    office.record(holding("phone"))
    desk, wallet = with_wallet(office, clerk(POLICE))
    page = sign_in(desk)
    desk.draft_offer()
    page.locator("[data-sign]").click()
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
    assert wallet.asked == ["eth_requestAccounts", "personal_sign", "eth_requestAccounts", "eth_signTypedData_v4"]
    (handover,) = office.state().handovers.values()
    assert (handover.to_agency, handover.offered_by) == (PROCURATORATE, clerk(POLICE).officer_id)


def test_who_declines_in_the_wallet_signs_nothing(office: Office) -> None:
    """At signing in and at an offer: told in words, nothing recorded, and asked again it works."""
    office.record(holding("phone"))
    desk, wallet = with_wallet(office, clerk(POLICE))
    wallet.answer = DECLINED
    page = desk.go("/sign-in")
    page.locator("#by-wallet").click()
    expect(page.locator("#outcome")).to_have_text("You did not agree; nothing was signed.")
    wallet.answer = BUSY
    page.locator("#by-wallet").click()
    expect(page.locator("#outcome")).to_contain_text("Another question waits in the wallet")
    wallet.answer = None
    sign_in(desk)
    desk.draft_offer()
    wallet.answer = DECLINED
    page.locator("[data-sign]").click()
    outcome = page.locator(".draft .outcome")
    expect(outcome).to_have_text("You did not agree; nothing was signed.")
    assert not office.state().handovers
    wallet.answer = {"error": {"code": -32603, "message": "Ledger device: locked."}}
    page.locator("[data-sign]").click()
    expect(outcome).to_contain_text("The wallet refused it:")
    expect(outcome).to_contain_text("Ledger device: locked.")
    wallet.answer = None
    page.locator("[data-sign]").click()
    expect(page.locator(".done")).to_contain_text("Recorded as entry")


def test_who_takes_too_long_to_sign_in_is_told_so(office: Office) -> None:
    """The challenge runs out while the wallet asks: the page says so in words, and a new attempt works."""
    desk, wallet = with_wallet(office, clerk(POLICE), language="zh-CN")
    page, sign = desk.go("/sign-in"), wallet.request

    def slowly(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["method"] == "personal_sign":
            office.ledger.clock.forward(office.parts.settings.challenge_lifetime_s)
        return sign(asked)

    wallet.request = slowly  # type: ignore[method-assign]
    page.locator("#by-wallet").click()
    expect(page.locator("#outcome .blocked")).to_contain_text("请重新登录")
    wallet.request = sign  # type: ignore[method-assign]
    sign_in(desk)


def test_another_account_is_told_before_it_signs(office: Office) -> None:
    """A wallet turned to another account is asked for no signature; the page names the account that is wanted."""
    office.record(holding("phone"))
    desk, wallet = with_wallet(office, clerk(POLICE), language="zh-CN")
    page = sign_in(desk)
    desk.draft_offer()
    wallet.holder = clerk(PROCURATORATE)
    page.locator("[data-sign]").click()
    outcome = page.locator(".draft .outcome")
    expect(outcome).to_contain_text("钱包当前账户不是您登录所用的账户")
    expect(outcome).to_contain_text(clerk(POLICE).key_id)
    assert "eth_signTypedData_v4" not in wallet.asked
    assert axe_findings(page) == []
    wallet.holder = clerk(POLICE)
    page.locator("[data-sign]").click()
    expect(page.locator(".done")).to_be_visible()


def test_a_wallet_that_is_gone_is_told(office: Office) -> None:
    """Who signed in with a wallet and has none any more is not sent to a signer that he never had."""
    office.record(holding("phone"))
    desk, _ = with_wallet(office, clerk(POLICE))
    page = sign_in(desk)
    desk.draft_offer()
    page.evaluate("delete window.ethereum")
    page.locator("[data-sign]").click()
    expect(page.locator(".draft .outcome")).to_contain_text("is gone from this browser")
