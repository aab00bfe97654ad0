"""Rows that are about the case as a whole, its persons, measures, decisions, events and officers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ledger.core.custody.clocks import rule_of
from ledger.core.custody.spans import Span, custody_spans
from ledger.core.events import case, handover, record
from ledger.store.clocks import line_of
from ledger.supervision.views.case_record import CaseRecord, Step, day, evidence, moment

Row = tuple[object, ...]


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
        naming = of.naming("person", person.person_id, case.PersonNamed)
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
    for measure in of.state.measures.values():
        steps = of.naming("measure", measure.measure_id)
        extended = [step for step in steps if isinstance(step.body, case.MeasureExtended)]
        grounds = [step.body.qualifying_ground for step in extended if isinstance(step.body, case.MeasureExtended)]
        imposed = next((step for step in steps if _begins(step, measure.measure_id)), None)
        last = extended[-1] if extended else None
        before = last.before.measures[measure.measure_id] if last and last.before else None
        yield (
            of.case_id,
            measure.measure_id,
            measure.person_id,
            measure.measure,
            imposed.payload.agency if imposed else None,
            moment(measure.started_at),
            day(measure.until),
            moment(measure.ended_at),
            _ended_by(steps, measure.measure_id) if measure.ended_at else None,
            len(extended),
            moment(last.payload.occurred_at) if last else None,
            day(before.until) if before else None,
            next((ground for ground in reversed(grounds) if ground), None),
            evidence(steps or of.steps[:1]),
        )


def _begins(step: Step, measure_id: str) -> bool:
    body = step.body
    if isinstance(body, case.MeasureChanged):
        return body.new_measure_id == measure_id
    return isinstance(body, case.MeasureImposed)


def _ended_by(steps: tuple[Step, ...], measure_id: str) -> str | None:
    for step in steps:
        if isinstance(step.body, case.MeasureChanged) and step.body.measure_id == measure_id:
            return "changed"
        if isinstance(step.body, case.MeasureLifted):
            return "lifted"
    return None


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
    """But for ``anchored_at``, which comes with the anchors."""
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


_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused)


def officers(of: CaseRecord) -> Iterator[Row]:
    acts: dict[tuple[str, str], list[Step]] = {}
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
    for step, other, relation in _linked(of):
        yield of.case_id, other, relation, moment(step.payload.occurred_at), [step.digest]


def _linked(of: CaseRecord) -> Iterator[tuple[Step, str, str]]:
    for step in of.steps:
        match step.body:
            case case.CaseLinked(other_case_id=other, relation=relation):
                yield step, other, relation
            case case.CaseSplit(new_case_id=other):
                yield step, other, "split"
            case case.CaseJoined(other_case_id=other):
                yield step, other, "joined"


def _spans(of: CaseRecord) -> tuple[Span, ...]:
    return custody_spans((step.payload, step.after) for step in of.steps)


def _ends(of: CaseRecord, span: Span) -> list[str]:
    return evidence([of.at(span.since.sequence), of.at(span.until.sequence) if span.until else None])


def custody(of: CaseRecord) -> Iterator[Row]:
    for span in _spans(of):
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
            _ends(of, span),
        )


def stages(of: CaseRecord) -> Iterator[Row]:
    """A stage lasts while the case stands at it, whoever answers for it meanwhile."""
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
    """Without the status, which depends on the moment asked about; ``paused`` is whether the clock rests."""
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
