"""A phone at the receiver's: its camera in a scanner's place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.api.console.conftest import OPTIONS, PATIENCE_MS
from tests.api.console.desk import Office, barriers, office_in
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
