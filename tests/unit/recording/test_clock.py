"""``recording.clock``: a clock that was set forward is not believed, whatever else clocks do."""

from __future__ import annotations

import pytest

from ledger.core.errors import Unavailable
from ledger.recording.clock import MOST_AHEAD_MS, RecordingClock, elapsed_ms, now_ms

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


def test_a_clock_that_is_set_back_is_believed_and_so_is_its_return() -> None:
    """Entries cannot run backwards: back it does no harm, and forth again it is no further than it was."""
    machine = Machine()
    machine.passes(10, clock=10 - 86_400)
    assert machine.clock() == machine.wall
    machine.passes(10, clock=10 + 86_400)
    assert machine.clock() == machine.wall
    machine.passes(1, clock=1 + MOST_AHEAD_MS / 1000 + 0.001)
    with pytest.raises(Unavailable):
        machine.clock()


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
