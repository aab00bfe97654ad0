"""Seal: the log of reads is sealed into the log of events, so that no read stays unsealed for longer than a day."""

from __future__ import annotations

from ledger.core.event import decode_payload
from ledger.core.event.record import AccessSealed
from ledger.publish import Receipt
from ledger.store import log
from ledger.store.access import AccessLog
from ledger.store.database import Database
from ledger.system import SystemStream

LONGEST_UNSEALED_MS = 24 * 3600 * 1000


class Sealer:
    """Seals what is due."""

    def __init__(self, database: Database, access: AccessLog, system: SystemStream):
        self._database = database
        self._access = access
        self._system = system

    def step(self, now_ms: int) -> Receipt | None:
        """Seals all reads so far if the oldest unsealed one is a day old. Raises Unavailable."""
        oldest = self._access.read_at(self.sealed())
        if oldest is None or now_ms - oldest < LONGEST_UNSEALED_MS:
            return None
        head = self._access.head()
        return self._system.append(AccessSealed(count=head.count, head=head.digest))

    def sealed(self) -> int:
        """How many reads the log has sealed."""
        with self._database.read() as connection:
            entry = log.last_system_entry(connection, "access.sealed")
        body = decode_payload(entry.payload).body if entry else None
        return body.count if isinstance(body, AccessSealed) else 0
