"""Activity: when this process last wrote the log, so that loops look often while something happens and else rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Event

LIVELY_S = 3.0  # seconds after a write in which more is expected to follow from it
RESTED_S = 5.0  # seconds between looks while nothing is written: the clock, or another process, may have made work


class Activity:
    """Knows when something was written last; ``writes`` counts the transactions since the start.

    A write wakes only the loops that rest: while many are recorded nobody rests, and a write costs two assignments.
    """

    def __init__(self) -> None:
        self._written_at = time.monotonic()
        self.writes = 0
        self._resting = Condition()

    def note(self) -> None:
        """Take note of a write, and wake the loops that rest."""
        was_lively = self.is_lively
        self.writes += 1
        self._written_at = time.monotonic()
        if not was_lively:
            self.wake()

    def wake(self) -> None:
        """Wake the loops that rest, because there may be work or because they are to end."""
        with self._resting:
            self._resting.notify_all()

    @property
    def is_lively(self) -> bool:
        """Return whether something was written a moment ago."""
        return time.monotonic() - self._written_at < LIVELY_S

    def pause(self, stop: Event, pause_s: float) -> bool:
        """Wait for ``pause_s`` seconds, and while nothing is written for up to RESTED_S; return whether to stop."""
        before = self.writes
        if stop.wait(pause_s) or self.is_lively:
            return stop.is_set()
        with self._resting:
            self._resting.wait_for(lambda: self.writes != before or stop.is_set(), RESTED_S - pause_s)
        return stop.is_set()

    def repeat(
        self,
        stop: Event,
        try_step: Callable[[], bool],
        *,
        every_s: float,
        first_pause_s: float,
        longest_pause_s: float,
    ) -> None:
        """Call ``try_step`` every ``every_s`` seconds, more seldom at rest, until ``stop`` is set.

        It returns whether it succeeded. After each failure the pause is longer, as ``pause_after`` says.
        """
        failures = 0
        pause_s = every_s
        while not self.pause(stop, pause_s):
            failures = 0 if try_step() else failures + 1
            pause_s = pause_after(failures, first_pause_s, longest_pause_s) if failures else every_s


def pause_after(failures: int, first_s: float, longest_s: float) -> float:
    """Return the seconds to wait after ``failures`` (at least one) in a row: doubled by each, up to ``longest_s``."""
    # Bounded: 2 ** 1024 is no float any more, and a loop that fails each minute comes there within a day.
    return min(longest_s, first_s * 2.0 ** min(failures - 1, 64))
