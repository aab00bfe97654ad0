"""Bodies of events about a case: its course, persons and measures, its clocks, and changes of custody."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from ledger.core.events import terms
from ledger.core.events.catalogue import Body, event

# What is stated in the fields that the procedure gives a kind: a number or day in its text, yes or no, an id, a word.
Particulars = Annotated[dict[terms.Particular, terms.Text], Meta(max_length=40)]


@event("case.opened")
class CaseOpened(Body, frozen=True):
    """Opens the stream (sequence 0). ``procedure`` is the one whose versions judge the acts of the case.

    ``split_from`` cites the ``case.split`` that this case comes out of.
    """

    case_number: terms.Number
    case_type: terms.Line
    business_line: terms.BusinessLine
    stage: terms.Stage
    procedure: terms.ProcedureId
    split_from: terms.EventRef | None = None


class NumberTakenOver(terms.Value, frozen=True):
    """The number that another agency has given the case."""

    agency: terms.AgencyId
    case_number: terms.Number


class PersonTakenOver(terms.Value, frozen=True):
    """A person of the case; ``stage`` and ``trial`` are the case's if left out.

    ``kept_for`` is the agency for which the person is kept in custody, the signer's if left out.
    """

    person_id: terms.PersonId
    role: terms.PersonRole
    stage: terms.Stage | None = None
    trial: terms.Trial | None = None
    kept_for: terms.AgencyId | None = None


class MeasureTakenOver(terms.Value, frozen=True):
    """A measure that was imposed before; ``until`` is the last day as decided, ``ended_at`` when it ended."""

    measure_id: terms.MeasureId
    person_id: terms.PersonId
    measure: terms.Measure
    started_at: terms.Instant
    ground: terms.Text | None = None
    until: terms.Date | None = None
    ended_at: terms.Instant | None = None


class HandoverTakenOver(terms.Value, frozen=True):
    """A handover that was accepted before; ``stage`` is the stage then, the case's if left out."""

    handover_id: terms.HandoverId
    from_agency: terms.AgencyId
    to_agency: terms.AgencyId
    purpose: terms.Purpose
    received_at: terms.Instant
    stage: terms.Stage | None = None
    person_ids: tuple[terms.PersonId, ...] = ()


class DeadlineTakenOver(terms.Value, frozen=True):
    """A clock that runs, from ``started_at``, for the person; if none is named, for all accused, or else the case.

    ``agency`` is whose time it is, the signer's if left out. ``until`` is its last day as the source has it,
    ``extensions`` are those of the rules that it has had.
    """

    clock: terms.ClockName
    started_at: terms.Instant
    person_id: terms.PersonId | None = None
    agency: terms.AgencyId | None = None
    until: terms.Date | None = None
    extensions: tuple[terms.ExtensionName, ...] = ()


@event("case.taken_over")
class CaseTakenOver(Body, frozen=True):
    """Opens the stream (sequence 0) of a case that was under way elsewhere, as its source system states it.

    ``procedure`` is the one whose versions judge the acts of the case. What was before ``as_of`` (the time of the
    event, if left out) starts no clock: those that ran then are stated. ``source_key`` is how the source system knows
    the case, ``file_digest`` that of the file it came in.
    """

    case_number: terms.Number
    case_type: terms.Line
    business_line: terms.BusinessLine
    stage: terms.Stage
    procedure: terms.ProcedureId
    source_system: terms.Line
    source_key: terms.Line
    file_digest: terms.Digest | None = None
    as_of: terms.Instant | None = None
    opened_at: terms.Instant | None = None
    trial: terms.Trial | None = None
    numbers: tuple[NumberTakenOver, ...] = ()
    persons: Annotated[tuple[PersonTakenOver, ...], Meta(max_length=1000)] = ()
    measures: Annotated[tuple[MeasureTakenOver, ...], Meta(max_length=1000)] = ()
    handovers: Annotated[tuple[HandoverTakenOver, ...], Meta(max_length=1000)] = ()
    deadlines: Annotated[tuple[DeadlineTakenOver, ...], Meta(max_length=1000)] = ()


@event("case.numbered")
class CaseNumbered(Body, frozen=True):
    """The signing agency's own number of the case."""

    case_number: terms.Number


@event("case.linked")
class CaseLinked(Body, frozen=True):
    """A relation to another case; it moves nothing."""

    other_case_id: terms.CaseId
    relation: terms.CaseRelation


@event("case.split")
class CaseSplit(Body, frozen=True):
    """Items and persons leave for ``new_case_id``, whose opening cites this event."""

    new_case_id: terms.CaseId
    ground: terms.Text
    item_ids: tuple[terms.ItemId, ...] = ()
    person_ids: tuple[terms.PersonId, ...] = ()


@event("case.joined")
class CaseJoined(Body, frozen=True):
    """``cites`` is the ``case.split`` by which the other case gave up what joins here."""

    other_case_id: terms.CaseId
    cites: terms.EventRef
    ground: terms.Text


@event("case.assigned")
class CaseAssigned(Body, frozen=True):
    """The department and officer that handle the case in the signing agency."""

    department: terms.Line
    handler: terms.OfficerId


@event("case.stage_entered")
class CaseStageEntered(Body, frozen=True):
    """``trial`` is the kind of trial from here on; left out, it stays as it was.

    The case enters the stage with the persons who are where it is; if persons are named, only they do. For them, and
    not for a case, ``closed`` is a stage like any other.
    """

    stage: terms.Stage
    trial: terms.Trial | None = None
    person_ids: tuple[terms.PersonId, ...] = ()


@event("case.closed")
class CaseClosed(Body, frozen=True):
    """Closes the case: every offer must be answered and every discrepancy resolved."""

    ground: terms.Text
    decision_id: terms.DecisionId | None = None


@event("person.named")
class PersonNamed(Body, frozen=True):
    """A person of the case; the name stands in the field ``name`` of the confidential ``section``, never here.

    ``particulars`` are stated in the fields that the role has; those stated before stay as far as it has them.
    """

    person_id: terms.PersonId
    role: terms.PersonRole
    section: terms.SectionLabel | None = None
    particulars: Particulars = field(default_factory=dict)


@event("measure.imposed")
class MeasureImposed(Body, frozen=True):
    """``until`` is the last day as decided, if the decision names one; ``number`` is that of its paper."""

    measure_id: terms.MeasureId
    person_id: terms.PersonId
    measure: terms.Measure
    started_at: terms.Instant
    ground: terms.Text
    until: terms.Date | None = None
    number: terms.Number | None = None


@event("measure.changed")
class MeasureChanged(Body, frozen=True):
    """``measure_id`` ends and ``new_measure_id`` begins at ``started_at``."""

    measure_id: terms.MeasureId
    new_measure_id: terms.MeasureId
    measure: terms.Measure
    started_at: terms.Instant
    ground: terms.Text
    until: terms.Date | None = None
    number: terms.Number | None = None


@event("measure.extended")
class MeasureExtended(Body, frozen=True):
    """``article`` is the clause that the extension rests on, e.g. ``CPL 91``; it extends the clock of the measure too.

    ``qualifying_ground`` is the ground that the clause asks for, where it asks for one of a list.
    """

    measure_id: terms.MeasureId
    until: terms.Date
    ground: terms.Text
    article: terms.Line
    qualifying_ground: terms.QualifyingGround | None = None


@event("measure.lifted")
class MeasureLifted(Body, frozen=True):
    """The measure ends at ``ended_at``."""

    measure_id: terms.MeasureId
    ended_at: terms.Instant
    ground: terms.Text


class ItemDecision(terms.Value, frozen=True):
    """An item that a decision is about, and its disposal, if the decision orders one."""

    item_id: terms.ItemId
    disposal: terms.Disposal | None = None


@event("decision.recorded")
class DecisionRecorded(Body, frozen=True):
    """A decision with its paper: ``number`` as written on it, ``digests`` of the document.

    ``about`` is the earlier decision that it confirms, changes or answers a request about, ``answers`` a letter.
    ``particulars`` are stated in the fields that its kind has.
    """

    decision_id: terms.DecisionId
    kind: terms.DecisionKind
    number: terms.Number
    decided_at: terms.Instant
    served_at: terms.Instant | None = None
    effective_at: terms.Instant | None = None
    person_ids: tuple[terms.PersonId, ...] = ()
    items: tuple[ItemDecision, ...] = ()
    grounds: Annotated[tuple[terms.QualifyingGround, ...], Meta(max_length=16)] = ()
    about: terms.DecisionId | None = None
    answers: terms.LetterId | None = None
    digests: Annotated[tuple[terms.Digest, ...], Meta(max_length=8)] = ()
    particulars: Particulars = field(default_factory=dict)


@event("custody_change.requested")
class CustodyChangeRequested(Body, frozen=True):
    """The new organ asks for the change of custody that its acceptance of ``handover_id`` calls for.

    ``number`` is the certificate's own. ``period_from`` and ``until`` are the first and the last day of the period of
    custody at the new organ, ``article`` is the clause that the period rests on.
    """

    custody_change_id: terms.CustodyChangeId
    handover_id: terms.HandoverId
    person_id: terms.PersonId
    keeper: terms.AgencyId
    number: terms.Number
    period_from: terms.Date | None = None
    until: terms.Date | None = None
    article: terms.Line | None = None


@event("custody_change.served")
class CustodyChangeServed(Body, frozen=True):
    """The keeper's half: from ``served_at`` on it keeps the person for the organ that asked."""

    custody_change_id: terms.CustodyChangeId
    served_at: terms.Instant


@event("custody_period.notified")
class CustodyPeriodNotified(Body, frozen=True):
    """A notice to the keeper before a period of custody ends: only the period changes.

    ``until`` is the last day of the new period, ``article`` the clause that it rests on.
    """

    measure_id: terms.MeasureId
    keeper: terms.AgencyId
    until: terms.Date
    number: terms.Number
    article: terms.Line


@event("deadline.extended", streams=("case", "supervision"))
class DeadlineExtended(Body, frozen=True):
    """``extension`` names a row of the rules; ``until`` is the last day as decided, or left out for all the row gives.

    ``qualifying_ground`` is the ground that the clause asks for, where it asks for one of a list. It stands in the
    stream of the case or of the recommendation that has the deadline.
    """

    deadline_id: terms.DeadlineId
    extension: terms.ExtensionName
    article: terms.Line
    ground: terms.Text
    until: terms.Date | None = None
    qualifying_ground: terms.QualifyingGround | None = None


@event("deadline.suspended")
class DeadlineSuspended(Body, frozen=True):
    """From ``suspended_at`` on the time does not count."""

    deadline_id: terms.DeadlineId
    suspended_at: terms.Instant
    excluded_for: terms.ExclusionGround
    article: terms.Line
    ground: terms.Text


@event("deadline.resumed")
class DeadlineResumed(Body, frozen=True):
    """From ``resumed_at`` on the time counts again."""

    deadline_id: terms.DeadlineId
    resumed_at: terms.Instant


@event("deadline.reset")
class DeadlineReset(Body, frozen=True):
    """The clock runs anew from ``reset_at``, without its extensions (another crime found, identity learnt)."""

    deadline_id: terms.DeadlineId
    reset_at: terms.Instant
    article: terms.Line
    ground: terms.Text
