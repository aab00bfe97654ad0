"""Databases and ledgers of the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.store.database import Database
from ledger.store.log import initialise
from ledger.store.opening import open_database
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url


@pytest.fixture
def database(each_database_url: str) -> Iterator[Database]:
    """An empty log of each kind of database."""
    with closing(open_database(each_database_url)) as opened:
        initialise(opened, LOG_ID)
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger on SQLite, founded for the module's OFFICERS."""
    with open_founded(sqlite_url(tmp_path), *request.module.OFFICERS) as opened:
        yield opened


@pytest.fixture
def ledger(each_database_url: str, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger of each kind of database, founded for the module's OFFICERS."""
    with open_founded(each_database_url, *request.module.OFFICERS) as opened:
        yield opened
