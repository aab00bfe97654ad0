"""Bodies of case, person, measure and decision events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events.catalogue import Body, event
from ledger.core.events.terms import (
    BusinessLine,
    CaseId,
    CaseRelation,
    Date,
    DecisionId,
    DecisionKind,
    Digest,
    Disposal,
    EventRef,
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
