"""Upkeep of the list of deadlines: all clocks are computed again if the rules change, and handlers are warned.

A new version of the procedure brings the holidays of another year, or a clock that older ones did not have. The list of
deadlines is brought up to date before anything is served. Each handler is warned of deadlines that come near, once at
each distance, and once when one has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from time import sleep

from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import spelled
from ledger.core.errors import TallystickError
from ledger.core.events.case import CaseSplit
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.procedure.zones import Zone
from ledger.core.supervision import subject_kind_of
from ledger.loggers import get_logger
from ledger.recording.validation import Validator
from ledger.store import audit, clock_lines, clocks, log
from ledger.store.audit import StreamRange
from ledger.store.clock_lines import ClockLine
from ledger.store.database import Connection, Database, Row
from ledger.store.log import StoredEntry

AHEAD = (7, 3, 1)  # days before the last day
PASSED = 0
AT_ONCE = 500  # most warnings of one transaction
ENTRIES_AT_ONCE = 1000  # about so many entries of cases are counted in one transaction
Changes = Iterator[tuple[int, Iterable[ClockLine]]]  # indices of entries with the lines of a stream that each changed
PAUSE_S = 0.1  # between two transactions: who waits for SQLite's lock looks for it that often

logger = get_logger(__name__)


def recount(database: Database, validator: Validator) -> bool:
    """Compute all clocks again if the days off or zones in force have changed; return whether they had.

    Meanwhile the list has lines of before and of after.
    """
    mark = _mark(validator.procedures().current)
    with database.read() as connection:
        if clocks.counted_by(connection) == mark:
            return False
        bounds = [None, *audit.stream_bounds(connection, _range(connection, "case"), ENTRIES_AT_ONCE), None]
    for first, last in pairwise(bounds):
        # A transaction for some of the cases at a time: what is submitted meanwhile need not wait for all.
        with database.write() as connection:
            clocks.replace_between(connection, first, last, _of_cases(connection, validator, first, last))
        if last is not None:
            sleep(PAUSE_S)
    with database.write() as connection:
        clocks.replace_of_recommendations(connection, _of_recommendations(connection, validator))
    # Last: whoever is interrupted before this begins again.
    with database.write() as connection:
        clocks.keep_counted_by(connection, database, mark)
    return True


def _mark(in_force: Mapping[str, Rulebook]) -> str:
    """Return the mark of what lines depend on beside the log: the days off and zones of what is in force."""
    return blake3_text(canonical.encode({name: (book.days_off, book.zone) for name, book in in_force.items()}))


def _of_cases(connection: Connection, validator: Validator, first: str | None, last: str | None) -> Iterator[Row]:
    def changes(events: Iterable[StoredEntry]) -> Changes:
        before: CaseState | None = None
        for entry, event, after in validator.states.follow(events):
            book = validator.book_of(after)
            yield entry.log_index, clock_lines.changes(before, after, book)
            if isinstance(event.body, CaseSplit) and (index := validator.states.taken_over_at(event)) is not None:
                yield index, clock_lines.of_taken_over(after, event.event_id, book)
            before = after

    return _rows(audit.by_stream(connection, _range(connection, "case", first, last)), changes)


def _of_recommendations(connection: Connection, validator: Validator) -> Iterator[Row]:
    def changes(events: Iterable[StoredEntry]) -> Changes:
        for entry, step in validator.steps_of(events):
            yield entry.log_index, clock_lines.changes_of_step(step, validator.procedures().current)

    entries = audit.by_stream(connection, _range(connection, "supervision"))
    return _rows((entry for entry in entries if subject_kind_of(entry.stream_id) == "recommendation"), changes)


def _range(connection: Connection, kind: str, first: str | None = None, last: str | None = None) -> StreamRange:
    return StreamRange(kind, log.tree(connection).size, first, last)


def _rows(entries: Iterable[StoredEntry], changes: Callable[[Iterable[StoredEntry]], Changes]) -> Iterator[Row]:
    """Yield the last row of each clock of these streams; ``changes`` yields what each entry of one changed."""
    for stream_id, events in groupby(entries, key=lambda entry: entry.stream_id):
        rows: dict[str, Row] = {}
        try:
            for index, lines in changes(events):
                rows |= {row["deadline_id"]: row for row in clocks.rows(lines, index)}
        # An audit reports what is wrong with the stream, and so does the next act in it.
        except TallystickError as error:
            logger.warning("clocks not counted", stream_id=stream_id, reason=error.for_operator)
        else:
            yield from rows.values()


def warn(database: Database, now_ms: int, zone: Zone) -> int:
    """Store the warnings that are due at ``now_ms`` (unix milliseconds) and return how many.

    They are stored so that neither a restart nor a second process warns twice. A clock that begins within several of
    the distances, or was recorded late, is warned of at the nearest one only; a clock that gets another end is warned
    of again.
    """
    horizons = horizons_at(datetime.fromtimestamp(now_ms / 1000, UTC), zone)
    stored = 0
    while True:
        with database.read() as connection:
            if not clocks.new_warnings(connection, horizons, limit=1):
                return stored
        # A transaction for some of them at a time: a writer of cases need not wait for all.
        with database.write() as connection:
            due = clocks.new_warnings(connection, horizons, AT_ONCE)
            clocks.store_warnings(connection, due, now_ms)
        if not due:  # another process has stored them
            return stored
        stored += len(due)


def horizons_at(now: datetime, zone: Zone) -> dict[int, str]:
    """Return, for each number of days left, the instant (RFC 3339) by which such a clock ends.

    It is midnight of that day in the zone; for 0 days it is ``now``.
    """
    ahead = {days: spelled(zone.end_of(zone.day_of(now) + timedelta(days=days))) for days in AHEAD}
    return {PASSED: spelled(now), **ahead}
