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
from tests.unit.store.test_database import end_all_connections

HOLDING = """
import sys, time
from ledger.store.opening import open_database
database = open_database(sys.argv[1])
database.service_lock.hold(alone=True, alike={})
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
            database.service_lock.hold(alone=False, alike={})
        assert first.connections[0] == 0, "the pool keeps all of its connections"
        second.service_lock.release()
        if first.is_sqlite:
            second.service_lock.hold(alone=True, alike={})
            return
        with refused("database_in_use", field="database_url", error=Conflict):
            second.service_lock.hold(alone=True, alike={})
        first.close()
        second.service_lock.hold(alone=True, alike={})
        with refused("database_in_use", field="database_url", error=Conflict):
            first.service_lock.hold(alone=False, alike={})


def test_services_have_alike_what_they_must(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that starts is refused by what is otherwise at one that runs, also where either has nothing; one that runs
    may change it, and then the next must have it as changed, if the connection was lost meanwhile, too."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    monkeypatch.setattr(connections, "LOST_PATIENCE_S", 0.5)
    with closing(open_database(postgres_url)) as first, closing(open_database(postgres_url)) as second:
        first.service_lock.hold(alone=False, alike={"witnesses.toml": b"one", "finality": b"12"})
        for alike, field in (({"witnesses.toml": b""}, "witnesses.toml"), ({"finality": b"0"}, "finality")):
            with refused("not_alike", field=field, error=Conflict):
                second.service_lock.hold(alone=False, alike={"witnesses.toml": b"one", "finality": b"12"} | alike)
        second.service_lock.hold(alone=False, alike={"witnesses.toml": b"one", "finality": b"12"})
        for database in (first, second):
            database.service_lock.hold(alone=False, alike={"witnesses.toml": b"two"})
        second.service_lock.release()
        with refused("not_alike", field="witnesses.toml", error=Conflict):
            second.service_lock.hold(alone=False, alike={"witnesses.toml": b"one"})
        end_all_connections(postgres_url)
        first.service_lock.hold(alone=False, alike={"witnesses.toml": b"two"})
        end_all_connections(postgres_url)
        second.service_lock.hold(alone=False, alike={"witnesses.toml": b"one", "finality": b"0"})
        with refused("not_alike", field="finality", error=Conflict):
            first.service_lock.hold(alone=False, alike={"witnesses.toml": b"two"})
    with closing(open_database(postgres_url)) as third, closing(open_database(postgres_url)) as fourth:
        third.service_lock.hold(alone=False, alike={"finality": b"0"})
        with refused("not_alike", field="finality", error=Conflict):
            fourth.service_lock.hold(alone=False, alike={"finality": b"12"})


def test_who_was_killed_holds_it_no_more(postgres_url: str) -> None:
    """The next one has it at once."""
    with subprocess.Popen([sys.executable, "-c", HOLDING, postgres_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    with closing(open_database(postgres_url)) as database:
        database.service_lock.hold(alone=True, alike={})
