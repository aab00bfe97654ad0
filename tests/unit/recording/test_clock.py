"""``recording.clock``: a clock that has jumped is not believed, unless others elsewhere have the new time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from ledger.core.errors import Unavailable
from ledger.recording import clock_judge
from ledger.recording.clock import MOST_AHEAD_MS, RecordingClock, elapsed_ms, now_ms
from ledger.recording.clock_judge import ClockJudge
from tests.testkit.machine import free_port

START = 1_790_000_000_000


class Machine:
    """A machine with a clock that somebody sets."""

    def __init__(self) -> None:
        self.wall, self.elapsed = START, 5_000
        self.clock = RecordingClock(lambda: self.wall, lambda: self.elapsed)

    def passes(self, seconds: float, *, clock: float | None = None) -> None:
        """Let time go by, of which the clock counts so much."""
        self.elapsed += int(seconds * 1000)
        self.wall += int((seconds if clock is None else clock) * 1000)


def test_a_clock_that_is_set_forward_is_refused_until_it_is_right_again() -> None:
    """By more than a minute; the refusal says by how much. A new clock believes it."""
    machine = Machine()
    machine.passes(3600)
    assert machine.clock() == machine.wall
    machine.passes(1, clock=1 + 600)
    for _ in range(2):
        with pytest.raises(Unavailable, match="forward by 600 s") as refused:
            machine.clock()
        assert refused.value.code == "clock_set_forward"
        machine.passes(1)
    assert RecordingClock(lambda: machine.wall, lambda: machine.elapsed)() == machine.wall
    machine.passes(1, clock=1 - 600)
    assert machine.clock() == machine.wall


def test_a_clock_that_is_set_back_a_little_is_believed_and_so_is_its_return() -> None:
    """Entries cannot run backwards: back it does no harm, and forth again it is no further than it was."""
    machine = Machine()
    machine.passes(10, clock=10 - 239)
    assert machine.clock() == machine.wall
    machine.passes(10, clock=10 + 239)
    assert machine.clock() == machine.wall
    machine.passes(1, clock=1 + MOST_AHEAD_MS / 1000 + 0.001)
    with pytest.raises(Unavailable):
        machine.clock()


def test_a_clock_that_is_set_back_far_is_refused_until_it_is_right_again() -> None:
    """From five minutes on nothing would get in that is signed now: the refusal names the service's clock."""
    machine = Machine()
    machine.passes(10, clock=10 - 3600)
    with pytest.raises(Unavailable, match="back by 3600 s") as refused:
        machine.clock()
    assert refused.value.code == "clock_set_back"
    machine.passes(10, clock=10 + 3600)
    assert machine.clock() == machine.wall


class DatedServer(BaseHTTPRequestHandler):
    """Answers with its date, which is ``ahead_s`` ahead of this machine's clock."""

    ahead_s = 0

    def do_GET(self) -> None:
        self.send_error(405)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.ahead_s, usegmt=True)

    def log_message(self, *_: object) -> None:
        """Say nothing of what is asked."""


@contextmanager
def dated(ahead_s: int) -> Iterator[str]:
    """Serve dates, and yield the URL; 0.0.0.0 stands for another machine."""
    handler = type("Handler", (DatedServer,), {"ahead_s": ahead_s})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://0.0.0.0:{server.server_port}"
        finally:
            server.shutdown()


def jumped(by_s: float) -> RecordingClock:
    """Return a clock that has jumped to this machine's."""
    began = now_ms() - int(by_s * 1000)
    times = iter([began])
    clock = RecordingClock(lambda: next(times, now_ms()), lambda: 0)
    with pytest.raises(Unavailable):
        clock()
    return clock


@pytest.mark.parametrize("by_s", [79, -3600])
def test_a_jump_is_believed_that_others_elsewhere_have(by_s: float) -> None:
    """As after a pause of a virtual machine: the service goes on by itself."""
    clock = jumped(by_s)
    with dated(0) as chain, dated(30) as witness:
        judge = ClockJudge(clock, lambda: [None, chain, witness])
        assert judge.step()
        assert judge.step()
    assert abs(clock() - now_ms()) < 1000


def test_a_jump_is_not_believed_that_another_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that lasts: the clock is wrong, and to start again would make it believed."""
    monkeypatch.setattr(clock_judge, "UNDECIDED_S", -1.0)
    ended: list[bool] = []
    with dated(0) as chain, dated(-79) as witness:
        judge = ClockJudge(jumped(79), lambda: [chain, witness], lambda: ended.append(True))
        assert [judge.step() for _ in range(3)] == [False, False, False]
    assert (ended, judge.ended_by) == ([], None)


def test_the_service_ends_where_nobody_elsewhere_tells_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, after five minutes, for what supervises it to start it again; this machine's own servers tell nothing."""
    monkeypatch.setattr(clock_judge, "UNDECIDED_S", 0.2)
    ended: list[bool] = []
    with dated(0) as here:
        away = f"http://0.0.0.0:{free_port()}"
        urls = [here.replace("0.0.0.0", "127.0.0.1"), away]
        judge = ClockJudge(jumped(79), lambda: urls, lambda: ended.append(True))
        assert not judge.step()
        assert ended == []
        time.sleep(0.3)
        assert not judge.step()
        assert not judge.step()
    assert ended == [True]
    assert judge.ended_by is not None
    assert judge.ended_by.code == "clock_set_forward"


def test_a_clock_that_is_set_forward_by_less_than_a_minute_a_day_is_believed() -> None:
    """Day after day; not more at once, nor by many small steps, nor by steps forth and back that grow."""
    machine = Machine()
    for _ in range(30):
        machine.passes(86_400, clock=86_400 + 59)
        assert machine.clock() == machine.wall
    for seconds in (20, 20, 19):
        machine.passes(60, clock=60 + seconds)
    machine.passes(60, clock=60 + 20)
    with pytest.raises(Unavailable):
        machine.clock()


def test_a_clock_that_was_right_in_between_is_believed_no_further() -> None:
    """A step of a minute forth and back leaves nothing for a step of two."""
    machine = Machine()
    for minutes in (1, 1, 1):
        machine.passes(1, clock=1 + 60 * minutes)
        assert machine.clock() == machine.wall
        machine.passes(1, clock=1 - 60 * minutes)
        assert machine.clock() == machine.wall
    machine.passes(1, clock=1 + 62)
    with pytest.raises(Unavailable):
        machine.clock()


def test_the_machine_has_both_clocks() -> None:
    """In milliseconds, and they go alike."""
    began = now_ms() - elapsed_ms()
    assert abs(now_ms() - elapsed_ms() - began) < 1000
    assert abs(RecordingClock()() - now_ms()) < 1000
