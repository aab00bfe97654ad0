"""The journal of chain writes in the database (``ledger.chain.journal.Journal``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from ledger.chain.journal import SETTLED, AnchoredHead, ChainWrite, Purpose, WriteState
from ledger.core.errors import Conflict
from ledger.store.database import Database
from ledger.store.tables import ANCHOR_STATES, CHAIN_WRITES

_UNSETTLED = [state.value for state in WriteState if state not in SETTLED]
_PAGE = 1000  # writes fetched at a time
_ANCHORS = select(CHAIN_WRITES).where(
    CHAIN_WRITES.c.purpose == Purpose.ANCHOR.value, CHAIN_WRITES.c.state != WriteState.INVALID.value
)


class DatabaseJournal:
    """Each write is one row; ``append`` and ``update`` are one transaction each."""

    def __init__(self, database: Database):
        self._database = database

    def append(self, write: ChainWrite) -> None:
        """As the protocol says: durable when this returns, Conflict for the loser of two writers."""
        try:
            with self._database.write() as connection:
                last = connection.execute(select(func.max(CHAIN_WRITES.c.number))).scalar() or 0
                if write.number != last + 1:
                    raise _lost(write)
                connection.execute(CHAIN_WRITES.insert().values(**_row(write)))
        except IntegrityError as error:
            raise _lost(write) from error

    def update(self, write: ChainWrite) -> None:
        """Moves a stored write on."""
        moved = {"state": write.state.value, "block_number": write.block_number, "block_hash": write.block_hash}
        with self._database.write() as connection:
            connection.execute(update(CHAIN_WRITES).where(CHAIN_WRITES.c.number == write.number).values(**moved))

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        """In order of number, a page at a time."""
        while page := self._page(after):
            yield from page
            after = page[-1].number

    def last(self) -> ChainWrite | None:
        return self._first(select(CHAIN_WRITES).order_by(CHAIN_WRITES.c.number.desc()))

    def next_nonce(self, sender: str) -> int | None:
        counted = or_(CHAIN_WRITES.c.state != WriteState.INVALID.value, CHAIN_WRITES.c.block_number.is_not(None))
        query = select(func.max(CHAIN_WRITES.c.nonce)).where(CHAIN_WRITES.c.sender == sender, counted)
        with self._database.read() as connection:
            highest = connection.execute(query).scalar()
        return None if highest is None else highest + 1

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        return self._first(select(CHAIN_WRITES).where(CHAIN_WRITES.c.transaction_hash == transaction_hash))

    def unsettled(self) -> Sequence[ChainWrite]:
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.state.in_(_UNSETTLED)).order_by(CHAIN_WRITES.c.number)
        with self._database.read() as connection:
            return _writes(connection, query)

    def last_confirmed(self) -> ChainWrite | None:
        confirmed = select(CHAIN_WRITES).where(CHAIN_WRITES.c.state == WriteState.CONFIRMED.value)
        return self._first(confirmed.order_by(CHAIN_WRITES.c.block_number.desc(), CHAIN_WRITES.c.number.desc()))

    def anchors(self, *, after: int = 0) -> Sequence[ChainWrite]:
        """The writes of a number above ``after`` that anchor and are not invalid, in order of number."""
        with self._database.read() as connection:
            return _writes(connection, _ANCHORS.where(CHAIN_WRITES.c.number > after).order_by(CHAIN_WRITES.c.number))

    def largest_size(self, *states: WriteState) -> int:
        """Of an anchor in one of the states; 0 where there is none."""
        size = func.max(CHAIN_WRITES.c.anchored_size)
        with self._database.read() as connection:
            found = (
                connection.execute(select(size).where(CHAIN_WRITES.c.state == one.value)).scalar() for one in states
            )
            return max((largest or 0 for largest in found), default=0)

    def first_final_above(self, log_index: int) -> ChainWrite | None:
        """Of the confirmed anchors whose tree has the entry the smallest, of several the first."""
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.state == WriteState.CONFIRMED.value)
        query = query.where(CHAIN_WRITES.c.anchored_size > log_index)
        return self._first(query.order_by(CHAIN_WRITES.c.anchored_size, CHAIN_WRITES.c.number))

    def last_anchor(self, *states: WriteState) -> ChainWrite | None:
        """The last of the anchors, of those in one of ``states`` if any are given."""
        query = _ANCHORS.where(CHAIN_WRITES.c.state.in_([state.value for state in states])) if states else _ANCHORS
        return self._first(query.order_by(CHAIN_WRITES.c.number.desc()))

    def newest(self, limit: int, before: int | None = None) -> Sequence[ChainWrite]:
        """All kinds of writes, the newest first, those of a number below ``before`` if it is given."""
        query = select(CHAIN_WRITES).order_by(CHAIN_WRITES.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return _writes(connection, query if before is None else query.where(CHAIN_WRITES.c.number < before))

    def counts(self) -> dict[str, int]:
        """How many anchors are in which state."""
        query = select(CHAIN_WRITES.c.state, func.count()).where(CHAIN_WRITES.c.purpose == Purpose.ANCHOR.value)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(CHAIN_WRITES.c.state))}

    def unproven_anchors(self, limit: int) -> Sequence[ChainWrite]:
        """Confirmed anchors that no state is kept for, the newest first."""
        kept = and_(
            ANCHOR_STATES.c.write_number == CHAIN_WRITES.c.number,
            ANCHOR_STATES.c.anchored_in == CHAIN_WRITES.c.block_hash,
        )
        query = _ANCHORS.where(CHAIN_WRITES.c.state == WriteState.CONFIRMED.value, ~exists().where(kept))
        with self._database.read() as connection:
            return _writes(connection, query.order_by(CHAIN_WRITES.c.number.desc()).limit(limit))

    def anchored_before(self, write: ChainWrite) -> int:
        """The size that the confirmed anchors before this write have come to."""
        sizes = select(func.max(CHAIN_WRITES.c.anchored_size)).where(
            CHAIN_WRITES.c.state == WriteState.CONFIRMED.value, CHAIN_WRITES.c.number < write.number
        )
        with self._database.read() as connection:
            return connection.execute(sizes).scalar() or 0

    def count_confirmed_anchors(self, up_to: ChainWrite) -> int:
        """How many anchors up to this write are confirmed, it included."""
        confirmed = CHAIN_WRITES.c.state == WriteState.CONFIRMED.value
        anchors = select(func.count()).where(
            CHAIN_WRITES.c.purpose == Purpose.ANCHOR.value,
            confirmed,
            CHAIN_WRITES.c.chain_id == up_to.chain_id,
            CHAIN_WRITES.c.number <= up_to.number,
        )
        with self._database.read() as connection:
            return connection.execute(anchors).scalar_one()

    def _page(self, after: int) -> list[ChainWrite]:
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.number > after).order_by(CHAIN_WRITES.c.number).limit(_PAGE)
        with self._database.read() as connection:
            return _writes(connection, query)

    def _first(self, query: Select[Any]) -> ChainWrite | None:
        with self._database.read() as connection:
            return next(iter(_writes(connection, query.limit(1))), None)


def _writes(connection: Connection, query: Select[Any]) -> list[ChainWrite]:
    return [_write(row) for row in connection.execute(query).mappings()]


def _write(row: RowMapping) -> ChainWrite:
    head = row["anchored_size"], row["anchored_root"], row["anchored_registry_hash"]
    return ChainWrite(
        number=row["number"],
        purpose=Purpose(row["purpose"]),
        chain_id=row["chain_id"],
        sender=row["sender"],
        nonce=row["nonce"],
        raw_transaction=row["raw_transaction"],
        transaction_hash=row["transaction_hash"],
        timestamp=row["timestamp"],
        state=WriteState(row["state"]),
        block_number=row["block_number"],
        block_hash=row["block_hash"],
        anchored=None if head[0] is None else AnchoredHead(*head),
    )


def _row(write: ChainWrite) -> dict[str, Any]:
    head = write.anchored
    return {
        "number": write.number,
        "purpose": write.purpose.value,
        "chain_id": write.chain_id,
        "sender": write.sender,
        "nonce": write.nonce,
        "raw_transaction": write.raw_transaction,
        "transaction_hash": write.transaction_hash,
        "timestamp": write.timestamp,
        "state": write.state.value,
        "block_number": write.block_number,
        "block_hash": write.block_hash,
        "anchored_size": head.size if head else None,
        "anchored_root": head.root if head else None,
        "anchored_registry_hash": head.registry_hash if head else None,
    }


def _lost(write: ChainWrite) -> Conflict:
    return Conflict(
        f"the journal has a write {write.number} or this transaction already",
        field="number",
        code="journal_moved_on",
        hint="Read the journal again; another writer was first.",
    )
