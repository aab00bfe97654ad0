"""The table of the log of reads, a store of its own."""

from __future__ import annotations

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ledger.store.columns import big, binary, core_of


class AccessBase(SQLModel, registry=registry()):
    """The log of reads lives apart from the log of events: reading must not wait for the sequencer."""


class AccessRow(AccessBase, table=True):
    """One read of something with a payload; ``digest`` chains it to the one before.

    Without an ``agency``, at the time 0, it is no read, but how far the bindings of the log's database had come.
    """

    __tablename__ = "access_log"

    number: int = Field(sa_column=big(primary_key=True))
    record: bytes = Field(sa_column=binary())
    digest: str
    agency: str | None = Field(default=None, index=True)
    case_id: str | None = Field(default=None, index=True)
    read_at: int = Field(sa_column=big(), description="unix milliseconds")


ACCESS_LOG = core_of(AccessRow)
