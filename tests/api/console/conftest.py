"""Headless Chromium for each module, an office for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.api.console.desk import Office, office_in

PATIENCE_MS = 15_000
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate,LocalNetworkAccessChecks",
    "--no-first-run",
    "--no-pings",
)
# A handover signed in a browser, and what keeps other sites out, are shown in every run; all else by a full one.
EVERY_RUN = ("test_attacks.py", "test_handovers.py", "test_scripts.py", "test_signing_in.py")
FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests that open a browser to a full run, but those of ``EVERY_RUN``."""
    for item in items:
        in_browser = item.path.parent == FOLDER and "browser" in getattr(item, "fixturenames", ())
        if in_browser and item.path.name not in EVERY_RUN:
            item.add_marker(pytest.mark.extended)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Debian's Chromium, asking nobody outside. It ends with its module: its event loop bars others."""
    chromium = shutil.which("chromium-headless-shell")
    assert chromium is not None, "no browser here: run scripts/setup --browser"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        yield running
        running.close()


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Office]:
    """Yield a service with its console, and nobody at a desk yet."""
    with office_in(tmp_path, browser) as new_office:
        yield new_office
