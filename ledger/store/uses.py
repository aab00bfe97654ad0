"""What each key has signed, counted out of the log a stretch at a time.

Submissions do not pay for an index of keys: who asks reads on from where the last one stopped, and is told how far.
"""

from __future__ import annotations

from collections import deque
from threading import Lock

from msgspec import Struct
from sqlalchemy import Connection, select

from ledger.store.tables import ENTRIES

STRETCH = 50_000  # entries read by one question at most
KEPT = 50  # of each key's uses, the newest


class Use(Struct, frozen=True):
    """An entry that the key signed; ``signed_at`` is in unix seconds, the signer's claim."""

    log_index: int
    event_type: str
    stream_kind: str
    stream_id: str
    signed_at: int


class KeyUses:
    """Counts in memory. Threads may share it."""

    def __init__(self, stretch: int = STRETCH):
        self._stretch = stretch
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self._newest: dict[str, deque[Use]] = {}
        self.counted = 0  # entries that were read

    def read_on(self, connection: Connection) -> None:
        """Reads the next stretch of the log."""
        columns = [ENTRIES.c.key_id, *(ENTRIES.c[name] for name in Use.__struct_fields__)]
        with self._lock:
            query = select(*columns).where(ENTRIES.c.log_index >= self.counted).order_by(ENTRIES.c.log_index)
            for key_id, *fields in connection.execute(query.limit(self._stretch)):
                self._counts[key_id] = self._counts.get(key_id, 0) + 1
                self._newest.setdefault(key_id, deque(maxlen=KEPT)).appendleft(Use(*fields))
                self.counted += 1

    def count(self, key_id: str) -> int:
        """How many of the counted entries the key signed."""
        return self._counts.get(key_id, 0)

    def newest(self, key_id: str) -> list[Use]:
        """The last of them, the newest first."""
        with self._lock:
            return list(self._newest.get(key_id, ()))
