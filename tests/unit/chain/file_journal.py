"""A journal in a file, the second implementation of the Protocol beside the database's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from ledger.chain.journal import SETTLED, ChainWrite, WriteState
from ledger.core.errors import Conflict


class FileJournal:
    """One JSON line per append or update, synced before it counts; the last line of a number holds."""

    def __init__(self, path: Path):
        self.path = path
        self._writes: dict[int, ChainWrite] = {}
        if path.exists():
            for line in path.read_bytes().splitlines():
                write = msgspec.json.decode(line, type=ChainWrite)
                self._writes[write.number] = write

    def append(self, write: ChainWrite) -> None:
        if write.number != len(self._writes) + 1 or self.find(write.transaction_hash):
            raise Conflict(f"write {write.number} is not the next of the journal")
        self._store(write)

    def update(self, write: ChainWrite) -> None:
        outcome = replace(
            self._writes[write.number],
            state=write.state,
            block_number=write.block_number,
            block_hash=write.block_hash,
            block_time=write.block_time,
            gas_used=write.gas_used,
        )
        self._store(outcome)

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        for number in range(after + 1, len(self._writes) + 1):
            yield self._writes[number]

    def last(self) -> ChainWrite | None:
        return self._writes.get(len(self._writes))

    def next_nonce(self, sender: str) -> int | None:
        nonces = [write.nonce for write in self._writes.values() if write.sender == sender and _counts(write)]
        return max(nonces) + 1 if nonces else None

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        return next((write for write in self._writes.values() if write.transaction_hash == transaction_hash), None)

    def unsettled(self) -> list[ChainWrite]:
        return [write for write in self.writes() if write.state not in SETTLED]

    def last_confirmed(self) -> ChainWrite | None:
        confirmed = [write for write in self._writes.values() if write.state is WriteState.CONFIRMED]
        return max(confirmed, key=lambda write: write.block_number or 0, default=None)

    def _store(self, write: ChainWrite) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(write) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._writes[write.number] = write


def _counts(write: ChainWrite) -> bool:
    return write.state is not WriteState.INVALID or write.block_number is not None
