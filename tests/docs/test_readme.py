"""README and tutorial are true: what they tell a newcomer to type works, in that order, in one shell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY, blocks, free_port, typed_at_home

PAGES = ("README.md", "docs/tutorial.md")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
WITHIN = 900  # seconds
KEYS = ("tally init ", "key new ")  # what makes keys; of full strength, they take longer to open than all the rest


@pytest.mark.timeout(WITHIN + 30)
def test_the_walk_through_readme_and_tutorial_works(tmp_path: Path) -> None:
    """Every bash block of README and tutorial, typed in order, succeeds with light keys; the service is then stopped.

    Keys of full strength are made by ``test_keys`` and ``witness/test_process``.
    """
    steps = [block for page in PAGES for block in blocks((REPOSITORY / page).read_text(encoding="utf-8"))]
    assert steps
    typed = "\n".join(steps).replace("TALLYSTICK_PORT=8420", f"TALLYSTICK_PORT={free_port()}")
    typed = typed.replace("lab signer >", f"lab signer --port {free_port()} >")
    for words in KEYS:
        assert words in typed
        typed = typed.replace(words, f"{words}--light ")
    for name in (".venv", "scripts", "examples", "node_modules", "requirements"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    assert "verdict: intact" in typed_at_home(typed, tmp_path, within_s=WITHIN)


def test_the_proof_that_the_readme_shows_is_checked_with_these_steps() -> None:
    """Each line of output in the README is one that `tally proof check` prints for the example; "..." cuts a line, and
    the steps that are left out are as many as it says.
    """
    sessions = blocks(README, "console")
    session = next(each for each in sessions if each.startswith("$ tally proof check")).splitlines()
    command, shown = session[0].removeprefix("$ "), session[1:]
    tally = Path(sys.executable).with_name("tally")
    words = [tally, "--lang", "en", *command.split()[1:]]
    printed = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for line in shown:
        assert any(whole.startswith(line.removesuffix("...")) for whole in printed.stdout.splitlines()), line
    left_out = len(numbered(printed.stdout.splitlines())) - len(numbered(shown))
    assert f"\n({COUNTS[left_out]} steps and some lines are left out here.)\n" in README


def numbered(lines: list[str]) -> list[str]:
    """The lines that tell a step by its number."""
    return [line for line in lines if re.match(r" ?\d+  ", line)]
