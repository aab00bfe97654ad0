"""The index of the parts of words: follows the log and stores which entries have which parts in their words and names.

How far it has come is stored in one transaction with the rows, so a service that was killed goes on where it was.
Submissions never wait for it, and a search looks at what it has not come to.
"""

from __future__ import annotations

import structlog

from ledger.core.errors import TallystickError, Unavailable
from ledger.store import log, notices, search, word_parts
from ledger.store.database import Connection, Database, Row, write_rows
from ledger.store.log import StoredEntry
from ledger.store.tables import NAME_PARTS, WORD_PARTS

AT_ONCE = 200  # most entries of one transaction

logger = structlog.get_logger(__name__)


def index_words(database: Database) -> int:
    """Store the parts of all that was recorded by now, and return of how many entries."""
    indexed = 0
    while (entries := _step(database)) is not None:
        indexed += entries
    return indexed


def _step(database: Database) -> int | None:
    """Store the parts of some entries and return their number; None once there is nothing more to look at."""
    with database.read() as connection:
        before = word_parts.position(connection)
        last = log.tree(connection).size - 1
        if before >= last:
            return None
        entries = notices.entries_behind(connection, before, search.WITH_PARTS, AT_ONCE)
    end = entries[-1].log_index if len(entries) == AT_ONCE else last
    rows = [row for entry in entries for row in _of_entry(entry)]
    # A look that wakes nobody: what is stored here is no news.
    with database.lock() as connection:
        if word_parts.position(connection) != before:
            return 0  # another process was faster: the next step goes on from where it came to
        # Names are read with the lock held: a section that was erased by now has none.
        names = [row for entry in entries for row in _of_names(connection, entry)]
        write_rows(connection, database, {}, {WORD_PARTS: rows, NAME_PARTS: names})
        word_parts.keep_position(connection, database, end)
    return len(entries)


def _of_entry(entry: StoredEntry) -> list[Row]:
    try:
        parts = search.parts_said(log.event_of(entry))
    except Unavailable:  # the database does not answer now: the entry is looked at again
        raise
    except TallystickError as error:  # an audit reports what is wrong with it
        logger.warning("words of an entry not indexed", index=entry.log_index, reason=error.for_operator)
        return []
    return [{"part": part, "log_index": entry.log_index} for part in sorted(parts)]


def _of_names(connection: Connection, entry: StoredEntry) -> list[Row]:
    if entry.event_type != search.NAMING:
        return []
    sections = log.sections(connection, entry.log_index).items()
    parts = {part for label, data in sections if data is not None for part in search.parts_of_name(data, label)}
    return [{"part": part, "log_index": entry.log_index} for part in sorted(parts)]
