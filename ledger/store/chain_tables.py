"""The tables of what was written to the chain, and of what proves that."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field

from ledger.store.tables import StoreTable, big, binary, core_of, text


class ChainWritesTable(StoreTable):
    """The journal of chain writes (``ledger.chain.journal``).

    ``anchor_number`` counts the confirmed anchors from 1, without a gap; no other write has one.
    """

    __table_args__ = (
        Index("ix_chain_writes_sender", "sender", "nonce"),
        Index("ix_chain_writes_block", "state", "block_number", "number"),
        Index("ix_chain_writes_anchor", "purpose", "state", "number"),
        Index("ix_chain_writes_anchored", "state", "anchored_size", "number"),
    )

    number: int = Field(sa_column=big(primary_key=True))
    purpose: str
    chain_id: int = Field(sa_column=big())
    sender: str
    nonce: int = Field(sa_column=big())
    raw_transaction: bytes = Field(sa_column=binary())
    transaction_hash: bytes = Field(sa_column=binary(unique=True))
    timestamp: int = Field(sa_column=big(), description="unix seconds")
    state: str
    block_number: int | None = Field(default=None, sa_column=big(nullable=True))
    block_hash: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    anchored_size: int | None = Field(default=None, sa_column=big(nullable=True))
    anchored_root: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    anchored_registry_hash: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    block_time: int | None = Field(default=None, sa_column=big(nullable=True))
    anchor_number: int | None = Field(default=None, sa_column=big(nullable=True))
    gas_used: int | None = Field(default=None, sa_column=big(nullable=True))


class AnchorStatesTable(StoreTable):
    """The header of a final block whose state proves a chain write, which was then in block ``anchored_in``.

    ``block_note`` has the signatures of witnesses that vouch for the header's block.
    """

    write_number: int = Field(sa_column=big(primary_key=True))
    anchored_in: bytes = Field(sa_column=binary())
    header: bytes = Field(sa_column=binary())
    block_note: str | None = Field(default=None, sa_column=text(nullable=True))


class TrieNodesTable(StoreTable):
    """A node of the chain's tries under its Keccak-256."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    hash: bytes = Field(sa_column=binary(primary_key=True))
    node: bytes = Field(sa_column=binary())


CHAIN_WRITES = core_of(ChainWritesTable)
ANCHOR_STATES = core_of(AnchorStatesTable)
TRIE_NODES = core_of(TrieNodesTable)
