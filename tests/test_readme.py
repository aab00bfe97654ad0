"""The README is true: what it tells a newcomer to type works, in that order, in one shell."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.machine import REPOSITORY, free_port
from tests.pages import blocks

WITHIN = 900  # seconds
KEYS = ("tally init ", "key new ")  # what makes keys; of full strength, they take longer to open than all the rest


@pytest.mark.timeout(WITHIN + 30)
def test_the_walk_through_the_readme_works(tmp_path: Path) -> None:
    """Every bash block of the README, typed one after the other, succeeds with light keys; the service that it starts
    is stopped. Keys of full strength are made by ``test_keys`` and ``witness/test_first_start``."""
    steps = blocks((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert steps
    typed = "\n".join(steps).replace("TALLYSTICK_PORT=8420", f"TALLYSTICK_PORT={free_port()}")
    typed = typed.replace("court signer >", f"court signer --port {free_port()} >")
    for words in KEYS:
        assert words in typed
        typed = typed.replace(words, f"{words}--light ")
    script = tmp_path / "walk.sh"
    script.write_text("set -euo pipefail\n" + typed)
    home = tmp_path / "home"
    home.mkdir()
    for name in (".venv", "scripts", "examples", "node_modules", "requirements"):
        (home / name).symlink_to(REPOSITORY / name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
    walk = subprocess.Popen(
        ["bash", str(script)],
        cwd=home,
        env=environment | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = walk.communicate(timeout=WITHIN)
    finally:
        stop_group(walk.pid)
    assert walk.returncode == 0, told[-4000:]
    assert "verdict: intact" in told


def stop_group(leader: int) -> None:
    """Ends what the script started."""
    try:
        os.killpg(leader, signal.SIGTERM)
    except ProcessLookupError:
        return
