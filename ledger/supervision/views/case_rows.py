"""Rows that are about the case as a whole, its persons, measures, decisions, events and officers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ledger.core.custody.clocks import rule_of
from ledger.core.custody.spans import custody_spans
from ledger.core.events import case, handover, record
from ledger.store.clocks import line_of
from ledger.supervision.views.case_record import CaseRecord, CaseStep, day, evidence, moment

Row = tuple[object, ...]
_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused)


def cases(of: CaseRecord) -> Iterator[Row]:
    state = of.state
    closed = next((step for step in reversed(of.steps) if isinstance(step.body, case.CaseClosed)), None)
    yield (
        state.case_id,
        state.case_type,
        state.business_line,
        state.opened_by,
        moment(state.opened_at),
        state.responsible,
        state.stage,
        state.procedure,
        state.closed,
        moment(closed.payload.occurred_at) if closed and state.closed else None,
        moment(state.last_occurred_at),
        len(of.steps),
        evidence(of.steps[:1]),
    )


def persons(of: CaseRecord) -> Iterator[Row]:
    for person in of.state.persons.values():
        naming = of.steps_naming("person", person.person_id, case.PersonNamed)
        yield (
            of.case_id,
            person.person_id,
            person.role,
            person.responsible,
            person.kept_for,
            moment(naming[0].payload.occurred_at) if naming else None,
            evidence(naming or of.steps[:1]),
        )


def measures(of: CaseRecord) -> Iterator[Row]:
    for measure_id, measure in of.state.measures.items():
        steps = of.steps_naming("measure", measure_id)
        extended = [step for step in steps if isinstance(step.body, case.MeasureExtended)]
        grounds = [step.body.qualifying_ground for step in extended if isinstance(step.body, case.MeasureExtended)]
        imposed = ended_by = None
        for step in steps:
            match step.body:
                case case.MeasureImposed():
                    imposed = imposed or step
                case case.MeasureChanged(new_measure_id=new_id) if new_id == measure_id:
                    imposed = imposed or step
                case case.MeasureChanged():
                    ended_by = ended_by or "changed"
                case case.MeasureLifted():
                    ended_by = ended_by or "lifted"
        last = extended[-1] if extended else None
        before = last.before.measures[measure_id] if last and last.before else None
        yield (
            of.case_id,
            measure_id,
            measure.person_id,
            measure.measure,
            imposed.payload.agency if imposed else None,
            moment(measure.started_at),
            day(measure.until),
            moment(measure.ended_at),
            ended_by if measure.ended_at else None,
            len(extended),
            moment(last.payload.occurred_at) if last else None,
            day(before.until) if before else None,
            next((ground for ground in reversed(grounds) if ground), None),
            evidence(steps or of.steps[:1]),
        )


def decisions(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if isinstance(body, case.DecisionRecorded):
            yield (
                of.case_id,
                body.decision_id,
                body.kind,
                step.payload.agency,
                body.number,
                moment(body.decided_at),
                moment(body.effective_at),
                moment(body.served_at),
                bool(body.digests),
                list(body.person_ids),
                [item.item_id for item in body.items],
                evidence([step]),
            )


def events(of: CaseRecord) -> Iterator[Row]:
    """Yield the events without ``anchored_at``, which comes with the anchors."""
    for step in of.steps:
        event, payload = step.event, step.payload
        yield (
            of.case_id,
            event.log_index,
            payload.sequence,
            payload.event_id,
            event.digest,
            payload.event_type,
            payload.agency,
            payload.officer,
            moment(payload.occurred_at),
            datetime.fromtimestamp(event.signed_at, UTC).replace(tzinfo=None),
            step.named.first("person"),
            step.named.first("item"),
            step.named.first("handover"),
            [event.digest],
        )


def flags(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        for flag in step.flags:
            yield (
                of.case_id,
                step.event.log_index,
                flag.name,
                flag.article,
                flag.detail,
                step.payload.agency,
                step.payload.officer,
                step.payload.event_type,
                moment(step.payload.occurred_at),
                [step.digest],
            )


def officers(of: CaseRecord) -> Iterator[Row]:
    acts: dict[tuple[str, str], list[CaseStep]] = {}
    for step in of.steps:
        acts.setdefault((step.payload.agency, step.payload.officer), []).append(step)
    for (agency, officer), steps in sorted(acts.items()):
        times = sorted(step.payload.occurred_at for step in steps)
        yield (
            of.case_id,
            agency,
            officer,
            len(steps),
            sum(isinstance(step.body, handover.OFFERS) for step in steps),
            sum(isinstance(step.body, _ANSWERS) for step in steps),
            moment(times[0]),
            moment(times[-1]),
            evidence([steps[0], steps[-1]]),
        )


def corrections(of: CaseRecord) -> Iterator[Row]:
    by_id = {step.payload.event_id: step for step in of.steps}
    for step in of.steps:
        body = step.body
        if isinstance(body, record.RecordCorrected | record.RecordLate):
            ref = body.corrects if isinstance(body, record.RecordCorrected) else body.concerns
            cited = by_id.get(ref.event_id) if ref else None
            yield (
                of.case_id,
                step.payload.agency,
                step.payload.officer,
                "corrected" if isinstance(body, record.RecordCorrected) else "late",
                cited.payload.event_type if cited else None,
                cited.named.first("handover") if cited else None,
                moment(step.payload.occurred_at),
                evidence([step, cited]),
            )


def links(of: CaseRecord) -> Iterator[Row]:
    row: tuple[str, str]
    for step in of.steps:
        match step.body:
            case case.CaseLinked(other_case_id=other, relation=relation):
                row = other, relation
            case case.CaseSplit(new_case_id=other):
                row = other, "split"
            case case.CaseJoined(other_case_id=other):
                row = other, "joined"
            case _:
                continue
        yield of.case_id, *row, moment(step.payload.occurred_at), [step.digest]


def custody(of: CaseRecord) -> Iterator[Row]:
    for span in custody_spans((step.payload, step.after) for step in of.steps):
        standing = span.standing
        yield (
            of.case_id,
            span.subject,
            span.subject_id,
            standing.holder,
            standing.responsible,
            standing.location,
            standing.kept_for,
            standing.stage,
            standing.status,
            moment(span.since.occurred_at),
            moment(span.until.occurred_at) if span.until else None,
            span.since.sequence,
            span.until.sequence if span.until else None,
            evidence([of.steps[span.since.sequence], of.steps[span.until.sequence] if span.until else None]),
        )


def stages(of: CaseRecord) -> Iterator[Row]:
    """Yield the stages. A stage lasts while the case stands at it, whichever agency is responsible meanwhile."""
    entered = [step for step in of.steps if step.before is None or step.before.stage != step.after.stage]
    for number, (step, following) in enumerate(zip(entered, [*entered[1:], None], strict=True), start=1):
        yield (
            of.case_id,
            number,
            step.after.stage,
            step.after.responsible,
            moment(step.payload.occurred_at),
            moment(following.payload.occurred_at) if following else None,
            evidence([step, following]),
        )


def clocks(of: CaseRecord) -> Iterator[Row]:
    """Yield the clocks without their status, which depends on the moment asked about."""
    indices = {step.digest: step.event.log_index for step in of.steps}
    for clock in of.state.clocks.values():
        line = line_of(of.state, clock, of.book, of.calendar)
        refs = sorted({ref.payload_digest for ref in clock.events}, key=lambda digest: indices.get(digest, -1))
        yield (
            of.case_id,
            clock.deadline_id,
            clock.name,
            clock.subject,
            line.agency,
            moment(clock.started_at),
            moment(clock.stopped_at),
            moment(line.due_at),
            clock.is_paused,
            len(clock.extensions),
            clock.provisional,
            clock.handover_id,
            rule_of(clock, of.book).article,
            refs,
        )
