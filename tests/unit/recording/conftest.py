"""Fixtures of the tests of recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledgers import Ledger, open_founded, open_ledger, sqlite_url
from tests.unit.recording.stand import OFFICERS
from tests.unit.recording.uploads import grow_to_300


@pytest.fixture
def ledger(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger on SQLite, founded for the module's OFFICERS."""
    with open_founded(sqlite_url(tmp_path), *getattr(request.module, "OFFICERS", OFFICERS)) as opened:
        yield opened


@pytest.fixture
def gathering(ledger: Ledger) -> Iterator[Ledger]:
    """That ledger, whose writer the test starts once a batch is gathered."""
    ledger.sequencer.stop()
    with open_ledger(ledger.database.url, start=False) as opened:
        opened.changes, opened.system_writer = ledger.changes, ledger.system_writer
        yield opened


@pytest.fixture
def long_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A published ledger of 300 entries: a full tile, and a part of one."""
    with open_founded(sqlite_url(tmp_path), clerk(POLICE), then=grow_to_300) as ledger:
        yield ledger
