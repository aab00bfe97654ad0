"""The auditor at work in a real browser: looks for a case, sees it as a picture, takes proofs away, runs an audit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger.core.trust.trust_file import Trust
from ledger.core.verification.case import verify_case
from ledger.core.verification.verify import verify_event
from ledger.procedures import shipped_procedures
from tests.api.conftest import Trusted
from tests.api.console.desk import Clerk, Office, office_in
from tests.testkit.builders import POLICE, PROCURATORATE, auditor, clerk
from tests.testkit.casework import Case
from tests.testkit.timeline_cases import eventful, kindred, long_case

SCAN = b"a scan of a paper"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    """Yield an office with three cases; none of the tests that share it writes anything."""
    with office_in(tmp_path_factory.mktemp("town"), browser) as office:
        for case in (eventful(), long_case(300), kindred(), scanned()):
            office.record(case)
        office.ledger.clock.forward(100 * 86_400)
        office.ledger.publisher.publish(office.ledger.database, office.ledger.clock())
        yield office


def scanned() -> Case:
    """Return a case with data whose file is at hand."""
    digest = f"sha256:{hashlib.sha256(SCAN).hexdigest()}"
    return (
        Case("case-4")
        .open(case_number="〔2026〕法刑初7号")
        .register("scan", digests=(digest,), description="黑色移动硬盘")
    )


@pytest.fixture
def desk(town: Office) -> Clerk:
    """Return the desk of an auditor of the procuratorate, who sees every case."""
    return town.at(auditor(PROCURATORATE))


def test_a_case_is_found_by_what_is_typed_and_by_a_file(desk: Clerk) -> None:
    """By the beginning of a number as it is written or not; a file is hashed here and never sent."""
    page = desk.go("/search")
    page.get_by_label("Word or number").fill("〔２０２６〕法")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("mark")).to_have_text("2026〕法")
    bodies: list[str | None] = []
    page.on("request", lambda request: bodies.append(request.post_data))
    file = {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": SCAN}
    page.get_by_label("Files: drop them here, or choose").set_input_files([file])  # type: ignore[list-item]
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("scan")
    assert not any(bodies)
    page.locator("tbody th a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("〔2026〕法刑初7号")


def test_the_case_of_an_audit_is_named_by_a_part_of_its_number(desk: Clerk) -> None:
    """The only one of which it is a part can be audited; several are to choose from, and none is told of."""
    page = desk.go("/audit?number=刑初")
    expect(page.get_by_role("button", name="Audit case 〔2026〕法刑初7号")).to_be_visible()
    desk.go("/audit?number=2026")
    page.locator("main li a").first.click()
    expect(page.get_by_role("button", name="Audit case")).to_be_visible()
    desk.go("/audit?number=nothing")
    expect(page.get_by_text("No case that you may see is called so.")).to_be_visible()


def test_a_number_leads_to_its_case(desk: Clerk) -> None:
    """The whole number at once, a part of it by the search."""
    page = desk.go("/cases")
    page.locator("#code").fill("〔2026〕法刑初7号")
    page.get_by_role("button", name="Go", exact=True).click()
    page.wait_for_url("**/cases/case-4")
    desk.go("/cases")
    page.locator("#code").fill("法刑初")
    page.get_by_role("button", name="Go", exact=True).click()
    page.wait_for_url("**/search?q=*")
    expect(page.get_by_role("rowheader").get_by_role("link", name="〔2026〕法刑初7号")).to_be_visible()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("硬盘", "/cases/case-4/items/scan"),
        ("法刑", "/cases/case-4"),
        ("handover-1", "/cases/case-1/handovers/handover-1"),
    ],
)
def test_a_hit_opens_at_its_place(desk: Clerk, text: str, place: str) -> None:
    """Two Chinese characters from the midst of a text are enough; the matching text is the way to what has it."""
    page = desk.go(f"/search?q={text}")
    page.locator("tbody td a:has(mark)").first.click()
    page.wait_for_url(f"**/console{place}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_hit_of_an_event_opens_at_its_place_on_the_timeline(desk: Clerk) -> None:
    """Where an officer signed last: the step is in view and marked."""
    page = desk.go(f"/search?q={clerk(POLICE).officer_id}")
    page.locator("tr", has_text="case-2").locator("td a:has(mark)").first.click()
    expect(page.locator(".timeline li:target")).to_be_in_viewport()


def test_filters_of_the_list_of_cases_are_in_its_address_and_can_be_kept(desk: Clerk) -> None:
    """By name, in this browser, without a person that was typed; forgotten they are gone."""
    page = desk.go("/cases?all=true")
    page.get_by_label("Order").select_option("number")
    page.get_by_label("Answers for it").select_option("police-east")
    page.get_by_label("Suspect or other person").fill("p-no")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No case fits the filters.")).to_be_visible()
    page.get_by_label("Suspect or other person").fill("")
    page.get_by_role("button", name="Show").click()
    numbers = page.locator("tbody th a").all_inner_texts()
    assert len(numbers) > 1
    assert numbers == sorted(numbers)
    page.get_by_label("Suspect or other person").fill("nobody")
    page.get_by_label("Keep these filters as").fill("by number")
    page.get_by_role("button", name="Keep").click()
    page = desk.go("/cases?order=changed")
    page.get_by_label("Kept filters").select_option("by number")
    page.wait_for_url("**/cases?agency=police-east&order=number&all=true")
    assert page.locator("tbody th a").all_inner_texts() == numbers
    expect(page.get_by_label("Kept filters")).to_have_value("by number")
    page.get_by_role("button", name="Forget").click()
    assert desk.go("/cases?order=changed").locator("#kept option").count() == 1


def test_the_picture_leads_to_events_and_says_what_the_table_says(desk: Clerk) -> None:
    """As many events in signs as in the table; a sign leads to its event, keys come closer."""
    page = desk.go("/cases/case-1/picture")
    page.locator(".zoom [data-key='0']").click()
    counted = page.locator("#picture .mark").evaluate_all(
        "marks => marks.map((m) => +(m.querySelector('.count')?.textContent ?? 1))"
    )
    rows = page.locator("tr[id^=e]")
    assert sum(counted) == rows.count() == len(eventful().events)
    assert page.locator("#picture .arrow.accepted").count() == 1
    assert page.locator("#picture .arrow.refused").count() == 1
    assert page.locator("#picture .stretch").count() == 1
    assert page.locator("#picture .late").count() >= 1
    expect(page.locator("#picture .mark.differs")).to_have_count(1)
    page.locator("#picture").focus()
    page.keyboard.press("+")
    page.wait_for_url("**since=**")
    expect(page.locator("#picture")).to_be_focused()
    assert page.locator("tr[id^=e]").count() < sum(counted)
    page.keyboard.press("0")
    page.wait_for_function("n => document.querySelectorAll('tr[id^=e]').length === n", arg=sum(counted))
    sign = page.locator("#picture a.mark.differs")
    sign.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("No. 7 of the case")


def test_a_long_case_is_shown_in_parts(desk: Clerk) -> None:
    """At first the latest events; the whole case in signs that have numbers and lead closer, the table in parts."""
    page = desk.go("/cases/case-2/picture")
    assert page.locator("tr[id^=e]").count() == 50
    page.locator(".zoom [data-key='0']").click()
    many = page.locator("#picture a.mark:has(.count)")
    assert many.count() > 10
    before = page.locator("#events .quiet").inner_text()
    many.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**since=**")
    expect(page.locator("#events .quiet")).not_to_have_text(before)


def test_the_lineage_says_what_the_table_says(desk: Clerk) -> None:
    """A box for each item that came of another or became one, a line for each row; each leads to its event."""
    page = desk.go("/cases/case-3/lineage")
    assert page.locator(".box").count() == 10
    assert page.locator(".arrow:not(.wide)").count() == page.locator("section tbody tr").count() - 1 == 8
    expect(page.locator("#loans").locator("xpath=..")).to_contain_text("still lent")
    page.locator(".picture a:has(.merged)").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("items merged")


def test_an_event_is_told_with_its_proof_and_taken_away(desk: Clerk) -> None:
    """Two of five steps are reached without witnesses and chain; every file is what verifiers take."""
    page = desk.go("/cases/case-1/picture")
    page.locator("#e7 th a").click()
    expect(page.locator(".stages .reached strong")).to_have_text(["Signed by the officer", "Entered in the log"])
    expect(page.locator(".stages .ahead")).to_have_count(3)
    expect(page.locator("#flags").locator("xpath=..")).to_contain_text("something else arrives")
    trust: Trust = Trusted.trust
    for name in ("Proof bundle", "Proof bundle without what is confidential", "Proof bundle without the content"):
        report = verify_event(taken(page, name), trust).report
        assert report.verdict in ("not_yet_anchored", "unverifiable"), name
        assert report.faults == (), name
    assert verify_case(taken(page, "Bundle of the whole case"), trust, shipped_procedures()).faults == ()
    printed = [page.get_by_role("link", name=f"ertificate of the {of} (PDF)") for of in ("event", "case")]
    for link in (*printed, page.locator("a[href*='/paper?document=']").first):
        address = link.get_attribute("href") or ""
        assert page.request.get(f"{desk.office.url}{address}").body().startswith(b"%PDF-"), address


def taken(page: Page, name: str) -> bytes:
    """Return what a link gives to be kept."""
    with page.expect_download() as download:
        page.get_by_role("link", name=name, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_in_a_narrow_window_a_row_stands_below_itself(desk: Clerk) -> None:
    """Each value under the one before, beside its heading; for who hears the page it is the same table as ever."""
    desk.page.set_viewport_size({"width": 390, "height": 800})
    page = desk.go("/cases/case-1")
    cells = page.locator("section[aria-labelledby=items] tbody tr").first.locator("th, td")
    boxes = [box for cell in cells.all() if (box := cell.bounding_box())]
    assert len(boxes) == 6
    assert all(upper["y"] + upper["height"] <= lower["y"] + 1 for upper, lower in pairwise(boxes))
    heading = page.get_by_role("table").get_by_role("row").nth(1).get_by_role("cell").first
    assert heading.get_attribute("data-label") == "Kind"
    page.set_viewport_size({"width": 1280, "height": 800})
    tops = {round(box["y"]) for cell in cells.all() if (box := cell.bounding_box())}
    assert len(tops) == 1
