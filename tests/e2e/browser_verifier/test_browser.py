"""The verifier in a browser: a page imports it by an import map and comes to the verdict of the command."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY, Quiet, listening

PAGE = """<!doctype html>
<script type="importmap">
{"imports": {"@noble/hashes/": "/node_modules/@noble/hashes/", "@noble/curves/": "/node_modules/@noble/curves/"}}
</script>
<body><script type="module">
import { verifyFile } from "/api/console/verify/verifier/verify.js";
const file = async (name) => new Uint8Array(await (await fetch(`/docs/examples/${name}`)).arrayBuffer());
const { verdict, steps } = verifyFile(await file("bundle.json"), await file("trust.json"));
document.body.textContent = `${verdict} ${steps.map((step) => step.status).join(" ")}`;
</script></body>
"""


class Handler(Quiet, SimpleHTTPRequestHandler):
    """The repository's files, and the page."""

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())
        return None


@pytest.fixture
def url() -> Iterator[str]:
    with listening(partial(Handler, directory=str(REPOSITORY))) as url:
        yield f"{url}/"


def test_a_page_comes_to_the_same_verdict(url: str, tmp_path: Path) -> None:
    """Headless Chromium says of the example what Node says, step by step."""
    chromium = shutil.which("chromium-headless-shell")
    assert chromium is not None, "no browser here: run scripts/setup --browser"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={tmp_path}",
        "--virtual-time-budget=60000",
    ]
    done = subprocess.run([chromium, *options, "--dump-dom", url], capture_output=True, text=True, timeout=120)
    assert f"intact {' '.join(['checked'] * 13)}" in done.stdout, done.stderr[-2000:]
