"""Rows about what passes between agencies: handovers, their items, differences, changes of custody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.custody.state import Handover, Item
from ledger.core.events import Body, handover, item, record
from ledger.core.events.case import CustodyChangeRequested
from ledger.supervision.views.case_record import CaseRecord, CaseStep, Row, evidence, row_of

_OF_THE_RECEIPT = re.compile(r"received\[(\d{1,4})\]\.(?:quantity|seal_|digests|match_result)")
_ANSWERS = (handover.HandoverAccepted, handover.HandoverRefused, handover.HandoverRecalled)
_FREEZES = (item.ItemFrozen, item.ItemFreezeRenewed)


def _steps_of(of: CaseRecord, sent: Handover, *bodies: type[Body]) -> list[CaseStep]:
    """Return the steps whose events are about this handover itself: a return names the one that it sends back, too."""
    steps = of.steps_naming("handover", sent.handover_id, *bodies)
    return [step for step in steps if getattr(step.body, "handover_id", None) == sent.handover_id]


def handovers(of: CaseRecord) -> Iterator[Row]:
    # Returns for supplementary work are counted anew at each stage, without those recalled or refused.
    supplements = [purpose for purpose, rule in of.book.purposes.items() if rule.supplements]
    returned: Counter[str] = Counter()
    for sent in of.state.handovers.values():
        is_return = sent.purpose in supplements and sent.status not in ("recalled", "refused")
        returned[sent.stage] += is_return
        answers = _steps_of(of, sent, *_ANSWERS)
        answer = answers[-1].payload if answers else None
        yield row_of(
            "handovers",
            sent,
            of,
            answered_by=answer.officer if answer else None,
            answered_at=sent.answered_at or (answer.occurred_at if answer else None),
            return_number=returned[sent.stage] if is_return else None,
            items=len(sent.items),
            accepted=len(sent.accepted_items),
            persons=sent.person_ids,
            evidence=evidence(_steps_of(of, sent, *handover.OFFERS, *_ANSWERS)),
        )


def handover_items(of: CaseRecord) -> Iterator[Row]:
    corrections = [step for step in of.steps if isinstance(step.body, record.RecordCorrected)]
    for sent in of.state.handovers.values():
        offers, answers = _steps_of(of, sent, *handover.OFFERS), _steps_of(of, sent, *_ANSWERS)
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


def _handover_item(of: CaseRecord, sent: Handover, recorded: Item, answers: list[CaseStep], **known: Any) -> Row:
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
        **known,
    )


def discrepancies(of: CaseRecord) -> Iterator[Row]:
    for discrepancy_id, discrepancy in of.state.discrepancies.items():
        sent = of.state.handovers.get(discrepancy.handover_id)
        opened = next((step for step in of.steps if discrepancy_id in step.after.discrepancies), of.steps[0])
        signed = of.steps_naming("discrepancy", discrepancy_id, handover.DiscrepancyResolved)
        resolved = next((step for step in signed if step.after.discrepancies[discrepancy_id].is_resolved), None)
        yield row_of(
            "discrepancies",
            discrepancy,
            of,
            from_agency=sent.from_agency if sent else None,
            to_agency=sent.to_agency if sent else None,
            opened_at=opened.payload.occurred_at,
            resolved=discrepancy.is_resolved,
            resolved_at=resolved.payload.occurred_at if resolved and discrepancy.is_resolved else None,
            evidence=evidence((opened, *signed)),
        )


def custody_changes(of: CaseRecord) -> Iterator[Row]:
    for change in of.state.custody_changes.values():
        steps = of.steps_naming("custody_change", change.custody_change_id)
        requested = next((step for step in steps if isinstance(step.body, CustodyChangeRequested)), None)
        requested_at = requested.payload.occurred_at if requested else None
        cited = evidence(steps or of.steps[:1])
        yield row_of("custody_changes", change, of, requested_at=requested_at, evidence=cited)


def items(of: CaseRecord) -> Iterator[Row]:
    for thing in of.state.items.values():
        steps = of.steps_naming("item", thing.item_id)
        own = [step for step in steps if step.payload.event_type.startswith("item.")]
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
            registered_at=first.payload.occurred_at if first else None,
            registered_by=first.payload.agency if first else None,
            disposed_at=_disposed_at(of, thing),
            frozen_at=froze[-1].payload.occurred_at if froze else None,
            money_fen=thing.money.fen if thing.money else None,
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
                    known = {column: value, "recorded_at": step.payload.occurred_at, "evidence": [step.digest]}
                    yield row_of(view, line, step.payload, of, **known)


def examinations(of: CaseRecord) -> Iterator[Row]:
    for step in of.steps:
        body = step.body
        if not isinstance(body, item.ItemExamined | item.ItemCheckedIn) or step.before is None:
            continue
        recorded = step.before.items[body.item_id]
        # The latest event before that names the item: the record that the examination is held against.
        naming = of.steps_naming("item", body.item_id)
        earlier = [before for before in naming if before.event.log_index < step.event.log_index]
        yield row_of(
            "examinations",
            body,
            step.payload,
            of,
            examined_at=step.payload.occurred_at,
            differs=_differs(recorded, body),
            recorded_quantity=recorded.quantity,
            evidence=evidence([*earlier[-1:], step]),
        )


def _differs(recorded: Item, body: item.ItemExamined | item.ItemCheckedIn) -> bool:
    seal = body.seal_number if isinstance(body, item.ItemCheckedIn) else None
    return (
        (body.quantity is not None and body.quantity != recorded.quantity)
        or digests_conflict(recorded.digests, body.digests)
        or (seal is not None and recorded.seal_number is not None and seal != recorded.seal_number)
    )
