"""Make the pictures of the README again, from the sample data: python -m scripts.docs.screenshots

Founds the sample's town in a directory that is thrown away, plays the stories into it, and lets the prosecutor sign in
with `tally signer` and receive what the police offered. Takes about a minute and needs `scripts/setup --browser`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from scripts.demonstration.stage import TALLY, DemoChain, Stage, free_port, running

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT = 1000, 800  # pixels
BIGGEST = 150_000  # bytes of a picture
HANDOVER = "/cases/sample-03-bad-dossier/handovers/handover-2"  # the file that came back, bound anew
SIGNERS = re.compile(r"(http://127\.0\.0\.1:\d+/#\S+)[\s\S]*: ([A-Z0-9]{4}-[A-Z0-9]{4})\s")


class Studio(Stage):
    """A stage whose service expects the signer at a port that is free here."""

    def __init__(self, directory: Path, chain: DemoChain):
        super().__init__(directory, chain)
        self.signer_port = free_port()

    def environment(self) -> dict[str, str]:
        return super().environment() | {"TALLYSTICK_SIGNER_URL": f"http://127.0.0.1:{self.signer_port}"}


def main() -> None:
    """Write docs/console-*.png."""
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-pictures-") as name,
        town(Path(name)) as stage,
        signer(stage, "prosecutor") as (signers_page, code),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        take(browser, stage.url, signers_page, code)
        browser.close()


def take(browser: Browser, url: str, signers_page: str, code: str) -> None:
    """Let the prosecutor sign in, read what was offered to him, and be asked by his signer."""
    desk = browser.new_context(locale="en", timezone_id="Asia/Shanghai", viewport={"width": WIDTH, "height": HEIGHT})
    asking = desk.new_page()
    asking.goto(signers_page)
    page = signed_in(desk, asking, f"{url}/console", code)
    page.goto(f"{url}/console{HANDOVER}")
    keep(page, "console-receive.png")
    receive = page.get_by_role("button", name="Accept: read what you will sign")
    receive.click()
    # The items lie on nobody's table here: the page asks once whether they are received as listed.
    expect(page.locator("[data-ask]")).to_be_visible()
    receive.click()
    page.locator("[data-sign]").click()
    asking.bring_to_front()
    expect(asking.locator("#question")).to_be_visible()
    expect(asking.locator("#agree")).to_be_enabled()
    keep(asking, "console-signer.png")


def signed_in(desk: BrowserContext, asking: Page, console: str, code: str) -> Page:
    """Open the console's first page, after the signer was paired by its code and agreed to the signing in."""
    page = desk.new_page()
    page.goto(f"{console}/sign-in")
    page.locator("#code").fill(code)
    page.locator("#pairing button").click()
    page.locator("#by-signer").click()
    asking.bring_to_front()
    asking.locator("#agree").click()
    page.bring_to_front()
    page.wait_for_url(f"{console}/")
    return page


def keep(page: Page, name: str) -> None:
    """Take the page as a PNG, as small as it gets without a loss."""
    expect(page.locator('[hx-trigger="load"]')).to_have_count(0)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    if len(written.getvalue()) > BIGGEST:
        raise SystemExit(f"{name} has {len(written.getvalue())} bytes, more than {BIGGEST}")
    (DOCS / name).write_bytes(written.getvalue())
    print(f"written: docs/{name}, {len(written.getvalue())} bytes")


@contextmanager
def town(directory: Path) -> Iterator[Studio]:
    """Run a service with the stories of the sample, and a profile of each of its people."""
    stage = Studio(directory, DemoChain())
    try:
        stage.tally("init", "--development", "--light", *stage.unlocking)
        stage.start_service()
        stage.tally("sample", "load")
        stage.tally("sample", "profiles")
        # By a trust file the signer verifies the record, whose names it then shows.
        stage.tally("--profile", "prosecutor", "log", "trust", "--pin")
        yield stage
    finally:
        stage.stop_all()


@contextmanager
def signer(stage: Studio, profile: str) -> Iterator[tuple[str, str]]:
    """`tally signer` of somebody: the address of its page, and the code that it shows."""
    command = [str(TALLY), "--lang", "en", "--profile", profile, "signer", "--port", str(stage.signer_port)]
    output = ""
    with running(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=stage.environment()
    ) as process:
        while not (match := SIGNERS.search(output)):
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SystemExit(f"the signer ended: {output}")
            output += line
        yield match[1], match[2]


def chromium() -> str:
    """Start the browser of the tests."""
    browser = shutil.which("chromium-headless-shell")
    if browser is None:
        raise SystemExit("no browser here: run scripts/setup --browser")
    return browser


if __name__ == "__main__":
    main()
