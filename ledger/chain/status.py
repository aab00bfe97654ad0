"""The status of the chain when it last answered, so that readers of it need not ask the chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ledger.chain.contract_clients import RegistryReader, RegistryState
from ledger.chain.writer import ChainBackend

LOOK_EVERY_S = 5.0  # seconds between two reads: a status for people need not be newer


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """The chain's head and newest final block, the registry there, and the balance of the account that anchors.

    ``seen_at`` and ``head_at`` are in unix seconds, ``balance`` in wei, ``fee`` in wei per gas as a transaction would
    offer it now.
    """

    seen_at: int
    head: int
    head_at: int
    final: int | None
    account: str
    balance: int
    fee: int
    registry: RegistryState


class ChainStatusReader:
    """Reads the chain's status now and then, and keeps it. ``clock`` gives unix seconds."""

    def __init__(self, chain: ChainBackend, registry: RegistryReader, account: str, clock: Callable[[], int]):
        self._chain = chain
        self._registry = registry
        self._account = account
        self._clock = clock
        self._next_at = 0.0  # by the monotonic clock
        self.last: ChainStatus | None = None

    def step(self) -> None:
        """Read the status if it is time. Raises Unavailable if the chain does not answer; the last status is kept."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S  # set before reading, so that expire() meanwhile counts
        try:
            eth = self._chain.eth
            head, final = eth.head(), self._chain.final_block()
            self.last = ChainStatus(
                seen_at=self._clock(),
                head=head.number,
                head_at=head.timestamp,
                final=final.number if final else None,
                account=self._account,
                balance=eth.balance(self._account, head.hash),
                fee=self._chain.fees().max_fee,
                registry=self._registry.state(head.hash),
            )
        # The next step looks again at once.
        except BaseException:
            self.expire()
            raise

    def expire(self) -> None:
        """Have the next step read the status at once: something is known to have changed."""
        self._next_at = 0.0
