"""A journal in memory, the second implementation of the Protocol beside the database's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.chain.journal import SETTLED, ChainWrite, WriteState
from ledger.core.errors import Conflict


class MemoryJournal:
    """Begins with ``writes``: another journal's make it a backup of that one, edited ones a forgery."""

    def __init__(self, writes: Iterable[ChainWrite] = ()):
        self._writes = {write.number: write for write in writes}

    def append(self, write: ChainWrite) -> None:
        if write.number != len(self._writes) + 1 or self.find(write.transaction_hash):
            raise Conflict(f"write {write.number} is not the next of the journal")
        self.update(write)

    def update(self, write: ChainWrite) -> None:
        self._writes[write.number] = write

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        for number in range(after + 1, len(self._writes) + 1):
            yield self._writes[number]

    def last(self) -> ChainWrite | None:
        return self._writes.get(len(self._writes))

    def next_nonce(self, sender: str) -> int | None:
        counted = (write for write in self.writes() if write.state is not WriteState.INVALID or write.block_number)
        nonces = [write.nonce for write in counted if write.sender == sender]
        return max(nonces) + 1 if nonces else None

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        return next((write for write in self.writes() if write.transaction_hash == transaction_hash), None)

    def unsettled(self) -> list[ChainWrite]:
        return [write for write in self.writes() if write.state not in SETTLED]

    def last_confirmed(self) -> ChainWrite | None:
        confirmed = [write for write in self.writes() if write.state is WriteState.CONFIRMED]
        return max(confirmed, key=lambda write: write.block_number or 0, default=None)
