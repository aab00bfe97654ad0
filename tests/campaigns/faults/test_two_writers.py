"""Two writing processes on one database: one log without gap or fork, every receipt true in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ledger.core.encoding import canonical
from ledger.recording.publisher import Receipt
from ledger.store.database import open_database
from scripts.campaigns import casework as people
from scripts.campaigns.books import Load, check
from scripts.campaigns.casework import Casework
from scripts.campaigns.targets import Refused, WriterTarget


@contextmanager
def two_writers(url: str) -> Iterator[tuple[WriterTarget, WriterTarget]]:
    """Two processes that take submissions; killed at the end."""
    targets = (WriterTarget(url), WriterTarget(url))
    try:
        for target in targets:
            target.start()
        yield targets
    finally:
        for target in targets:
            target.kill()


def faults_of(url: str, *loads: Load) -> list[str]:
    database = open_database(url)
    try:
        acknowledged = [pair for load in loads for pair in load.books.acknowledged]
        _, faults = check(database, people.LOG_SIGNER.verifying_key, acknowledged)
    finally:
        database.close()
    return [*faults, *(fault for load in loads for fault in load.books.faults)]


def test_two_processes_write_one_log(each_database_url: str) -> None:
    """Both take events at the same time: no gap, no fork, no event twice, every receipt verifies in the one log."""
    with two_writers(each_database_url) as (one, two):
        loads = [Load(4, people.LOG_ID, name) for name in ("one", "two")]
        for load, target in zip(loads, (one, two), strict=True):
            load.start(target)
        time.sleep(1.5)
        for load in loads:
            load.stop()
    assert min(len(load.books.acknowledged) for load in loads) > 0
    assert faults_of(each_database_url, *loads) == []


def test_one_event_sent_to_both_processes_is_recorded_once(each_database_url: str) -> None:
    """Whichever is first, both give the same receipt, byte for byte."""
    with two_writers(each_database_url) as targets, ThreadPoolExecutor(2) as pool:
        casework = Casework("both", people.LOG_ID)
        for _ in range(8):
            signed = casework.next(int(time.time()))
            answers = list(pool.map(lambda target, data=signed.submission: target.post(data), targets))
            assert all(isinstance(answer, Receipt) for answer in answers), answers
            assert len({canonical.encode(answer) for answer in answers}) == 1
            casework.acknowledged(signed)
    assert faults_of(each_database_url) == []


def test_of_rivals_in_two_processes_one_wins(each_database_url: str) -> None:
    """Two different events for one head, one at each process: one receipt, one refusal."""
    with two_writers(each_database_url) as targets, ThreadPoolExecutor(2) as pool:
        casework = Casework("rivals", people.LOG_ID)
        for _ in range(8):
            rivals = [casework.next(int(time.time())) for _ in targets]
            asked = [(target, signed.submission) for target, signed in zip(targets, rivals, strict=True)]
            answers = list(pool.map(lambda pair: pair[0].post(pair[1]), asked))
            won = [signed for signed, answer in zip(rivals, answers, strict=True) if isinstance(answer, Receipt)]
            assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["not_on_head"]
            casework.acknowledged(won[0])
    assert faults_of(each_database_url) == []
