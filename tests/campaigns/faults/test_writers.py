"""Writers that are killed, lose connections or share a database keep their oath: short runs of scripts/campaigns."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ledger.core.encoding import canonical
from ledger.recording.event_signing import Signed
from ledger.recording.publisher import Receipt
from ledger.store import log
from ledger.store.opening import open_database
from scripts.campaigns.books import Load, check
from scripts.campaigns.casework import LOG_ID, LOG_SIGNER, Casework
from scripts.campaigns.kill_rounds import run
from scripts.campaigns.targets import Refused
from tests.campaigns.faults.forked_writer import ForkedWriter
from tests.testkit.ledgers import sqlite_url
from tests.testkit.postgres import PostgresServer

ROUNDS = 1
CUTS = 12
DROP = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed at random moments under load: each receipt has its entry, once; the tree is that of the entries."""
    require_kept(sqlite_url(tmp_path))


@pytest.mark.extended
def test_a_writer_on_postgresql_loses_nothing_acknowledged(postgres_url: str) -> None:
    """The same, where another process commits."""
    require_kept(postgres_url)


def require_kept(url: str) -> None:
    outcome = run(ForkedWriter(url), ROUNDS, random.Random(7))
    assert outcome.faults == ()
    assert outcome.rounds == ROUNDS
    assert outcome.acknowledged > 0
    require_noticed(url)


def require_noticed(url: str) -> None:
    """Require that the check that was passed can fail: one entry gone is noticed."""
    with closing(open_database(url)) as database, database.write() as connection:
        connection.execute(text("DELETE FROM entries WHERE log_index = (SELECT max(log_index) FROM entries)"))
    assert any("the tree says" in fault for fault in faults_of(url))


@pytest.mark.extended
def test_a_killed_writer_keeps_lists_whole(tmp_path: Path) -> None:
    """Killed while it writes cases in one request each: of every list all is in the log or nothing, sent again once."""
    target, chance = ForkedWriter(sqlite_url(tmp_path)), random.Random(11)
    casework = Casework("together", LOG_ID)
    lists: list[list[Signed]] = []
    wholes = 0
    for number in count():
        if number >= 3 and wholes:
            break
        target.start()
        moment = threading.Timer(chance.uniform(0.02, 0.1) * 2**number, target.kill)  # however slow the machine is
        moment.start()
        while moment.is_alive():
            lists.append([])
            for _ in range(4):
                lists[-1].append(casework.next(int(time.time())))
                casework.acknowledged(lists[-1][-1])
            target.post(b"\n".join(signed.submission for signed in lists[-1]))
        moment.join()
        with closing(open_database(target.database_url)) as database, database.read() as connection:
            stored = {entry.event_id for entry in log.entries(connection, 0, log.count_entries(connection))}
        counts = [sum(signed.envelope.event_id in stored for signed in together) for together in lists]
        assert {*counts} <= {0, 4}
        wholes += counts.count(4)
    assert wholes
    target.start()
    for together in lists:
        assert isinstance(target.post(b"\n".join(signed.submission for signed in together)), Receipt)
    target.kill()
    assert faults_of(target.database_url) == []


def faults_of(url: str, *loads: Load) -> list[str]:
    """List what is wrong in the log, or was while the loads ran."""
    acknowledged = [pair for load in loads for pair in load.books.acknowledged]
    with closing(open_database(url)) as database:
        _, faults = check(database, LOG_SIGNER.verifying_key, acknowledged)
    return [*faults, *(fault for load in loads for fault in load.books.faults)]


class TwoWriters(NamedTuple):
    """Two processes that take submissions for the database at ``url``."""

    url: str
    targets: tuple[ForkedWriter, ForkedWriter]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def writers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWriters]:
    """Run the same two processes for all tests, which write cases of their own; killed at the end."""
    if request.param == "sqlite":
        yield from running_writers(sqlite_url(tmp_path_factory.mktemp("two-writers")))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.fresh_database() as url:
            yield from running_writers(url)


def running_writers(url: str) -> Iterator[TwoWriters]:
    open_database(url).close()  # makes the tables
    targets = (ForkedWriter(url), ForkedWriter(url))
    try:
        for target in targets:
            target.start()
        yield TwoWriters(url, targets)
    finally:
        for target in targets:
            target.kill()


def test_two_processes_write_one_log(writers: TwoWriters) -> None:
    """Both take events at the same time: no gap, no fork, no event twice, every receipt verifies in the one log."""
    loads = [Load(4, LOG_ID, name) for name in ("first", "second")]
    for load, target in zip(loads, writers.targets, strict=True):
        load.start(target)
    while min(len(load.books.acknowledged) for load in loads) < 20 and not any(load.books.faults for load in loads):
        time.sleep(0.05)
    for load in loads:
        load.stop()
    assert faults_of(writers.url, *loads) == []


def test_one_event_sent_to_both_processes_is_recorded_once(writers: TwoWriters) -> None:
    """Whichever is first, both give the same receipt, byte for byte."""
    casework = Casework("both", LOG_ID)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            signed = casework.next(int(time.time()))
            answers = list(pool.map(lambda target, body=signed.submission: target.post(body), writers.targets))
            assert all(isinstance(answer, Receipt) for answer in answers), answers
            assert len({canonical.encode(answer) for answer in answers}) == 1
            casework.acknowledged(signed)
    assert faults_of(writers.url) == []


def test_of_rivals_in_two_processes_one_wins(writers: TwoWriters) -> None:
    """Two different events for one head, one at each process: one receipt, one refusal."""
    casework = Casework("rivals", LOG_ID)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            rivals = [casework.next(int(time.time())) for _ in writers.targets]
            posts = [(target, signed.submission) for target, signed in zip(writers.targets, rivals, strict=True)]
            answers = list(pool.map(lambda pair: pair[0].post(pair[1]), posts))
            winners = [signed for signed, answer in zip(rivals, answers, strict=True) if isinstance(answer, Receipt)]
            assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["not_on_head"]
            casework.acknowledged(winners[0])
    assert faults_of(writers.url) == []


@pytest.mark.parametrize("writers", ["postgresql"], indirect=True)
def test_connections_that_break_while_committing(writers: TwoWriters) -> None:
    """Every connection is cut again and again under load; whatever had no answer gets one when it is sent again."""
    plain = make_url(writers.url).set(drivername="postgresql").render_as_string(hide_password=False)
    target, load, cut = writers.targets[0], Load(8, LOG_ID, "cut"), 0
    with psycopg.connect(plain, autocommit=True) as administrator:
        for _ in range(CUTS):
            load.start(target)
            time.sleep(0.12)
            row = administrator.execute(DROP).fetchone()
            cut += row[0] if row else 0
            load.stop()
            load.settle(target)
    assert cut > 0
    assert load.books.resolved > 0
    assert faults_of(writers.url, load) == []
