"""Sign-in challenges that wait for their signature. Any process may create or take one; each is taken once."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import delete, func, insert, select

from ledger.core.errors import Unavailable
from ledger.store.database import Database
from ledger.store.tables import CHALLENGES

# Challenges from the oldest that waits to the newest; a flood of requests must not fill the disk. Numbers tell it by
# two looks into an index; counting rows took longer the more there were, while everything else waited for the lock.
MAX_WAITING = 100_000
_FIRST, _LAST = select(func.min(CHALLENGES.c.number)), select(func.max(CHALLENGES.c.number))


class Challenge(Struct, frozen=True):
    """The text that ``key_id`` must sign, byte for byte, before ``expires_at`` (unix seconds)."""

    nonce: str
    key_id: str
    message: str
    expires_at: int


def keep(database: Database, challenge: Challenge, now: int) -> None:
    """Store a challenge and delete those that expired by ``now``. Raises Unavailable if too many wait."""
    with database.write() as connection:
        connection.execute(delete(CHALLENGES).where(CHALLENGES.c.expires_at <= now))
        first, last = (connection.execute(query).scalar() or 0 for query in (_FIRST, _LAST))
        if last - first >= MAX_WAITING - 1:
            raise Unavailable("too many sign-ins are waiting", code="busy", retry_after=60)
        row = {name: getattr(challenge, name) for name in Challenge.__struct_fields__} | {"number": last + 1}
        connection.execute(insert(CHALLENGES).values(**row))


def take(database: Database, nonce: str, now: int) -> Challenge | None:
    """Remove and return the challenge of this nonce; None if there is none or it has expired."""
    with database.write() as connection:
        row = connection.execute(select(CHALLENGES).where(CHALLENGES.c.nonce == nonce)).first()
        # Removed in the same transaction, so that a challenge can be answered only once.
        connection.execute(delete(CHALLENGES).where(CHALLENGES.c.nonce == nonce))
    if row is None or row.expires_at <= now:
        return None
    return Challenge(row.nonce, row.key_id, row.message, row.expires_at)
