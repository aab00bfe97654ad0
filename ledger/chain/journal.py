"""The journal of chain writes: what we signed for the chain, durable before anybody else receives it.

On the embedded chain the journal is the truth and the node a cache of it: replaying the writes with their timestamps
gives the same block hashes. On any other chain it is used to look up unknown outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ledger.core.trust.trust_file import FinalityRule, TrustedChain


class Purpose(StrEnum):
    """What a transaction was signed for."""

    FACTORY = "factory"
    DEPLOYMENT = "deployment"
    REGISTRY = "registry"
    ANCHOR = "anchor"


class WriteState(StrEnum):
    """The state of a transaction.

    signed -> submitted -> mined -> confirmed; a reorganisation turns mined and confirmed into stale, and the same
    transaction is sent again. Invalid is final: reverted in a final block, refused by the node, or its nonce was used
    by another transaction.
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
    """One signed transaction and its outcome.

    ``block_number`` and ``block_hash`` are set exactly while the transaction is known to be in that block: always for
    mined and confirmed, for invalid if it reverted there, else not. ``block_time`` is set with them once the block is
    final, so that readers need not ask the chain. ``gas_used`` is None if it is in no block, or in a journal of an
    early release.
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
class ChainFingerprint:
    """What distinguishes one chain from all others: many share a chain id, and new Anvils even a genesis block."""

    chain_id: int
    deployment_block_number: int
    deployment_block_hash: bytes  # 32 bytes


@dataclass(frozen=True, slots=True)
class Deployment:
    """The addresses of a ledger's contracts; the code hashes are Keccak-256 of the code on the chain."""

    identity: ChainFingerprint
    registry: str
    anchor: str
    registry_code_hash: bytes
    anchor_code_hash: bytes

    def trusted_chain(self, finality: FinalityRule) -> TrustedChain:
        """Return the deployment as a trust file states it."""
        return TrustedChain(
            chain_id=self.identity.chain_id,
            deployment_block_number=self.identity.deployment_block_number,
            deployment_block_hash="0x" + self.identity.deployment_block_hash.hex(),
            registry=self.registry,
            anchor=self.anchor,
            registry_code_hash="0x" + self.registry_code_hash.hex(),
            anchor_code_hash="0x" + self.anchor_code_hash.hex(),
            finality=finality,
        )


class Journal(Protocol):
    """The store of chain writes; one writer at a time."""

    def append(self, write: ChainWrite) -> None:
        """Append a write; durable when this returns.

        Raises Conflict, with nothing changed, unless ``write.number`` is the last number + 1 and its transaction hash
        is new:
        of two writers one loses.
        """

    def update(self, write: ChainWrite) -> None:
        """Update the state and the block of a stored write; durable when this returns.

        Nothing else of a write ever changes.
        """

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        """Yield the writes numbered above ``after``, in order; each may be updated while the next is awaited."""

    def last(self) -> ChainWrite | None:
        """Return the write of the highest number, or None."""

    def next_nonce(self, sender: str) -> int | None:
        """Return 1 + the sender's highest nonce, ignoring invalid writes without a block; None if there is none."""

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        """Return the write of this transaction, or None."""

    def unsettled(self) -> Sequence[ChainWrite]:
        """Return the signed, submitted, mined and stale writes, in order of number."""

    def last_confirmed(self) -> ChainWrite | None:
        """Return the confirmed write of the highest block number, or None."""
