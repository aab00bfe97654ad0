"""The page on importing is true: its files are what its commands take, and the commands do what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from ledger.exchange import mapping
from tests.cli.world import World
from tests.machine import REPOSITORY

PAGE = (REPOSITORY / "docs" / "import.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_what_the_page_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """File and mapping as shown, the commands one after the other: at the end all three rows are in."""
    (tmp_path / "cases.csv").write_text(blocks("csv")[0], encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(blocks("toml")[0], encoding="utf-8")
    folder = Path(sys.executable).parent
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "TALLYSTICK_PROFILE": "chief"}
    given |= {"TALLYSTICK_IDENTITY_KEY": str(tmp_path / "identity.key")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks("bash"))],
        cwd=tmp_path,
        env=world.tally.environment() | given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the calendar has no such day" in done.stdout
    report = json.loads((tmp_path / "cases.csv.import.json").read_bytes())
    assert report["rows"] == {"unchanged": 2, "imported": 1}
    assert "imported: 3" in done.stdout
    assert "social security bureau" in done.stdout


def test_the_page_tells_every_key_of_a_mapping() -> None:
    """Each key that a mapping may have stands on the page."""
    parts = (
        mapping.Mapping,
        mapping.Source,
        mapping.CasePart,
        mapping.PersonPart,
        mapping.MeasurePart,
        mapping.ItemPart,
        mapping.SeizurePart,
        mapping.DecisionPart,
    )
    keys = {name for part in parts for name in part.__struct_fields__}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()
