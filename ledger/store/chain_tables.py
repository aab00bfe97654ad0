"""The tables of the chain: the journal of what was sent to it, and what proves its anchors."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from ledger.store.columns import big, binary, core_of


class ChainWriteRow(SQLModel, table=True):
    """The journal of chain writes (``ledger.chain.journal``).

    ``anchor_number`` counts the confirmed anchors from 1, without a gap; no other write has one.
    """

    __tablename__ = "chain_writes"
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
    transaction_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    timestamp: int = Field(sa_column=big(), description="unix seconds")
    state: str
    block_number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    block_hash: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    anchored_size: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    anchored_root: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    anchored_registry_hash: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    block_time: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    anchor_number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    gas_used: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class AnchorStateRow(SQLModel, table=True):
    """The header of a final block whose state proves the anchor of a chain write, then in block ``anchored_in``.

    ``block_note`` is what witnesses have signed to vouch for that block.
    """

    __tablename__ = "anchor_states"

    write_number: int = Field(sa_column=big(primary_key=True))
    anchored_in: bytes = Field(sa_column=binary())
    header: bytes = Field(sa_column=binary())
    block_note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class TrieNodeRow(SQLModel, table=True):
    """A node of the chain's tries under its Keccak-256."""

    __tablename__ = "trie_nodes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, primary_key=True))
    node: bytes = Field(sa_column=binary())


CHAIN_WRITES = core_of(ChainWriteRow)
ANCHOR_STATES = core_of(AnchorStateRow)
TRIE_NODES = core_of(TrieNodeRow)
