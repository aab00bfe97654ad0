"""The operator's pages in the browser: how the service stands, also while its chain is away; agencies and keys."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from ledger.core.events.record import IncidentRecorded
from tests.api.console.desk import Office, axe_findings, too_wide
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, supervisor
from tests.testkit.casework import offered


def fact(page: Page, name: str) -> str:
    """Return what stands beside a name."""
    return page.locator("dt", has_text=name).first.locator("xpath=following-sibling::dd[1]").inner_text()


def test_the_page_refreshes_itself(office: Office) -> None:
    """What is recorded while it is open appears without anybody asking for it; nobody need be signed in."""
    page = office.sit_down(clerk(POLICE)).go("/operation")
    before = int(fact(page, "Entries"))
    case = office.record(offered("phone"))
    expect(page.locator("dt", has_text="Entries").locator("xpath=following-sibling::dd[1]")).to_have_text(
        str(before + len(case.events))
    )
    expect(page.get_by_role("heading", name="Recorded incidents")).to_have_count(0)


def test_who_is_signed_in_sees_incidents_and_what_to_do(office: Office) -> None:
    """A recorded incident is an alarm for a week, with its next step; a clerk sees no webhooks."""
    office.ledger.put(IncidentRecorded(kind="chain_edited", description="block 3 differs <b>"))
    desk = office.at(clerk(POLICE), "/operation", language="zh-CN")
    page = desk.page
    expect(page.locator(".alarm")).to_contain_text("日志中有七日内的异常")
    expect(page.locator(".alarm")).to_contain_text("tally audit")
    expect(page.locator("#incidents + ul")).to_contain_text("链被改动")
    expect(page.locator("#incidents + ul")).to_contain_text("block 3 differs <b>")
    expect(page.get_by_text("推送情况仅审批人可见")).to_be_visible()
    office.ledger.clock.forward(8 * 86_400)
    desk.enter("/operation")
    expect(page.locator(".alarm")).to_contain_text("等待最终确认已超过十分钟")
    expect(page.locator(".alarm")).not_to_contain_text("七日内的异常")


def test_keys_have_their_history(office: Office) -> None:
    """When a key was granted and revoked and by whose decision, and what it signed; a key that is not there is told."""
    office.record(offered("phone"))
    office.ledger.changes.revoke(clerk(POLICE))
    office.ledger.mirror(office.ledger.changes.bodies[-1])
    desk = office.sit_down(supervisor(PROCURATORATE))
    page = desk.go("/agencies")
    row = page.locator("tr", has_text="police-east")
    expect(row.locator("td").nth(3)).to_have_text("1")
    row.get_by_role("link").click()
    key = page.locator("tr", has_text=clerk(POLICE).officer_id).filter(has_text="revoked")
    expect(key).to_contain_text("by the agency's admin")
    expect(page.locator(".timeline li").first).to_contain_text("revokes the key")
    expect(page.locator(".timeline li").last).to_contain_text("admits")
    expect(page.locator(".timeline li").last).to_contain_text("by a majority of the agencies")
    key.get_by_role("link", name="entry").last.click()
    expect(page.locator(".sentence")).to_contain_text(f"{clerk(POLICE).key_id[:10]}…")
    expect(page.locator("dd", has_text=clerk(POLICE).key_id)).to_be_visible()
    expect(page.get_by_text("Its proof bundle is given to whoever is signed in.")).to_be_visible()
    assert (axe_findings(page), too_wide(page)) == ([], [])
    page.get_by_role("link", name="To the key").click()
    expect(page.locator("tbody tr").first).to_contain_text("a case")
    address = page.url.partition("/console")[2]
    desk = office.at(supervisor(POLICE), address)
    page = desk.page
    expect(page.locator("tbody tr").first).to_contain_text("case-1")
    expect(page.locator("section pre")).to_contain_text(f"tally key revoke {clerk(POLICE).key_id}")
    page.goto(f"{office.url}/console/agencies/court-east/keys/{clerk(POLICE).key_id}")
    expect(page.locator(".blocked")).to_be_visible()
