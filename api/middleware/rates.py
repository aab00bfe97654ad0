"""Rates: how much one address may ask for, and how much one agency may write, in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from api.middleware.problems import Refused

BURST_S = 10  # seconds' worth that may come at once after a pause
CHARGE: Final = "tallystick.charge"  # of a request's scope: takes what it costs beyond one
KEPT = 10_000  # addresses or agencies; of more, those that came longest ago start anew


class RateLimit:
    """A bucket of tokens for each name, filled at ``per_second``. ``clock`` gives monotonic seconds.

    Called from the event loop only.
    """

    def __init__(self, per_second: int, what: str, clock: Callable[[], float]):
        self._per_second = per_second
        self._what = what
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, count: int = 1) -> None:
        """Takes ``count`` tokens of ``name``, of more than a bucket holds all. Raises Refused (429) where they are not
        there."""
        now = self._clock()
        full = float(self._per_second * BURST_S)
        count = min(count, self._per_second * BURST_S)
        left, since = self._buckets.get(name, (full, now))
        left = min(full, left + (now - since) * self._per_second) - count
        if left < 0:
            raise Refused(
                429,
                f"expected at most {self._per_second} {self._what} a second",
                code="too_many_requests",
                retry_after=int(-left / self._per_second) + 1,
            )
        self._buckets[name] = (left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)


def charge(scope: Scope, count: int) -> None:
    """Counts a request as so many more against its address. Raises Refused (429)."""
    if count > 0 and CHARGE in scope:
        scope[CHARGE](count)
