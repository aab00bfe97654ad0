"""A writer that is killed while it writes keeps its oath: the short version of scripts/campaigns/kill_rounds.py."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.store.database import open_database
from scripts.campaigns import casework
from scripts.campaigns.books import check
from scripts.campaigns.kill_rounds import Campaign, run
from scripts.campaigns.targets import WriterTarget
from tests.testkit.ledgers import sqlite_url

ROUNDS = 2


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed at random moments under load: each receipt has its entry, once; the tree is that of the entries."""
    require_kept(sqlite_url(tmp_path))


@pytest.mark.extended
def test_a_writer_on_postgresql_loses_nothing_acknowledged(postgres_url: str) -> None:
    """The same, where another process commits."""
    require_kept(postgres_url)


def require_kept(url: str) -> None:
    campaign = Campaign(WriterTarget(url), url, casework.LOG_ID, casework.LOG_SIGNER.verifying_key)
    outcome = run(campaign, ROUNDS, random.Random(7))
    assert outcome.faults == ()
    assert outcome.rounds == ROUNDS
    assert outcome.acknowledged > 0
    require_noticed(url)


def require_noticed(url: str) -> None:
    """The check that was passed can fail: one entry gone is noticed."""
    database = open_database(url)
    try:
        with database.write() as connection:
            connection.execute(text("DELETE FROM entries WHERE log_index = (SELECT max(log_index) FROM entries)"))
        _, faults = check(database, casework.LOG_SIGNER.verifying_key, [])
    finally:
        database.close()
    assert any("the tree says" in fault for fault in faults)
