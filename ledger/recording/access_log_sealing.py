"""The sealing of the log of reads: its length and head are recorded in the service's own stream."""

from __future__ import annotations

from ledger.core.events.record import AccessSealed
from ledger.recording.publisher import Receipt
from ledger.recording.system_stream import SystemStream
from ledger.store import bindings, log
from ledger.store.access import AccessLog
from ledger.store.database import Database
from ledger.store.log import StoredEntry

LONGEST_UNSEALED_MS = 3600 * 1000


class AccessLogSealer:
    """Writes the seals that are due."""

    def __init__(self, database: Database, access: AccessLog, system: SystemStream):
        self._database = database
        self._access = access
        self._system = system
        self._bound_at: int | None = None  # when step first saw an unsealed binding of rows that people see

    def step(self, now_ms: int) -> Receipt | None:
        """Seal everything so far if the oldest unsealed read or binding is an hour old.

        Raises:
            Unavailable: the seal could not be recorded.
        """
        # A binding has no time of its own: it is as old as this process has known of it.
        oldest = self._access.read_at(self.sealed())
        if not self._is_bound_anew():
            self._bound_at = None
        elif self._bound_at is None:
            self._bound_at = now_ms
        waiting = [at for at in (oldest, self._bound_at) if at is not None]
        if not waiting or now_ms - min(waiting) < LONGEST_UNSEALED_MS:
            return None
        return self._seal()

    def before_anchor(self, anchored: int) -> int:
        """Seal what is not sealed yet, unless that was done since the anchor of size ``anchored``.

        Return the tree size that includes the seal, or 0 if there is nothing to seal. Raises Unavailable.
        """
        # The last seal is newer than the last anchor: another would only call for yet another anchor.
        last = self._last()
        if last is not None and last.log_index >= anchored:
            return last.log_index + 1
        if self._access.head().count == _count(last) and not self._is_bound_anew():
            return 0
        return self._seal().index + 1

    def sealed(self) -> int:
        """Return how many records of the access log are sealed."""
        return _count(self._last())

    def _seal(self) -> Receipt:
        with self._database.read() as connection:
            bound = bindings.head(connection)
        # First the bindings' head goes into the access log, so that one seal covers both.
        head = self._access.append_bindings(bound)
        receipt = self._system.append(AccessSealed(count=head.count, head=head.digest))
        self._bound_at = None
        return receipt

    def _is_bound_anew(self) -> bool:
        """Return whether rows that people see were bound since the access log last recorded the bindings' head."""
        recorded_head = self._access.last_bindings()
        with self._database.read() as connection:
            return bindings.is_of_people(connection, recorded_head.count)

    def _last(self) -> StoredEntry | None:
        with self._database.read() as connection:
            return log.last_system_entry(connection, "access.sealed")


def _count(entry: StoredEntry | None) -> int:
    body = log.event_of(entry).body if entry else None
    return body.count if isinstance(body, AccessSealed) else 0
