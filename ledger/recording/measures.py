"""Counts and durations of what is recorded, kept in memory for whoever watches the service.

Each is written by one thread, at the cost of an addition, and may be read by others at any time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
KEPT = 64  # batches whose times are kept: an answer comes right behind its batch
ENTRIES = (1, 2, 5, 10, 20, 50, 100, 200, 512)


class Histogram:
    """Counts values by the first of the ``bounds`` that is not below them; ``total`` is their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS):
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last is of what is above all bounds
        self.total = 0.0

    def note(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class BatchTimes(NamedTuple):
    """When a batch was taken up and was durable, by ``time.perf_counter``; it added ``first <= index < end``."""

    first: int
    end: int
    taken_at: float
    durable_at: float


class RecordingMeasures:
    """What a sequencer has written since it was made.

    ``queue_wait`` has the seconds that each queued act waited until the writer took it up, ``commit`` those of each
    batch from there until it was durable, ``batch_entries`` how many entries each added. ``failed_batches`` added none.
    ``times`` are those of the last batches.
    """

    def __init__(self) -> None:
        self.queue_wait = Histogram()
        self.commit = Histogram()
        self.batch_entries = Histogram(ENTRIES)
        self.failed_batches = 0
        self.times: deque[BatchTimes] = deque(maxlen=KEPT)

    def note_batch(self, entries: int, end: int, taken_at: float, durable_at: float) -> None:
        """Note a batch that is durable and has added these entries, the last before the index ``end``."""
        self.commit.note(durable_at - taken_at)
        if entries:
            self.batch_entries.note(entries)
            self.times.append(BatchTimes(end - entries, end, taken_at, durable_at))

    def times_of(self, index: int) -> BatchTimes | None:
        """Return the times of the batch that added the entry, if it is one of the last."""
        return next((times for times in self.times.copy() if times.first <= index < times.end), None)
