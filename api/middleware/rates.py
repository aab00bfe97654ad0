"""Rate limits in this process: requests of one address, and events of one agency."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from api.middleware.problems import Refused

BURST_S = 10  # seconds' worth of tokens that a full bucket holds
CHARGE: Final = "tallystick.charge"  # key in a request's scope of the function that takes further tokens
KEPT = 10_000  # buckets; beyond that the least recently used are dropped, that is, refilled


class RateLimit:
    """A token bucket for each name, filled at ``per_second``. Used from the event loop only.

    ``clock`` returns monotonic seconds; ``unit`` names what is counted in the refusal.
    """

    def __init__(self, per_second: int, unit: str, clock: Callable[[], float]):
        self._per_second = per_second
        self._unit = unit
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, count: int = 1) -> None:
        """Take ``count`` tokens of ``name``, at most a full bucket. Raises Refused (429) if there are too few."""
        now = self._clock()
        full = float(self._per_second * BURST_S)
        count = min(count, self._per_second * BURST_S)
        left, since = self._buckets.get(name, (full, now))
        left = min(full, left + (now - since) * self._per_second) - count
        if left < 0:
            raise Refused(
                429,
                f"expected at most {self._per_second} {self._unit} a second",
                code="too_many_requests",
                retry_after=int(-left / self._per_second) + 1,
            )
        self._buckets[name] = (left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)


def charge(scope: Scope, count: int) -> None:
    """Count the request as ``count`` more against its address. Raises Refused (429)."""
    if count > 0 and CHARGE in scope:
        scope[CHARGE](count)
