"""Bodies of events that tell a detention house for which agency it keeps a person, and until when."""

from __future__ import annotations

from ledger.core.events.catalogue import Body, event
from ledger.core.events.terms import (
    AgencyId,
    CustodyChangeId,
    Date,
    HandoverId,
    Instant,
    Line,
    MeasureId,
    Number,
    PersonId,
)


@event("custody_change.requested")
class CustodyChangeRequested(Body, frozen=True):
    """The new organ asks for the change of custody that its acceptance of ``handover_id`` calls for (换押证)."""

    custody_change_id: CustodyChangeId
    handover_id: HandoverId
    person_id: PersonId
    detention_house: AgencyId
    number: Number


@event("custody_change.served")
class CustodyChangeServed(Body, frozen=True):
    """The detention house's half: from ``served_at`` on it keeps the person for the organ that asked."""

    custody_change_id: CustodyChangeId
    served_at: Instant


@event("custody_period.notified")
class CustodyPeriodNotified(Body, frozen=True):
    """A notice to the detention house before a period of custody ends: only the period changes.

    ``until`` is the last day of the new period, ``article`` the clause that it rests on.
    """

    measure_id: MeasureId
    detention_house: AgencyId
    until: Date
    number: Number
    article: Line
