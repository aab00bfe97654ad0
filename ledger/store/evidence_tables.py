"""The tables of files that are kept for items, and of checks of them."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field

from ledger.store.tables import StoreTable, big, binary, core_of


class EvidenceFilesTable(StoreTable):
    """A file in the evidence store by its BLAKE3 ``digest``; ``sm3`` is null unless it was asked for.

    ``name`` is the folder of its objects there, ``sealed_key`` its own key under that of the store, ``key_id``. The
    file is kept once, for however many items. Times are in unix milliseconds.
    """

    digest: str = Field(primary_key=True)
    sha256: str = Field(index=True)
    sm3: str | None = None
    name: str
    size: int = Field(sa_column=big(), description="bytes")
    sealed_key: bytes = Field(sa_column=binary())
    key_id: str
    kept_at: int = Field(sa_column=big())


class ItemFilesTable(StoreTable):
    """A file that is kept for an item: ``officer`` of ``agency`` gave it, under the digest ``recorded`` of the item."""

    case_id: str = Field(primary_key=True)
    item_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True, index=True)
    recorded: str
    agency: str = Field(index=True)
    officer: str
    kept_at: int = Field(sa_column=big())


class FileChecksTable(StoreTable):
    """A file that was, or is to be, read and hashed again because of an event, at its ``log_index``.

    ``before`` is the digest of the record, ``after`` that of the bytes that were read; both are null until then, and
    ``after`` for good where the file was not whole. ``outcome`` is intact, damaged, missing or unreadable; gone for a
    file that was destroyed before, or because of the event. ``reported_at`` is when the incident was recorded, if the
    outcome is one. Times are in unix milliseconds.
    """

    __table_args__ = (Index("ix_file_checks_due", "checked_at", "log_index"),)

    case_id: str = Field(primary_key=True)
    item_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    event_type: str
    log_index: int = Field(sa_column=big())
    checked_at: int | None = Field(default=None, sa_column=big(nullable=True))
    outcome: str | None = None
    before: str | None = None
    after: str | None = None
    reported_at: int | None = Field(default=None, sa_column=big(nullable=True))


class FilesToDeleteTable(StoreTable):
    """A file of which the store has nothing any more but objects, below its ``name``: they are to be deleted.

    ``since`` is in unix milliseconds.
    """

    name: str = Field(primary_key=True)
    since: int = Field(sa_column=big())


EVIDENCE_FILES = core_of(EvidenceFilesTable)
ITEM_FILES = core_of(ItemFilesTable)
FILE_CHECKS = core_of(FileChecksTable)
FILES_TO_DELETE = core_of(FilesToDeleteTable)
