"""The status of the chain when it last answered, so that readers of it need not ask the chain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from ledger.chain.contract_clients import ContractsAt, RegistryState
from ledger.chain.eth import BlockRef
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
    """Reads the chain's status now and then, and keeps it. ``clock`` gives unix seconds.

    While the chain has the same head, nothing else is read: balance and registry are those of the head.
    """

    chain: ChainBackend
    contracts_at: Callable[[BlockRef], ContractsAt]
    account: str
    clock: Callable[[], int]
    _next_at: float = field(default=0.0, init=False)  # by the monotonic clock
    _head: bytes | None = field(default=None, init=False)  # hash of the block that ``last`` is of
    last: ChainStatus | None = field(default=None, init=False)

    def step(self) -> None:
        """Read the status if it is time. Raises Unavailable if the chain does not answer; the last status is kept."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S  # set before reading, so that expire() meanwhile counts
        try:
            eth = self.chain.eth
            head, block = eth.head(), self.chain.final_block()
            seen_at, final = self.clock(), block.number if block else None
            if self.last is not None and head.hash == self._head:
                self.last = replace(self.last, seen_at=seen_at, final=final)
                return
            self.last = ChainStatus(
                seen_at=seen_at,
                head=head.number,
                head_at=head.timestamp,
                final=final,
                account=self.account,
                balance=eth.balance(self.account, head.hash),
                fee=self.chain.fees().max_fee,
                registry=self.contracts_at(head.ref).registry_state(),
            )
            self._head = head.hash
        # The next step looks again at once.
        except BaseException:
            self.expire()
            raise

    def expire(self) -> None:
        """Have the next step read the whole status at once: something is known to have changed."""
        self._next_at = 0.0
        self._head = None
