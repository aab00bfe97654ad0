"""The index of the parts of words: follows the log and stores which entries have which parts in their words and names.

How far it has come is stored in one transaction with the rows, so a service that was killed goes on where it was.
Submissions never wait for it, and a search looks at what it has not come to. It goes no further than an entry that is
not the one that was signed: whoever restores that finds it again. By newer rules than those of its rows, as after an
upgrade, the index is made anew; one that a newer service beside this one has made is left to it.
"""

from __future__ import annotations

from functools import lru_cache

from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Event
from ledger.loggers import get_logger
from ledger.store import log, search, word_parts
from ledger.store.database import Connection, Database, Row, write_rows
from ledger.store.log import StoredEntry
from ledger.store.tables import NAME_PARTS, WORD_PARTS

AT_ONCE = 200  # most entries of one transaction

logger = get_logger(__name__)


def index_words(database: Database) -> int:
    """Store the parts of all that was recorded by now, and return of how many entries."""
    while (differ := _rules_differ(database)) is not None:
        if differ == "newer":
            _tell_of_newer(search.PARTS_MARK)
            return 0
        with database.lock() as connection:
            word_parts.begin_anew(connection, database, search.PARTS_MARK)
    indexed = 0
    while (entries := _step(database)) is not None:
        indexed += entries
    return indexed


def _rules_differ(database: Database) -> str | None:
    with database.read() as connection:
        return word_parts.rules_differ(connection, search.PARTS_MARK)


def _step(database: Database) -> int | None:
    """Store the parts of some entries and return their number; None once there is nothing more to look at."""
    with database.read() as connection:
        before = word_parts.position(connection, search.PARTS_MARK)
        last = log.tree(connection).size - 1
        if before >= last:
            return None
        entries = log.entries_behind(connection, before, search.WITH_PARTS, AT_ONCE)
    end = entries[-1].log_index if len(entries) == AT_ONCE else last
    events: list[tuple[StoredEntry, Event]] = []
    broken: TallystickError | None = None
    for entry in entries:
        try:
            events.append((entry, log.event_of(entry)))
        except TallystickError as error:  # an audit reports what is wrong with it
            end, broken = entry.log_index - 1, error
            break
    rows = [row for entry, event in events for row in _rows(entry, search.parts_said(event))]
    # A look that wakes nobody: what is stored here is no news.
    with database.lock() as connection:
        if word_parts.rules_differ(connection, search.PARTS_MARK):
            return None  # a process of other rules has begun anew: the next look sees that
        if word_parts.position(connection, search.PARTS_MARK) != before:
            return 0  # another process was faster: the next step goes on from where it came to
        names: list[Row] = []
        for entry, _ in events:
            try:
                # Names are read with the lock held: a section that was erased by now has none.
                names += _rows(entry, _parts_named(connection, entry))
            except IntegrityBroken as error:
                end, broken = entry.log_index - 1, error
                rows = [row for row in rows if row["log_index"] <= end]
                break
        if end > before:
            write_rows(connection, database, {}, {WORD_PARTS: rows, NAME_PARTS: names})
            word_parts.keep_position(connection, database, end, search.PARTS_MARK)
    if broken is not None:
        _tell(end + 1, broken.for_operator)
        return None
    return len(entries)


def _parts_named(connection: Connection, entry: StoredEntry) -> set[str]:
    """Return the parts of the names in the entry's sections. Raises IntegrityBroken if one is not as it was signed."""
    if entry.event_type != search.NAMING:
        return set()
    stored = log.signed_sections(connection, entry).items()
    return {part for label, data in stored if data is not None for part in search.parts_of_name(data, label)}


def _rows(entry: StoredEntry, parts: set[str]) -> list[Row]:
    return [{"part": part, "log_index": entry.log_index} for part in sorted(parts)]


@lru_cache(maxsize=1)
def _tell(index: int, reason: str) -> None:
    """Log once at which entry the index stands: it is looked at every second."""
    logger.warning("words are not indexed from this entry on", index=index, reason=reason)


@lru_cache(maxsize=1)
def _tell_of_newer(mark: str) -> None:
    logger.warning("words were indexed by newer rules: searches here go through them until an upgrade", own=mark)
