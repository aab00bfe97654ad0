"""The time to reply to a recommendation: by the row of the rules that was in force when it was issued."""

from __future__ import annotations

from datetime import datetime

from ledger.core.deadlines import WorkCalendar
from ledger.core.deadlines.counting import Counted, count
from ledger.core.deadlines.period import parse_periods
from ledger.core.errors import UnknownYear
from ledger.core.legal_day import legal_day
from ledger.core.rulebook import Rulebook
from ledger.core.validity import holds_on

CLOCK = "recommendation_reply"


def reply_due(issued_at: str, book: Rulebook, calendar: WorkCalendar) -> Counted | None:
    """When the reply is too late to a recommendation of that instant (RFC 3339), and how that was counted.

    None where no row was in force, and where the calendar does not know the year that it may end in.
    """
    since = datetime.fromisoformat(issued_at)
    day = legal_day(since).isoformat()
    row = next((row for row in book.clocks if row.name == CLOCK and holds_on(row, day)), None)
    if row is None or not row.bases:
        return None
    periods = parse_periods(row.bases[-1].period)
    try:
        return count(since, periods, calendar=calendar, in_custody=False, month_end=row.month_end)
    except UnknownYear:
        return None
