"""Fixtures of the tests of evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.testkit.builders import POLICE, PROCURATORATE, clerk, supervisor
from tests.testkit.ledgers import open_founded, sqlite_url
from tests.unit.evidence.material import sealed, write
from tests.unit.evidence.stand import Stand
from tests.unit.evidence.test_kept_evidence import in_folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Return a sealed folder."""
    sealed(write(tmp_path / "source"), tmp_path / "bag")
    return tmp_path / "bag"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A ledger with an evidence store in a folder."""
    with open_founded(sqlite_url(tmp_path), clerk(POLICE), clerk(PROCURATORATE), supervisor(POLICE)) as ledger:
        store = replace(in_folder(tmp_path, ledger.database), clock=lambda: ledger.clock.ms)
        yield Stand(ledger, store, tmp_path / "a store")
