"""The page on importing is true: its files are what its commands take, and the commands do what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ledger.interchange.imports import mapping
from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.unit.cli.world import World

PAGE = (REPOSITORY / "docs" / "import.md").read_text(encoding="utf-8")


@pytest.mark.extended
def test_what_the_page_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """File and mapping as shown, the commands one after the other: at the end all three rows are in."""
    (tmp_path / "cases.csv").write_text(blocks(PAGE, "csv")[0], encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(blocks(PAGE, "toml")[0], encoding="utf-8")
    given = {"TALLYSTICK_PROFILE": "chief", "TALLYSTICK_IDENTITY_KEY": str(tmp_path / "identity.key")}
    out = typed(blocks(PAGE), tmp_path, world.tally.environment() | given)
    assert "the calendar has no such day" in out
    report = json.loads((tmp_path / "cases.csv.import.json").read_bytes())
    assert report["rows"] == {"unchanged": 2, "imported": 1}
    assert "imported: 3" in out
    assert "social security bureau" in out


def test_the_page_tells_every_key_of_a_mapping() -> None:
    """Each key that a mapping may have stands on the page."""
    parts = (
        mapping.ImportMapping,
        mapping.CellSource,
        mapping.CaseMapping,
        mapping.PersonMapping,
        mapping.MeasureMapping,
        mapping.ItemMapping,
        mapping.SeizureMapping,
        mapping.DecisionMapping,
    )
    keys = {name for part in parts for name in part.__struct_fields__}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()
