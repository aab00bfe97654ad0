"""The tables of notices, and of what officers chose about them."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from ledger.store.tables import NO_CASE, StoreTable, big, core_of, text


class Notice(SQLModel):
    """What is new for an agency, or for one ``officer`` of it, derived from the log and from warnings.

    It refers and tells nothing: who may see it is asked when it is shown or sent. ``topic`` is what officers choose by,
    ``kind`` what happened, ``subject`` the id of the handover, letter, lead, recommendation or discrepancy, or what the
    clock ``deadline_id`` is of. ``word`` is its purpose, kind or clock, ``until`` (RFC 3339) by when; of a clock
    ``last_day`` and ``at_end`` are those of its warning.
    """

    agency: str
    officer: str | None = None
    topic: str
    kind: str
    case_id: str = NO_CASE
    subject: str
    deadline_id: str | None = None
    word: str | None = None
    by_agency: str | None = None
    until: str | None = None
    last_day: str | None = None
    at_end: str | None = None
    days: int | None = None
    made_at: int = Field(sa_column=big(), description="unix milliseconds")


class NoticesTable(Notice, StoreTable):
    """The notices. ``number`` counts from 1, without a gap but for those that were too old to keep."""

    __table_args__ = (
        Index("ix_notices_agency", "agency", "number"),
        Index("ix_notices_officer", "agency", "officer", "number"),
        Index("ix_notices_made_at", "made_at"),
    )

    number: int = Field(sa_column=big(primary_key=True))


class NoticeReadsTable(StoreTable):
    """A notice that an officer has read, above the number up to which he has read all."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    agency: str = Field(primary_key=True)
    officer: str = Field(primary_key=True)
    number: int = Field(sa_column=big(primary_key=True))


class SubscribersTable(StoreTable):
    """What an officer chose about notices, his address for mail, and how far mail has come; times in unix milliseconds.

    A preference and no evidence: it goes with the officer's last key. ``key_id`` is the key that gave the address: mail
    is for that key alone and ends with it. ``confirmation`` seals officer, address and key together once he has opened
    the link that was sent there; without it nothing else is sent. ``to_confirm`` is when he asked for that link, until
    it is sent. ``former`` is the confirmation of the address before, until that one has its last message. By topic,
    ``mailed`` has the number behind which mail goes on, whatever its rhythm. ``once_to`` and ``daily_to`` are where the
    message ends that is being sent, so that it is the same when it is sent again. Until ``next_try_at`` no other
    process sends.
    """

    agency: str = Field(primary_key=True)
    officer: str = Field(primary_key=True)
    language: str
    choices: str = Field(sa_column=text())
    read_up_to: int = Field(sa_column=big())
    address: str | None = Field(default=None, index=True)
    key_id: str | None = None
    confirmation: str | None = Field(default=None, sa_column=text(nullable=True))
    former: str | None = Field(default=None, sa_column=text(nullable=True))
    to_confirm: int | None = Field(default=None, sa_column=big(nullable=True))
    asked: int = Field(description="links asked for since ``asked_since``, against which the limit counts")
    asked_since: int = Field(sa_column=big())
    mailed: str = Field(sa_column=text())
    once_to: int | None = Field(default=None, sa_column=big(nullable=True))
    daily_to: int | None = Field(default=None, sa_column=big(nullable=True))
    sent_at: int | None = Field(default=None, sa_column=big(nullable=True))
    failures: int
    last_error: str | None = None
    next_try_at: int = Field(sa_column=big())


NOTICES = core_of(NoticesTable)
NOTICE_READS = core_of(NoticeReadsTable)
SUBSCRIBERS = core_of(SubscribersTable)
