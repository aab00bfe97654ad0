"""Rules 12 and 13: gaps, overlaps, order, officers, anchors; offers without an answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ledger.core.custody.due_dates import deadlines
from scripts.histories.history import History
from scripts.histories.life import BOOK, CALENDAR, Planted
from scripts.histories.reference.persons import TO_EXECUTION
from scripts.histories.reference.told import Told, day, utc

GAP = timedelta(hours=72)
LATE = timedelta(hours=24)  # of an anchor after the deadline
MINUTE = timedelta(minutes=1)  # within which claims say nothing of the order
UNANSWERED = 7  # days


def deliveries(told: Told) -> Iterator[Planted]:
    """12: nobody, or two at a time, had what was handed over; or one officer released and received it."""
    for step in told.steps:
        for change in step.after.handovers.changes(step.before.handovers if step.before else None):
            made = change.after
            if made is None or not made.is_accepted or made.received_at is None:
                continue
            if made.items and utc(made.received_at) - utc(made.offered_at) > GAP:
                yield told.breach(12, "gap", made.handover_id)
            if utc(made.offered_at) - utc(made.received_at) > MINUTE:
                yield told.breach(12, "overlap", made.handover_id)
            if made.offered_by == step.entry.payload.officer:
                yield told.breach(12, "same_officer", made.handover_id, made.offered_by)


def backdated(told: Told) -> Iterator[Planted]:
    """12: an event claims to lie before one that was recorded before it."""
    latest = ""
    for step in told.steps:
        claimed = step.entry.payload.occurred_at
        if claimed < latest:
            yield told.breach(12, "backdated", step.entry.payload.event_id, claimed)
        latest = max(latest, claimed)


def unanswered(told: Told) -> Iterator[Planted]:
    """13: an offer that stands open for more than a week; papers of execution are rule 9's."""
    for one in told.state.handovers.values():
        if one.is_open and one.purpose not in TO_EXECUTION and (told.today - day(one.offered_at)).days > UNANSWERED:
            yield told.breach(13, "unanswered", one.handover_id)


class Anchoring:
    """When the log's events were anchored."""

    def __init__(self, history: History) -> None:
        self._index = {entry.digest: index for index, entry in enumerate(history.entries)}
        self._anchors = [*history.anchors()]
        self._sizes = [size for size, _ in self._anchors]

    def at(self, digest: str) -> datetime:
        """The block time of the first anchor over the event."""
        return datetime.fromtimestamp(self._anchors[bisect_right(self._sizes, self._index[digest])][1], UTC)

    def late(self, told: Told) -> Iterator[Planted]:
        """12: an act claims to have met a deadline, and was anchored more than a day after it."""
        by_digest = {step.entry.digest: step.entry.payload for step in told.steps}
        for one in deadlines(told.state, BOOK, CALENDAR, told.as_of):
            if one.status != "met" or one.due_at is None:
                continue
            for ref in one.events:
                met = by_digest[ref.payload_digest].occurred_at == one.stopped_at
                if met and self.at(ref.payload_digest) >= one.due_at + LATE:
                    yield told.breach(12, "anchored_late", ref.event_id, one.deadline_id)
