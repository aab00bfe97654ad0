"""Keeping the head map level with the log, and committing to it before an anchor.

None of this is done while a submission is accepted. The map is kept in steps, beside the log. Only what came since the
last step is added under the writer's lock, when the entry is written that commits to the root: its map is that of all
entries before it.
"""

from __future__ import annotations

from contextlib import suppress

from ledger.core.errors import IntegrityBroken
from ledger.core.events.record import HeadsMapped
from ledger.core.log.head_map import MAPPED, HeadMap, PageChanged
from ledger.core.log.merkle import Hash
from ledger.loggers import get_logger
from ledger.recording.system_stream import SystemStream
from ledger.store import head_map, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import CHANGED, Connection, Database
from ledger.store.head_map import MapState

STEP = 2048  # entries that are added at a time
LEFT = 16  # entries that may be left for when the writer's lock is held: some milliseconds

logger = get_logger(__name__)


class HeadMapKeeper:
    """Keeps the map, and writes the entries that commit to it."""

    def __init__(self, database: Database, system: SystemStream):
        self._database = database
        self._system = system
        self._journal = DatabaseJournal(database)

    def keep_up(self) -> None:
        """Add to the map what came since, but for the last few entries.

        Raises IntegrityBroken if the log has committed to another map.
        """
        with self._database.read() as connection:
            size = log.tree(connection).size
        with suppress(PageChanged):  # `before_anchor` makes the map anew
            self._reach(size - LEFT)

    def before_anchor(self, anchored: int) -> int:
        """Commit to the map of the whole log, unless that was done since the anchor of size ``anchored``.

        Return the size of the tree whose last entry commits to the map. Raises Unavailable, and IntegrityBroken if the
        log has committed to another map.
        """
        try:
            with self._database.read() as connection:
                last = log.last_system_entry(connection, MAPPED)
                size = log.tree(connection).size
            # The last one is newer than the last anchor: another would only call for yet another anchor.
            if last is None or last.log_index < anchored:
                self._reach(size - LEFT)
                index = self._system.append_map(_root_at).index
            else:
                index = last.log_index
            self._reach(index)  # from now on proofs of this map are given out
        except PageChanged as error:
            logger.warning("the head map is made anew from the log", reason=error.for_operator)
            head_map.forget(self._database)
            return self.before_anchor(anchored)
        return index + 1

    def _reach(self, size: int) -> None:
        """Add the entries below ``size`` to the map, and store a version of it at each entry that commits to one."""
        needed = self._needed()
        while True:
            with self._database.read() as connection:
                before = head_map.state(connection)
                if before.size >= size:
                    return
                end = min(size, before.size + STEP)
                commitment = log.first_system_entry(connection, MAPPED, before.size + 1, end + 1)
                end = end if commitment is None else commitment.log_index
                updated = _updated(connection, before, end)
            after, body = MapState(end, updated.root), HeadsMapped(root="0x" + updated.root.hex())
            if commitment is not None and log.event_of(commitment).body != body:
                raise IntegrityBroken(
                    "entry {end} commits to another head map than that of the entries before it", end=end, hint=CHANGED
                )
            head_map.advance(self._database, before, after, updated.changed, needed=needed)

    def _needed(self) -> int:
        """Return the size of the map below the last anchor that is proven: of older ones no proof is given out."""
        proven = self._journal.last_proven_anchor()
        with self._database.read() as connection:
            below = proven.anchored.size if proven and proven.anchored else 0
            last = log.last_system_entry(connection, MAPPED, below=below)
        return last.log_index if last else 0


def _updated(connection: Connection, before: MapState, size: int) -> HeadMap:
    """Return the map over the entries below ``size``."""
    updated = head_map.map_at(connection, before)
    updated.update(head_map.heads_between(connection, before.size, size))
    return updated


def _root_at(connection: Connection, size: int) -> Hash:
    """Return the root of the map over all ``size`` entries of the log, whose writer's lock is held."""
    return _updated(connection, head_map.state(connection), size).root
