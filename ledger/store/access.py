"""Access: the log of who read which case, in a store of its own, and the sign-ins that wait for their signature."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, MetaData, Select, delete, func, insert, select
from sqlmodel import Field

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.messages import Message
from ledger.store.bindings import FIRST, BindingHead, ChainedRecord, following
from ledger.store.connections import WriterLock, translated, writing
from ledger.store.database import Database, where_set
from ledger.store.tables import CHALLENGES, StoreTable, big, binary, core_of


class AccessBase(StoreTable):
    """The access log's own schema: it is kept apart so that reading never waits for the sequencer."""

    metadata: ClassVar[MetaData] = MetaData()


class AccessLogTable(AccessBase):
    """One read of something with a payload; ``digest`` chains it to the one before.

    A row without an ``agency``, at the time 0, is no read: it records the head of the row bindings.
    """

    number: int = Field(sa_column=big(primary_key=True))
    record: bytes = Field(sa_column=binary())
    digest: str
    agency: str | None = Field(default=None, index=True)
    case_id: str | None = Field(default=None, index=True)
    read_at: int = Field(sa_column=big(), description="unix milliseconds")


ACCESS_LOG = core_of(AccessLogTable)


PAGE = 1000  # records fetched at a time when the chain is checked
# Challenges from the oldest that waits to the newest; a flood of requests must not fill the disk. Numbers tell it by
# two looks into an index; counting rows took longer the more there were, while everything else waited for the lock.
MAX_WAITING_CHALLENGES = 100_000
_FIRST_NUMBER, _LAST_NUMBER = select(func.min(CHALLENGES.c.number)), select(func.max(CHALLENGES.c.number))


class Read(Struct, frozen=True, omit_defaults=True):
    """A read: what was read, by whom, and when (``read_at``, unix milliseconds).

    ``what`` is the id of a message, and ``slots`` fill it (``Message.packed``): readers get it in their language.

    ``ground`` is the reason, where one is required. ``supervision`` marks reads for a lead, a model, a correlation or a
    recommendation, and those by an agency that supervises and had no other part in the case when it read. ``lead_id``
    is the lead that is assigned to the officer, if he sees the case only because of that. ``provider`` is the issuer of
    the identity provider that vouched for him; without it he signed in with the key. ``sections``: what was shown has
    confidential sections, or names from them.
    """

    agency: str
    officer: str
    key_id: str
    what: str
    read_at: int
    case_id: str | None = None
    ground: str | None = None
    supervision: bool = False
    lead_id: str | None = None
    slots: dict[str, Any] = {}
    provider: str | None = None
    sections: bool = False

    @property
    def subject(self) -> Message:
        """Return what was read, as a message."""
        return Message.unpacked({"id": self.what, "slots": self.slots})


class _Record(ChainedRecord, frozen=True):
    read: Read | None = None
    bindings: BindingHead | None = None


_decoder = decoder_of(_Record)
_BINDINGS = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.agency.is_(None))
_READS = select(ACCESS_LOG.c.record).where(ACCESS_LOG.c.agency.is_not(None))


class RecordedRead(Struct, frozen=True):
    """A read with its number in the access log."""

    number: int
    read: Read


class AccessHead(Struct, frozen=True):
    """The state of the access log: how many records, and the digest of the last one."""

    count: Annotated[int, Meta(ge=0, lt=2**53)]
    digest: str


class AccessLog:
    """Appends to and checks the access log."""

    def __init__(self, database: Database):
        self._engine = database.access
        self._copies = database.copies
        # Threads of this process queue here and not at the database, where each would hold a connection.
        self._lock = Lock()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock, translated(), writing(self._engine, WriterLock.ACCESS, self._copies) as connection:
            yield connection

    def append(self, *reads: Read) -> AccessHead:
        """Record reads and return the new head; durable when this returns. Raises Unavailable."""
        with self._writing() as connection:
            # Read under the lock: of two records behind one head, one would break the chain.
            return _append(connection, _head(connection), *reads)

    def append_bindings(self, bindings: BindingHead) -> AccessHead:
        """Record the head of the row bindings, unless the last record of it is the same; durable when this returns."""
        with self._writing() as connection:
            head = _head(connection)
            # A ledger at rest must not grow: a record calls for a seal, and a seal would bring a record.
            if _last_bindings(connection) == bindings:
                return head
            return _append(connection, head, bindings)

    def last_bindings(self) -> BindingHead:
        """Return the head of the row bindings that was recorded last."""
        with translated(), self._engine.connect() as connection:
            return _last_bindings(connection)

    def binding_heads(self) -> list[BindingHead]:
        """Return each head of the row bindings that was recorded, in order."""
        with translated(), self._engine.connect() as connection:
            return list(_binding_heads(connection, _BINDINGS.order_by(ACCESS_LOG.c.number)))

    def head(self) -> AccessHead:
        """Return the head, which ``access.sealed`` seals."""
        with translated(), self._engine.connect() as connection:
            return _head(connection)

    def digest_after(self, count: int) -> str | None:
        """Return the digest that the log had after ``count`` records; None if it has fewer."""
        with translated(), self._engine.connect() as connection:
            return connection.execute(select(ACCESS_LOG.c.digest).where(ACCESS_LOG.c.number == count - 1)).scalar()

    def read_at(self, since: int) -> int | None:
        """Return when the first read with a number from ``since`` on happened, in unix milliseconds, or None."""
        query = select(ACCESS_LOG.c.read_at).where(ACCESS_LOG.c.number >= since, ACCESS_LOG.c.agency.is_not(None))
        with translated(), self._engine.connect() as connection:
            at: int | None = connection.execute(query.order_by(ACCESS_LOG.c.number).limit(1)).scalar()
        return at

    def since(
        self, after: int, limit: int, *, before: int | None = None, case_id: str | None = None
    ) -> list[RecordedRead]:
        """Return at most ``limit`` records numbered above ``after`` and below ``before``, of one case if given."""
        query = where_set(_READS.where(ACCESS_LOG.c.number > after), case_id=case_id)
        if before is not None:
            query = query.where(ACCESS_LOG.c.number < before)
        return self._reads(query.order_by(ACCESS_LOG.c.number).limit(limit))

    def latest(
        self, case_id: str, limit: int, *, before: int | None = None, agency: str | None = None
    ) -> list[RecordedRead]:
        """Return a case's last records, newest first: those numbered below ``before``, of one ``agency`` if given."""
        query = where_set(_READS, case_id=case_id, agency=agency)
        if before is not None:
            query = query.where(ACCESS_LOG.c.number < before)
        return self._reads(query.order_by(ACCESS_LOG.c.number.desc()).limit(limit))

    def _reads(self, query: Select[Any]) -> list[RecordedRead]:
        with translated(), self._engine.connect() as connection:
            records = map(_decoder.decode, connection.execute(query).scalars())
            return [RecordedRead(record.number, record.read) for record in records if record.read is not None]

    def check(self) -> AccessHead:
        """Derive the whole chain again and return its head.

        Raises IntegrityBroken, naming the first record that does not follow.
        """
        head = AccessHead(0, FIRST)
        # Streamed: the log of reads may be larger than memory.
        query = select(ACCESS_LOG).order_by(ACCESS_LOG.c.number).execution_options(yield_per=PAGE)
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(query):
                record = following(row, head.count, head.digest, _decoder)
                if record is None or any(getattr(row, name) != value for name, value in _columns(record.read).items()):
                    raise IntegrityBroken(
                        "record {count} of the log of reads was changed", count=head.count, field="access_log"
                    )
                head = AccessHead(head.count + 1, row.digest)
        return head


def _columns(read: Read | None) -> dict[str, Any]:
    """Return the columns that repeat fields of a read, or those of a record that is no read."""
    if read is None:
        return {"agency": None, "case_id": None, "read_at": 0}
    return {"agency": read.agency, "case_id": read.case_id, "read_at": read.read_at}


def _append(connection: Connection, head: AccessHead, *parts: Read | BindingHead) -> AccessHead:
    """Write a record for each of these behind ``head``, and return the head after them."""
    rows = []
    for part in parts:
        read, bindings = (part, None) if isinstance(part, Read) else (None, part)
        # Canonical, because the next record's ``previous`` is the digest of these bytes.
        record = canonical.encode(_Record(head.count, head.digest, read, bindings))
        rows.append({"number": head.count, "record": record, "digest": blake3_text(record), **_columns(read)})
        head = AccessHead(head.count + 1, rows[-1]["digest"])
    if rows:
        connection.execute(ACCESS_LOG.insert(), rows)
    return head


def _binding_heads(connection: Connection, query: Select[Any]) -> Iterator[BindingHead]:
    heads = (binding_head_of(record) for record in connection.execute(query).scalars())
    yield from (head for head in heads if head is not None)


def binding_head_of(record: bytes) -> BindingHead | None:
    """Return the head of the row bindings that a record has, None if it is of a read or cannot be read."""
    try:
        return _decoder.decode(record).bindings
    except msgspec.DecodeError:  # for the check of the chain to name
        return None


def _last_bindings(connection: Connection) -> BindingHead:
    newest = _BINDINGS.order_by(ACCESS_LOG.c.number.desc()).limit(1)
    return next(_binding_heads(connection, newest), BindingHead(0, FIRST))


_LAST = select(ACCESS_LOG.c.number, ACCESS_LOG.c.digest).order_by(ACCESS_LOG.c.number.desc()).limit(1)


def _head(connection: Connection) -> AccessHead:
    row = connection.execute(_LAST).first()
    return AccessHead(row.number + 1, row.digest) if row else AccessHead(0, FIRST)


class Challenge(Struct, frozen=True):
    """The text that ``key_id`` must sign, byte for byte, before ``expires_at`` (unix seconds)."""

    nonce: str
    key_id: str
    message: str
    expires_at: int


def keep_challenge(database: Database, challenge: Challenge, now: int) -> None:
    """Store a challenge and delete those that expired by ``now``. Raises Unavailable if too many wait."""
    with database.write() as connection:
        connection.execute(delete(CHALLENGES).where(CHALLENGES.c.expires_at <= now))
        first, last = (connection.execute(query).scalar() or 0 for query in (_FIRST_NUMBER, _LAST_NUMBER))
        if last - first >= MAX_WAITING_CHALLENGES - 1:
            raise Unavailable("too many sign-ins are waiting", code="busy", retry_after=60)
        connection.execute(insert(CHALLENGES).values(**asdict(challenge), number=last + 1))


def take_challenge(database: Database, nonce: str, now: int) -> Challenge | None:
    """Remove and return the challenge of this nonce; None if there is none or it has expired."""
    with database.write() as connection:
        row = connection.execute(select(CHALLENGES).where(CHALLENGES.c.nonce == nonce)).first()
        # Removed in the same transaction, so that a challenge can be answered only once.
        connection.execute(delete(CHALLENGES).where(CHALLENGES.c.nonce == nonce))
    if row is None or row.expires_at <= now:
        return None
    return Challenge(row.nonce, row.key_id, row.message, row.expires_at)
