"""Activity: when this process last wrote the log, so that loops look often while something happens and else rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Event, current_thread
from typing import NamedTuple

from ledger.core.errors import TallystickError
from ledger.loggers import get_logger

logger = get_logger(__name__)

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
        self, stop: Event, try_step: Callable[[], bool], every_s: float, *, first_s: float = 0.0, longest_s: float = 0.0
    ) -> None:
        """Call ``try_step`` every ``every_s`` seconds, more seldom at rest, until ``stop`` is set.

        It returns whether it succeeded. After each failure the pause is at least what ``pause_after`` says.
        """
        failures = 0
        pause_s = every_s
        while not self.pause(stop, pause_s):
            failures = 0 if try_step() else failures + 1
            pause_s = max(every_s, pause_after(failures, first_s, longest_s))


def pause_after(failures: int, first_s: float, longest_s: float) -> float:
    """Return the seconds to wait after ``failures`` in a row: doubled by each that follows, up to ``longest_s``."""
    # Bounded: 2 ** 1024 is no float any more, and a loop that fails each minute comes there within a day.
    return min(longest_s, first_s * 2.0 ** min(failures - 1, 64)) if failures else 0.0


class Failure(NamedTuple):
    """Why a step failed, in one sentence, and what to do about it."""

    fault: str
    hint: str | None = None


def failure_of(step: Callable[[], object], event: str) -> Failure | None:
    """Take a step; log a failure as ``event`` and return it, so that the loop goes on. Return None for a success."""
    thread = current_thread().name
    try:
        step()
    except TallystickError as error:
        logger.warning(event, thread=thread, reason=error.for_operator, hint=error.hint)
        return Failure(error.message, error.hint)
    except Exception as error:  # a thread that ended would stop its work unnoticed
        logger.exception("%s, for a reason that nobody foresaw", event, thread=thread)
        return Failure(f"{event} ({type(error).__name__})")
    return None
