"""Fixtures of the tests of evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evidence.material import sealed, write


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Return a sealed folder."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    return tmp_path / "bag"
