"""Notices in a browser: what one agency offers is told the other by its bell, its browser and its mail."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from api.services.notice_mail import NoticeMail, mail_server_of
from ledger.interchange.mail.sender import MailSender
from ledger.notices.noticing import notice
from tests.api.console.desk import Office, barriers, office_in
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, holding
from tests.testkit.mail_server import mailbox_in, text_of

HOME = "clerk@procuratorate.example"
# A headless browser allows no notices, so this stands for one that does, and records what it is asked to show.
WATCH = """
window.asked = [];
const Shown = window.Notification;
window.Notification = class extends Shown {
  static get permission() { return "granted"; }
  constructor(title, options) { super(title, options); window.asked.push(options.body); }
};
"""


def work(office: Office) -> None:
    """Do once what the service does by itself: derive notices, and send mail."""
    parts = office.parts
    notice(parts.database, parts.validator, parts.clock())
    MailSender(parts.database, NoticeMail(parts), mail_server_of(parts.settings), clock=parts.clock).step()
    office.ledger.clock.forward(61)


def test_an_offer_rings_the_bell_of_the_other_agency_and_is_mailed(tmp_path: Path, browser: Browser) -> None:
    """The prosecutor's clerk, in Chinese, gives an address and confirms it by the link; the police offer, in English.
    The bell counts it, the mail tells the number and leads to the offer; reading it empties the bell. What comes
    while a page is open comes to its bell, and the browser is asked to show it; without scripts it is a page."""
    with mailbox_in(tmp_path) as mailbox, office_in(tmp_path, browser, **mailbox.smtp_settings) as office:
        case = office.record(holding("phone", "knife"))
        prosecutor = office.at(clerk(PROCURATORATE), "/notices/settings", language="zh-CN")
        page = prosecutor.page
        page.get_by_label("邮箱地址").fill(HOME)
        page.get_by_role("button", name="发送确认链接").click()
        expect(page.get_by_role("status")).to_contain_text("请在一日内打开")
        assert barriers(page) == []
        page.get_by_label("邮件：向本机关移送、退回，或撤回移送").select_option("once")
        page.get_by_role("button", name="保存").click()
        expect(page.get_by_role("status").first).to_have_text("已保存。")
        work(office)
        (link,) = re.findall(r"http\S+/notices/confirm\?token=\S+", text_of(mailbox.taken[-1]))
        page.goto(link)
        page.get_by_role("button", name="确认", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text(HOME)
        police = office.at(clerk(POLICE))
        police.draft_offer()
        police.sign()
        work(office)
        message = mailbox.taken[-1]
        assert message["Subject"] == f"{case.state.numbers[POLICE]}: {POLICE}机关向本机关移送。"
        assert "the phone" not in text_of(message)
        prosecutor = office.sit_down(clerk(PROCURATORATE), language="zh-CN")
        prosecutor.context.add_init_script(WATCH)
        page = prosecutor.enter("/")
        bell = page.locator("#bell")
        expect(bell).to_contain_text("1")
        bell.click()
        expect(page.locator(".notices li.unread")).to_have_count(1)
        assert barriers(page) == []
        (address,) = re.findall(r"http\S+/notices/\d+", text_of(message))
        page.goto(address)
        expect(page).to_have_url(re.compile("/console/cases/case-1/handovers/"))
        expect(bell).to_have_attribute("data-count", "0")
        office.record(
            Case("case-2").open().register("coat").offer("coat", to=PROCURATORATE, purpose="prosecution_review")
        )
        work(office)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(bell).to_have_attribute("data-count", "1")
        assert page.evaluate("asked") == [bell.get_attribute("data-says")] == ["您有新的通知。"]
        prosecutor = office.at(clerk(PROCURATORATE), "/notices", language="zh-CN", java_script_enabled=False)
        expect(prosecutor.page.locator(".notices li")).to_have_count(2)
        prosecutor.page.get_by_role("button", name="全部标为已读").click()
        expect(prosecutor.page.locator("#bell")).to_have_attribute("data-count", "0")
