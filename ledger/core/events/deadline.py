"""Bodies of events that change the run of a statutory clock."""

from __future__ import annotations

from ledger.core.events.catalogue import Body, event
from ledger.core.events.terms import (
    Date,
    DeadlineId,
    ExclusionGround,
    ExtensionName,
    Instant,
    Line,
    QualifyingGround,
    Text,
)


@event("deadline.extended")
class DeadlineExtended(Body, frozen=True):
    """``extension`` names a row of the rules; ``until`` is the last day as decided, or left out for all the row gives.

    ``qualifying_ground`` is the ground that the clause asks for, where it asks for one of a list.
    """

    deadline_id: DeadlineId
    extension: ExtensionName
    article: Line
    ground: Text
    until: Date | None = None
    qualifying_ground: QualifyingGround | None = None


@event("deadline.suspended")
class DeadlineSuspended(Body, frozen=True):
    """From ``suspended_at`` on the time does not count."""

    deadline_id: DeadlineId
    suspended_at: Instant
    excluded_for: ExclusionGround
    article: Line
    ground: Text


@event("deadline.resumed")
class DeadlineResumed(Body, frozen=True):
    """From ``resumed_at`` on the time counts again."""

    deadline_id: DeadlineId
    resumed_at: Instant


@event("deadline.reset")
class DeadlineReset(Body, frozen=True):
    """The clock runs anew from ``reset_at``, without its extensions (another crime found, identity learnt)."""

    deadline_id: DeadlineId
    reset_at: Instant
    article: Line
    ground: Text
