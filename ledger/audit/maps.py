"""The head maps that the log has committed to, compared with the map over the stored entries before each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger.audit.findings import AuditFinding, finding
from ledger.core.errors import TallystickError
from ledger.core.events import Stream, decode_envelope
from ledger.core.log.head_map import MAPPED, HeadMap, MapKey, MappedHead, map_key, require_mapped
from ledger.core.log.merkle import Hash
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
