"""A phone at the receiver's: its camera in a scanner's place, what it prepares for the desk, a wallet on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from ledger.store import log
from tests.api.console.conftest import OPTIONS, PATIENCE_MS
from tests.api.console.desk import Clerk, Office, barriers, office_in, too_wide, watch
from tests.api.console.test_wallet import sign_in, with_wallet
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.camera import BARRED, SEEING, code_128, film, qr
from tests.testkit.casework import Case, registration

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SEAL = "SEAL 0042"
PAPER = "https://ledger.test/verify#log=0x00&of=case-1&digest=blake3:00"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Yield the driver of browsers; its event loop bars others while the module runs."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as running:
        yield running


@contextmanager
def chromium(playwright: Playwright, *flags: str) -> Iterator[Browser]:
    """Run Chromium with these flags beside those of all tests."""
    program = shutil.which("chromium-headless-shell")
    browser = playwright.chromium.launch(executable_path=program, args=[*OPTIONS, *flags])
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield Chromium with a camera that sees a label, the tag of a seal, a code of nothing here and a paper."""
    codes = [qr("knife"), code_128(SEAL), qr("gun"), qr(PAPER)]
    shown = film(tmp_path_factory.mktemp("film") / "codes.y4m", codes)
    *flags, of_film = SEEING
    with chromium(playwright, *flags, f"{of_film}{shown}") as running:
        yield running


def sealed() -> Case:
    """Return a sealed phone and a knife, offered to the procuratorate."""
    case = Case().open()
    case.act(registration("phone", seal_number=SEAL), clerk(POLICE))
    return case.register("knife").offer("phone", "knife", to=PROCURATORATE)


def test_the_camera_types_what_it_sees(office: Office) -> None:
    """A label and the tag of a seal each tick their item, another code is told; a paper's leads search to its case."""
    office.record(sealed())
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1", **PHONE)
    page = desk.page
    page.get_by_role("button", name="Scan with the camera").click()
    expect(page.locator("[data-seen]")).to_have_text("2")
    expect(page.locator("#scanned")).to_have_text("No item of the list has this code: gun")
    assert barriers(page) == []
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.locator("video")).to_be_hidden()
    police = office.at(clerk(POLICE), "/search", **PHONE).page
    police.get_by_role("button", name="Scan with the camera").click()
    expect(police).to_have_url(re.compile(r"\?q="))


def test_a_reader_of_codes_that_does_not_start_is_told(office: Office) -> None:
    """The camera stops, and the reader is told to type: nobody holds codes before a camera that reads none."""
    office.record(sealed())
    page = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1", **PHONE).page
    page.route("**/zxing_reader.wasm", lambda route: route.fulfill(status=200, body=b"no WebAssembly"))
    page.get_by_role("button", name="Scan with the camera").click()
    expect(page.locator(".camera-status")).to_contain_text("Type the code, or use a scanner")
    expect(page.locator("video")).to_be_hidden()
    office.complaints.clear()  # of the file that is none


def test_who_gets_no_camera_is_told_why(playwright: Playwright, tmp_path: Path) -> None:
    """Refused by the browser, or over a plain connection: in the reader's language, with what to do."""
    resolved = "--host-resolver-rules=MAP plain.test 127.0.0.1"
    with chromium(playwright, *BARRED, resolved) as barred, office_in(tmp_path, barred) as office:
        office.record(sealed())
        desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1", language="zh-CN", **PHONE)
        for url, words in (
            (office.url, "请在浏览器的网站设置中允许使用"),
            (office.url.replace("127.0.0.1", "plain.test"), "浏览器只允许 https 网页使用摄像头"),
        ):
            session = [{**cookie, "domain": "plain.test"} for cookie in desk.context.cookies()]
            desk.context.add_cookies(session)
            desk.page.goto(f"{url}/console/cases/case-1/handovers/handover-1")
            desk.page.get_by_role("button", name="用摄像头扫码").click()
            expect(desk.page.locator(".camera-status")).to_contain_text(words)
            desk.page.get_by_label("扫描或输入编码").fill("knife")
            desk.page.keyboard.press("Enter")
            expect(desk.page.locator("[data-seen]")).to_have_text("1")
        office.complaints.clear()  # of the other address


def phone_of(office: Office, **options: Any) -> Page:
    """Return a window on a phone, which has no session, no signer and no wallet."""
    context = office.stack.enter_context(
        closing(office.browser.new_context(locale=office.language, **PHONE, **options))
    )
    watch(context, (f"{office.url}/", "blob:"), office.complaints)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def show_code(desk: Clerk) -> str:
    """Have the desk show a code for a phone; return the address that its QR code has."""
    page = desk.page
    page.get_by_text("Continue on a phone").click()
    page.locator("#phone").get_by_role("button").last.click()
    return f"{desk.office.url}/console/phone#{page.locator('#phone .code').inner_text()}"


def test_a_phone_prepares_and_the_desk_signs(office: Office) -> None:
    """Scanned, photographed and typed on a phone that can sign nothing; the record says what the desk signed."""
    office.record(sealed())
    desk = office.at(clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1")
    phone = phone_of(office)
    phone.goto(show_code(desk))
    phone.wait_for_url("**/phone/offer")
    phone.get_by_role("button", name="Scan with the camera").click()
    expect(phone.locator("[data-seen]")).to_have_text("2")
    phone.get_by_role("button", name="Stop the camera").click()
    line = phone.locator(".lines > li", has_text="the phone")
    line.get_by_label("accepted, but it differs").check()
    line.get_by_label("Seal", exact=True).select_option("broken")
    line.get_by_label("Remark").fill("cut open")
    line.locator(".photographs input[type=file]").set_input_files(
        {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": b"picture"}
    )
    expect(line.get_by_role("link", name="Save")).to_have_attribute("download", "cut.jpg")
    busy = iter([429])
    phone.route(
        "**/phone/answer",
        lambda route: route.fulfill(status=status, body="") if (status := next(busy, None)) else route.continue_(),
    )
    phone.get_by_role("button", name="Finished: over to the desk").click()
    expect(phone.locator("#phone-outcome")).to_contain_text("leave this page open")
    expect(phone.locator("#phone-outcome")).to_contain_text("the desk has it")
    assert barriers(phone) == []
    page = desk.page
    expect(page.locator("#phone-state")).to_contain_text("It finished at")
    expect(page.locator("[data-seen]")).to_have_text("2")
    expect(page.locator(".lines > li", has_text="the phone exhibit")).to_contain_text("from the phone")
    assert barriers(page) == []
    at_desk = page.locator(".lines > li", has_text="the phone exhibit").get_by_label("Remark")
    expect(at_desk).to_have_value("cut open")
    at_desk.fill("cut open along the seam")
    line.get_by_label("Remark").fill("cut open twice")
    expect(page.locator("[data-differs]")).to_be_visible()
    page.get_by_role("button", name="Accept: read what you will sign").click()
    desk.sign()
    (discrepancy,) = office.state().discrepancies.values()
    assert (discrepancy.item_id, discrepancy.kinds) == ("phone", ("seal",))
    with office.ledger.database.read() as connection:
        (*_, last) = log.stream(connection, "case", "case-1", after=-1, limit=10)
    (line_of_it,) = log.event_of(last).body.received  # type: ignore[attr-defined]
    assert (line_of_it.remark, line_of_it.photographs[0]) == (
        "cut open along the seam",
        f"sha256:{sha256(b'picture').hexdigest()}",
    )
    phone.reload()
    expect(phone.get_by_role("alert")).to_contain_text("may prepare no answer any more")


def test_a_wallet_on_the_phone_signs_there(office: Office) -> None:
    """In Chinese, on a narrow screen, from signing in by the inbox to the record, with no desk and no signer."""
    office.record(sealed())
    desk, _ = with_wallet(office, clerk(PROCURATORATE), language="zh-CN", **PHONE)
    page = sign_in(desk)
    for path in ("/inbox", "/cases/case-1/handovers/handover-1"):
        desk.go(path)
        assert too_wide(page) == []
    for thing in ("the phone", "the knife"):
        page.get_by_role("checkbox", name=thing).check()
    expect(page.locator("[data-seen]")).to_have_text("2")
    page.get_by_role("button", name="接收：先阅读将签署的内容").click()
    assert too_wide(page) == []
    page.locator("[data-sign]").click()
    expect(page.locator(".done")).to_be_visible()
    assert office.state().handovers["handover-1"].status == "accepted"
