"""The clock by which entries are judged and recorded: that of this machine, but not once it has jumped.

What is recorded while the clock is ahead says so for good: ``recorded_at`` never runs backwards, so every later entry
would have at least the wrong time, and every anchor would show that it is wrong. While it is behind, entries get the
time of the last one, and from five minutes on nothing gets in that is signed by a clock that is right.

Whether the old time is right or the new one, ``ledger.recording.clock_judge`` finds out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ledger.core.errors import Unavailable

MOST_AHEAD_MS: Final = 60_000  # an anchor proves an entry's time wrong from five minutes on (signatures.LATEST)
MOST_BEHIND_MS: Final = 240_000  # from five minutes on what is signed now is refused, and its clock may be one ahead
FORGIVEN: Final = 60 / 86_400  # milliseconds ahead that are forgiven in each millisecond that passes


def now_ms() -> int:
    """Return this machine's clock in unix milliseconds."""
    return time.time_ns() // 1_000_000


def seconds_behind(last_entry: int, now: int) -> int:
    """Return by how much a clock is behind ``last_entry`` (both in unix milliseconds), 0 for up to a minute."""
    behind_ms = last_entry - now
    return behind_ms // 1000 if behind_ms > MOST_AHEAD_MS else 0


def elapsed_ms() -> int:
    """Return the milliseconds since this machine began, also those in which it slept; nobody can set them."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux alone has the first
    return time.clock_gettime_ns(clock) // 1_000_000


class RecordingClock:
    """A clock that is believed as long as it is near the time that has gone by: up to a minute ahead, or four behind.

    Being ahead is forgiven at a minute a day, so that small corrections over months do not add up to a jump.
    Safe to use from several threads: at worst one overwrites the last moment that another has forgiven.
    """

    def __init__(self, wall: Callable[[], int] = now_ms, elapsed: Callable[[], int] = elapsed_ms):
        self._wall = wall
        self._elapsed = elapsed
        self.believe()

    def believe(self) -> None:
        """Take the machine's clock for right as it is now."""
        elapsed = self._elapsed()
        # When the machine began, by the clock as it is believed; and the machine's elapsed time at the last look.
        self._believed: tuple[float, int] = (self._wall() - elapsed, elapsed)

    def __call__(self) -> int:
        """Return unix milliseconds. Raises Unavailable (clock_set_forward, clock_set_back) if the clock has jumped."""
        now, elapsed = self._wall(), self._elapsed()
        began, looked_at = self._believed
        ahead_ms = now - elapsed - began
        if ahead_ms > MOST_AHEAD_MS:
            raise Unavailable(
                "the clock of the service's machine was set forward by {seconds} s while the service ran",
                seconds=int(ahead_ms) // 1000,
                code="clock_set_forward",
                hint=_MEND,
            )
        if ahead_ms < -MOST_BEHIND_MS:
            raise Unavailable(
                "the clock of the service's machine was set back by {seconds} s while the service ran",
                seconds=int(-ahead_ms) // 1000,
                code="clock_set_back",
                hint=_MEND,
            )
        forgiven = min(max(ahead_ms, 0.0), (elapsed - looked_at) * FORGIVEN)
        self._believed = (began + forgiven, elapsed)
        return now


_MEND: Final = "Put it right, and the service goes on by itself. If it is right now, restart the service."
