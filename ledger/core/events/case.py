"""Bodies of events about a case: its course, persons and measures, its clocks, and changes of custody."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events.catalogue import Body, event
from ledger.core.events.terms import (
    AgencyId,
    BusinessLine,
    CaseId,
    CaseRelation,
    CustodyChangeId,
    Date,
    DeadlineId,
    DecisionId,
    DecisionKind,
    Digest,
    Disposal,
    EventRef,
    ExclusionGround,
    ExtensionName,
    HandoverId,
    Instant,
    ItemId,
    Line,
    Measure,
    MeasureId,
    Number,
    OfficerId,
    PersonId,
    PersonRole,
    Procedure,
    QualifyingGround,
    SectionLabel,
    Stage,
    Text,
    Value,
)


@event("case.opened")
class CaseOpened(Body, frozen=True):
    """Opens the stream (sequence 0). ``split_from`` cites the ``case.split`` that this case comes out of."""

    case_number: Number
    case_type: Line
    business_line: BusinessLine
    stage: Stage
    split_from: EventRef | None = None


@event("case.numbered")
class CaseNumbered(Body, frozen=True):
    """The signing agency's own number of the case."""

    case_number: Number


@event("case.linked")
class CaseLinked(Body, frozen=True):
    """A relation to another case; it moves nothing."""

    other_case_id: CaseId
    relation: CaseRelation


@event("case.split")
class CaseSplit(Body, frozen=True):
    """Items and persons leave for ``new_case_id``, whose opening cites this event."""

    new_case_id: CaseId
    ground: Text
    item_ids: tuple[ItemId, ...] = ()
    person_ids: tuple[PersonId, ...] = ()


@event("case.joined")
class CaseJoined(Body, frozen=True):
    """``cites`` is the ``case.split`` by which the other case gave up what joins here."""

    other_case_id: CaseId
    cites: EventRef
    ground: Text


@event("case.assigned")
class CaseAssigned(Body, frozen=True):
    """The department and officer that handle the case in the signing agency."""

    department: Line
    handler: OfficerId


@event("case.stage_entered")
class CaseStageEntered(Body, frozen=True):
    """``procedure`` is the one that the case is handled under from here on; left out, it stays as it was."""

    stage: Stage
    procedure: Procedure | None = None


@event("case.closed")
class CaseClosed(Body, frozen=True):
    """Closes the case: every offer must be answered and every discrepancy resolved."""

    ground: Text
    decision_id: DecisionId | None = None


@event("person.named")
class PersonNamed(Body, frozen=True):
    """A person of the case; the name stands in the confidential ``section``, never here."""

    person_id: PersonId
    role: PersonRole
    section: SectionLabel | None = None


@event("measure.imposed")
class MeasureImposed(Body, frozen=True):
    """``until`` is the last day as decided, if the decision names one."""

    measure_id: MeasureId
    person_id: PersonId
    measure: Measure
    started_at: Instant
    ground: Text
    until: Date | None = None


@event("measure.changed")
class MeasureChanged(Body, frozen=True):
    """``measure_id`` ends and ``new_measure_id`` begins at ``started_at``."""

    measure_id: MeasureId
    new_measure_id: MeasureId
    measure: Measure
    started_at: Instant
    ground: Text
    until: Date | None = None


@event("measure.extended")
class MeasureExtended(Body, frozen=True):
    """``article`` is the clause that the extension rests on, e.g. ``CPL 91``; it extends the clock of the measure too.

    ``qualifying_ground`` is the ground that the clause asks for, where it asks for one of a list.
    """

    measure_id: MeasureId
    until: Date
    ground: Text
    article: Line
    qualifying_ground: QualifyingGround | None = None


@event("measure.lifted")
class MeasureLifted(Body, frozen=True):
    """The measure ends at ``ended_at``."""

    measure_id: MeasureId
    ended_at: Instant
    ground: Text


class ItemDecision(Value, frozen=True):
    """The disposal that a decision orders for one item."""

    item_id: ItemId
    disposal: Disposal


@event("decision.recorded")
class DecisionRecorded(Body, frozen=True):
    """A decision with its paper: ``number`` as written on it, ``digests`` of the document."""

    decision_id: DecisionId
    kind: DecisionKind
    number: Number
    decided_at: Instant
    served_at: Instant | None = None
    effective_at: Instant | None = None
    person_ids: tuple[PersonId, ...] = ()
    items: tuple[ItemDecision, ...] = ()
    digests: Annotated[tuple[Digest, ...], Meta(max_length=8)] = ()


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
