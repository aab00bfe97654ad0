"""The page on timelines and exports is true: its commands do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.core.custody.claimed_times import BREAK_KINDS
from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.unit.cli.world import World

PAGE = (REPOSITORY / "docs" / "exports.md").read_text(encoding="utf-8")


@pytest.mark.extended
def test_what_the_page_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """One command after the other; every file that is named is there."""
    out = typed(blocks(PAGE), tmp_path, world.tally.environment() | {"TALLYSTICK_PROFILE": "police"})
    assert "seals a phone (theft-12-phone) with seal S-0042." in out
    named = set(re.findall(r"-o (\S+)", "".join(blocks(PAGE))))
    assert {file.name for file in tmp_path.iterdir()} == named


def test_the_page_tells_every_break() -> None:
    """Each kind has its row."""
    assert [kind for kind in BREAK_KINDS if f"| {kind} |" not in PAGE] == []
