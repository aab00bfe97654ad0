"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tally import Tally


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    """The command, with nothing configured."""
    return Tally(tmp_path)
