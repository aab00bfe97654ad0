"""Figures for the operator: how the log has grown, what it takes on the disk, and what each key has signed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import date, timedelta
from threading import Lock

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select, text

from ledger.core.procedure.zones import Zone
from ledger.store.database import Database
from ledger.store.supervision import LEADS, MODELS
from ledger.store.tables import CASE_AGENCIES, ENTRIES

LEAST_FREE = 1024**3  # bytes on the disk of the data directory; with less an operator is to make room


class Day(Struct, frozen=True):
    """How many entries were recorded on a day of the ledger's time zone."""

    day: date
    entries: int


def days(connection: Connection, size: int, today: date, count: int, zone: Zone) -> list[Day]:
    """Return the last ``count`` days up to today, oldest first. ``size`` is the tree's."""
    dates = [today - timedelta(days=back) for back in reversed(range(count))]
    starts = [int(zone.start_of(day).timestamp() * 1000) for day in dates]
    bounds = [*recorded_before(connection, size, starts), size]
    return [Day(day, bounds[at + 1] - bounds[at]) for at, day in enumerate(dates)]


_RECORDED_AT = select(ENTRIES.c.log_index, ENTRIES.c.recorded_at).where(
    ENTRIES.c.log_index.in_(bindparam("indices", expanding=True))
)


def recorded_before(connection: Connection, size: int, moments: Sequence[int]) -> list[int]:
    """Return how many of the first ``size`` entries were recorded before each moment (unix milliseconds).

    Found by bisection, of all moments at once: ``recorded_at`` never runs backwards, and no index of it is kept for
    this.
    """
    spans = [(0, size)] * len(moments)
    while middles := {(low + high) // 2 for low, high in spans if low < high}:
        times = dict(connection.execute(_RECORDED_AT, {"indices": list(middles)}).all())
        for place, (moment, (low, high)) in enumerate(zip(moments, spans, strict=True)):
            if low < high:
                middle = (low + high) // 2
                spans[place] = (middle + 1, high) if times[middle] < moment else (low, middle)
    return [low for low, _ in spans]


def bytes_kept(database: Database) -> int:
    """Return the bytes that both stores take on the disk."""
    with database.read() as connection:
        if not database.is_sqlite:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        log_bytes = _sqlite_bytes(connection)
    with database.access.connect() as connection:
        return log_bytes + _sqlite_bytes(connection)


def _sqlite_bytes(connection: Connection) -> int:
    query = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return int(connection.execute(query).scalar_one())


def has_case(connection: Connection, agency: str | None = None) -> bool:
    """Return whether there is a case, of this agency if one is given."""
    query = select(CASE_AGENCIES.c.case_id)
    if agency is not None:
        query = query.where(CASE_AGENCIES.c.agency == agency)
    return connection.execute(query.limit(1)).first() is not None


def has_model(connection: Connection) -> bool:
    """Return whether there is a published model that is not retired."""
    return connection.execute(select(MODELS.c.model_id).where(~MODELS.c.retired).limit(1)).first() is not None


def has_lead(connection: Connection) -> bool:
    """Return whether there is a lead, in any state."""
    return connection.execute(select(LEADS.c.lead_id).limit(1)).first() is not None


STRETCH = 50_000  # most entries read by one call
KEPT = 50  # newest uses of each key


class Use(Struct, frozen=True):
    """An entry that the key signed; ``signed_at`` is in unix seconds, the signer's claim."""

    log_index: int
    event_type: str
    stream_kind: str
    stream_id: str
    signed_at: int


class KeyUses:
    """Counts in memory what each key has signed. Threads may share it."""

    def __init__(self, stretch: int = STRETCH):
        self._stretch = stretch
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self._newest: dict[str, deque[Use]] = {}
        self.counted = 0  # entries that were read

    def read_on(self, connection: Connection) -> None:
        """Count the next stretch of the log."""
        columns = [ENTRIES.c.key_id, *(ENTRIES.c[name] for name in Use.__struct_fields__)]
        with self._lock:
            query = select(*columns).where(ENTRIES.c.log_index >= self.counted).order_by(ENTRIES.c.log_index)
            # A stretch at a time: who asks first must not wait until a whole log is counted.
            for key_id, *fields in connection.execute(query.limit(self._stretch)):
                self._counts[key_id] = self._counts.get(key_id, 0) + 1
                self._newest.setdefault(key_id, deque(maxlen=KEPT)).appendleft(Use(*fields))
                self.counted += 1

    def count(self, key_id: str) -> int:
        """Return how many of the counted entries the key signed."""
        return self._counts.get(key_id, 0)

    def newest(self, key_id: str) -> list[Use]:
        """Return the key's last uses, newest first."""
        with self._lock:
            return list(self._newest.get(key_id, ()))
