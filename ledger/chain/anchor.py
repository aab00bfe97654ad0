"""The LogAnchor contract: reads its records, and submits further ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain.contract import contract_abi, read
from ledger.chain.errors import ChainAhead, ChainMismatch
from ledger.chain.eth import BlockId
from ledger.chain.journal import AnchoredHead, ChainWrite, Journal, Purpose, StateChange
from ledger.chain.writer import ChainWriter
from ledger.core.errors import NotFound


@dataclass(frozen=True, slots=True)
class AnchorRecord:
    """Record ``number`` of the contract; 0 is its start: the empty log, or its predecessor's last record."""

    number: int
    root: bytes
    size: int
    block_number: int
    timestamp: int  # unix seconds, of that block


@dataclass(frozen=True, slots=True)
class AnchorRequest:
    """The arguments that the contract checks: that ``head`` continues the last record, and who co-signed it."""

    previous_size: int
    previous_root: bytes  # SHA-256("") at size 0
    head: AnchoredHead
    proof: Sequence[bytes] = ()  # RFC 6962 consistency proof, empty from size 0
    cosignatures: Sequence[bytes] = ()  # 65 bytes each: EIP-712 of ``checkpoint_digest``


class AnchorClient:
    """The contract at ``address``, and the journal of what was anchored."""

    def __init__(self, *, address: str, writer: ChainWriter, journal: Journal):
        self.address = address
        self._abi = contract_abi("LogAnchor")
        self._writer = writer
        self._journal = journal

    def record_count(self, at: BlockId) -> int:
        """Return the number of the last record at the block."""
        count: int = self._read("recordCount", at)
        return count

    def record(self, number: int, at: BlockId) -> AnchorRecord:
        """Return a record. Raises NotFound above the last one."""
        count = self.record_count(at)
        if not 0 <= number <= count:
            raise NotFound(f"expected an anchor record up to {count}, not {number}", field="record")
        root, size, block_number, timestamp = self._read("record", at, number)
        return AnchorRecord(number, root, size, block_number, timestamp)

    def head(self, at: BlockId) -> AnchorRecord:
        """Return the last record at the block."""
        return self.record(self.record_count(at), at)

    def submit(self, request: AnchorRequest) -> ChainWrite:
        """Anchor ``request.head``; the write is in the journal when this returns, and confirmed on the embedded chain.

        Raises CallReverted with the contract's error if it would refuse (HeadMoved, RegistryHashStale,
        QuorumMissing...), and what ``ChainWriter.submit`` raises.
        """
        head = request.head
        data = self._abi.encode_call(
            "anchor",
            request.previous_size,
            request.previous_root,
            head.size,
            head.root,
            head.registry_hash,
            list(request.proof),
            b"".join(request.cosignatures),
        )
        return self._writer.submit(Purpose.ANCHOR, self.address, data, abi=self._abi, anchored=head)

    def refresh(self) -> list[StateChange]:
        """Look up what has become of all chain writes. A stale anchor is sent again."""
        return self._writer.refresh()

    def require_not_ahead(self) -> None:
        """Raise ChainAhead if the chain has an anchor that the journal never signed: the database was rolled back."""
        head = self.head(self._writer.chain.eth.head().hash)
        if head.number == 0:
            return
        roots = {
            write.anchored.root
            for write in self._journal.writes()
            if write.anchored is not None and write.anchored.size == head.size
        }
        if not roots:
            raise ChainAhead(
                f"the chain has anchor {head.number} of size {head.size}, which the journal does not know",
                hint="The database was rolled back. Restore the newest backup; write nothing before.",
            )
        if head.root not in roots:
            raise ChainMismatch(
                f"the chain has another root of size {head.size} (anchor {head.number}) than the journal"
            )

    def _read(self, function: str, at: BlockId, *arguments: object) -> Any:
        return read(self._writer.chain.eth, self._abi, self.address, at, function, *arguments)
