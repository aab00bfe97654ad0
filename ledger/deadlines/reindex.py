"""Reindexing: all clocks are computed again if the rules or the calendar differ from those they were computed by.

A new release brings the holidays of another year, or a clock that older ones did not have. The list of deadlines is
brought up to date before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec
import structlog

from ledger.core.custody import CaseState
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import TallystickError
from ledger.core.procedure.deadlines import WorkCalendar
from ledger.core.procedure.rulebook import Rulebook
from ledger.recording.case_states import CaseStates
from ledger.recording.validation import Validator
from ledger.store import audit, clocks, log
from ledger.store.clocks import Row
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry

logger = structlog.get_logger(__name__)


def recount(database: Database, validator: Validator) -> bool:
    """Compute all clocks again if the validator's rules or calendar have changed; return whether they had."""
    mark = mark_of(validator.book, validator.calendar)
    with database.write() as connection:
        if clocks.counted_by(connection) == mark:
            return False
        clocks.replace_all(connection, database, _rows(connection, validator.states, validator), mark)
    return True


def mark_of(book: Rulebook, calendar: WorkCalendar) -> str:
    """Return what distinguishes one way of counting from another: a digest of the clocks' rules and the days off."""
    days = [sorted(calendar.years), sorted(calendar.holidays), sorted(calendar.make_up_days)]
    return blake3_text(msgspec.json.encode([book.clocks, days]))


def _rows(connection: Connection, states: CaseStates, validator: Validator) -> Iterator[Row]:
    entries = audit.by_stream(connection, "case", None, None, size=log.tree(connection).size)
    for case_id, events in groupby(entries, key=lambda entry: entry.stream_id):
        try:
            yield from _of_case(events, states, validator).values()
        # An audit reports what is wrong with the case, and so does the next act in it.
        except TallystickError as error:
            logger.warning("clocks of a case not counted", case_id=case_id, reason=error.for_operator)


def _of_case(events: Iterator[StoredEntry], states: CaseStates, validator: Validator) -> dict[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = {}
    before: CaseState | None = None
    for entry, _, after in states.follow(events):
        rows.update(clocks.rows(clocks.changes(before, after, validator.book, validator.calendar), entry.log_index))
        before = after
    return rows
