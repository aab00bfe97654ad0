"""The lock by which services on one database notice each other."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from ledger.core.errors import Conflict
from ledger.store import connections
from ledger.store.opening import open_database
from tests.testkit.builders import refused

HOLDING = """
import sys, time
from ledger.store.opening import open_database
database = open_database(sys.argv[1])
database.service_lock.hold(alone=True)
print("held", flush=True)
time.sleep(600)
"""


def test_services_share_it_and_one_alone_shares_it_with_none(
    each_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL; to hold it again changes nothing. A file is locked with its data directory."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
    with closing(open_database(each_database_url)) as first, closing(open_database(each_database_url)) as second:
        for database in (first, second, first):
            database.service_lock.hold(alone=False)
        assert first.connections[0] == 0, "the pool keeps all of its connections"
        second.service_lock.release()
        if first.is_sqlite:
            second.service_lock.hold(alone=True)
            return
        with refused("database_in_use", field="database_url", error=Conflict):
            second.service_lock.hold(alone=True)
        first.close()
        second.service_lock.hold(alone=True)
        with refused("database_in_use", field="database_url", error=Conflict):
            first.service_lock.hold(alone=False)


def test_who_was_killed_holds_it_no_more(postgres_url: str) -> None:
    """The next one has it at once."""
    with subprocess.Popen([sys.executable, "-c", HOLDING, postgres_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    with closing(open_database(postgres_url)) as database:
        database.service_lock.hold(alone=True)
