"""What is published and never changes is read from standbys of PostgreSQL, and nobody is answered less for it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import create_engine, text

from ledger.store.replicas import AWAY, STALE_AFTER, Replicas, ReplicaState
from tests.api.conftest import OFFICERS, SETTINGS, no_chain, serving_ledger
from tests.api.service import Served, until
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger
from tests.testkit.postgres import PostgresServer, running_standby


@pytest.fixture
def standby(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Return a server that follows that of the tests."""
    with running_standby(postgres) as server:
        yield server


@pytest.fixture
def replica_url(postgres: PostgresServer, standby: PostgresServer, postgres_url: str) -> str:
    """Return the URL at the standby of the test's own database."""
    return postgres_url.replace(f":{postgres.port}/", f":{standby.port}/")


@pytest.fixture
def served(postgres_url: str, replica_url: str) -> Iterator[Served]:
    """Return a service that reads from the standby, which lags at most a minute of the log's time."""
    settings = SETTINGS.model_copy(update={"replica_urls": replica_url, "replica_lag_s": 60})
    with (
        open_ledger(postgres_url) as ledger,
        serving_ledger(ledger.found(*OFFICERS), no_chain, settings) as service,
    ):
        yield service
        service.parts.replicas.close()


def state(served: Served) -> ReplicaState:
    (only,) = served.parts.replicas.states
    return only


def follow(served: Served) -> None:
    """Wait until the standby has what the primary has."""

    def is_level() -> bool:
        served.parts.replicas.look()
        return state(served).entries_behind == 0

    until(is_level)


def tell(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def as_of(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return int(answer.headers["tallystick-as-of"])


def test_a_standby_that_lags(served: Served, replica_url: str) -> None:
    """It answers what it has, as of its size; what it lacks, and has just been written, comes from the primary. Beyond
    the bound nothing is read from it."""
    size = served.publish()
    follow(served)
    tell(replica_url, "SELECT pg_wal_replay_pause()")
    served.record(Case("case-1").open().register("phone"))
    grown = served.publish()
    served.parts.replicas.look()
    assert state(served) == ReplicaState(grown - size, state(served).lag_s, used=True)
    assert served.get("/readyz").json()["replicas"] == [
        {"entries_behind": grown - size, "lag_s": state(served).lag_s, "used": True}
    ]
    partial = f"/tile/0/000.p/{size}"
    assert as_of(served.get(partial)) == as_of(served.get(f"/tile/entries/000.p/{size}")) == size
    assert as_of(served.get("/api/v1/log/inclusion/0")) == size
    assert as_of(served.get("/api/v1/log/consistency", first=1, second=size)) == size
    assert as_of(served.get(f"/tile/0/000.p/{grown}")) == grown
    assert as_of(served.get(f"/api/v1/log/inclusion/{grown - 1}")) == grown
    assert as_of(served.get("/api/v1/log/consistency", first=size, second=grown)) == grown
    assert served.get(f"/tile/0/000.p/{grown + 1}").status_code == 404
    served.ledger.clock.forward(120)
    served.record(Case("case-2").open())
    served.parts.replicas.look()
    assert not state(served).used
    assert as_of(served.get(partial)) > grown
    tell(replica_url, "SELECT pg_wal_replay_resume()")
    follow(served)
    assert state(served).used


def test_a_standby_that_goes_away(served: Served, standby: PostgresServer) -> None:
    """Readers do not notice, and the next look does."""
    size = served.publish()
    follow(served)
    standby.stop()
    assert as_of(served.get(f"/tile/0/000.p/{size}")) == size
    served.parts.replicas.look()
    assert state(served) == AWAY
    assert served.get("/readyz").json()["replicas"] == [{"entries_behind": None, "lag_s": None, "used": False}]


def test_one_that_was_not_looked_at(served: Served, replica_url: str) -> None:
    """A look that does not come back makes no replica good for ever."""
    now = [0.0]
    replicas = Replicas(served.ledger.database, [replica_url], 60, clock=lambda: now[0])
    assert replicas.states == (AWAY,)
    follow(served)
    replicas.look()
    assert replicas.states[0].used
    now[0] += STALE_AFTER + 1
    assert replicas.states == (AWAY,)
    replicas.close()


def test_another_ledger_is_no_replica(served: Served, postgres: PostgresServer) -> None:
    """A database that is none of this ledger's is not read, however new it is."""
    with postgres.fresh_database() as url, open_ledger(url) as other:
        tell(url, "UPDATE tree SET log_id = repeat('00', 32)")
        replicas = Replicas(served.ledger.database, [other.database.url], 10**9)
        replicas.look()
        assert not replicas.states[0].used
        replicas.close()
