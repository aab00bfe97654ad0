"""Warnings: each handler is warned of deadlines that come near, once at each distance, and once when one has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledger.core.procedure.legal_days import end_of, legal_day
from ledger.store import warnings
from ledger.store.clocks import instant
from ledger.store.database import Database

AHEAD = (7, 3, 1)  # days before the last day
PASSED = 0
AT_ONCE = 500  # most warnings of one transaction


class Warner:
    """Derives warnings from the list of deadlines.

    Warnings are stored, so that neither a restart nor a second process warns twice. A clock that begins within several
    of the distances, or was recorded late, is warned of at the nearest one only; a clock that gets another end is
    warned of again.
    """

    def __init__(self, database: Database):
        self._database = database

    def step(self, now_ms: int) -> int:
        """Store the warnings that are due at ``now_ms`` (unix milliseconds) and return how many."""
        horizons = horizons_at(datetime.fromtimestamp(now_ms / 1000, UTC))
        stored = 0
        while count := self._tell(horizons, now_ms):
            stored += count
        return stored

    def _tell(self, horizons: dict[int, str], now_ms: int) -> int:
        """Store some of the warnings in a transaction of their own: a writer of cases need not wait for all."""
        with self._database.read() as connection:
            if not warnings.due(connection, horizons, limit=1):
                return 0
        with self._database.write() as connection:
            due = warnings.due(connection, horizons, AT_ONCE)
            warnings.tell(connection, due, now_ms)
        return len(due)


def horizons_at(now: datetime) -> dict[int, str]:
    """Return, for each number of days left, the instant (RFC 3339) by which such a clock ends.

    It is midnight of that day in Beijing; for 0 days it is ``now``.
    """
    ahead = {days: instant(end_of(legal_day(now) + timedelta(days=days))) for days in AHEAD}
    return {PASSED: instant(now), **ahead}
