"""The log of reads: append-only, hash-chained, apart from the log of events.

Who reads a case is recorded before he sees it; if that cannot be written, nothing is read. The chain's head is sealed
into the log of events once a day.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select

from ledger.core import canonical
from ledger.core.digest import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store.access_tables import ACCESS_LOG
from ledger.store.database import Database, WriterLock, translated, writing

FIRST = "blake3:" + "00" * 32  # what the first record follows
PAGE = 1000  # records fetched at a time when the chain is checked


class Read(Struct, frozen=True, omit_defaults=True):
    """What was read by whom. ``read_at`` is in unix milliseconds; ``ground`` says why, where a ground is asked for."""

    agency: str
    officer: str
    key_id: str
    what: str
    read_at: int
    case_id: str | None = None
    ground: str | None = None


class _Record(Struct, frozen=True):
    number: int
    previous: str
    read: Read


_decoder = msgspec.json.Decoder(_Record)


class Recorded(Struct, frozen=True):
    """A read with its place in the log of reads."""

    number: int
    read: Read


class AccessHead(Struct, frozen=True):
    """Where the log of reads stands: how many records, and the digest of the last one."""

    count: int
    digest: str


class AccessLog:
    """Appends and checks the log of reads."""

    def __init__(self, database: Database):
        self._engine = database.access
        self._lock = Lock()

    def append(self, *reads: Read) -> AccessHead:
        """Records reads. When this returns they are durable; raises Unavailable where they cannot be."""
        with self._lock, translated(), writing(self._engine, WriterLock.ACCESS) as connection:
            head = _head(connection)
            rows = []
            for number, read in enumerate(reads, head.count):
                record = canonical.encode(_Record(number, head.digest, read))
                head = AccessHead(number + 1, blake3_text(record))
                rows.append(
                    {
                        "number": number,
                        "record": record,
                        "digest": head.digest,
                        "agency": read.agency,
                        "case_id": read.case_id,
                        "read_at": read.read_at,
                    }
                )
            if rows:
                connection.execute(ACCESS_LOG.insert(), rows)
            return head

    def head(self) -> AccessHead:
        """What ``access.sealed`` seals."""
        with translated(), self._engine.connect() as connection:
            return _head(connection)

    def read_at(self, number: int) -> int | None:
        """When a record was made, in unix milliseconds; None where there is no such record."""
        with translated(), self._engine.connect() as connection:
            query = select(ACCESS_LOG.c.read_at).where(ACCESS_LOG.c.number == number)
            at: int | None = connection.execute(query).scalar()
        return at

    def since(self, after: int, limit: int, *, case_id: str | None = None) -> list[Recorded]:
        """The records of a number above ``after``, at most ``limit``; those of one case alone if it is given."""
        query = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.number > after)
        if case_id is not None:
            query = query.where(ACCESS_LOG.c.case_id == case_id)
        with translated(), self._engine.connect() as connection:
            records = connection.execute(query.order_by(ACCESS_LOG.c.number).limit(limit)).scalars()
            return [Recorded(found.number, found.read) for found in map(_decoder.decode, records)]

    def latest(
        self, case_id: str, limit: int, *, before: int | None = None, agency: str | None = None
    ) -> list[Recorded]:
        """The last records of a case, of a number below ``before``, the newest first; one agency's alone if given."""
        query = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.case_id == case_id)
        if before is not None:
            query = query.where(ACCESS_LOG.c.number < before)
        if agency is not None:
            query = query.where(ACCESS_LOG.c.agency == agency)
        with translated(), self._engine.connect() as connection:
            records = connection.execute(query.order_by(ACCESS_LOG.c.number.desc()).limit(limit)).scalars()
            return [Recorded(found.number, found.read) for found in map(_decoder.decode, records)]

    def check(self) -> AccessHead:
        """Re-derives the whole chain. Raises IntegrityBroken, naming the first record that does not follow."""
        head = AccessHead(0, FIRST)
        query = select(ACCESS_LOG).order_by(ACCESS_LOG.c.number).execution_options(yield_per=PAGE)
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(query):
                if not _follows(row, head):
                    raise IntegrityBroken(f"record {head.count} of the log of reads was changed", field="access_log")
                head = AccessHead(head.count + 1, row.digest)
        return head


def _follows(row: Row[Any], head: AccessHead) -> bool:
    """Whether the record is whole, stands right behind ``head``, and its columns say what it says."""
    if not isinstance(row.record, bytes):  # SQLite keeps a text in a column of bytes if somebody puts one there
        return False
    if row.number != head.count or row.digest != blake3_text(row.record):
        return False
    try:
        record = _decoder.decode(row.record)
    except msgspec.DecodeError:
        return False
    read = record.read
    columns = (row.agency, row.case_id, row.read_at)
    return (record.number, record.previous) == (head.count, head.digest) and columns == (
        read.agency,
        read.case_id,
        read.read_at,
    )


def _head(connection: Connection) -> AccessHead:
    query = select(ACCESS_LOG.c.number, ACCESS_LOG.c.digest).order_by(ACCESS_LOG.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return AccessHead(row.number + 1, row.digest) if row else AccessHead(0, FIRST)
