"""The log of reads: append-only, hash-chained, apart from the log of events.

Who reads a case is recorded before he sees it; if that cannot be written, nothing is read. The chain's head is sealed
into the log of events once a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from ledger.core import canonical
from ledger.core.digest import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store.database import Database, lock_writer, translated
from ledger.store.tables import ACCESS_LOG

FIRST = "blake3:" + "00" * 32  # what the first record follows


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
        with self._lock, self._write() as connection:
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

    def check(self) -> AccessHead:
        """Re-derives the whole chain. Raises IntegrityBroken, naming the first record that does not follow."""
        head = AccessHead(0, FIRST)
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(select(ACCESS_LOG).order_by(ACCESS_LOG.c.number)):
                record = _decoder.decode(row.record)
                follows = (record.number, record.previous) == (head.count, head.digest) == (row.number, head.digest)
                if not follows or row.digest != blake3_text(row.record):
                    raise IntegrityBroken(f"record {head.count} of the log of reads was changed", field="access_log")
                head = AccessHead(head.count + 1, row.digest)
        return head

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with translated(), self._engine.connect().execution_options(immediate=True) as connection, connection.begin():
            lock_writer(connection)
            yield connection


def _head(connection: Connection) -> AccessHead:
    query = select(ACCESS_LOG.c.number, ACCESS_LOG.c.digest).order_by(ACCESS_LOG.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return AccessHead(row.number + 1, row.digest) if row else AccessHead(0, FIRST)
