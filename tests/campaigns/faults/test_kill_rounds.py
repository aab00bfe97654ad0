"""A writer that is killed while it writes keeps its oath: the short version of scripts/campaigns/kill_rounds.py."""

from __future__ import annotations

import random

from sqlalchemy import text

from ledger.store.database import open_database
from scripts.campaigns import casework
from scripts.campaigns.books import check
from scripts.campaigns.kill_rounds import Campaign, run
from scripts.campaigns.targets import WriterTarget

ROUNDS = 3


def test_a_killed_writer_loses_nothing_acknowledged(each_database_url: str) -> None:
    """Killed at random moments under load: each receipt has its entry, once; the tree is that of the entries."""
    campaign = Campaign(
        WriterTarget(each_database_url), each_database_url, casework.LOG_ID, casework.LOG_SIGNER.verifying_key
    )
    outcome = run(campaign, ROUNDS, random.Random(7))
    assert outcome.faults == ()
    assert outcome.rounds == ROUNDS
    assert outcome.acknowledged > 0
    require_noticed(each_database_url)


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
