"""The journal of chain writes: what we signed for the chain, durable before anybody else hears of it.

On the embedded chain the journal is the truth and the node a cache of it: replaying the writes with their timestamps
gives the same block hashes. On any other chain it is what an unknown outcome is looked up by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """Why a transaction was signed."""

    FACTORY = "factory"
    DEPLOYMENT = "deployment"
    REGISTRY = "registry"
    ANCHOR = "anchor"


class WriteState(StrEnum):
    """Where a transaction stands.

    signed -> submitted -> mined -> confirmed; a reorganisation takes mined and confirmed to stale, from where the same
    transaction is sent again. Invalid is for good: reverted in a final block, refused by the node, or its nonce went
    to another transaction.
    """

    SIGNED = "signed"
    SUBMITTED = "submitted"
    MINED = "mined"
    CONFIRMED = "confirmed"
    STALE = "stale"
    INVALID = "invalid"


SETTLED = frozenset({WriteState.CONFIRMED, WriteState.INVALID})


@dataclass(frozen=True, slots=True)
class AnchoredHead:
    """What one anchor commits to: the log's ``size`` and ``root`` and the registry hash that the log mirrors."""

    size: int
    root: bytes  # 32 bytes
    registry_hash: bytes  # 32 bytes


@dataclass(frozen=True, slots=True)
class ChainWrite:
    """One signed transaction and what became of it.

    ``block_number`` and ``block_hash`` are there exactly while the transaction is known to be in that block: with
    mined and confirmed always, with invalid where it reverted there, else not. ``block_time`` is the time of that
    block, kept with it as soon as it is final: whoever reads need not ask the chain. ``gas_used`` is what the
    block says that it took, None where it is in no block, or was before journals kept it.
    """

    number: int  # from 1, without gaps
    purpose: Purpose
    chain_id: int
    sender: str  # 0x and lower-case hex, like every address here
    nonce: int
    raw_transaction: bytes
    transaction_hash: bytes  # 32 bytes
    timestamp: int  # unix seconds: of the block on the embedded chain, of the signing elsewhere
    state: WriteState = WriteState.SIGNED
    block_number: int | None = None
    block_hash: bytes | None = None  # 32 bytes
    block_time: int | None = None  # unix seconds
    gas_used: int | None = None
    anchored: AnchoredHead | None = None  # with purpose anchor, and only then


@dataclass(frozen=True, slots=True)
class StateChange:
    """A write that moved on: the state it left, the write as the journal has it now, and a reason for a person."""

    previous: WriteState
    write: ChainWrite
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """What tells one chain from every other: many share a chain id, and fresh Anvils even a genesis block."""

    chain_id: int
    deployment_block_number: int
    deployment_block_hash: bytes  # 32 bytes


class Journal(Protocol):
    """Where chain writes are kept; one writer at a time."""

    def append(self, write: ChainWrite) -> None:
        """When this returns, ``write`` is durable.

        Raises Conflict, with nothing changed, unless ``write.number`` is the last number + 1 and its transaction hash
        is new: of two writers one loses.
        """

    def update(self, write: ChainWrite) -> None:
        """When this returns, the stored write of this number has the state and the block of ``write``.

        Durable like ``append``. Nothing else of a write ever changes.
        """

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        """All writes of a number above ``after``, in order of number; each may be updated while the next is awaited."""

    def last(self) -> ChainWrite | None:
        """The write of the highest number."""

    def next_nonce(self, sender: str) -> int | None:
        """1 + the highest nonce of the sender's writes, those aside that are invalid without a block; None if none."""

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        """The write of this transaction."""

    def unsettled(self) -> Sequence[ChainWrite]:
        """The signed, submitted, mined and stale writes, in order of number."""

    def last_confirmed(self) -> ChainWrite | None:
        """The confirmed write of the highest block number."""
