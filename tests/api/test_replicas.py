"""What is published and never changes is read from standbys of PostgreSQL, and nobody is answered less for it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import httpx
import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from ledger.store.database import Connection
from ledger.store.replicas import AWAY, SILENCE_S, STALE_AFTER, STATEMENT_TIMEOUT_S, Replicas, ReplicaState
from tests.api.conftest import SETTINGS, no_chain, serving_ledger
from tests.api.service import Served, until
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger
from tests.testkit.postgres import PostgresServer, running_standby


@pytest.fixture(scope="module")
def follower(postgres: PostgresServer) -> Iterator[Callable[[], PostgresServer]]:
    """Return what gives a server that follows that of the tests: the same one, until a test has stopped it."""
    followers: list[PostgresServer] = []
    with ExitStack() as stack:

        def running() -> PostgresServer:
            if not followers or followers[-1].process.poll() is not None:
                followers.append(stack.enter_context(running_standby(postgres)))
            return followers[-1]

        yield running


@pytest.fixture
def standby(follower: Callable[[], PostgresServer]) -> Iterator[PostgresServer]:
    """Return a server that follows that of the tests, and goes on doing so."""
    server = follower()
    yield server
    if server.process.poll() is None:
        server.execute("SELECT pg_wal_replay_resume()")


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
        serving_ledger(ledger.found(clerk(POLICE)), no_chain, settings) as service,
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
    assert as_of(served.get("/api/v1/log/consistency", first=1, second=size)) == size
    proof = served.get("/api/v1/log/inclusion/0")
    assert as_of(proof) == grown, "a checkpoint of the standby would be older than one that was shown"
    assert proof.json()["proof"].endswith(served.get("/checkpoint").text)
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


def test_another_ledger_is_no_replica(
    served: Served, postgres: PostgresServer, postgres_template: str, standby: PostgresServer
) -> None:
    """A standby's database that is none of this ledger's is not read, however new it is."""
    with postgres.fresh_database(postgres_template) as url, open_ledger(url):
        tell(url, "UPDATE tree SET log_id = repeat('00', 32)")
        standby_url = url.replace(f":{postgres.port}/", f":{standby.port}/")
        with closing(Replicas(served.ledger.database, [standby_url], 10**9)) as replicas:

            def answers() -> bool:
                replicas.look()
                return replicas.states != (AWAY,)

            until(answers)
            assert not replicas.states[0].used


def test_a_promoted_standby_is_no_replica(served: Served, standby: PostgresServer, replica_url: str) -> None:
    """Once it takes writes of its own, nothing is read from it, though it holds what the primary holds."""
    size = served.publish()
    follow(served)
    assert state(served).used
    tell(replica_url, "SELECT pg_promote()")
    tell(replica_url, "UPDATE tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)")
    served.parts.replicas.look()
    assert state(served) == AWAY
    served.record(Case("case-1").open())
    grown = served.publish()
    assert as_of(served.get(f"/tile/0/000.p/{size}")) == grown
    standby.stop()  # it follows no more


def test_a_standby_with_another_history(served: Served, postgres_url: str, replica_url: str) -> None:
    """A root that the primary's tiles do not give is another history's; what they gave once is not read again."""
    served.publish()
    follow(served)
    tell(replica_url, "SELECT pg_wal_replay_pause()")
    served.record(Case("case-1").open())
    served.parts.replicas.look()
    assert state(served).used
    tell(postgres_url, "UPDATE tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE level = 0")
    served.parts.replicas.look()
    assert state(served).used
    with closing(Replicas(served.ledger.database, [replica_url], 10**9)) as replicas, capture_logs() as logs:
        replicas.look()
        replicas.look()
        assert (replicas.states[0].used, replicas.states[0].entries_behind) == (False, state(served).entries_behind)
    assert [(line["number"], "history" in line["reason"]) for line in logs] == [(1, True)]


def test_a_standby_that_is_ahead(served: Served, postgres_url: str, replica_url: str) -> None:
    """It may be for a moment, as synchronous ones are; one that stays ahead is another history's."""
    served.publish()
    follow(served)
    tell(replica_url, "SELECT pg_wal_replay_pause()")
    tell(postgres_url, "UPDATE tree SET size = size - 1")
    served.parts.replicas.look()
    assert state(served).used
    served.parts.replicas.look()
    assert not state(served).used
    tell(postgres_url, "UPDATE tree SET size = size + 1")
    served.parts.replicas.look()
    assert state(served).used


def test_a_faulty_one_beside_a_good_one(served: Served, replica_url: str) -> None:
    """One without our tables is away by itself, and that is logged once."""
    follow(served)
    empty = replica_url.rpartition("/")[0] + "/postgres"
    with closing(Replicas(served.ledger.database, [empty, replica_url], 10**9)) as replicas, capture_logs() as logs:
        replicas.look()
        replicas.look()
        assert (replicas.states[0], replicas.states[1].used) == (AWAY, True)
    assert [(line["event"], line["number"]) for line in logs] == [("a replica is not read", 1)]


def test_a_read_that_fails_on_a_standby(served: Served) -> None:
    """What breaks off there is answered by the primary; every wait there has a bound."""
    follow(served)
    bounds: list[tuple[str, int, int]] = []

    def measure(connection: Connection) -> bool:
        timeout = connection.execute(text("SHOW statement_timeout")).scalar_one()
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=socket.dup(driver.fileno())) as wire:
            levels = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            silence, keeps_alive = (wire.getsockopt(*level) for level in levels)
        bounds.append((timeout, silence, keeps_alive))
        return True

    def answer(connection: Connection) -> bool:
        in_recovery = connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
        if in_recovery:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return not in_recovery

    assert served.parts.replicas.read(measure, answer)
    assert bounds == [(f"{STATEMENT_TIMEOUT_S}s", SILENCE_S * 1000, 1)]
    assert state(served) == AWAY
