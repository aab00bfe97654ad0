"""The table of the log of reads, a store of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store.bindings import BindingHead
from ledger.store.database import Database, WriterLock, translated, writing
from ledger.store.tables import big, binary, core_of


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


FIRST = "blake3:" + "00" * 32  # what the first record follows
PAGE = 1000  # records fetched at a time when the chain is checked


class Read(Struct, frozen=True, omit_defaults=True):
    """What was read by whom. ``read_at`` is in unix milliseconds; ``ground`` says why, where a ground is asked for.

    ``supervision`` says that it was read for a lead, a model, a correlation or a recommendation.
    """

    agency: str
    officer: str
    key_id: str
    what: str
    read_at: int
    case_id: str | None = None
    ground: str | None = None
    supervision: bool = False


class _Record(Struct, frozen=True, omit_defaults=True):
    number: int
    previous: str
    read: Read | None = None
    bindings: BindingHead | None = None


_decoder = decoder_of(_Record)
_BINDINGS = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.agency.is_(None))
_READS = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.agency.is_not(None))


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
            for read in reads:
                head, row = _behind(head, _Record(head.count, head.digest, read))
                rows.append(row | {"agency": read.agency, "case_id": read.case_id, "read_at": read.read_at})
            if rows:
                connection.execute(ACCESS_LOG.insert(), rows)
            return head

    def append_bindings(self, bindings: BindingHead) -> AccessHead:
        """Records how far the bindings have come, unless the last record that does says the same; durable then."""
        with self._lock, translated(), writing(self._engine, WriterLock.ACCESS) as connection:
            head = _head(connection)
            if _last_bindings(connection) == bindings:
                return head
            head, row = _behind(head, _Record(head.count, head.digest, bindings=bindings))
            connection.execute(ACCESS_LOG.insert().values(**row, agency=None, case_id=None, read_at=0))
            return head

    def last_bindings(self) -> BindingHead:
        """How far the bindings had come when that was recorded last."""
        with translated(), self._engine.connect() as connection:
            return _last_bindings(connection)

    def binding_heads(self) -> list[BindingHead]:
        """How far the bindings had come, by each record that says so."""
        with translated(), self._engine.connect() as connection:
            return list(_binding_heads(connection, _BINDINGS.order_by(ACCESS_LOG.c.number)))

    def head(self) -> AccessHead:
        """What ``access.sealed`` seals."""
        with translated(), self._engine.connect() as connection:
            return _head(connection)

    def read_at(self, since: int) -> int | None:
        """When the first read of those from the number ``since`` on was, in unix milliseconds; None without one."""
        query = select(ACCESS_LOG.c.read_at).where(ACCESS_LOG.c.number >= since, ACCESS_LOG.c.agency.is_not(None))
        with translated(), self._engine.connect() as connection:
            at: int | None = connection.execute(query.order_by(ACCESS_LOG.c.number).limit(1)).scalar()
        return at

    def since(self, after: int, limit: int, *, case_id: str | None = None) -> list[Recorded]:
        """The records of a number above ``after``, at most ``limit``; those of one case alone if it is given."""
        query = _READS.where(ACCESS_LOG.c.number > after)
        if case_id is not None:
            query = query.where(ACCESS_LOG.c.case_id == case_id)
        with translated(), self._engine.connect() as connection:
            records = connection.execute(query.order_by(ACCESS_LOG.c.number).limit(limit)).scalars()
            return [*_reads(records)]

    def latest(
        self, case_id: str, limit: int, *, before: int | None = None, agency: str | None = None
    ) -> list[Recorded]:
        """The last records of a case, of a number below ``before``, the newest first; one agency's alone if given."""
        query = _READS.where(ACCESS_LOG.c.case_id == case_id)
        if before is not None:
            query = query.where(ACCESS_LOG.c.number < before)
        if agency is not None:
            query = query.where(ACCESS_LOG.c.agency == agency)
        with translated(), self._engine.connect() as connection:
            records = connection.execute(query.order_by(ACCESS_LOG.c.number.desc()).limit(limit)).scalars()
            return [*_reads(records)]

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
    if (record.number, record.previous) != (head.count, head.digest):
        return False
    columns, read = (row.agency, row.case_id, row.read_at), record.read
    if read is None:
        return columns == (None, None, 0)
    return columns == (read.agency, read.case_id, read.read_at)


def _behind(head: AccessHead, record: _Record) -> tuple[AccessHead, dict[str, Any]]:
    """The head with this record, and what its row has of it."""
    data = canonical.encode(record)
    return AccessHead(head.count + 1, blake3_text(data)), {
        "number": head.count,
        "record": data,
        "digest": blake3_text(data),
    }


def _reads(records: Iterable[bytes]) -> Iterator[Recorded]:
    for record in map(_decoder.decode, records):
        if record.read is not None:
            yield Recorded(record.number, record.read)


def _binding_heads(connection: Connection, query: Select[Any]) -> Iterator[BindingHead]:
    for record in connection.execute(query).scalars():
        try:
            bindings = _decoder.decode(record).bindings
        except msgspec.DecodeError:  # for the check of the chain to name
            continue
        if bindings is not None:
            yield bindings


def _last_bindings(connection: Connection) -> BindingHead:
    newest = _BINDINGS.order_by(ACCESS_LOG.c.number.desc()).limit(1)
    return next(_binding_heads(connection, newest), BindingHead(0, FIRST))


def _head(connection: Connection) -> AccessHead:
    query = select(ACCESS_LOG.c.number, ACCESS_LOG.c.digest).order_by(ACCESS_LOG.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return AccessHead(row.number + 1, row.digest) if row else AccessHead(0, FIRST)
