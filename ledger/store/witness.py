"""The witness's own database: how far it has followed a log, what it has co-signed, and its alarms.

It is on the witness's own machine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.dialects.sqlite import insert

from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import Conflict, TallystickError, Unavailable
from ledger.core.events import NAME_OF, decode_payload
from ledger.core.events.registry import RegistryChange
from ledger.core.log.head_map import EMPTY_MAP, HeadMap, PageName
from ledger.core.log.merkle import EMPTY_ROOT, HASH_LENGTH, Frontier, Hash
from ledger.core.log.replay import PriorEntries, ReplayState, ReplayStep, replay_registry
from ledger.core.log.tiles import RightEdge
from ledger.core.messages import plain
from ledger.core.signing import authority as authorities
from ledger.core.trust.trust_file import Trust
from ledger.store import mirror
from ledger.store.connections import WriterLock, translated, writing
from ledger.store.database import one_of
from ledger.store.opening import open_witness_engine
from ledger.store.witness_tables import (
    ALARMS,
    COSIGNED,
    FOLLOWED,
    FOLLOWED_CHANGES,
    FOLLOWED_EVENTS,
    FOLLOWED_MAP_PAGES,
)


class Cosigned(Struct, frozen=True):
    """A tree that was co-signed; size 0 with the empty root before the first."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    cosigned_at: int = 0  # unix seconds


class Pending(Struct, frozen=True):
    """The size that was co-signed last, and the ``note`` of a size that was asked for; empty if none is kept."""

    size: int
    note: str


class SeenAnchor(Struct, frozen=True):
    """The last final record of the anchor contract that was read; number 0 before the first."""

    number: int = 0
    size: int = 0
    root: bytes = bytes(HASH_LENGTH)


class WitnessProgress(Struct, frozen=True):
    """The log that is followed, and how far the witness has come.

    ``looked_at`` (unix ms) is when the log was last read without a fault, ``looked_size`` the size it published then.
    """

    log_id: bytes
    origin: str
    size: int
    seen_size: int
    looked_at: int
    looked_size: int
    anchor: SeenAnchor


class Alarm(Struct, frozen=True):
    """An alarm; ``evidence`` are texts that prove it to others. ``raised_at`` and ``cleared_at`` are in unix ms."""

    number: int
    kind: str
    halts: bool
    message: str
    evidence: dict[str, str]
    raised_at: int
    cleared_at: int | None = None
    because: str | None = None


class Moved(Conflict):
    """Another request was first: the latest co-signed tree is not the one that was checked against."""

    code = "old_size"

    def __init__(self, latest: Cosigned):
        super().__init__(f"the latest tree that was co-signed has size {latest.size}", field="old")
        self.size = latest.size


class Halted(Unavailable):
    """An alarm that a person must decide on is open: nothing is signed."""

    code = "witness_halted"


class WitnessStore:
    """The database of the witness of one log."""

    def __init__(self, engine: Engine, trust: Trust | None):
        self._engine = engine
        self._trust = trust
        self._lock = Lock()  # threads of this process queue here, not at the file
        # Halting alarms by kind that the disk did not take, with text, evidence and time.
        self.unstored: dict[str, tuple[str, Mapping[str, str], int]] = {}

    @classmethod
    def open(cls, file: Path, trust: Trust) -> WitnessStore:
        """Open the database, or create it.

        Raises Conflict if it is of another log, and what ``open_witness_engine`` raises.
        """
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = cls(open_witness_engine(file), trust)
        store._begin(trust)
        return store

    @classmethod
    def reopen(cls, file: Path) -> WitnessStore:
        """Open an existing database to read it and to decide on alarms, not to follow the log."""
        return cls(open_witness_engine(file), None)

    def close(self) -> None:
        self._engine.dispose()

    # -- following -----------------------------------------------------------------------------------------------------

    def followed(self) -> ReplayState:
        """Return the state from which the next step continues."""
        assert self._trust is not None, "who follows has opened it with a trust file"
        with self.reading() as connection:
            row = connection.execute(select(FOLLOWED)).one()
            initial = authorities.initial(self._trust.log_id, self._trust.service_keys)
            changes = select(*(FOLLOWED_CHANGES.c[name] for name in ("log_index", "event_type", "payload")))
            payloads = connection.execute(changes.order_by(FOLLOWED_CHANGES.c.number)).all()
            replayed = list(replay_registry(initial, payloads))
        roots = tuple(Hash(row.roots[at : at + HASH_LENGTH]) for at in range(0, len(row.roots), HASH_LENGTH))
        return ReplayState(Frontier(row.size, roots), replayed[-1][1] if replayed else initial, row.acts)

    def head_map(self) -> HeadMap:
        """Return the head map over the entries that were followed."""
        with self.reading() as connection:
            root = connection.execute(select(FOLLOWED.c.map_root)).scalar_one()
        return HeadMap(Hash(root), self._map_pages)

    def _map_pages(self, names: Collection[PageName]) -> dict[PageName, bytes]:
        query = select(FOLLOWED_MAP_PAGES).where(one_of(FOLLOWED_MAP_PAGES.c.name, names))
        with self.reading() as connection:
            return {row.name: row.page for row in connection.execute(query)}

    def registry_hash_at(self, size: int) -> bytes:
        """Return the registry hash that the entries below ``size`` mirror. Requires size <= the followed size."""
        with self.reading() as connection:
            query = select(FOLLOWED_CHANGES).where(FOLLOWED_CHANGES.c.log_index < size)
            row = connection.execute(query.order_by(FOLLOWED_CHANGES.c.number.desc()).limit(1)).first()
            # Before the first change the contract's hash is the log's own id.
            if row is None:
                return bytes(connection.execute(select(FOLLOWED.c.log_id)).scalar_one())
        body = decode_payload(row.payload, row.event_type).body
        assert isinstance(body, RegistryChange), "only these are kept"
        return bytes.fromhex(body.registry_hash[2:])

    def change_count(self) -> int:
        """Return how many changes of the registry the followed entries mirror."""
        with self.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(FOLLOWED_CHANGES)).scalar_one())

    def prior_entries(self, event_ids: Iterable[str]) -> PriorEntries:
        """Return the indices of these event ids, as far as they were followed, and the head map."""
        of_events = select(FOLLOWED_EVENTS).where(one_of(FOLLOWED_EVENTS.c.event_id, event_ids))
        with self.reading() as connection:
            events = {row.event_id: row.log_index for row in connection.execute(of_events)}
        return PriorEntries(events, self.head_map())

    def advance(self, before: ReplayState, step: ReplayStep, note: str, entries: Sequence[bytes] = ()) -> bool:
        """Store a step that continues ``before``; return False, with nothing changed, if another was first.

        ``note`` commits to the entries of the step, ``entries`` are they themselves, if the witness is a mirror.
        """
        frontier = step.followed.frontier
        with self.writing() as connection:
            # Compared by the statement itself: of two processes on one file, one goes on.
            moved = connection.execute(
                FOLLOWED.update()
                .where(FOLLOWED.c.size == before.size, FOLLOWED.c.roots == b"".join(before.frontier.roots))
                .values(
                    size=frontier.size,
                    roots=b"".join(frontier.roots),
                    map_root=step.map_root,
                    acts=step.followed.acts,
                    note=note,
                )
            )
            if moved.rowcount != 1:
                return False
            events = [{"event_id": event_id, "log_index": index} for event_id, index in step.events.items()]
            connection.execute(FOLLOWED_EVENTS.insert(), events)
            pages = [{"name": name, "page": page} for name, page in step.map_pages.items()]
            upsert = insert(FOLLOWED_MAP_PAGES)
            replaced = {"page": upsert.excluded.page}
            connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=replaced), pages)
            for mirrored in step.changes:
                change = {"number": mirrored.change.number, "event_type": NAME_OF[type(mirrored.change)]}
                row = change | {"log_index": mirrored.index, "payload": mirrored.payload}
                connection.execute(FOLLOWED_CHANGES.insert(), row)
            if entries:
                mirror.append(connection, before.size, entries)
            return True

    def mirrored(self) -> Frontier:
        """Return the tree over the entries that are stored, as a mirror stores them."""
        with self.reading() as connection:
            return RightEdge.read(mirror.count(connection), mirror.tile_reader(connection)).frontier

    def keep_entries(self, first: int, entries: Sequence[bytes]) -> None:
        """Store entries from index ``first`` on that were followed before this witness was a mirror."""
        with self.writing() as connection:
            mirror.append(connection, first, entries)

    def looked(self) -> WitnessProgress:
        """Return how far the witness has come."""
        with self.reading() as connection:
            row = connection.execute(select(FOLLOWED)).one()
        anchor = SeenAnchor(row.anchor_number, row.anchor_size, row.anchor_root)
        return WitnessProgress(
            row.log_id, row.log_key.partition("+")[0], row.size, row.seen_size, row.looked_at, row.looked_size, anchor
        )

    def keep_seen(self, size: int, note: str) -> None:
        """Store that the log has published this note of this size, even if it cannot be followed that far."""
        with self.writing() as connection:
            larger = FOLLOWED.update().where(FOLLOWED.c.seen_size < size)
            connection.execute(larger.values(seen_size=size, seen_note=note))

    def keep_look(self, now: int, size: int) -> None:
        """Store that the log was read without a fault at ``now`` (unix milliseconds) and had this size."""
        with self.writing() as connection:
            connection.execute(FOLLOWED.update().values(looked_at=now, looked_size=size))

    def keep_anchor(self, anchor: SeenAnchor) -> None:
        """Store the last final record of the chain, and forget smaller co-signed trees."""
        with self.writing() as connection:
            connection.execute(
                FOLLOWED.update().values(anchor_number=anchor.number, anchor_size=anchor.size, anchor_root=anchor.root)
            )
            # Smaller trees are not anchored any more; the largest is what the next co-signature starts from.
            last = select(func.max(COSIGNED.c.size)).scalar_subquery()
            connection.execute(COSIGNED.delete().where(COSIGNED.c.size < anchor.size, COSIGNED.c.size < last))

    # -- co-signing ----------------------------------------------------------------------------------------------------

    def latest(self) -> Cosigned:
        """Return the largest tree that was co-signed."""
        with self.reading() as connection:
            return _latest(connection)

    def notes(self) -> dict[str, str]:
        """Return what binds the log: the notes of the largest trees that were co-signed and that it has published, and
        what it was followed by; empty before the first of each."""
        with self.reading() as connection:
            query = select(COSIGNED.c.note).order_by(COSIGNED.c.size.desc()).limit(1)
            cosigned = str(connection.execute(query).scalar() or "")
            row = connection.execute(select(FOLLOWED.c.note, FOLLOWED.c.seen_note)).one()
        return {"cosigned": cosigned, "followed": row.note, "published": row.seen_note}

    def cosigned_note(self) -> str:
        """Return the note of the largest tree that was co-signed, with this witness's lines; empty before the first."""
        with self.reading() as connection:
            query = select(COSIGNED.c.note + COSIGNED.c.lines).order_by(COSIGNED.c.size.desc()).limit(1)
            return str(connection.execute(query).scalar() or "")

    def has_cosigned(self, size: int) -> bytes | None:
        """Return the root that was co-signed at this size; None if none was, or if it is below the last anchor."""
        with self.reading() as connection:
            root: bytes | None = connection.execute(select(COSIGNED.c.root).where(COSIGNED.c.size == size)).scalar()
        return root

    def cosign(  # noqa: PLR0917
        self, latest: Cosigned, size: int, root: bytes, note: str, now: int, sign: Callable[[int], str]
    ) -> str:
        """Move from ``latest`` to a tree that was checked to continue it, and return the lines that ``sign`` makes.

        Both are durable when it returns. ``sign`` gets the time in unix seconds: ``now``, or that of an earlier
        co-signature if the clock was set back. Raises Moved if another request was first, Halted while an alarm is
        open.
        """
        with self.writing() as connection:
            self.require_free_within(connection)
            # Compared under the lock: of two requests from the same tree only one may be signed.
            kept = _latest(connection)
            if (kept.size, kept.root) != (latest.size, latest.root):
                raise Moved(kept)
            at = max(now, kept.cosigned_at)
            lines = sign(at)
            signed = {"note": note, "lines": lines, "cosigned_at": at}
            upsert = insert(COSIGNED).values(signed | {"size": size, "root": root})
            connection.execute(upsert.on_conflict_do_update(index_elements=["size"], set_=signed))
        return lines  # the commit point: from here on the tree is co-signed, whether or not the response arrives

    def pending(self, connection: Connection, size: int) -> Pending:
        """Return how far checkpoints were co-signed, and the log's note of this size, if it is kept."""
        query = select(COSIGNED.c.note).where(COSIGNED.c.size == size)
        return Pending(_latest(connection).size, str(connection.execute(query).scalar() or ""))

    def require_free(self) -> None:
        """Raise Halted while an alarm is open that a person must decide on."""
        with self.reading() as connection:
            self.require_free_within(connection)

    # -- alarms --------------------------------------------------------------------------------------------------------

    def raise_alarm(self, kind: str, *, halts: bool, text: str, evidence: Mapping[str, str], now: int) -> Alarm | None:
        """Store an alarm; return None if one of its kind is open already. ``now`` is in unix milliseconds.

        One that halts and cannot be stored, since the disk is full, halts this process all the same, and is stored by
        ``store_unstored``. Raises what prevents storing it.
        """
        try:
            alarm = self._store_alarm(kind, halts=halts, text=text, evidence=evidence, now=now)
        except TallystickError:
            if halts:
                self.unstored.setdefault(kind, (text, evidence, now))
            raise
        self.unstored.pop(kind, None)
        return alarm

    def store_unstored(self) -> None:
        """Store the halting alarms that could not be stored when they were raised. Raises what prevents it."""
        for kind, (text, evidence, raised_at) in [*self.unstored.items()]:
            self.raise_alarm(kind, halts=True, text=text, evidence=evidence, now=raised_at)

    def _store_alarm(self, kind: str, *, halts: bool, text: str, evidence: Mapping[str, str], now: int) -> Alarm | None:
        with self.writing() as connection:
            # A fault that shows at every look must not fill the disk.
            standing = select(ALARMS.c.number).where(ALARMS.c.kind == kind, ALARMS.c.cleared_at.is_(None))
            if connection.execute(standing).first() is not None:
                return None
            number = int(connection.execute(select(func.coalesce(func.max(ALARMS.c.number), 0))).scalar_one()) + 1
            alarm = Alarm(number, kind, halts, text, dict(evidence), now)
            texts = msgspec.json.encode(alarm.evidence, enc_hook=plain).decode()
            connection.execute(ALARMS.insert().values(msgspec.structs.asdict(alarm) | {"evidence": texts}))
        return alarm

    def clear_kind(self, kind: str, now: int) -> list[Alarm]:
        """Close the open alarms of a kind that passes by itself, and return them."""
        return self._clear(ALARMS.c.kind == kind, ALARMS.c.halts.is_(False), now=now)

    def clear(self, number: int, because: str, now: int) -> list[Alarm]:
        """Close one alarm as a person decided, and return it; empty if none of this number is open."""
        return self._clear(ALARMS.c.number == number, now=now, because=because)

    def alarms(self, *, standing: bool = True) -> list[Alarm]:
        """Return the open alarms, or all with ``standing=False``, in order."""
        query = select(ALARMS).order_by(ALARMS.c.number)
        with self.reading() as connection:
            rows = connection.execute(query.where(ALARMS.c.cleared_at.is_(None)) if standing else query)
            return [_alarm(row) for row in rows]

    # ------------------------------------------------------------------------------------------------------------------

    def _begin(self, trust: Trust) -> None:
        log_id, log_key = trust.log_id, trust.log_key.vkey()
        with self.writing() as connection:
            row = connection.execute(select(FOLLOWED)).one_or_none()
            if row is None:
                begun = {"id": 1, "log_id": log_id, "log_key": log_key}
                followed = {"size": 0, "roots": b"", "map_root": EMPTY_MAP, "acts": 0, "note": ""}
                anchor = {"anchor_number": 0, "anchor_size": 0, "anchor_root": bytes(HASH_LENGTH)}
                looked = {"seen_size": 0, "seen_note": "", "looked_at": 0, "looked_size": 0}
                connection.execute(FOLLOWED.insert().values(begun | followed | anchor | looked))
            # The log has changed its key since: the trust file names the earlier ones.
            elif row.log_id == log_id and row.log_key in {earlier.vkey for earlier in trust.earlier_log_keys}:
                connection.execute(FOLLOWED.update().values(log_key=log_key))
            elif (row.log_id, row.log_key) != (log_id, log_key):
                raise Conflict(
                    "this witness follows another log, {followed}",
                    followed=row.log_key.partition("+")[0],
                    field="--trust",
                    code="other_ledger",
                    hint="One witness follows one log: give each a directory of its own.",
                )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the database."""
        with translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield the connection of a transaction that is committed when the block is left."""
        with self._lock, translated(), writing(self._engine, WriterLock.WITNESS) as connection:
            yield connection

    def require_free_within(self, connection: Connection) -> None:
        """Raise Halted, as ``require_free`` does."""
        query = select(ALARMS).where(ALARMS.c.halts.is_(True), ALARMS.c.cleared_at.is_(None))
        row = connection.execute(query.order_by(ALARMS.c.number).limit(1)).first()
        kinds = [*self.unstored] if row is None else [row.kind]
        if kinds:
            raise Halted(
                "alarm {number} ({kind}) stands: this witness signs nothing until its operator has decided",
                number="-" if row is None else row.number,
                kind=kinds[0],
                retry_after=3600,
                hint="Whoever operates this witness finds what to do in docs/witness.md.",
            )

    def _clear(self, *which: Any, now: int, because: str | None = None) -> list[Alarm]:
        is_open = (ALARMS.c.cleared_at.is_(None), *which)
        with self.writing() as connection:
            cleared = connection.execute(select(ALARMS).where(*is_open).order_by(ALARMS.c.number)).all()
            connection.execute(ALARMS.update().where(*is_open).values(cleared_at=now, because=because))
        return [_alarm(row) for row in cleared]


def _latest(connection: Connection) -> Cosigned:
    row = connection.execute(select(COSIGNED).order_by(COSIGNED.c.size.desc()).limit(1)).first()
    return Cosigned(row.size, row.root, row.cosigned_at) if row else Cosigned()


def _alarm(row: Row[Any]) -> Alarm:
    evidence = decode_json(row.evidence, dict[str, str])
    return Alarm(row.number, row.kind, row.halts, row.message, evidence, row.raised_at, row.cleared_at, row.because)
