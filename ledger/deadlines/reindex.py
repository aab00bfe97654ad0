"""Recount: the ends of all clocks anew where rules or calendar are no longer those that they were counted by.

A new version brings the holidays of another year, or a clock that older ones did not have. What lists show is brought
to that before anything is served.
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
from ledger.recording.case_states import States
from ledger.recording.validation import Recorder
from ledger.store import audit, clocks, log
from ledger.store.clocks import Row
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry

logger = structlog.get_logger(__name__)


def recount(database: Database, recorder: Recorder) -> bool:
    """Whether the clocks had to be counted anew; they are by the recorder's rules and calendar when this returns."""
    mark = mark_of(recorder.book, recorder.calendar)
    with database.write() as connection:
        if clocks.counted_by(connection) == mark:
            return False
        clocks.replace_all(connection, database, _rows(connection, recorder.states, recorder), mark)
    return True


def mark_of(book: Rulebook, calendar: WorkCalendar) -> str:
    """What tells one way of counting from another: a digest of the clocks' rules and of the days off."""
    days = [sorted(calendar.years), sorted(calendar.holidays), sorted(calendar.make_up_days)]
    return blake3_text(msgspec.json.encode([book.clocks, days]))


def _rows(connection: Connection, states: States, recorder: Recorder) -> Iterator[Row]:
    entries = audit.by_stream(connection, "case", None, None, size=log.tree(connection).size)
    for case_id, events in groupby(entries, key=lambda entry: entry.stream_id):
        try:
            yield from _of_case(events, states, recorder).values()
        except (
            TallystickError
        ) as error:  # what is wrong with the case is for an audit to say, and for whoever acts in it
            logger.warning("clocks of a case not counted", case_id=case_id, reason=error.for_operator)


def _of_case(events: Iterator[StoredEntry], states: States, recorder: Recorder) -> dict[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = {}
    before: CaseState | None = None
    for entry, _, after in states.follow(events):
        rows.update(clocks.rows(clocks.changes(before, after, recorder.book, recorder.calendar), entry.log_index))
        before = after
    return rows
