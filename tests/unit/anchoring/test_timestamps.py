"""``anchoring.timestamps``: checkpoints get timestamps of a real authority; one that fails holds up nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Literal

import pytest

from ledger.anchoring import timestamps
from ledger.anchoring.timestamps import TimestampWorker, read_roots
from ledger.core.errors import MalformedInput, SignatureRefused, Unavailable
from ledger.core.log.notes import parse_note
from ledger.core.verification.timestamps import MAX_RESPONSE_LENGTH, verify_timestamp
from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint, StoredTimestamp
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.faulty_service import Answer, faulty_service
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url
from tests.testkit.machine import free_port, wait_until
from tests.testkit.timestamping import Authority, new_authority, serving_authority

INTERVAL_S = 600


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """An authority that answers."""
    with serving_authority(new_authority(tmp_path_factory.mktemp("authority") / "tsa")) as authority:
        yield authority


@pytest.fixture(autouse=True)
def well(authority: Authority) -> None:
    """Each test begins with an authority that is in order."""
    authority.status, authority.body = 200, None


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with a case that was opened, published, and a clock that shows the time of the authority."""
    with open_founded(sqlite_url(tmp_path), clerk(POLICE)) as ledger:
        ledger.post_all(Case().open().register("phone").events)
        publish(ledger)
        yield ledger


def publish(ledger: Ledger) -> int:
    """Publishes the present size; gives it."""
    ledger.clock.forward(2)
    ledger.publisher.publish(ledger.database, ledger.clock())
    return newest(ledger).size


def timestamp_worker(ledger: Ledger, authority: Authority, now: int | None = None, *roots: bytes) -> TimestampWorker:
    """A timestamp worker; ``now`` is its clock, that of the ledger unless given."""
    clock = (lambda: ledger.clock.seconds) if now is None else (lambda: now)
    trusted = roots or (authority.root,)
    return TimestampWorker(ledger.database, authority.url, trusted, interval_s=INTERVAL_S, clock=clock)


def newest(ledger: Ledger) -> PublishedCheckpoint:
    with ledger.database.read() as connection:
        published = checkpoints.last_published(connection)
    assert published is not None
    return published


def stamped(worker: TimestampWorker) -> StoredTimestamp:
    """What a step kept, which must be something."""
    stamp = worker.step()
    assert stamp is not None
    return stamp


def test_the_published_checkpoint_is_timestamped_once(ledger: Ledger, authority: Authority) -> None:
    """What is kept verifies; as long as nothing new is published nobody is asked again."""
    worker = timestamp_worker(ledger, authority)
    stamp = stamped(worker)
    with ledger.database.read() as connection:
        assert checkpoints.last_timestamp(connection) == stamp
    published = newest(ledger)
    timestamp = verify_timestamp(stamp.response, parse_note(published.note).text, (authority.root,))
    assert timestamp is not None
    assert (stamp.size, stamp.time) == (published.size, timestamp.time)
    asked = authority.asked
    assert worker.step() is None
    assert authority.asked == asked


def test_the_interval_is_kept(ledger: Ledger, authority: Authority) -> None:
    """Something new waits until the interval is over; a clock that was set back far is no reason to wait."""
    first = stamped(timestamp_worker(ledger, authority))
    ledger.post_all([Case("case-2").open().last])
    size = publish(ledger)
    for now in (first.time, first.time + INTERVAL_S - 1, first.time - INTERVAL_S + 1):
        assert timestamp_worker(ledger, authority, now).step() is None
    assert stamped(timestamp_worker(ledger, authority, first.time - INTERVAL_S)).size == size
    ledger.post_all([Case("case-3").open().last])
    assert publish(ledger) > size
    assert timestamp_worker(ledger, authority, first.time + INTERVAL_S + 60).step() is not None


def test_an_entry_keeps_its_first_time(ledger: Ledger, authority: Authority) -> None:
    """Later timestamps, at larger sizes, change nothing of when an entry was there; new entries get theirs."""
    first = stamped(timestamp_worker(ledger, authority))
    ledger.post_all(Case("case-2").open().events)
    with ledger.database.read() as connection:
        assert checkpoints.first_timestamp_covering(connection, first.size) is None
    publish(ledger)
    second = stamped(timestamp_worker(ledger, authority, first.time + INTERVAL_S))
    with ledger.database.read() as connection:
        stamps = [checkpoints.first_timestamp_covering(connection, index) for index in (first.size - 1, first.size)]
    assert stamps == [first, second]


def test_what_is_no_timestamp_is_not_kept(ledger: Ledger, authority: Authority) -> None:
    """The state tells what is wrong until it is well again."""
    worker = timestamp_worker(ledger, authority)
    for status, body, refusal in (
        (503, None, Unavailable),
        (302, b"", Unavailable),
        (200, b"<html>", MalformedInput),
        (200, b"0" * (MAX_RESPONSE_LENGTH + 1), MalformedInput),
    ):
        authority.status, authority.body = status, body
        with pytest.raises(refusal):
            worker.step()
        assert not worker.try_step()
        assert worker.state.fault
    assert not kept(ledger)
    authority.status, authority.body = 200, None
    assert worker.try_step()
    assert worker.state.fault is None


@pytest.mark.parametrize("part", ["body", "headers"])
def test_who_dribbles_is_left(
    ledger: Ledger, authority: Authority, monkeypatch: pytest.MonkeyPatch, part: Literal["body", "headers"]
) -> None:
    """A byte now and then is an answer that never ends: the time is that of the whole, and its end is a fault."""
    monkeypatch.setattr(timestamps, "ANSWER_WITHIN_S", 0.2)
    with faulty_service(lambda _: Answer(body=b"0" * 60, drip_s=0.05, drips=part)) as slow:
        worker = replace(timestamp_worker(ledger, authority), url=slow.url)
        began = time.monotonic()
        assert not worker.try_step()
        assert time.monotonic() - began < 2
    assert "in time" in (worker.state.fault or "")


def test_a_timestamp_that_proves_nothing_is_refused(ledger: Ledger, authority: Authority, tmp_path: Path) -> None:
    """Another authority's is not kept, since verifiers could not verify it. Nor is an old answer of the authority
    itself, for the very same text: it repeats another number."""
    foreign_authority = new_authority(tmp_path / "other", name="Other")
    with pytest.raises(SignatureRefused, match="under none of the roots"):
        timestamp_worker(ledger, authority, None, foreign_authority.root).step()
    authority.body = authority.stamp(parse_note(newest(ledger).note).text.encode())
    with pytest.raises(SignatureRefused, match="another question"):
        timestamp_worker(ledger, authority).step()


def test_an_authority_that_is_down_holds_up_nothing(ledger: Ledger, authority: Authority) -> None:
    """Nobody listens there; the state says so, and checkpoints go on."""
    away = Authority(authority.folder, url=f"http://127.0.0.1:{free_port()}/tsa")
    worker = timestamp_worker(ledger, away)
    assert not worker.try_step()
    assert "is not reachable" in (worker.state.fault or "")
    ledger.post_all([Case("case-2").open().last])
    assert publish(ledger) > 0


def test_a_defect_is_told_and_tried_again(ledger: Ledger, authority: Authority) -> None:
    """What nobody foresaw does not end the thread."""
    stamped(timestamp_worker(ledger, authority))
    ledger.post_all([Case("case-2").open().last])
    publish(ledger)
    times: Iterator[int] = iter([])
    worker = TimestampWorker(ledger.database, authority.url, (), interval_s=INTERVAL_S, clock=lambda: next(times))
    assert not worker.try_step()
    assert worker.state.fault == "checkpoints cannot be timestamped (StopIteration)"


def test_it_runs_until_it_is_told_to_stop(
    ledger: Ledger, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on after a failed request, and ends once ``stop`` is set."""
    monkeypatch.setattr("ledger.anchoring.timestamps.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("ledger.anchoring.timestamps.FIRST_PAUSE_S", 0.01)
    authority.status = 503
    worker, stop, asked = timestamp_worker(ledger, authority), Event(), authority.asked
    thread = Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: authority.asked >= asked + 2)
        authority.status = 200
        wait_until(lambda: worker.state.fault is None and kept(ledger))
    finally:
        stop.set()
        thread.join()


def kept(ledger: Ledger) -> bool:
    with ledger.database.read() as connection:
        return checkpoints.last_timestamp(connection) is not None


def test_roots_come_from_a_pem_file(authority: Authority, tmp_path: Path) -> None:
    """One or several certificates; anything else is refused, and the setting is named."""
    second_authority = new_authority(tmp_path / "other", name="Other")
    both = tmp_path / "roots.pem"
    both.write_bytes(authority.root_file.read_bytes() + second_authority.root_file.read_bytes())
    assert read_roots(both) == (authority.root, second_authority.root)
    for wrong in (tmp_path / "nowhere.pem", tmp_path / "empty.pem"):
        if wrong.name == "empty.pem":
            wrong.write_text(json.dumps({}))
        with pytest.raises(MalformedInput) as caught:
            read_roots(wrong)
        assert caught.value.field == "timestamp_roots"
