"""Rows about time: how things stood between events, stages, statutory clocks."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.custody.clocks import rule_of
from ledger.core.custody.spans import Span, custody_spans
from ledger.store.clocks import line_of
from ledger.supervision.snapshot.of_case import Row
from ledger.supervision.snapshot.record import CaseRecord, evidence, moment


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
