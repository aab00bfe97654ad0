"""A process that delivers until it is killed: ``python -m tests.unit.webhooks.sender DATABASE_URL SECONDS``.

Its clock is ahead of this machine's by so many seconds.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from threading import Event

from api.services.webhooks import WebhookPages, receivers_of, webhook_secret
from ledger.interchange.webhooks import Deliverer
from tests.api.conftest import no_chain, parts_of
from tests.testkit.ledgers import open_ledger


def main(url: str, ahead_s: int) -> None:
    with open_ledger(url) as ledger:
        parts = parts_of(ledger, no_chain)
        deliverer = Deliverer(
            parts.database,
            WebhookPages(parts),
            receivers_of(parts),
            secret=partial(webhook_secret, parts),
            clock=lambda: time.time_ns() // 1_000_000 + ahead_s * 1000,
        )
        deliverer.run(Event())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
