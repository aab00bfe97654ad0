"""Fixtures of the tests of sequencing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.unit.recording.stand import OFFICERS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A founded ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*OFFICERS)


@pytest.fixture
def founded(tmp_path: Path) -> str:
    """The URL of a founded ledger on SQLite that nobody has open: for tests that gather a batch by hand."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        opened.found(*OFFICERS)
    return sqlite_url(tmp_path)
