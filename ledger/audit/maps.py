"""The head maps that the log has committed to, compared with the map over the stored entries before each.

Proofs are made of the pages that the service keeps of them: without one, or with another, they would lack their heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.audit.findings import AuditFinding, finding, finding_of
from ledger.core.errors import TallystickError
from ledger.core.events import Stream, decode_envelope
from ledger.core.events.record import HeadsMapped
from ledger.core.log.head_map import MAPPED, HeadMap, MapKey, MappedHead, PageChanged, map_key, require_mapped
from ledger.core.log.merkle import Hash
from ledger.store import checkpoints, head_map, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.head_map import MapState
from ledger.store.log import StoredEntry


class MapPart(Struct):
    """What some entries in a row changed in the map; ``commitment`` is the index and the bytes of the entry after."""

    heads: dict[MapKey, MappedHead]
    commitment: tuple[int, bytes] | None = None


class MapParts:
    """Divides entries, passed in their order, at those that commit to a map."""

    def __init__(self) -> None:
        self.parts = [MapPart({})]
        self._keys: dict[tuple[str, str], MapKey] = {}  # by kind and id: most entries continue a stream

    def add(self, entry: StoredEntry, leaf: Hash) -> None:
        """Add an entry and its leaf hash. Stream and sequence are those of its row, which another step compares."""
        if entry.event_type == MAPPED:
            self.parts[-1].commitment = (entry.log_index, entry.envelope)
            self.parts.append(MapPart({}))
        names = (entry.stream_kind, entry.stream_id)
        key = self._keys.get(names)
        if key is None:
            key = self._keys[names] = map_key(Stream(*names))  # type: ignore[arg-type]
        self.parts[-1].heads[key] = MappedHead(max(0, entry.sequence) + 1, leaf)


class MapAudit:
    """Makes the map again from the entries, and compares it where the log has committed to one."""

    def __init__(self) -> None:
        self._map = HeadMap()
        self._waiting: dict[MapKey, MappedHead] = {}
        self.count = 0

    def feed(self, parts: Sequence[MapPart]) -> Iterator[AuditFinding]:
        """Take the next entries, and yield the commitments to another map than theirs."""
        for part in parts:
            self._waiting |= part.heads
            if part.commitment is None:
                continue
            # Only here: of a stream that changed often since the last commitment, the last change counts.
            self._map.update(self._waiting)
            self._waiting = {}
            self._map.changed = {}
            self.count += 1
            index, entry = part.commitment
            try:
                require_mapped(decode_envelope(entry), self._map.root)
            except TallystickError:
                yield finding("maps", index, "map", self._map.root.hex())


def check_pages(connection: Connection, journal: DatabaseJournal, size: int, sound: int) -> Iterator[AuditFinding]:
    """Yield the maps that proofs are made of and of which a page is not as it was stored.

    These are the last below each tree head that is proven at, of a log of ``size`` entries. The service deletes the
    pages of maps below the proven anchor: a checkpoint that was witnessed before it is proven at without them. Only the
    first ``sound`` entries are taken for what the log had.
    """
    sizes, anchored = {size}, 0
    try:
        kept = head_map.state(connection).size
        if (proven := journal.last_proven_anchor()) is not None and proven.anchored is not None:
            anchored = proven.anchored.size
            sizes.add(anchored)
        if (witnessed := checkpoints.last_witnessed(connection)) is not None and witnessed.size >= anchored:
            sizes.add(witnessed.size)
        entries = [log.last_system_entry(connection, MAPPED, below=min(below, size)) for below in sizes]
        commitments = {entry.log_index: log.event_of(entry) for entry in entries if entry and entry.log_index < sound}
    except TallystickError:
        return  # rows that are compared with what they were bound as, or signed
    for index, body in sorted((index, event.body) for index, event in commitments.items() if index <= kept):
        if isinstance(body, HeadsMapped):
            try:
                head_map.map_at(connection, MapState(index, Hash(bytes.fromhex(body.root[2:])))).check()
            except PageChanged as error:
                yield finding_of("maps", index, error)
