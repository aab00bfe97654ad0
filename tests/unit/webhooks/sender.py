"""A deliverer on a database: in this process, or in one that is killed.

``python -m tests.unit.webhooks.sender DATABASE_URL SECONDS`` has a clock that is ahead of this machine's by so many
seconds.
"""

from __future__ import annotations

import sys
import time
from threading import Event

from tests.api.conftest import deliverer_of, no_chain, parts_of
from tests.testkit.ledgers import Ledger, open_ledger


def deliver(ledger: Ledger, stop: Event, ahead_s: int = 0) -> None:
    """Deliver until ``stop`` is set."""
    deliverer_of(parts_of(ledger, no_chain), lambda: time.time_ns() // 1_000_000 + ahead_s * 1000).run(stop)


if __name__ == "__main__":
    with open_ledger(sys.argv[1]) as opened:
        deliver(opened, Event(), int(sys.argv[2]))
