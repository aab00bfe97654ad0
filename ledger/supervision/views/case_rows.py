"""Rows that are about the case as a whole, its persons, measures, decisions, events and officers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from ledger.core.custody.clocks import rule_of
from ledger.core.custody.spans import custody_spans
from ledger.core.events import case, handover, record
from ledger.core.procedure.legal_days import instant_text
from ledger.store.clocks import line_of
from ledger.supervision.views.case_record import CaseRecord, CaseStep, Row, evidence, row_of

_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused)


def cases(of: CaseRecord) -> Iterator[Row]:
    closed = next((step for step in reversed(of.steps) if isinstance(step.body, case.CaseClosed)), None)
    closed_at = closed.payload.occurred_at if closed and of.state.closed else None
    yield row_of("cases", of.state, closed_at=closed_at, events=len(of.steps), evidence=evidence(of.steps[:1]))


def persons(of: CaseRecord) -> Iterator[Row]:
    for person in of.state.persons.values():
        naming = of.steps_naming("person", person.person_id, case.PersonNamed)
        named_at = naming[0].payload.occurred_at if naming else None
        yield row_of("persons", person, of, named_at=named_at, evidence=evidence(naming or of.steps[:1]))


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
        yield row_of(
            "measures",
            measure,
            of,
            agency=imposed.payload.agency if imposed else None,
            imposed_at=measure.started_at,
            ended_by=ended_by if measure.ended_at else None,
            extensions=len(extended),
            last_extended_at=last.payload.occurred_at if last else None,
            last_until=last.before.measures[measure_id].until if last and last.before else None,
            qualifying_ground=next((ground for ground in reversed(grounds) if ground), None),
            evidence=evidence(steps or of.steps[:1]),
        )


def decisions(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if isinstance(body, case.DecisionRecorded):
            item_ids = [item.item_id for item in body.items]
            known = {"has_document": bool(body.digests), "item_ids": item_ids, "evidence": [step.digest]}
            yield row_of("decisions", body, step.payload, of, **known)


def events(of: CaseRecord) -> Iterator[Row]:
    """Yield the events without ``anchored_at``, which comes with the anchors."""
    for step in of.steps:
        subjects = {f"{noun}_id": step.first(noun) for noun in ("person", "item", "handover")}
        signed_at = instant_text(step.event.signed_at)
        yield row_of("events", step.event, step.payload, of, signed_at=signed_at, **subjects, evidence=[step.digest])


def flags(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        for flag in step.flags:
            yield row_of("flags", flag, step.event, step.payload, of, evidence=[step.digest])


def officers(of: CaseRecord) -> Iterator[Row]:
    acts: dict[tuple[str, str], list[CaseStep]] = {}
    for step in of.steps:
        acts.setdefault((step.payload.agency, step.payload.officer), []).append(step)
    for _, steps in sorted(acts.items()):
        times = sorted(step.payload.occurred_at for step in steps)
        yield row_of(
            "officers",
            steps[0].payload,
            of,
            acts=len(steps),
            offered=sum(isinstance(step.body, handover.OFFERS) for step in steps),
            answered=sum(isinstance(step.body, _ANSWERS) for step in steps),
            first_at=times[0],
            last_at=times[-1],
            evidence=evidence([steps[0], steps[-1]]),
        )


def corrections(of: CaseRecord) -> Iterator[Row]:
    by_id = {step.payload.event_id: step for step in of.steps}
    for step in of.steps:
        body = step.body
        if isinstance(body, record.RecordCorrected | record.RecordLate):
            ref = body.corrects if isinstance(body, record.RecordCorrected) else body.concerns
            cited = by_id.get(ref.event_id) if ref else None
            yield row_of(
                "corrections",
                step.payload,
                of,
                kind="corrected" if isinstance(body, record.RecordCorrected) else "late",
                corrects_type=cited.payload.event_type if cited else None,
                handover_id=cited.first("handover") if cited else None,
                corrected_at=step.payload.occurred_at,
                evidence=evidence([step, cited]),
            )


def links(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        match step.body:
            case case.CaseLinked(other_case_id=other, relation=relation):
                linked: tuple[str, str] = other, relation
            case case.CaseSplit(new_case_id=other):
                linked = other, "split"
            case case.CaseJoined(other_case_id=other):
                linked = other, "joined"
            case _:
                continue
        names = dict(zip(("other_case_id", "relation"), linked, strict=True))
        yield row_of("links", of, **names, linked_at=step.payload.occurred_at, evidence=[step.digest])


def custody(of: CaseRecord) -> Iterator[Row]:
    for span in custody_spans((step.payload, step.after) for step in of.steps):
        ends = [end for end in (span.since, span.until) if end is not None]
        yield row_of(
            "custody_spans",
            span.standing,
            span,
            of,
            since=span.since.occurred_at,
            until=span.until.occurred_at if span.until else None,
            since_sequence=span.since.sequence,
            until_sequence=span.until.sequence if span.until else None,
            evidence=evidence(of.steps[end.sequence] for end in ends),
        )


def stages(of: CaseRecord) -> Iterator[Row]:
    """Yield the stages. A stage lasts while the case stands at it, whichever agency is responsible meanwhile."""
    entered = [step for step in of.steps if step.before is None or step.before.stage != step.after.stage]
    for number, (step, following) in enumerate(zip_longest(entered, entered[1:]), start=1):
        yield row_of(
            "stages",
            step.after,
            number=number,
            agency=step.after.responsible,
            entered_at=step.payload.occurred_at,
            left_at=following.payload.occurred_at if following else None,
            evidence=evidence([step, following]),
        )


def clocks(of: CaseRecord) -> Iterator[Row]:
    """Yield the clocks without their status, which depends on the moment asked about."""
    indices = {step.digest: step.event.log_index for step in of.steps}
    for clock in of.state.clocks.values():
        refs = {ref.payload_digest for ref in clock.events}
        yield row_of(
            "deadlines",
            line_of(of.state, clock, of.book, of.calendar),
            clock,
            paused=clock.is_paused,
            extensions=len(clock.extensions),
            article=rule_of(clock, of.book).article,
            evidence=sorted(refs, key=lambda digest: indices.get(digest, -1)),
        )
