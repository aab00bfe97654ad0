"""Erasing sections: their bytes leave the database with the event that erases them, and soon its write-ahead log.

SQLite overwrites what is deleted (``secure_delete``), but the write-ahead log keeps pages as they were until it is
emptied. That waits for nobody: it is tried until no reader stands in the way, by whatever process comes first. On
PostgreSQL old versions of a row stay until it is vacuumed, and its own logs and backups as long as its operator keeps
them.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from ledger.core.event.record import SectionErased
from ledger.store.database import Database
from ledger.store.tables import ENTRIES, META, SECTIONS

_ERASED = "erased_section"  # the last erasure whose bytes may be in the write-ahead log


def erase(connection: Connection, database: Database, body: SectionErased) -> None:
    """Empties the section in the open transaction. Requires the writer's lock."""
    target = (
        select(ENTRIES.c.log_index).where(ENTRIES.c.payload_digest == body.concerns.payload_digest).scalar_subquery()
    )
    named = (SECTIONS.c.log_index == target, SECTIONS.c.label == body.label)
    connection.execute(update(SECTIONS).where(*named).values(data=None))
    mark = f"{body.concerns.event_id} {body.label}"
    statement = database.upsert(META).values(name=_ERASED, value=mark)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": mark}))


def clear_away(database: Database) -> bool:
    """Takes the last traces of erased sections out of what this service writes; False where it must be tried again."""
    with database.read() as connection:
        mark = connection.execute(select(META.c.value).where(META.c.name == _ERASED)).scalar()
    if mark is None:
        return True
    if not database.empty_write_ahead_log():
        return False
    with database.write() as connection:
        connection.execute(delete(META).where(META.c.name == _ERASED, META.c.value == mark))
    return True
