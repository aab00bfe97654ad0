"""Rows about what passes between agencies: handovers, their items, differences, changes of custody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Discrepancy, Handover, Item
from ledger.core.events import Body, handover, item, record
from ledger.core.events.case import CustodyChangeRequested
from ledger.supervision.views.case_record import CaseRecord, Step, amount, day, evidence, moment
from ledger.supervision.views.case_rows import Row

_OF_THE_RECEIPT = re.compile(r"received\[(\d{1,4})\]\.(?:quantity|seal_|digests|match_result)")
_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused, handover.HandoverRecalled)


def _steps_of(of: CaseRecord, made: Handover, *bodies: type[Body]) -> tuple[Step, ...]:
    """The steps whose events are about this handover itself: a return names the one that it sends back, too."""
    steps = of.naming("handover", made.handover_id, *bodies)
    return tuple(step for step in steps if getattr(step.body, "handover_id", None) == made.handover_id)


def handovers(of: CaseRecord) -> Iterator[Row]:
    numbers = _return_numbers(of)
    for made in of.state.handovers.values():
        answers = _steps_of(of, made, *_ANSWERS)
        yield (
            of.case_id,
            made.handover_id,
            made.from_agency,
            made.to_agency,
            made.purpose,
            made.stage,
            made.status,
            made.offered_by,
            moment(made.offered_at),
            moment(made.received_at),
            answers[-1].payload.officer if answers else None,
            moment(made.answered_at or (answers[-1].payload.occurred_at if answers else None)),
            made.returns,
            made.follows,
            moment(made.expires_at),
            moment(made.due_at),
            made.reason_code,
            made.remedy,
            made.moves_case,
            numbers.get(made.handover_id),
            len(made.items),
            len(made.accepted_items),
            list(made.person_ids),
            evidence(_steps_of(of, made, *handover.OFFERS, *_ANSWERS)),
        )


def _return_numbers(of: CaseRecord) -> dict[str, int]:
    """Returns for supplementary work are counted anew at each stage; what was recalled or refused counts for none."""
    supplements = [purpose for purpose, row in of.book.purposes.items() if row.supplements]
    counted: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for made in of.state.handovers.values():
        if made.purpose in supplements and made.status not in ("recalled", "refused"):
            counted[made.stage] = numbers[made.handover_id] = counted.get(made.stage, 0) + 1
    return numbers


def handover_items(of: CaseRecord) -> Iterator[Row]:
    corrections = tuple(step for step in of.steps if isinstance(step.body, record.RecordCorrected))
    for made in of.state.handovers.values():
        offers, answers = _steps_of(of, made, *handover.OFFERS), _steps_of(of, made, *_ANSWERS)
        recorded = offers[0].after.items if offers else of.state.items
        for item_id in made.items:
            known = recorded.get(item_id)
            if known is not None:
                corrected = tuple(_corrected(corrections, answers, item_id))
                cited = evidence((*offers, *answers, *(step for step, _ in corrected)))
                yield _handover_item(of, made, known, answers, ("; ".join(told for _, told in corrected), cited))


def _corrected(corrections: tuple[Step, ...], answers: tuple[Step, ...], item_id: str) -> Iterator[tuple[Step, str]]:
    """What was corrected of the item's line in the receiver's half, by which event."""
    for step in corrections:
        assert isinstance(step.body, record.RecordCorrected)
        half = next((one.body for one in answers if one.digest == step.body.corrects.payload_digest), None)
        if isinstance(half, handover.HandoverAccepted):
            for one in step.body.corrections:
                if _line_of(half, one.field) == item_id:
                    yield step, f"{one.recorded} -> {one.correct}"


def _line_of(half: handover.HandoverAccepted, field: str) -> str | None:
    """The item of which a path into the receiver's half tells count, seal, digest or result."""
    told = _OF_THE_RECEIPT.match(field)
    number = int(told[1]) if told else len(half.received)
    return half.received[number].item_id if number < len(half.received) else None


def _handover_item(
    of: CaseRecord, made: Handover, known: Item, answers: tuple[Step, ...], told: tuple[str, list[str]]
) -> Row:
    """``told`` is what was corrected of the receipt, and the events of it all."""
    listed = made.items[known.item_id]
    accepted = next((step.body for step in answers if isinstance(step.body, handover.HandoverAccepted)), None)
    received = next((one for one in accepted.received if one.item_id == known.item_id), None) if accepted else None
    left = next((one for one in accepted.not_accepted if one.item_id == known.item_id), None) if accepted else None
    took = known.item_id in made.accepted_items
    quantity, seal = listed.quantity or known.quantity, listed.seal_number or known.seal_number
    found = (
        received.quantity if received and received.quantity else quantity if took else left.quantity if left else None
    )
    return (
        of.case_id,
        made.handover_id,
        known.item_id,
        made.from_agency,
        made.to_agency,
        made.purpose,
        moment(made.offered_at),
        moment(made.answered_at),
        "accepted" if took else _STATUS.get(made.status, "not_accepted"),
        amount(quantity),
        amount(found),
        quantity.unit,
        seal,
        (received.seal_number if received and received.seal_number else seal) if took else None,
        received.seal_state if received else left.seal_state if left else None,
        received.match_result if received else None,
        digests_conflict(known.digests, received.digests) if received else False,
        left.reason_code if left else made.reason_code,
        _discrepancy(of, made.handover_id, known.item_id),
        told[0] or None,
        told[1],
    )


_STATUS = {"offered": "offered", "recalled": "recalled"}


def _discrepancy(of: CaseRecord, handover_id: str, item_id: str) -> str | None:
    found = (
        one.discrepancy_id
        for one in of.state.discrepancies.values()
        if (one.handover_id, one.item_id) == (handover_id, item_id)
    )
    return min(found, default=None)


def discrepancies(of: CaseRecord) -> Iterator[Row]:
    for one in of.state.discrepancies.values():
        made = of.state.handovers.get(one.handover_id)
        opened = next((step for step in of.steps if one.discrepancy_id in step.after.discrepancies), of.steps[0])
        signed = of.naming("discrepancy", one.discrepancy_id, handover.DiscrepancyResolved)
        resolved = _resolved_by(one, signed)
        yield (
            of.case_id,
            one.discrepancy_id,
            one.handover_id,
            one.item_id,
            list(one.kinds),
            one.expected,
            one.found,
            made.from_agency if made else None,
            made.to_agency if made else None,
            moment(opened.payload.occurred_at),
            one.is_resolved,
            moment(resolved.payload.occurred_at) if resolved else None,
            evidence((opened, *signed)),
        )


def _resolved_by(one: Discrepancy, signed: tuple[Step, ...]) -> Step | None:
    if not one.is_resolved:
        return None
    return next((step for step in signed if step.after.discrepancies[one.discrepancy_id].is_resolved), None)


def custody_changes(of: CaseRecord) -> Iterator[Row]:
    for change in of.state.custody_changes.values():
        steps = of.naming("custody_change", change.custody_change_id)
        requested = next((step for step in steps if isinstance(step.body, CustodyChangeRequested)), None)
        yield (
            of.case_id,
            change.custody_change_id,
            change.handover_id,
            change.person_id,
            change.requested_by,
            change.detention_house,
            moment(requested.payload.occurred_at) if requested else None,
            moment(change.served_at),
            evidence(steps or of.steps[:1]),
        )


_FREEZES = (item.ItemFrozen, item.ItemFreezeRenewed)
_EXAMINATIONS = (item.ItemExamined, item.ItemCheckedIn)


def items(of: CaseRecord) -> Iterator[Row]:
    for thing in of.state.items.values():
        steps = of.naming("item", thing.item_id)
        own = [step for step in steps if step.payload.event_type.startswith("item.")]
        first = next((step for step in steps if step.before is None or thing.item_id not in step.before.items), None)
        froze = [step for step in own if isinstance(step.body, _FREEZES)]
        yield (
            of.case_id,
            thing.item_id,
            thing.kind,
            thing.description,
            amount(thing.quantity),
            thing.quantity.unit,
            thing.holder,
            thing.responsible,
            thing.status,
            thing.exhibit_number,
            thing.seal_number,
            thing.seal_state,
            thing.condition,
            thing.storage_location,
            thing.seizure is not None,
            thing.seizure.document_number if thing.seizure else None,
            moment(thing.seizure.seized_at) if thing.seizure else None,
            moment(first.payload.occurred_at) if first else None,
            first.payload.agency if first else None,
            thing.disposal,
            moment(_disposed_at(of, thing)),
            moment(froze[-1].payload.occurred_at) if froze else None,
            day(thing.frozen_until),
            thing.lent_by,
            moment(thing.lent_until),
            thing.checked_out_to,
            moment(thing.due_at),
            thing.money.fen if thing.money else None,
            thing.account,
            thing.person_id,
            list(thing.parents),
            list(thing.digests),
            evidence(own or [first or of.steps[0]]),
        )


def _disposed_at(of: CaseRecord, thing: Item) -> str | None:
    """A disposal names its proposal, not the things: it is the step after which the thing is gone."""
    if thing.status != "disposed":
        return None
    for step in reversed(of.steps):
        before = step.before.items.get(thing.item_id) if step.before else None
        if isinstance(step.body, item.ItemDisposed) and before is not None and before.status != "disposed":
            return step.body.disposed_at
    return None


def item_digests(of: CaseRecord) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for step in of.steps:
        for item_id, digest in _digests(step.body):
            if (item_id, digest) not in seen:
                seen.add((item_id, digest))
                yield of.case_id, item_id, digest, *_by(step)


def seals(of: CaseRecord) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for step in of.steps:
        for item_id, seal in _seals(step.body):
            if (item_id, seal) not in seen:
                seen.add((item_id, seal))
                yield of.case_id, item_id, seal, *_by(step)


def _by(step: Step) -> Row:
    return step.payload.agency, moment(step.payload.occurred_at), [step.digest]


def _digests(body: Body) -> Iterator[tuple[str, str]]:
    match body:
        case (
            item.ItemRegistered(item_id=item_id)
            | item.ItemExamined(item_id=item_id)
            | item.ItemCheckedIn(item_id=item_id)
        ):
            yield from ((item_id, digest) for digest in body.digests)
        case handover.HandoverAccepted(received=received):
            yield from ((one.item_id, digest) for one in received for digest in one.digests)


def _seals(body: Body) -> Iterator[tuple[str, str]]:
    found: list[item.ItemRegistered | item.ItemSealed | item.ItemCheckedIn | item.ItemPart | handover.ReceivedItem]
    match body:
        case item.ItemRegistered() | item.ItemSealed() | item.ItemCheckedIn():
            found = [body]
        case item.ItemSplit(parts=parts):
            found = list(parts)
        case item.ItemMerged(whole=whole):
            found = [whole]
        case handover.HandoverAccepted(received=received):
            found = list(received)
        case _:
            found = []
    yield from ((one.item_id, one.seal_number) for one in found if one.seal_number is not None)


def examinations(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if not isinstance(body, _EXAMINATIONS) or step.before is None:
            continue
        known = step.before.items[body.item_id]
        yield (
            of.case_id,
            body.item_id,
            step.payload.agency,
            step.payload.officer,
            moment(step.payload.occurred_at),
            body.match_result,
            _differs(known, body),
            amount(body.quantity),
            amount(known.quantity),
            evidence([_before(of, body.item_id, step), step]),
        )


def _differs(known: Item, body: item.ItemExamined | item.ItemCheckedIn) -> bool:
    seal = body.seal_number if isinstance(body, item.ItemCheckedIn) else None
    return (
        (body.quantity is not None and body.quantity != known.quantity)
        or digests_conflict(known.digests, body.digests)
        or (seal is not None and known.seal_number is not None and seal != known.seal_number)
    )


def _before(of: CaseRecord, item_id: str, at: Step) -> Step | None:
    """The latest event before that names the thing: the record that the examination is held against."""
    earlier = [step for step in of.naming("item", item_id) if step.event.log_index < at.event.log_index]
    return earlier[-1] if earlier else None
