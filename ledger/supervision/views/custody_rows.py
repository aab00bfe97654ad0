"""Rows about what passes between agencies: handovers, their items, differences, changes of custody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Handover, Item
from ledger.core.events import Body, handover, item, record
from ledger.core.events.case import CustodyChangeRequested
from ledger.supervision.views.case_record import CaseRecord, CaseStep, amount, day, evidence, moment
from ledger.supervision.views.case_rows import Row

_OF_THE_RECEIPT = re.compile(r"received\[(\d{1,4})\]\.(?:quantity|seal_|digests|match_result)")
_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused, handover.HandoverRecalled)
_FREEZES = (item.ItemFrozen, item.ItemFreezeRenewed)


def _steps_of(of: CaseRecord, sent: Handover, *bodies: type[Body]) -> tuple[CaseStep, ...]:
    """Return the steps whose events are about this handover itself: a return names the one that it sends back, too."""
    steps = of.steps_naming("handover", sent.handover_id, *bodies)
    return tuple(step for step in steps if getattr(step.body, "handover_id", None) == sent.handover_id)


def handovers(of: CaseRecord) -> Iterator[Row]:
    numbers = _return_numbers(of)
    for sent in of.state.handovers.values():
        answers = _steps_of(of, sent, *_ANSWERS)
        yield (
            of.case_id,
            sent.handover_id,
            sent.from_agency,
            sent.to_agency,
            sent.purpose,
            sent.stage,
            sent.status,
            sent.offered_by,
            moment(sent.offered_at),
            moment(sent.received_at),
            answers[-1].payload.officer if answers else None,
            moment(sent.answered_at or (answers[-1].payload.occurred_at if answers else None)),
            sent.returns,
            sent.follows,
            moment(sent.expires_at),
            moment(sent.due_at),
            sent.reason_code,
            sent.remedy,
            sent.moves_case,
            numbers.get(sent.handover_id),
            len(sent.items),
            len(sent.accepted_items),
            list(sent.person_ids),
            evidence(_steps_of(of, sent, *handover.OFFERS, *_ANSWERS)),
        )


def _return_numbers(of: CaseRecord) -> dict[str, int]:
    """Count the returns for supplementary work anew at each stage, without those recalled or refused."""
    supplements = [purpose for purpose, row in of.book.purposes.items() if row.supplements]
    counted: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for sent in of.state.handovers.values():
        if sent.purpose in supplements and sent.status not in ("recalled", "refused"):
            counted[sent.stage] = numbers[sent.handover_id] = counted.get(sent.stage, 0) + 1
    return numbers


def handover_items(of: CaseRecord) -> Iterator[Row]:
    corrections = tuple(step for step in of.steps if isinstance(step.body, record.RecordCorrected))
    for sent in of.state.handovers.values():
        offers, answers = _steps_of(of, sent, *handover.OFFERS), _steps_of(of, sent, *_ANSWERS)
        # The list is held against the record at the offer, not against what later events made of it.
        recorded_items = offers[0].after.items if offers else of.state.items
        for item_id in sent.items:
            if (recorded := recorded_items.get(item_id)) is not None:
                corrected = tuple(_corrected(corrections, answers, item_id))
                cited = evidence((*offers, *answers, *(step for step, _ in corrected)))
                changes = "; ".join(change for _, change in corrected)
                yield (*_handover_item(of, sent, recorded, answers), changes or None, cited)


def _corrected(
    corrections: tuple[CaseStep, ...], answers: tuple[CaseStep, ...], item_id: str
) -> Iterator[tuple[CaseStep, str]]:
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


def _handover_item(of: CaseRecord, sent: Handover, recorded: Item, answers: tuple[CaseStep, ...]) -> Row:
    """Return the row without its last two columns: the corrections, and the evidence."""
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
    return (
        of.case_id,
        sent.handover_id,
        item_id,
        sent.from_agency,
        sent.to_agency,
        sent.purpose,
        moment(sent.offered_at),
        moment(sent.answered_at),
        "accepted" if is_accepted else status,
        amount(quantity),
        amount(counted),
        quantity.unit,
        seal,
        (received.seal_number if received and received.seal_number else seal) if is_accepted else None,
        received.seal_state if received else left.seal_state if left else None,
        received.match_result if received else None,
        digests_conflict(recorded.digests, received.digests) if received else False,
        left.reason_code if left else sent.reason_code,
        min(discrepancies_of_line, default=None),
    )


def discrepancies(of: CaseRecord) -> Iterator[Row]:
    for discrepancy_id, discrepancy in of.state.discrepancies.items():
        sent = of.state.handovers.get(discrepancy.handover_id)
        opened = next((step for step in of.steps if discrepancy_id in step.after.discrepancies), of.steps[0])
        signed = of.steps_naming("discrepancy", discrepancy_id, handover.DiscrepancyResolved)
        resolved = next((step for step in signed if step.after.discrepancies[discrepancy_id].is_resolved), None)
        yield (
            of.case_id,
            discrepancy_id,
            discrepancy.handover_id,
            discrepancy.item_id,
            list(discrepancy.kinds),
            discrepancy.expected,
            discrepancy.found,
            sent.from_agency if sent else None,
            sent.to_agency if sent else None,
            moment(opened.payload.occurred_at),
            discrepancy.is_resolved,
            moment(resolved.payload.occurred_at) if resolved and discrepancy.is_resolved else None,
            evidence((opened, *signed)),
        )


def custody_changes(of: CaseRecord) -> Iterator[Row]:
    for change in of.state.custody_changes.values():
        steps = of.steps_naming("custody_change", change.custody_change_id)
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


def items(of: CaseRecord) -> Iterator[Row]:
    for thing in of.state.items.values():
        steps = of.steps_naming("item", thing.item_id)
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
    yielded: set[tuple[str, str]] = set()
    for step in of.steps:
        lines: tuple[item.ItemRegistered | item.ItemExamined | item.ItemCheckedIn | handover.ReceivedItem, ...] = ()
        match step.body:
            case (item.ItemRegistered() | item.ItemExamined() | item.ItemCheckedIn()) as body:
                lines = (body,)
            case handover.HandoverAccepted(received=received):
                lines = received
        for line in lines:
            for digest in line.digests:
                if (line.item_id, digest) not in yielded:
                    yielded.add((line.item_id, digest))
                    yield of.case_id, line.item_id, digest, *_by(step)


def seals(of: CaseRecord) -> Iterator[Row]:
    yielded: set[tuple[str, str]] = set()
    for step in of.steps:
        sealed: tuple[
            item.ItemRegistered | item.ItemSealed | item.ItemCheckedIn | item.ItemPart | handover.ReceivedItem, ...
        ] = ()
        match step.body:
            case (item.ItemRegistered() | item.ItemSealed() | item.ItemCheckedIn()) as body:
                sealed = (body,)
            case item.ItemSplit(parts=parts):
                sealed = parts
            case item.ItemMerged(whole=whole):
                sealed = (whole,)
            case handover.HandoverAccepted(received=received):
                sealed = received
        for thing in sealed:
            seal = thing.seal_number
            if seal is not None and (thing.item_id, seal) not in yielded:
                yielded.add((thing.item_id, seal))
                yield of.case_id, thing.item_id, seal, *_by(step)


def _by(step: CaseStep) -> Row:
    return step.payload.agency, moment(step.payload.occurred_at), [step.digest]


def examinations(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if not isinstance(body, item.ItemExamined | item.ItemCheckedIn) or step.before is None:
            continue
        recorded = step.before.items[body.item_id]
        # The latest event before that names the item: the record that the examination is held against.
        naming = of.steps_naming("item", body.item_id)
        earlier = [before for before in naming if before.event.log_index < step.event.log_index]
        yield (
            of.case_id,
            body.item_id,
            step.payload.agency,
            step.payload.officer,
            moment(step.payload.occurred_at),
            body.match_result,
            _differs(recorded, body),
            amount(body.quantity),
            amount(recorded.quantity),
            evidence([*earlier[-1:], step]),
        )


def _differs(recorded: Item, body: item.ItemExamined | item.ItemCheckedIn) -> bool:
    seal = body.seal_number if isinstance(body, item.ItemCheckedIn) else None
    return (
        (body.quantity is not None and body.quantity != recorded.quantity)
        or digests_conflict(recorded.digests, body.digests)
        or (seal is not None and recorded.seal_number is not None and seal != recorded.seal_number)
    )
