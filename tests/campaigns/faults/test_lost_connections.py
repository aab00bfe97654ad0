"""PostgreSQL drops the writer's connections while it commits: outcomes are looked up, nothing is lost or doubled."""

from __future__ import annotations

import time

import psycopg
from sqlalchemy.engine import make_url

from ledger.store.database import open_database
from scripts.campaigns import casework
from scripts.campaigns.books import Load, check
from scripts.campaigns.targets import WriterTarget

CUTS = 12
DROP = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_connections_that_break_while_committing(postgres_url: str) -> None:
    """Every connection is cut again and again under load; whatever had no answer gets one when it is sent again."""
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    target = WriterTarget(postgres_url)
    target.start()
    load, cut = Load(8, casework.LOG_ID, "cut"), 0
    try:
        with psycopg.connect(plain, autocommit=True) as administrator:
            for _ in range(CUTS):
                load.start(target)
                time.sleep(0.12)
                row = administrator.execute(DROP).fetchone()
                cut += row[0] if row else 0
                load.stop()
                load.settle(target)
    finally:
        target.kill()
    assert cut > 0
    assert load.books.resolved > 0
    database = open_database(postgres_url)
    try:
        _, faults = check(database, casework.LOG_SIGNER.verifying_key, load.books.acknowledged)
    finally:
        database.close()
    assert [*faults, *load.books.faults] == []
