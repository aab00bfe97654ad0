"""How loops rest while nothing is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from ledger.store import activity as pacing
from ledger.store.activity import Activity, pause_after
from ledger.store.database import Database


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> Activity:
    """An activity whose last write was long ago, and whose loops rest for a minute."""
    monkeypatch.setattr(pacing, "LIVELY_S", 0.0)
    monkeypatch.setattr(pacing, "RESTED_S", 60.0)
    return Activity()


def waited(activity: Activity, wake: Callable[[threading.Event], None]) -> tuple[bool, float]:
    """What a pause answers that is ended by ``wake``, and its seconds."""
    stop = threading.Event()
    waker = threading.Timer(0.05, wake, (stop,))
    began = time.monotonic()
    waker.start()
    answer = activity.pause(stop, 0.001)
    waker.join()
    return answer, time.monotonic() - began


def test_a_write_ends_a_rest(resting: Activity) -> None:
    """Whoever rests looks again as soon as something is written, and is not told to stop."""
    is_over, seconds = waited(resting, lambda _stop: resting.note())
    assert not is_over
    assert seconds < 30


def test_the_end_of_the_service_ends_a_rest(resting: Activity) -> None:
    """A loop that rests is told to stop as soon as it is woken to its end."""

    def end(stop: threading.Event) -> None:
        stop.set()
        resting.wake()

    is_over, seconds = waited(resting, end)
    assert is_over
    assert seconds < 30


def test_after_a_write_nobody_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while after a write a pause takes no longer than was asked for."""
    monkeypatch.setattr(pacing, "LIVELY_S", 60.0)
    monkeypatch.setattr(pacing, "RESTED_S", 60.0)
    activity = Activity()
    activity.note()
    began = time.monotonic()
    assert not activity.pause(threading.Event(), 0.001)
    assert time.monotonic() - began < 30


def test_a_rest_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may have written, so a look is taken again although this one did not."""
    monkeypatch.setattr(pacing, "LIVELY_S", 0.0)
    monkeypatch.setattr(pacing, "RESTED_S", 0.01)
    assert not Activity().pause(threading.Event(), 0.001)


def test_a_loop_waits_longer_after_each_failure_and_goes_on() -> None:
    """The pause doubles with each failure up to the longest, and one success makes it what it was."""

    class Timed(Activity):
        def pause(self, stop: threading.Event, pause_s: float) -> bool:
            pauses.append(pause_s)
            return not results

    pauses: list[float] = []
    results = [True, False, False, False, True, False]
    Timed().repeat(threading.Event(), lambda: results.pop(0), 0.5, first_s=1.0, longest_s=3.0)
    assert pauses == [0.5, 0.5, 1.0, 2.0, 3.0, 0.5, 1.0]


def test_no_number_of_failures_is_too_many() -> None:
    """A loop that has failed for days still waits for the longest pause; it does not end by an overflow."""
    assert [pause_after(failures, 2.0, 60.0) for failures in (1, 2, 5, 6, 1024, 100_000)] == [2, 4, 32, 60, 60, 60]


def test_only_what_was_committed_counts(database: Database) -> None:
    """A transaction of the log is a write; one that failed is none, and neither is a read, or a look whether somebody
    could write: a probe of readiness would wake every loop."""
    before = database.activity.writes
    with database.read():
        pass
    with database.lock():
        pass
    with suppress(LookupError), database.write():
        raise LookupError
    assert database.activity.writes == before
    with database.write():
        pass
    assert database.activity.writes == before + 1
