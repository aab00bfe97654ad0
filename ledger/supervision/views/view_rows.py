"""The rows of each view, a pure function of the events of a case, or of the stream of a lead or recommendation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from msgspec import Struct

from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.handovers import return_number
from ledger.core.custody.state import Handover, Item
from ledger.core.encoding.instants import instant_text
from ledger.core.events import Body, case, handover, item, letter, record
from ledger.core.events.supervision import (
    LeadClosed,
    LeadConfirmed,
    LeadDismissed,
    RecommendationEscalated,
    RecommendationObjected,
    RecommendationRechecked,
)
from ledger.core.supervision import LeadState, RecommendationState
from ledger.store.clock_lines import concerned, line_of
from ledger.supervision.views.case_record import CaseRecord, CaseStep, Row, SourceEvent, evidence, row_of

# -- the case as a whole -----------------------------------------------------------------------------------------------

_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused)


def cases(of: CaseRecord) -> Iterator[Row]:
    closed = next((step for step in reversed(of.steps) if isinstance(step.body, case.CaseClosed)), None)
    closed_at = closed.event.occurred_at if closed and of.state.closed else None
    yield row_of("cases", of.state, closed_at=closed_at, events=len(of.steps), evidence=evidence(of.steps[:1]))


def persons(of: CaseRecord) -> Iterator[Row]:
    for person in of.state.persons.values():
        naming = of.steps_naming("person", person.person_id, case.PersonNamed)
        named_at = naming[0].event.occurred_at if naming else None
        yield row_of("persons", person, of, named_at=named_at, evidence=evidence(naming or of.steps[:1]))


def measures(of: CaseRecord) -> Iterator[Row]:
    for measure_id, measure in of.state.measures.items():
        steps = of.steps_naming("measure", measure_id)
        extended = [step for step in steps if isinstance(step.body, case.MeasureExtended)]
        grounds = [step.body.qualifying_ground for step in extended if isinstance(step.body, case.MeasureExtended)]
        imposed = ended_by = None
        for step in steps:
            match step.body:
                case case.MeasureImposed() | case.CaseTakenOver():
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
            agency=imposed.event.agency if imposed else None,
            imposed_at=measure.started_at,
            ended_by=ended_by if measure.ended_at else None,
            extensions=len(extended),
            last_extended_at=last.event.occurred_at if last else None,
            last_until=last.before.measures[measure_id].until if last and last.before else None,
            qualifying_ground=next((ground for ground in reversed(grounds) if ground), None),
            evidence=evidence(steps or of.steps[:1]),
        )


def decisions(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if isinstance(body, case.DecisionRecorded):
            item_ids = [item.item_id for item in body.items]
            columns = {"has_document": bool(body.digests), "item_ids": item_ids, "evidence": [step.digest]}
            yield row_of("decisions", body, step.event, of, **columns)


def particulars(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        match step.body:
            case case.DecisionRecorded(decision_id=subject_id, kind=kind, particulars=stated):
                subject = "decision"
            case item.ItemRegistered(item_id=subject_id, item_kind=kind, particulars=stated):
                subject = "item"
            case case.PersonNamed(person_id=subject_id, role=kind, particulars=stated):
                subject = "person"
            case letter.LetterSent(letter_id=subject_id, kind=kind, particulars=stated):
                subject = "letter"
            case _:
                continue
        for name, value in stated.items():
            columns = {"subject": subject, "subject_id": subject_id, "kind": kind, "name": name, "value": value}
            yield row_of("particulars", of, **columns, evidence=[step.digest])


def events(of: CaseRecord) -> Iterator[Row]:
    """Yield the events without ``anchored_at``, which comes with the anchors."""
    for step in of.steps:
        subjects = {f"{noun}_id": step.first(noun) for noun in ("person", "item", "handover")}
        signed_at = instant_text(step.event.signed_at)
        yield row_of("events", step, step.event, of, signed_at=signed_at, **subjects, evidence=[step.digest])


def flags(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        for flag in step.flags:
            yield row_of("flags", flag, step, step.event, of, evidence=[step.digest])


def officers(of: CaseRecord) -> Iterator[Row]:
    acts: dict[tuple[str, str], list[CaseStep]] = {}
    for step in of.steps:
        acts.setdefault((step.event.agency, step.event.officer), []).append(step)
    for _, steps in sorted(acts.items()):
        times = sorted(step.event.occurred_at for step in steps)
        yield row_of(
            "officers",
            steps[0].event,
            of,
            acts=len(steps),
            offered=sum(isinstance(step.body, handover.OFFERS) for step in steps),
            answered=sum(isinstance(step.body, _ANSWERS) for step in steps),
            first_at=times[0],
            last_at=times[-1],
            evidence=evidence([steps[0], steps[-1]]),
        )


def corrections(of: CaseRecord) -> Iterator[Row]:
    by_id = {step.event.event_id: step for step in of.steps}
    for step in of.steps:
        body = step.body
        if isinstance(body, record.RecordCorrected | record.RecordLate):
            ref = body.corrects if isinstance(body, record.RecordCorrected) else body.concerns
            cited = by_id.get(ref.event_id) if ref else None
            yield row_of(
                "corrections",
                step.event,
                of,
                kind="corrected" if isinstance(body, record.RecordCorrected) else "late",
                corrects_type=cited.event.event_type if cited else None,
                handover_id=cited.first("handover") if cited else None,
                corrected_at=step.event.occurred_at,
                evidence=evidence([step, cited]),
            )


def links(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        match step.body:
            case case.CaseLinked(other_case_id=other_id, relation=relation):
                linked: tuple[str, str] = other_id, relation
            case case.CaseSplit(new_case_id=other_id):
                linked = other_id, "split"
            case case.CaseJoined(other_case_id=other_id):
                linked = other_id, "joined"
            case _:
                continue
        names = dict(zip(("other_case_id", "relation"), linked, strict=True))
        yield row_of("links", of, **names, linked_at=step.event.occurred_at, evidence=[step.digest])


def custody_spans(of: CaseRecord, earlier: CaseRecord | None = None, rows: Iterable[Row] = ()) -> Iterator[Row]:
    """Yield the spans; those that ``earlier`` had stay with its ``rows``."""
    kept = {} if earlier is None else dict(zip(earlier.course.spans(), rows, strict=True))
    for span in of.course.spans():
        ends = [end for end in (span.since, span.until) if end is not None]
        yield kept.get(span) or row_of(
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
            # A case that was taken over was at its stage before.
            entered_at=step.after.opened_at if step.before is None else step.event.occurred_at,
            left_at=following.event.occurred_at if following else None,
            evidence=evidence([step, following]),
        )


def deadlines(of: CaseRecord, earlier: CaseRecord | None = None, rows: Iterable[Row] = ()) -> Iterator[Row]:
    """Yield the clocks without their status, which depends on the moment asked about.

    Those whose lines are as they were in ``earlier`` stay with its ``rows``.
    """
    indices = {step.digest: step.log_index for step in of.steps}
    kept: dict[str, Row] = {}
    if earlier is not None and earlier.book is of.book:
        moved = concerned(earlier.state, of.state)
        pairs = zip(earlier.state.clocks.values(), rows, strict=True)
        kept = {clock.deadline_id: row for clock, row in pairs if clock.deadline_id not in moved}
    for clock in of.state.clocks.values():
        refs = {ref.payload_digest for ref in clock.events}
        yield kept.get(clock.deadline_id) or row_of(
            "deadlines",
            line_of(of.state, clock, of.book),
            clock,
            paused=clock.is_paused,
            extensions=len(clock.extensions),
            article=clock.rule.article,
            evidence=sorted(refs, key=lambda digest: indices.get(digest, -1)),
        )


# -- what passes between agencies --------------------------------------------------------------------------------------

_OF_THE_RECEIPT = re.compile(r"received\[(\d{1,4})\]\.(?:quantity|seal_|digests|match_result)")
_SETTLED = (handover.HandoverAccepted, handover.HandoverRefused, handover.HandoverRecalled)
_FREEZES = (item.ItemFrozen, item.ItemFreezeRenewed)


def _steps_of(of: CaseRecord, sent: Handover, *bodies: type[Body]) -> list[CaseStep]:
    """Return the steps whose events are about this handover itself: a return names the one that it sends back, too."""
    steps = of.steps_naming("handover", sent.handover_id, *bodies)
    return [step for step in steps if getattr(step.body, "handover_id", None) == sent.handover_id]


def handovers(of: CaseRecord) -> Iterator[Row]:
    # Returns for supplementary work are counted anew at each stage, without those recalled or refused.
    returns: list[Handover] = []
    for sent in of.state.handovers.values():
        is_return = sent.purpose in of.book.supplementing and not sent.came_to_nothing
        returns += [sent] if is_return else []
        answers = _steps_of(of, sent, *_SETTLED)
        answer = answers[-1].event if answers else None
        yield row_of(
            "handovers",
            sent,
            of,
            answered_by=answer.officer if answer else None,
            answered_at=sent.answered_at or (answer.occurred_at if answer else None),
            return_number=return_number(returns, sent) if is_return else None,
            outline_points=len(sent.outline),
            items=len(sent.items),
            accepted=len(sent.accepted_items),
            persons=sent.person_ids,
            evidence=evidence(_steps_of(of, sent, *handover.OFFERS, *_SETTLED) or of.steps[:1]),
        )


def handover_items(of: CaseRecord) -> Iterator[Row]:
    corrections = [step for step in of.steps if isinstance(step.body, record.RecordCorrected)]
    for sent in of.state.handovers.values():
        offers, answers = _steps_of(of, sent, *handover.OFFERS), _steps_of(of, sent, *_SETTLED)
        # The list is held against the record at the offer, not against what later events made of it.
        recorded_items = offers[0].after.items if offers else of.state.items
        for item_id in sent.items:
            if (recorded := recorded_items.get(item_id)) is not None:
                corrected = list(_corrected(corrections, answers, item_id))
                changes = "; ".join(change for _, change in corrected)
                cited = evidence((*offers, *answers, *(step for step, _ in corrected)))
                yield _handover_item(of, sent, recorded, answers, receipt_corrected=changes or None, evidence=cited)


def _corrected(corrections: list[CaseStep], answers: list[CaseStep], item_id: str) -> Iterator[tuple[CaseStep, str]]:
    """Yield what was corrected of the item's line in the receiver's half, with the step."""
    for step in corrections:
        assert isinstance(step.body, record.RecordCorrected)
        corrects = step.body.corrects.payload_digest
        half = next((answer.body for answer in answers if answer.digest == corrects), None)
        if isinstance(half, handover.HandoverAccepted):
            for correction in step.body.corrections:
                match = _OF_THE_RECEIPT.match(correction.field)
                number = int(match[1]) if match else len(half.received)
                if number < len(half.received) and half.received[number].item_id == item_id:
                    yield step, f"{correction.recorded} -> {correction.correct}"


def _handover_item(of: CaseRecord, sent: Handover, recorded: Item, answers: list[CaseStep], **columns: Any) -> Row:
    listed, item_id = sent.items[recorded.item_id], recorded.item_id
    accepted = next((step.body for step in answers if isinstance(step.body, handover.HandoverAccepted)), None)
    received = next((line for line in accepted.received if line.item_id == item_id), None) if accepted else None
    left = next((line for line in accepted.not_accepted if line.item_id == item_id), None) if accepted else None
    is_accepted = item_id in sent.accepted_items
    quantity, seal = listed.quantity or recorded.quantity, listed.seal_number or recorded.seal_number
    counted = received.quantity if received else None
    if counted is None:
        counted = quantity if is_accepted else left.quantity if left else None
    status = sent.status if sent.status in ("offered", "recalled") else "not_accepted"
    discrepancies_of_line = (
        discrepancy.discrepancy_id
        for discrepancy in of.state.discrepancies.values()
        if (discrepancy.handover_id, discrepancy.item_id) == (sent.handover_id, item_id)
    )
    return row_of(
        "handover_items",
        sent,
        of,
        item_id=item_id,
        status="accepted" if is_accepted else status,
        listed_quantity=quantity,
        received_quantity=counted,
        unit=quantity.unit,
        listed_seal=seal,
        received_seal=(received.seal_number if received and received.seal_number else seal) if is_accepted else None,
        seal_state=received.seal_state if received else left.seal_state if left else None,
        match_result=received.match_result if received else None,
        digests_differ=digests_conflict(recorded.digests, received.digests) if received else False,
        reason_code=left.reason_code if left else sent.reason_code,
        discrepancy_id=min(discrepancies_of_line, default=None),
        **columns,
    )


def discrepancies(of: CaseRecord) -> Iterator[Row]:
    for discrepancy_id, discrepancy in of.state.discrepancies.items():
        sent = of.state.handovers.get(discrepancy.handover_id or "")
        opened = next((step for step in of.steps if discrepancy_id in step.after.discrepancies), of.steps[0])
        signed = of.steps_naming("discrepancy", discrepancy_id, handover.DiscrepancyResolved)
        resolved = next((step for step in signed if step.after.discrepancies[discrepancy_id].is_resolved), None)
        yield row_of(
            "discrepancies",
            discrepancy,
            of,
            from_agency=sent.from_agency if sent else None,
            to_agency=sent.to_agency if sent else None,
            opened_at=opened.event.occurred_at,
            resolved=discrepancy.is_resolved,
            resolved_at=resolved.event.occurred_at if resolved and discrepancy.is_resolved else None,
            evidence=evidence((opened, *signed)),
        )


def custody_changes(of: CaseRecord) -> Iterator[Row]:
    for change in of.state.custody_changes.values():
        steps = of.steps_naming("custody_change", change.custody_change_id)
        requested = next((step for step in steps if isinstance(step.body, case.CustodyChangeRequested)), None)
        requested_at = requested.event.occurred_at if requested else None
        cited = evidence(steps or of.steps[:1])
        yield row_of("custody_changes", change, of, requested_at=requested_at, evidence=cited)


def items(of: CaseRecord) -> Iterator[Row]:
    for thing in of.state.items.values():
        steps = of.steps_naming("item", thing.item_id)
        own = [step for step in steps if step.event.event_type.startswith("item.")]
        first = next((step for step in steps if step.before is None or thing.item_id not in step.before.items), None)
        froze = [step for step in own if isinstance(step.body, _FREEZES)]
        yield row_of(
            "items",
            thing,
            of,
            unit=thing.quantity.unit,
            seized=thing.seizure is not None,
            seizure_document=thing.seizure.document_number if thing.seizure else None,
            seized_at=thing.seizure.seized_at if thing.seizure else None,
            registered_at=first.event.occurred_at if first else None,
            registered_by=first.event.agency if first else None,
            disposed_at=_disposed_at(of, thing),
            frozen_at=froze[-1].event.occurred_at if froze and thing.frozen_until else None,
            money=thing.money.amount if thing.money else None,
            currency=thing.money.currency if thing.money else None,
            evidence=evidence(own or [first or of.steps[0]]),
        )


def _disposed_at(of: CaseRecord, thing: Item) -> str | None:
    """Return when the item was disposed of.

    A disposal names its proposal, not the items: it is the step after which the item is gone.
    """
    if thing.status != "disposed":
        return None
    for step in reversed(of.steps):
        before = step.before.items.get(thing.item_id) if step.before else None
        if isinstance(step.body, item.ItemDisposed) and before is not None and before.status != "disposed":
            return step.body.disposed_at
    return None


def item_digests(of: CaseRecord) -> Iterator[Row]:
    return _first_stated(of, "item_digests", "digest", lambda line: getattr(line, "digests", ()))


def seals(of: CaseRecord) -> Iterator[Row]:
    return _first_stated(of, "seals", "seal_number", lambda line: (getattr(line, "seal_number", None),))


def _first_stated(
    of: CaseRecord, view: str, column: str, values: Callable[[Any], Iterable[str | None]]
) -> Iterator[Row]:
    """Yield a row for each value of an item, with the event that states it first."""
    yielded: set[tuple[str, str]] = set()
    for step in of.steps:
        lines: tuple[Any, ...] = ()
        match step.body:
            case (item.ItemRegistered() | item.ItemExamined() | item.ItemSealed() | item.ItemCheckedIn()) as body:
                lines = (body,)
            case item.ItemSplit(parts=parts):
                lines = parts
            case item.ItemMerged(whole=whole):
                lines = (whole,)
            case handover.HandoverAccepted(received=received):
                lines = received
        for line in lines:
            for value in values(line):
                if value is not None and (line.item_id, value) not in yielded:
                    yielded.add((line.item_id, value))
                    columns = {column: value, "recorded_at": step.event.occurred_at, "evidence": [step.digest]}
                    yield row_of(view, line, step.event, of, **columns)


def examinations(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if not isinstance(body, item.ItemExamined | item.ItemCheckedIn) or step.before is None:
            continue
        recorded = step.before.items[body.item_id]
        # The latest event before that names the item: the record that the examination is held against.
        naming = of.steps_naming("item", body.item_id)
        earlier = [before for before in naming if before.log_index < step.log_index]
        seal = body.seal_number if isinstance(body, item.ItemCheckedIn) else None
        yield row_of(
            "examinations",
            body,
            step.event,
            of,
            examined_at=step.event.occurred_at,
            differs=(body.quantity is not None and body.quantity != recorded.quantity)
            or (body.money is not None and body.money != recorded.money)
            or digests_conflict(recorded.digests, body.digests)
            or (seal is not None and recorded.seal_number is not None and seal != recorded.seal_number),
            recorded_quantity=recorded.quantity,
            evidence=evidence([*earlier[-1:], step]),
        )


# -- supervision itself ------------------------------------------------------------------------------------------------


class SupervisionRecord(Struct, frozen=True):
    """A lead or a recommendation with the events of its stream, in their order."""

    stream_id: str
    state: LeadState | RecommendationState
    events: Sequence[SourceEvent]

    def last_at(self, *bodies: type[Body]) -> str | None:
        """Return the claimed time of the last event of these types."""
        times = [event.event.occurred_at for event in self.events if isinstance(event.body, bodies)]
        return times[-1] if times else None

    def evidence(self) -> list[str]:
        return [event.event.payload_digest for event in self.events]


def leads(of: SupervisionRecord) -> Iterator[Row]:
    state = of.state
    if not isinstance(state, LeadState):
        return
    closed = state.closed
    yield row_of(
        "leads",
        state,
        state.raised,
        confirmed=None if state.confirmed is None and state.dismissed is None else state.confirmed is not None,
        outcome=closed.outcome if closed else None,
        recommendation_id=closed.recommendation_id if closed else None,
        decided_at=of.last_at(LeadConfirmed, LeadDismissed),
        closed_at=of.last_at(LeadClosed),
        evidence=of.evidence(),
    )


def recommendations(of: SupervisionRecord) -> Iterator[Row]:
    state = of.state
    if not isinstance(state, RecommendationState):
        return
    last = state.rechecks[-1] if state.rechecks else None
    yield row_of(
        "recommendations",
        state,
        state.issued,
        leads=len(state.issued.leads),
        to_outside=state.issued.to_outside and state.issued.to_outside.name,
        objected_at=of.last_at(RecommendationObjected),
        escalated_at=of.last_at(RecommendationEscalated),
        result=last.result if last else None,
        rechecked_at=of.last_at(RecommendationRechecked),
        count_before=last.before.count if last else None,
        count_after=last.after.count if last else None,
        counted_by=last.counted_by if last else None,
        evidence=of.evidence(),
    )


# -- by view -----------------------------------------------------------------------------------------------------------

OF_A_CASE: Mapping[str, Callable[[CaseRecord], Iterator[Row]]] = {
    rows_of.__name__: rows_of
    for rows_of in (
        *(
            cases,
            persons,
            measures,
            decisions,
            particulars,
            events,
            flags,
            handovers,
            handover_items,
            discrepancies,
            items,
        ),
        *(item_digests, seals, examinations, custody_spans, stages, deadlines, custody_changes, officers),
        *(corrections, links),
    )
}
# Views that are extended when a case grows: most of their rows stay as they were, and are costly to compute.
EXTENDED_VIEWS: Mapping[str, Callable[[CaseRecord, CaseRecord | None, Iterable[Row]], Iterator[Row]]] = {
    "custody_spans": custody_spans,
    "deadlines": deadlines,
}
# Each row of these comes of one event of the case, whatever else happens in it.
OF_A_STEP = ("decisions", "particulars", "events", "flags", "links")
OF_SUPERVISION: Mapping[str, Callable[[SupervisionRecord], Iterator[Row]]] = {
    "leads": leads,
    "recommendations": recommendations,
}
