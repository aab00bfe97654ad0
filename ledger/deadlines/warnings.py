"""Warn: tells each handler of the deadlines that come near, once for each distance, and once when one has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledger.core.procedure.legal_days import end_of, legal_day
from ledger.store import warnings
from ledger.store.clocks import instant
from ledger.store.database import Database

AHEAD = (7, 3, 1)  # days before the last day
PASSED = 0
AT_ONCE = 500  # warnings of one transaction


class Warner:
    """Looks at the list of clocks. What was told is in the database: a restart or a second process tells nothing twice.

    A clock that begins within several of the distances, or was recorded late, is warned of by the nearest one alone;
    one that is given another end is warned of anew.
    """

    def __init__(self, database: Database):
        self._database = database

    def step(self, now_ms: int) -> int:
        """How many warnings were told. ``now_ms`` is in unix milliseconds."""
        horizons = horizons_at(datetime.fromtimestamp(now_ms / 1000, UTC))
        told = 0
        while count := self._tell(horizons, now_ms):
            told += count
        return told

    def _tell(self, horizons: dict[int, str], now_ms: int) -> int:
        """Some of them, in a transaction of its own: whoever writes cases does not wait for all."""
        with self._database.read() as connection:
            if not warnings.due(connection, horizons, limit=1):
                return 0
        with self._database.write() as connection:
            found = warnings.due(connection, horizons, AT_ONCE)
            warnings.tell(connection, found, now_ms)
        return len(found)


def horizons_at(now: datetime) -> dict[int, str]:
    """By when a clock ends that has so many days left at ``now``, as RFC 3339: at midnight of that day in Beijing."""
    ahead = {days: instant(end_of(legal_day(now) + timedelta(days=days))) for days in AHEAD}
    return {PASSED: instant(now), **ahead}
