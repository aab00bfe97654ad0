"""The audit names what was changed in the database: the short version of scripts/campaigns/edited_rows.py."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.store.database import open_database
from scripts.campaigns.edited_rows import MUTATIONS, fill, run

COUNT = 45


@pytest.mark.extended
def test_the_audit_names_every_mutation(tmp_path: Path) -> None:
    """Bits flipped, columns edited, rows deleted, moved and swapped, the tail cut: the exact index, every time."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    fill(url, 30)
    database = open_database(url)
    try:
        outcome = run(database, COUNT, random.Random(11))
    finally:
        database.close()
    assert outcome.missed == ()
    assert sum(outcome.made.values()) == COUNT
    assert len(outcome.made) == len(MUTATIONS)
