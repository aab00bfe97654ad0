"""Fixtures of the tests of backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store import backup as rows
from tests.testkit.ledgers import open_founded, sqlite_url
from tests.unit.backup.stand import OFFICERS, Stand, handed_over


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges and parts of few rows, so that a small ledger has several."""
    monkeypatch.setattr(rows, "EACH", 8)
    monkeypatch.setattr(rows, "CUT_AT", 3)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A ledger on SQLite with three cases, of which nothing is backed up yet."""
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as ledger:
        stand = Stand(ledger, tmp_path)
        stand.record(*(handed_over(f"case-{number}") for number in range(3)))
        yield stand


@pytest.fixture
def each_stand(each_database_url: str, tmp_path: Path) -> Iterator[Stand]:
    """The same on each kind of database."""
    with open_founded(each_database_url, *OFFICERS) as ledger:
        stand = Stand(ledger, tmp_path)
        stand.record(*(handed_over(f"case-{number}") for number in range(3)))
        yield stand
