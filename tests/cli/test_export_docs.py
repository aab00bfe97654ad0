"""The page on timelines and exports is true: its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ledger.core.custody.breaks import BREAK_KINDS
from tests.cli.world import World
from tests.machine import REPOSITORY

PAGE = (REPOSITORY / "docs" / "exports.md").read_text(encoding="utf-8")


def test_what_the_page_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """One command after the other; every file that is named is there."""
    commands = "\n".join(re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    given = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TALLYSTICK_PROFILE": "police"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=world.tally.environment() | given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seals a phone (theft-12-phone) with seal S-0042." in done.stdout
    named = set(re.findall(r"-o (\S+)", commands))
    assert {file.name for file in tmp_path.iterdir()} == named


def test_the_page_tells_every_break() -> None:
    """Each kind has its row."""
    assert [kind for kind in BREAK_KINDS if f"| {kind} |" not in PAGE] == []
