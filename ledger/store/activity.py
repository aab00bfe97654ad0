"""Activity: when this process last wrote the log, so that loops look often while something happens and else rest."""

from __future__ import annotations

import time
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
