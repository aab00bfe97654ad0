"""What stands in the way is cleared from the page that tells it: differences, changes of custody, the closing."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from ledger.core.events import handover
from ledger.core.events.terms import Quantity
from ledger.store import log
from tests.api.console.desk import READ, Clerk, Office, axe_findings
from tests.testkit.builders import DETENTION, POLICE, PROCURATORATE, Officer, clerk
from tests.testkit.casework import Case, holding, li_detained, offered, person_id

RESOLUTION = "counted again by both: one was never packed"


def short_delivery() -> Case:
    """Return a case that the procuratorate accepted, finding no knife."""
    case = holding("phone", "knife").offer("phone", "knife", to=PROCURATORATE)
    short = handover.ReceivedItem(item_id="knife", match_result="mismatch", quantity=Quantity(value="0", unit="piece"))
    return case.accept(received=(short,))


def led_to(act: str, office: Office, officer: Officer) -> Clerk:
    """Seat the officer, signed in, at the form to which the page of the case leads him by this link."""
    desk = office.at(officer, "/cases/case-1")
    desk.page.get_by_role("link", name=act).click()
    return desk


def test_a_difference_is_resolved_from_both_sides_and_the_case_closed(office: Office) -> None:
    """Closing tells what bars it; the link beside the difference leads each side to the same words; then it closes."""
    office.record(short_delivery())
    prosecutor = led_to("Close the case", office, clerk(PROCURATORATE))
    page = prosecutor.page
    expect(page.locator(".notice")).to_contain_text("A difference is not resolved")
    assert axe_findings(page) == []
    page.locator(".notice").get_by_role("link", name="Sign a resolution").click()
    page.get_by_label("Resolution").fill(RESOLUTION)
    page.get_by_role("button", name=READ).click()
    prosecutor.sign()
    expect(page.locator(".tasks")).to_contain_text(f"Not signed yet: {POLICE}")
    expect(page.get_by_role("link", name="Sign a resolution")).to_have_count(0)
    police = led_to("Sign a resolution", office, clerk(POLICE))
    page = police.page
    expect(page.get_by_text(f"{PROCURATORATE} has signed:")).to_contain_text(RESOLUTION)
    expect(page.get_by_label("Resolution")).to_have_value(RESOLUTION)
    assert axe_findings(page) == []
    page.get_by_role("button", name=READ).click()
    police.sign()
    (difference,) = office.state().discrepancies.values()
    assert difference.is_resolved
    expect(page.get_by_role("link", name="Close the case")).to_have_count(0)
    prosecutor = led_to("Close the case", office, clerk(PROCURATORATE))
    page = prosecutor.page
    page.get_by_label("Why").fill("not prosecuted")
    page.get_by_role("button", name=READ).click()
    prosecutor.sign()
    assert office.state().closed
    expect(page.locator(".tasks")).to_contain_text("The case is closed. It asks for nothing any more.")
    page = prosecutor.go("/cases/case-1/acts/close")
    expect(page.locator(".notice")).to_contain_text("Only the agency that answers for the case closes it")


def test_a_change_of_custody_is_asked_for_and_served(office: Office) -> None:
    """The organ that accepted is led to ask for it, the detention house to serve it; then nothing is in the way."""
    office.record(li_detained().offer(to=PROCURATORATE, persons=("li",)).accept())
    prosecutor = led_to("Ask for the change of custody", office, clerk(PROCURATORATE))
    page = prosecutor.page
    expect(page.get_by_label("Keeper")).to_have_value(DETENTION)
    page.get_by_label("Number of the certificate").fill("2026-11")
    assert axe_findings(page) == []
    page.get_by_role("button", name=READ).click()
    prosecutor.sign()
    expect(page.locator(".tasks")).to_contain_text(f"{DETENTION} has not served the change of custody")
    expect(page.get_by_role("link", name="Ask for the change of custody")).to_have_count(0)
    house = led_to("Serve the change of custody", office, clerk(DETENTION))
    page = house.page
    assert axe_findings(page) == []
    page.get_by_role("button", name=READ).click()
    house.sign()
    assert office.state().persons[person_id("li")].kept_for == PROCURATORATE
    expect(page.locator("body")).not_to_contain_text("has not served the change of custody")
    page = house.go("/cases/case-1/acts/serve-custody")
    expect(page.locator(".notice")).to_contain_text("nothing of the kind waits for your agency's signature")


def test_the_receiver_records_his_check_before_he_answers(office: Office) -> None:
    """What passed and what did not is signed; the offer stays open."""
    office.record(offered("phone"))
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1", language="zh-CN")
    page = desk.page
    check = page.locator("details", has=page.locator("form[hx-post$='/drafts/check']"))
    check.locator("summary").first.click()
    for name in ("jurisdiction", "property_matches_list", "person_and_measure", "within_time"):
        check.locator(f"[name='result:{name}']").select_option("passed")
    check.locator("[name='result:dossier_complete']").select_option(label="不通过")
    check.locator("[name=remark]").fill("缺第二卷")
    assert axe_findings(page) == []
    check.locator("button").last.click()
    expect(page.locator(".draft .sentence")).to_be_visible()
    desk.sign()
    assert office.state().handovers["handover-1"].is_open


def test_an_act_is_dated_when_it_happened(office: Office) -> None:
    """Typed and shown in Beijing time, signed in UTC; what is yet to come is refused by the field's name."""
    office.record(holding("phone"))
    desk = office.at(clerk(POLICE), "/cases/case-1/acts/close")
    page = desk.page
    page.get_by_label("Why").fill("withdrawn")
    page.get_by_text("It happened earlier (optional)").click()
    happened = page.locator("[name=occurred_at]")
    happened.fill("2036-03-02T09:02")
    page.get_by_role("button", name=READ).click()
    expect(page.locator("#draft .blocked")).to_contain_text(re.compile("when it is signed, not .* When it happened"))
    happened.fill("2026-03-02T09:02")
    page.get_by_role("button", name=READ).click()
    expect(page.locator(".draft")).to_contain_text("Happened at 2026-03-02 09:02 (Beijing time).")
    desk.sign()
    with office.parts.database.read() as connection:
        (entry,) = log.stream(connection, "case", "case-1", after=office.state().sequence - 1, limit=1)
    assert log.event_of(entry).occurred_at == "2026-03-02T01:02:00Z"


def test_a_receipt_before_its_offer_is_warned_of_before_it_is_signed(office: Office) -> None:
    """On the same day: the draft names both times, in the reader's zone; what is signed then is flagged so."""
    office.record(offered("phone"))
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1")
    page = desk.page
    page.get_by_label("Delivered at").first.fill("2026-03-02T08:30")
    for _ in range(2):  # the first time it asks whether nothing is to be looked at
        page.get_by_role("button", name="Accept: read what you will sign").click()
    warned = page.locator(".draft .note.look", has_text="claimed times that contradict each other")
    expect(warned).to_contain_text("received at 2026-03-02 08:30, before it was offered at 2026-03-02 09:04")
    page.get_by_label("Delivered at").first.fill("2026-03-01T08:30")
    page.get_by_role("button", name="Accept: read what you will sign").click()
    expect(page.locator("#draft .blocked").get_by_role("button")).to_have_text("Delivered at")
    expect(page.locator("#draft .blocked")).to_contain_text("+08:00")
    assert office.state().handovers["handover-1"].is_open
