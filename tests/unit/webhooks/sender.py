"""A deliverer on a database: in this process, or in one that is killed.

``python -m tests.unit.webhooks.sender DATABASE_URL SECONDS`` has a clock that is ahead of this machine's by so many
seconds.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from threading import Event

from api.services.webhooks import WebhookPages, receivers_of, webhook_secret
from ledger.interchange.webhooks.deliverer import Deliverer
from tests.api.conftest import no_chain, parts_of
from tests.testkit.ledgers import Ledger, open_ledger


def deliver(ledger: Ledger, stop: Event, ahead_s: int = 0) -> None:
    """Deliver until ``stop`` is set."""
    parts = parts_of(ledger, no_chain)
    deliverer = Deliverer(
        parts.database,
        WebhookPages(parts),
        receivers_of(parts),
        secret=partial(webhook_secret, parts),
        clock=lambda: time.time_ns() // 1_000_000 + ahead_s * 1000,
    )
    deliverer.run(stop)


if __name__ == "__main__":
    with open_ledger(sys.argv[1]) as opened:
        deliver(opened, Event(), int(sys.argv[2]))
