"""Seal: the log of reads is sealed into the log of events, and with it the bindings of rows that nobody signs.

It is sealed before each anchor, so that the chain holds what it says, and at least once an hour where nothing is
anchored. A seal is an entry, and calls for another anchor; so one is enough for each, and none is made for what seals
themselves leave behind.
"""

from __future__ import annotations

from ledger.core.events import decode_payload
from ledger.core.events.record import AccessSealed
from ledger.recording.publisher import Receipt
from ledger.recording.system_stream import SystemStream
from ledger.store import bindings, log
from ledger.store.access import AccessLog
from ledger.store.database import Database
from ledger.store.log import StoredEntry

LONGEST_UNSEALED_MS = 3600 * 1000


class Sealer:
    """Seals what is due."""

    def __init__(self, database: Database, access: AccessLog, system: SystemStream):
        self._database = database
        self._access = access
        self._system = system
        self._bound_at: int | None = None  # when step saw the first binding of people that is not sealed

    def step(self, now_ms: int) -> Receipt | None:
        """Seals all so far if the oldest unsealed read or binding is an hour old. Raises Unavailable."""
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
        """Seals what is not sealed yet, unless that was done since the anchor of size ``anchored``.

        Gives the tree size that has the seal, 0 where there is nothing to seal. Raises Unavailable.
        """
        last = self._last()
        if last is not None and last.log_index >= anchored:
            return last.log_index + 1
        if self._access.head().count == _count(last) and not self._is_bound_anew():
            return 0
        return self._seal().index + 1

    def sealed(self) -> int:
        """How many records of the log of reads are sealed."""
        return _count(self._last())

    def _seal(self) -> Receipt:
        with self._database.read() as connection:
            bound = bindings.head(connection)
        head = self._access.append_bindings(bound)
        receipt = self._system.append(AccessSealed(count=head.count, head=head.digest))
        self._bound_at = None
        return receipt

    def _is_bound_anew(self) -> bool:
        """Whether there are bindings of people behind those that the log of reads knows of."""
        known = self._access.last_bindings()
        with self._database.read() as connection:
            return bindings.is_of_people(connection, known.count)

    def _last(self) -> StoredEntry | None:
        with self._database.read() as connection:
            return log.last_system_entry(connection, "access.sealed")


def _count(entry: StoredEntry | None) -> int:
    body = decode_payload(entry.payload).body if entry else None
    return body.count if isinstance(body, AccessSealed) else 0
