"""The clerk's table: files dropped and taken away again, items scanned on receipt, what stands in the way in words."""

from __future__ import annotations

import re
from hashlib import sha256

from blake3 import blake3
from playwright.sync_api import expect

from ledger.core.events import handover
from ledger.core.events.terms import Quantity
from tests.api.console.desk import Office, axe_findings, drop
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, holding, li_detained, registration

PHONE_FILE = b"image of the phone"


def with_digests() -> Case:
    """Return a phone whose image was hashed, offered to the procuratorate with a knife."""
    digests = (f"blake3:{blake3(PHONE_FILE).hexdigest()}",)
    case = Case().open()
    case.act(registration("phone", digests=digests), clerk(POLICE))
    return case.register("knife").offer("phone", "knife", to=PROCURATORATE)


def test_a_dropped_file_is_hashed_and_can_be_taken_away(office: Office) -> None:
    """Its digests are in the form once, and out of it again; a file that misses its place changes nothing."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/acts/item.registered")
    page = desk.page
    page.get_by_label("Description").fill("typed by hand")
    place = page.locator(".drop").first
    drop(place, right__bin=b"right")
    drop(place, wrong__bin=b"wrong")
    expect(page.locator(".hashed li", has_text="wrong.bin")).to_contain_text("sha256:")
    expect(page.locator("input[name=digests]")).to_have_count(4)
    page.get_by_role("button", name="Remove wrong.bin").click()
    expect(page.locator(".hashed li")).to_have_count(1)
    digests = [field.input_value() for field in page.locator("input[name=digests]").all()]
    assert digests == [f"sha256:{sha256(b'right').hexdigest()}", f"blake3:{blake3(b'right').hexdigest()}"]
    drop(page.locator("h1"), missed__bin=b"missed")
    goes_on = """() => {
      const falls = new DragEvent("drop", { cancelable: true, bubbles: true, dataTransfer: new DataTransfer() });
      return document.body.dispatchEvent(falls);
    }"""
    assert page.evaluate(goes_on) is False
    expect(page.get_by_label("Description")).to_have_value("typed by hand")
    expect(page.locator(".hashed li")).to_have_count(1)


def test_a_file_that_differs_says_that_its_item_does(office: Office) -> None:
    """The recorded file leaves the item as listed; another one makes it differ, with the digests that were found."""
    office.record(with_digests())
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1")
    page = desk.page
    phone = page.locator(".lines > li", has_text="the phone")
    phone.get_by_text("Compare files with the record").click()
    drop(phone.locator(".drop").first, image__bin=PHONE_FILE)
    expect(phone.locator(".hashed li")).to_contain_text("as recorded")
    expect(phone.get_by_label("as listed", exact=True)).to_be_checked()
    phone.get_by_role("button", name="Remove image.bin").click()
    drop(phone.locator(".drop").first, image__bin=PHONE_FILE + b"!")
    expect(phone.locator(".hashed li")).to_contain_text("differs from the record")
    expect(phone.get_by_label("accepted, but it differs")).to_be_checked()
    assert axe_findings(page) == []
    page.get_by_role("button", name="Accept: read what you will sign").click()
    desk.sign()
    (discrepancy,) = office.state().discrepancies.values()
    assert (discrepancy.item_id, discrepancy.kinds) == ("phone", ("digest",))


def test_scanned_items_are_ticked(office: Office) -> None:
    """Each once, however often its code comes; a code that is on no line is told."""
    office.record(with_digests())
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1", language="zh-CN")
    page = desk.page
    counter, scan = page.locator("[data-seen]"), page.locator("[data-scan]")
    for code, count in (("PHONE", "1"), ("phone", "1"), ("gun", "1"), ("knife", "2")):
        scan.fill(code)
        page.keyboard.press("Enter")
        expect(counter).to_have_text(count)
    expect(page.locator("input[name=seen]:checked")).to_have_count(2)


def test_what_blocks_is_told_in_the_readers_words(office: Office) -> None:
    """A difference names the item by what it is, amounts with Chinese units, and who has not signed."""
    case = holding("phone", "knife").offer("phone", "knife", to=PROCURATORATE)
    short = handover.ReceivedItem(item_id="knife", match_result="mismatch", quantity=Quantity(value="0", unit="piece"))
    office.record(case.accept(received=(short,)))
    desk = office.at(clerk(POLICE), language="zh-CN")
    notice = desk.go("/cases/case-1").locator(".tasks")
    expect(notice).to_contain_text("尚未签署： police-east机关、procuratorate-east机关")
    expect(notice).to_contain_text("the knife")
    expect(notice).to_contain_text("0 件")
    expect(notice).to_contain_text("尚未签署：")
    expect(notice).not_to_contain_text("piece")
    key = next(iter(office.state().discrepancies))
    for agency, words in ((POLICE, "recount"), (PROCURATORATE, "write off")):
        case.act(handover.DiscrepancyResolved(discrepancy_id=key, resolution=words), clerk(agency))
    office.record(case)
    expect(desk.go("/cases/case-1").locator(".tasks")).to_contain_text("双方所签的处理意见不一致")


def test_clocks_of_the_start_page_name_their_case(office: Office) -> None:
    """By the number that people know, with the arithmetic behind the days that are left."""
    office.record(li_detained())
    page = office.at(clerk(POLICE)).page
    clock = page.locator(".clocks li").first
    expect(clock.get_by_role("link", name="2026-0417")).to_be_visible()
    expect(clock.locator(".clock")).to_contain_text(re.compile(r"left|until \d\d:\d\d"))  # by the hour of the day
    clock.locator("summary").click()
    expect(clock.locator(".arithmetic p").first).to_be_visible()
