"""The health check of the container's image asks whatever runs in it, at the port that this was set to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from runpy import run_path
from threading import Thread
from urllib.error import URLError

import pytest

from tests.testkit.machine import REPOSITORY, environment, free_port
from tests.testkit.tally import alone

HEALTH = REPOSITORY / "docs" / "examples" / "container" / "health"


@contextmanager
def answering(path: str, status: int) -> Iterator[int]:
    """Answer one path with a status, every other one with 404; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == path else 404)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def is_healthy(*words: str | Path, **variables: str) -> bool:
    """Run the health check in this process as if these were the words of the container's first process."""
    with alone(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", [str(HEALTH), *map(str, words)])
        for name, value in variables.items():
            patched.setenv(name, value)
        try:
            run_path(str(HEALTH), run_name="__main__")
        except URLError:
            return False
    return True


@pytest.mark.parametrize("status", [200, 503])
def test_the_port_comes_from_settings_variables_and_options(tmp_path: Path, status: int) -> None:
    """Of a service that answers it is healthy, of one that is not ready, or is not there, it is not."""
    with answering("/readyz", status) as port:
        assert is_healthy("serve", "--data-dir", tmp_path, TALLYSTICK_PORT=str(port)) is (status == 200)
        (tmp_path / "settings.env").write_text(f"TALLYSTICK_PORT={port}\n", encoding="utf-8")
        assert is_healthy("serve", "--data-dir", tmp_path) is (status == 200)
        assert is_healthy("serve", f"--port={port}", TALLYSTICK_PORT="1") is (status == 200)
        done = subprocess.run([sys.executable, HEALTH, "serve", f"--port={port}"], env=environment(), timeout=60)
        assert done.returncode == (0 if status == 200 else 1)
    assert not is_healthy("serve", "--port", str(free_port()))


def test_a_witness_is_asked_at_its_own_port(tmp_path: Path) -> None:
    """By its status, which needs no sign-in."""
    with answering("/status.txt", 200) as port:
        assert is_healthy("witness", "run", "--data-dir", tmp_path, TALLYSTICK_WITNESS_PORT=str(port))
        assert not is_healthy("witness", "run", "--data-dir", tmp_path, TALLYSTICK_WITNESS_PORT=str(free_port()))
