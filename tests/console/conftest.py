"""Headless Chromium for each module, an office for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.console.desk import Office, office_in

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, asking nobody outside. It ends with its module: its event loop bars others."""
    chromium = shutil.which("chromium-headless-shell")
    assert chromium is not None, "no browser here: run scripts/setup --browser"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        yield running
        running.close()


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Office]:
    """A service with its console, and nobody at a desk yet."""
    with office_in(tmp_path, browser) as made:
        yield made
