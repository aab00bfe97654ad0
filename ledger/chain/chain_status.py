"""The status of the chain when it last answered, so that readers of it need not ask the chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from ledger.chain.contract_clients import RegistryReader, RegistryState
from ledger.chain.writer import ChainBackend

LOOK_EVERY_S = 5.0  # seconds between two reads: a status for people need not be newer


class ChainStatus(Struct, frozen=True):
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


@dataclass(eq=False, repr=False)
class ChainStatusReader:
    """Reads the chain's status now and then, and keeps it. ``clock`` gives unix seconds."""

    chain: ChainBackend
    registry: RegistryReader
    account: str
    clock: Callable[[], int]
    _next_at: float = field(default=0.0, init=False)  # by the monotonic clock
    last: ChainStatus | None = field(default=None, init=False)

    def step(self) -> None:
        """Read the status if it is time. Raises Unavailable if the chain does not answer; the last status is kept."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S  # set before reading, so that expire() meanwhile counts
        try:
            eth = self.chain.eth
            head, final = eth.head(), self.chain.final_block()
            self.last = ChainStatus(
                seen_at=self.clock(),
                head=head.number,
                head_at=head.timestamp,
                final=final.number if final else None,
                account=self.account,
                balance=eth.balance(self.account, head.hash),
                fee=self.chain.fees().max_fee,
                registry=self.registry.state(head.hash),
            )
        # The next step looks again at once.
        except BaseException:
            self.expire()
            raise

    def expire(self) -> None:
        """Have the next step read the status at once: something is known to have changed."""
        self._next_at = 0.0
