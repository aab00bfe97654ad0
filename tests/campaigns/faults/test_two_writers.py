"""Two writing processes on one database: one log without gap or fork, every receipt true in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from ledger.core.encoding import canonical
from ledger.recording.publisher import Receipt
from ledger.store.database import open_database
from scripts.campaigns.books import Load, check
from scripts.campaigns.casework import LOG_ID, LOG_SIGNER, Casework
from scripts.campaigns.targets import Refused, WriterTarget
from tests.testkit.ledgers import sqlite_url
from tests.testkit.postgres import PostgresServer


class TwoWriters(NamedTuple):
    """Two processes that take submissions for the database at ``url``."""

    url: str
    targets: tuple[WriterTarget, WriterTarget]

    def faults(self, *loads: Load) -> list[str]:
        """List what is wrong in the log, or was while the loads ran."""
        database = open_database(self.url)
        try:
            acknowledged = [pair for load in loads for pair in load.books.acknowledged]
            _, faults = check(database, LOG_SIGNER.verifying_key, acknowledged)
        finally:
            database.close()
        return [*faults, *(fault for load in loads for fault in load.books.faults)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def writers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWriters]:
    """The same two processes for all tests, which write cases of their own; killed at the end."""
    if request.param == "sqlite":
        yield from running_writers(sqlite_url(tmp_path_factory.mktemp("two-writers")))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.fresh_database() as url:
            yield from running_writers(url)


def running_writers(url: str) -> Iterator[TwoWriters]:
    open_database(url).close()  # makes the tables
    targets = (WriterTarget(url), WriterTarget(url))
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
    assert writers.faults(*loads) == []


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
    assert writers.faults() == []


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
    assert writers.faults() == []
