"""The first minutes in the browser: a command is copied from a page, the stories are loaded by a button."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from api.app import create_app
from api.wiring import open_parts
from ledger.config.installation import DataDirectory
from ledger.config.settings import read_settings
from ledger.samples import load
from tests.api.console.desk import Office, axe_findings, too_wide
from tests.api.console.test_first_use import town_in
from tests.api.service import listening_at
from tests.testkit.builders import POLICE, clerk
from tests.testkit.machine import free_port

LOADED_WITHIN_MS = 300_000


def test_a_command_is_copied(office: Office) -> None:
    """By its button, and the button says so; nothing of it keeps anybody out or is wider than a phone."""
    for language in ("en", "zh-CN"):
        desk = office.at(clerk(POLICE), "/inbox", language=language, viewport={"width": 390, "height": 800})
        desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = desk.page
        page.locator(".next-step summary").click()
        page.locator(".next-step button").first.click()
        expect(page.locator(".next-step button").first).to_have_text("Copied" if language == "en" else "已复制")
        assert page.evaluate("navigator.clipboard.readText()") == "tally import check FILE --mapping MAPPING"
        assert (axe_findings(page), too_wide(page)) == ([], [])


@pytest.mark.timeout(600)
def test_the_stories_are_loaded_from_the_page(tmp_path: Path, browser: Browser) -> None:
    """With one click, progress shown; afterwards the page says who may be signed in as, and the button is gone."""
    port = free_port()
    overrides = {"public_url": f"http://127.0.0.1:{port}", "supervision_interval_s": 2, "anchor_interval_s": 1}
    settings = read_settings(town_in(tmp_path), **overrides)
    with open_parts(settings) as parts:
        assert parts.chain_worker.has_looked.wait(60)
        with listening_at(port, create_app(parts, write_log=lambda *_, **__: None)):
            page = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 800}).new_page()
            page.goto(f"{settings.url}/console/sign-in")
            expect(page.locator(".next-step").first).to_contain_text("尚无人员持有密钥")
            assert (axe_findings(page), too_wide(page)) == ([], [])
            page.get_by_role("button", name="载入样例数据").click()
            bar = page.locator("main progress")
            expect(bar).to_be_visible()
            assert axe_findings(page) == []
            expect(page.locator(".done")).to_contain_text("已载入", timeout=LOADED_WITHIN_MS)
            expect(page.get_by_text(f"tally sample profiles --data-dir {settings.data_dir.absolute()}")).to_be_visible()
            assert (axe_findings(page), too_wide(page)) == ([], [])
            page.goto(f"{settings.url}/console/sign-in")
            expect(page.get_by_role("button", name="载入样例数据")).to_have_count(0)
            again = httpx.post(f"{settings.url}/console/samples", headers={"origin": settings.url})
            assert again.status_code == 409
            assert load.is_begun(DataDirectory(settings.data_dir))
            page.context.close()
