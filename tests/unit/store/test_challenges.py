"""Sign-in texts that wait: as many as there may be, and no search through all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event

from ledger.core.errors import Unavailable
from ledger.store import access
from ledger.store.access import Challenge
from ledger.store.database import open_database
from tests.testkit.ledgers import sqlite_url


def challenge(number: int, expires_at: int = 1000) -> Challenge:
    return Challenge(f"nonce-{number}", "key", "text", expires_at)


def test_as_many_wait_as_may(each_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the oldest that waits to the newest there are no more than the limit; what expired makes room."""
    monkeypatch.setattr(access, "MAX_WAITING_CHALLENGES", 3)
    database = open_database(each_database_url)
    for number in range(3):
        access.keep_challenge(database, challenge(number, 1000 + number), now=0)
    with pytest.raises(Unavailable) as caught:
        access.keep_challenge(database, challenge(3), now=0)
    assert caught.value.code == "busy"
    access.keep_challenge(database, challenge(3), now=1000)
    assert access.take_challenge(database, "nonce-3", now=0) == challenge(3)
    assert access.take_challenge(database, "nonce-3", now=0) is None
    assert access.take_challenge(database, "nonce-0", now=0) is None
    access.keep_challenge(database, challenge(4, 2000), now=1900)
    assert access.take_challenge(database, "nonce-1", now=0) is None
    database.close()


def test_a_challenge_costs_the_same_however_many_wait(tmp_path: Path) -> None:
    """What is done under the writer's lock is found by an index."""
    database = open_database(sqlite_url(tmp_path))
    statements: list[tuple[str, object]] = []
    event.listen(database.log, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
    access.keep_challenge(database, challenge(1), now=0)
    access.take_challenge(database, "nonce-1", now=0)
    asked = [query for query in statements if "challenges" in query[0] and not query[0].startswith("INSERT")]
    assert len(asked) == 5
    with database.log.connect() as connection:
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
            assert all("USING" in step[3] and not step[3].startswith("SCAN") for step in plan), (statement, plan)
    database.close()
