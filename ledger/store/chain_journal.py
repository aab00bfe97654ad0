"""What we wrote to the chain: the journal of writes, the state proofs of anchors, and the contracts' deployment.

A state proof is the header of a final block, and trie nodes by their hashes. Headers name the roots that proofs start
from; blocks whose tries have the same nodes share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, Select, Update, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from ledger.chain.journal import SETTLED, AnchoredHead, ChainWrite, Deployment, Purpose, WriteState
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import Conflict, IntegrityBroken, NotFound
from ledger.store import bindings, log
from ledger.store.chain_tables import ANCHOR_STATES, CHAIN_WRITES, TRIE_NODES
from ledger.store.database import CHANGED, Database
from ledger.store.tables import ENTRIES

_UNSETTLED = [state.value for state in WriteState if state not in SETTLED]
_PAGE = 1000  # writes fetched at a time
_PLAIN = [field.name for field in fields(ChainWrite) if field.name not in {"purpose", "state", "anchored"}]
_PURPOSES = {purpose.value for purpose in Purpose}
_STATES = {state.value for state in WriteState}


# Except for those that list all anchors, each query below is a few look-ups in an index, however many there are.
_OF_ANCHORS = CHAIN_WRITES.c.purpose == Purpose.ANCHOR.value
_IS_CONFIRMED = CHAIN_WRITES.c.state == WriteState.CONFIRMED.value
_CONFIRMED = and_(_OF_ANCHORS, _IS_CONFIRMED)
_VALID = tuple(state for state in WriteState if state is not WriteState.INVALID)
DEPLOYMENT_NAME = "deployment"
_ACKNOWLEDGED = "acknowledged_changes"  # the fact of their numbers, with blanks between
_deployment_decoder = decoder_of(Deployment)


class AnchoredAt(NamedTuple):
    """A tree size that is final on the chain.

    ``number`` counts the anchors from 1; ``block_time`` (unix seconds) is None until it is known.
    """

    number: int | None
    size: int
    block_time: int | None


class DatabaseJournal:
    """The journal in the database. Each write is one row; ``append`` and ``update`` are one transaction each."""

    def __init__(self, database: Database):
        self._database = database

    def append(self, write: ChainWrite) -> None:
        """Append a write as the protocol requires: durable when this returns, Conflict for the loser of two writers."""
        try:
            with self._database.write() as connection:
                last = connection.execute(select(func.max(CHAIN_WRITES.c.number))).scalar() or 0
                # The primary key alone would let a gap pass.
                if write.number != last + 1:
                    raise _lost(write)
                row = {name: getattr(write, name) for name in _PLAIN}
                row |= {"purpose": write.purpose.value, "state": write.state.value}
                if write.anchored is not None:
                    row |= {f"anchored_{name}": value for name, value in asdict(write.anchored).items()}
                connection.execute(CHAIN_WRITES.insert().values(row))
                bindings.bind_rows(connection, CHAIN_WRITES, [{"number": write.number}])
                _count_anchors(connection, write)
        except IntegrityError as error:
            raise _lost(write) from error

    def update(self, write: ChainWrite) -> None:
        """Update the state and block of a stored write."""
        names = ("block_number", "block_hash", "block_time", "gas_used")
        moved = {name: getattr(write, name) for name in names} | {"state": write.state.value}
        with self._database.write() as connection:
            # What somebody edited must not be bound anew by our own update.
            bindings.require_bound(connection, CHAIN_WRITES, {"number": write.number})
            connection.execute(_set(write.number).values(**moved))
            bindings.bind_rows(connection, CHAIN_WRITES, [{"number": write.number}])
            _count_anchors(connection, write)

    def writes(self, *, after: int = 0) -> Iterator[ChainWrite]:
        """Yield the writes in order of number, fetched a page at a time."""
        query = select(CHAIN_WRITES).order_by(CHAIN_WRITES.c.number).limit(_PAGE)
        while page := self._writes(query.where(CHAIN_WRITES.c.number > after)):
            yield from page
            after = page[-1].number

    def last(self) -> ChainWrite | None:
        return self._first(select(CHAIN_WRITES).order_by(CHAIN_WRITES.c.number.desc()))

    def next_nonce(self, sender: str) -> int | None:
        # An invalid write that stands in a block has used up its nonce.
        counted = or_(CHAIN_WRITES.c.state != WriteState.INVALID.value, CHAIN_WRITES.c.block_number.is_not(None))
        query = select(func.max(CHAIN_WRITES.c.nonce) + 1).where(CHAIN_WRITES.c.sender == sender, counted)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def find(self, transaction_hash: bytes) -> ChainWrite | None:
        return self._first(select(CHAIN_WRITES).where(CHAIN_WRITES.c.transaction_hash == transaction_hash))

    def unsettled(self) -> Sequence[ChainWrite]:
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.state.in_(_UNSETTLED))
        return self._writes(query.order_by(CHAIN_WRITES.c.number))

    def failed_changes(self) -> Sequence[ChainWrite]:
        """Return the invalid changes of the registry that nobody has acknowledged, in order of number."""
        with self._database.read() as connection:
            acknowledged = _acknowledged(connection)
        failed = CHAIN_WRITES.c.state == WriteState.INVALID.value, CHAIN_WRITES.c.number.not_in(acknowledged)
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.purpose == Purpose.REGISTRY.value, *failed)
        return self._writes(query.order_by(CHAIN_WRITES.c.number))

    def acknowledge(self, number: int) -> None:
        """Note that somebody has seen to a failed change; raises NotFound if none has this number."""
        if number not in {write.number for write in self.failed_changes()}:
            raise NotFound("no change of the registry that came to nothing has the number {number}", number=number)
        with self._database.write() as connection:
            value = " ".join(map(str, sorted({*_acknowledged(connection), number})))
            log.keep_fact(connection, self._database, _ACKNOWLEDGED, value)
            bindings.bind_fact(connection, _ACKNOWLEDGED, value)

    def since_nonce(self, write: ChainWrite) -> Sequence[ChainWrite]:
        """Return the writes of the same sender with this nonce or a later one, the write itself among them."""
        return self._writes(
            select(CHAIN_WRITES).where(CHAIN_WRITES.c.sender == write.sender, CHAIN_WRITES.c.nonce >= write.nonce)
        )

    def last_confirmed(self) -> ChainWrite | None:
        confirmed = select(CHAIN_WRITES).where(_IS_CONFIRMED)
        return self._first(confirmed.order_by(CHAIN_WRITES.c.block_number.desc(), CHAIN_WRITES.c.number.desc()))

    def anchors(self, *, after: int = 0, limit: int | None = None) -> Sequence[ChainWrite]:
        """Return the writes numbered above ``after`` that anchor and are not invalid, in order of number."""
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.anchored_size.is_not(None), CHAIN_WRITES.c.number > after)
        query = query.where(CHAIN_WRITES.c.state != WriteState.INVALID.value)
        return self._writes(query.order_by(CHAIN_WRITES.c.number).limit(limit))

    def last_anchor(self, *states: WriteState) -> ChainWrite | None:
        """Return the last anchor in one of ``states``, or, without any, the last that is not invalid."""
        number = select(func.max(CHAIN_WRITES.c.number)).where(_OF_ANCHORS)
        last = [number.where(CHAIN_WRITES.c.state == state.value).scalar_subquery() for state in states or _VALID]
        query = select(CHAIN_WRITES).where(CHAIN_WRITES.c.number.in_(last))
        return self._first(query.order_by(CHAIN_WRITES.c.number.desc()))

    def last_proven_anchor(self) -> ChainWrite | None:
        """Return the last confirmed anchor whose block time is known."""
        timed = select(CHAIN_WRITES).where(_CONFIRMED, CHAIN_WRITES.c.block_time.is_not(None))
        return self._first(timed.order_by(CHAIN_WRITES.c.number.desc()))

    def sizes(self) -> Mapping[WriteState, int]:
        """Return the largest tree size that was brought to each state; 0 if none was."""
        with self._database.read() as connection:
            row = connection.execute(_SIZES).one()
        return {state: largest_size or 0 for state, largest_size in zip(_VALID, row, strict=True)}

    def proven_times(self, log_indices: Sequence[int]) -> Mapping[int, int]:
        """Return for each of these entries the block time (unix seconds) of the first anchor that covers it.

        Entries that no confirmed anchor covers, or whose block time is not known, are left out.
        """
        times_by_index: dict[int, int] = {}
        with self._database.read() as connection:
            for start in range(0, len(log_indices), _PAGE):
                part = log_indices[start : start + _PAGE]
                rows = connection.execute(_PROVEN_TIMES, {"indices": part}).all()
                times_by_index |= {index: time for index, time in rows if time is not None}
        return times_by_index

    def confirmed(self) -> Iterator[AnchoredAt]:
        """Yield the confirmed anchors in order."""
        columns = CHAIN_WRITES.c.anchor_number, CHAIN_WRITES.c.anchored_size, CHAIN_WRITES.c.block_time
        query = select(*columns).where(_CONFIRMED).order_by(CHAIN_WRITES.c.number)
        with self._database.read() as connection:
            yield from (AnchoredAt(*row) for row in connection.execute(query))

    def misnumbered(self) -> Sequence[tuple[int, int]]:
        """Return (write, anchor number) of writes that have an anchor number and are no confirmed anchors.

        A sound journal has none.
        """
        query = select(CHAIN_WRITES.c.number, CHAIN_WRITES.c.anchor_number)
        with self._database.read() as connection:
            rows = connection.execute(query.where(CHAIN_WRITES.c.anchor_number.is_not(None), ~_CONFIRMED))
            return [(row[0], row[1]) for row in rows]

    def newest(self, limit: int, before: int | None = None) -> Sequence[ChainWrite]:
        """Return writes of every purpose, newest first, numbered below ``before`` if that is given."""
        query = select(CHAIN_WRITES).order_by(CHAIN_WRITES.c.number.desc()).limit(limit)
        return self._writes(query if before is None else query.where(CHAIN_WRITES.c.number < before))

    def counts(self) -> dict[str, int]:
        """Return how many anchors are in each state."""
        few = [state.value for state in WriteState if state is not WriteState.CONFIRMED]
        query = select(CHAIN_WRITES.c.state, func.count()).where(_OF_ANCHORS, CHAIN_WRITES.c.state.in_(few))
        with self._database.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(query.group_by(CHAIN_WRITES.c.state))}
            confirmed = _confirmed_before(connection, None)
        return counted | ({WriteState.CONFIRMED.value: confirmed} if confirmed else {})

    def unproven_anchors(self, limit: int) -> Sequence[ChainWrite]:
        """Return confirmed anchors that have no stored state proof, newest first."""
        kept = and_(
            ANCHOR_STATES.c.write_number == CHAIN_WRITES.c.number,
            # A proof for a block that was reorganised away does not count.
            ANCHOR_STATES.c.anchored_in == CHAIN_WRITES.c.block_hash,
        )
        query = select(CHAIN_WRITES).where(_CONFIRMED, ~exists().where(kept))
        return self._writes(query.order_by(CHAIN_WRITES.c.number.desc()).limit(limit))

    def anchored_before(self, write: ChainWrite) -> int:
        """Return the size of the confirmed anchor before this write; 0 before the first."""
        sizes = select(CHAIN_WRITES.c.anchored_size).where(_CONFIRMED, CHAIN_WRITES.c.number < write.number)
        with self._database.read() as connection:
            return connection.execute(sizes.order_by(CHAIN_WRITES.c.number.desc()).limit(1)).scalar() or 0

    def count_confirmed_anchors(self, up_to: ChainWrite) -> int:
        """Return how many anchors up to and including this write are confirmed."""
        with self._database.read() as connection:
            return _confirmed_before(connection, up_to.number + 1)

    def first_anchor_after(self, time: int) -> int | None:
        """Return the number of the first confirmed anchor whose block is later than this time (unix seconds)."""
        later = select(CHAIN_WRITES.c.anchor_number).where(_CONFIRMED, CHAIN_WRITES.c.block_time > time)
        with self._database.read() as connection:
            return connection.execute(later.order_by(CHAIN_WRITES.c.number).limit(1)).scalar()

    def _writes(self, query: Select[Any]) -> list[ChainWrite]:
        with self._database.read() as connection:
            return [_write(row) for row in connection.execute(query).mappings()]

    def _first(self, query: Select[Any]) -> ChainWrite | None:
        return next(iter(self._writes(query.limit(1))), None)


_SIZE = select(func.max(CHAIN_WRITES.c.anchored_size))
_SIZES = select(*(_SIZE.where(CHAIN_WRITES.c.state == state.value).scalar_subquery() for state in _VALID))
_FIRST_PROOF = (
    select(CHAIN_WRITES.c.block_time)
    .where(_IS_CONFIRMED, CHAIN_WRITES.c.anchored_size > ENTRIES.c.log_index)
    .order_by(CHAIN_WRITES.c.anchored_size, CHAIN_WRITES.c.number)
    .limit(1)
    .correlate(ENTRIES)
    .scalar_subquery()
)
_PROVEN_TIMES = select(ENTRIES.c.log_index, _FIRST_PROOF).where(
    ENTRIES.c.log_index.in_(bindparam("indices", expanding=True))
)


def _acknowledged(connection: Connection) -> list[int]:
    return [int(number) for number in (log.fact(connection, _ACKNOWLEDGED) or "").split()]


def _set(number: int) -> Update:
    return update(CHAIN_WRITES).where(CHAIN_WRITES.c.number == number)


def _confirmed_before(connection: Connection, number: int | None) -> int:
    """Return how many anchors are confirmed, numbered below ``number`` if that is given."""
    last = select(CHAIN_WRITES.c.anchor_number).where(_CONFIRMED).order_by(CHAIN_WRITES.c.number.desc()).limit(1)
    return connection.execute(last if number is None else last.where(CHAIN_WRITES.c.number < number)).scalar() or 0


def _count_anchors(connection: Connection, moved: ChainWrite) -> None:
    """Recount the confirmed anchors' numbers, starting at the one that moved on; rarely is there another after it."""
    if moved.purpose is not Purpose.ANCHOR:
        return
    connection.execute(_set(moved.number).values(anchor_number=None))
    later = select(CHAIN_WRITES.c.number).where(_CONFIRMED, CHAIN_WRITES.c.number >= moved.number)
    numbers = connection.execute(later.order_by(CHAIN_WRITES.c.number)).scalars().all()
    for position, number in enumerate(numbers, _confirmed_before(connection, moved.number) + 1):
        connection.execute(_set(number).values(anchor_number=position))


def _write(row: RowMapping) -> ChainWrite:
    """Read a write from its row. Raises IntegrityBroken for a row that was changed."""
    head = row["anchored_size"], row["anchored_root"], row["anchored_registry_hash"]
    # What is decided by a row goes to the chain: an edited one must stop here.
    expected = 3 if row["purpose"] == Purpose.ANCHOR.value else 0
    if row["purpose"] not in _PURPOSES or row["state"] not in _STATES or 3 - head.count(None) != expected:
        raise IntegrityBroken(
            "write {number} of the journal was changed", number=row["number"], field="chain_writes", hint=CHANGED
        )
    return ChainWrite(
        **{name: row[name] for name in _PLAIN},
        purpose=Purpose(row["purpose"]),
        state=WriteState(row["state"]),
        anchored=None if head[0] is None else AnchoredHead(*head),
    )


def _lost(write: ChainWrite) -> Conflict:
    return Conflict(
        "the journal has a write {write.number} or this transaction already",
        write=write,
        field="number",
        code="journal_moved_on",
        hint="Read the journal again; another writer was first.",
    )


class ProvingHeader(Struct, frozen=True):
    """The header by whose state a write is proven, and the block note of the witnesses that vouch for it, if any."""

    write_number: int
    header: bytes
    block_note: str | None


def proven_block(connection: Connection, write: ChainWrite | None = None) -> ProvingHeader | None:
    """Return the header by whose state the write is proven, if it was stored for the block that the write is in.

    Without a write it is that of the last anchor that is proven.
    """
    query = select(*(ANCHOR_STATES.c[name] for name in ProvingHeader.__struct_fields__))
    if write is not None:
        kept = (ANCHOR_STATES.c.write_number == write.number, ANCHOR_STATES.c.anchored_in == write.block_hash)
        query = query.where(*kept)
    row = connection.execute(query.order_by(ANCHOR_STATES.c.write_number.desc()).limit(1)).first()
    return ProvingHeader(*row) if row else None


def keep_block_note(database: Database, proven: ProvingHeader, note: str) -> None:
    """Store the block note; durable when this returns. Does nothing if the write now has another header."""
    of_it = (ANCHOR_STATES.c.write_number == proven.write_number, ANCHOR_STATES.c.header == proven.header)
    with database.write() as connection:
        if connection.execute(ANCHOR_STATES.update().where(*of_it).values(block_note=note)).rowcount:
            bindings.bind_rows(connection, ANCHOR_STATES, [{"write_number": proven.write_number}])


def trie_node(connection: Connection, node_hash: bytes) -> bytes | None:
    """Return the node stored under the hash. The caller compares it with the hash."""
    return connection.execute(select(TRIE_NODES.c.node).where(TRIE_NODES.c.hash == node_hash)).scalar()


def keep_state_proof(database: Database, write: ChainWrite, header: bytes, nodes: Mapping[bytes, bytes]) -> None:
    """Store the proof; durable when this returns. It replaces an earlier header of the same write."""
    row = {"write_number": write.number, "anchored_in": write.block_hash, "header": header}
    states = database.upsert(ANCHOR_STATES).values(**row)
    insert = database.upsert(TRIE_NODES)
    mended = insert.on_conflict_do_update(index_elements=["hash"], set_={"node": insert.excluded.node})
    with database.write() as connection:
        kept = {node_hash: trie_node(connection, node_hash) for node_hash in nodes}
        # Blocks share most nodes: only those that are new, or were damaged, are written.
        rows = [{"hash": name, "node": data} for name, data in nodes.items() if kept[name] != data]
        if rows:
            connection.execute(mended, rows)
        bindings.bind_rows(connection, TRIE_NODES, rows)
        # Witnesses vouched for one header: beside another one their note is void.
        still = case((ANCHOR_STATES.c.header == header, ANCHOR_STATES.c.block_note), else_=None)
        replaced = row | {"block_note": still}
        connection.execute(states.on_conflict_do_update(index_elements=["write_number"], set_=replaced))
        bindings.bind_rows(connection, ANCHOR_STATES, [row])


def kept_deployment(database: Database) -> Deployment | None:
    """Return the deployment that this database knows; None before the first one."""
    with database.read() as connection:
        value = log.fact(connection, DEPLOYMENT_NAME)
    return None if value is None else _deployment_decoder.decode(value)


def keep_deployment(database: Database, deployment: Deployment) -> None:
    """Store the deployment; durable when this returns. It replaces an earlier one of the same ledger."""
    value = msgspec.json.encode(deployment).decode()
    with database.write() as connection:
        log.keep_fact(connection, database, DEPLOYMENT_NAME, value)
        bindings.bind_fact(connection, DEPLOYMENT_NAME, value)
