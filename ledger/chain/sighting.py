"""What was seen of the chain when it last answered, so that whoever asks how it stands need not ask the chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ledger.chain.backend import ChainBackend
from ledger.chain.registry import RegistryReader, RegistryState

LOOK_EVERY_S = 5.0  # seconds between two looks: what a person reads need not be newer


@dataclass(frozen=True, slots=True)
class Sighting:
    """The chain's head and newest final block, the registry there, and what the account that anchors has.

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


class Lookout:
    """Looks once in a while and remembers. ``clock`` gives unix seconds."""

    def __init__(self, chain: ChainBackend, registry: RegistryReader, account: str, clock: Callable[[], int]):
        self._chain = chain
        self._registry = registry
        self._account = account
        self._clock = clock
        self._next_at = 0.0  # by the monotonic clock
        self.last: Sighting | None = None

    def step(self) -> None:
        """Looks if it is time. Raises Unavailable where the chain does not answer; what was seen before stays."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S  # before it looks: what changes meanwhile is looked at again
        try:
            self.last = self._look()
        except BaseException:
            self.expire()
            raise

    def expire(self) -> None:
        """Lets the next step look, whenever the last one was: something is known to have changed."""
        self._next_at = 0.0

    def _look(self) -> Sighting:
        eth = self._chain.eth
        head, final = eth.head(), self._chain.final_block()
        return Sighting(
            seen_at=self._clock(),
            head=head.number,
            head_at=head.timestamp,
            final=final.number if final else None,
            account=self._account,
            balance=eth.balance(self._account, head.hash),
            fee=self._chain.fees().max_fee,
            registry=self._registry.state(head.hash),
        )
